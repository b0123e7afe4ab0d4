"""The SSH client with fake programs on PATH: addresses, arguments, and one sentence for each fault.

The words of the faults are those of OpenSSH 9.2, sudo 1.9 and bash; tests/remote meets real ones.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

import fake_ssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_hw.errors import InputError, LeptonError, MissingTool, StageError
from lepton_hw.tools.ssh import Host, Options, Ssh, parse_host


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


BOARD = Ssh(Host("pynq", "xilinx"))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("pynq", Host("pynq")),
        ("xilinx@192.168.2.99", Host("192.168.2.99", "xilinx")),
        ("root@board-1.lab.example:2222", Host("board-1.lab.example", "root", 2222)),
        ("[fe80::1%eth0]:22", Host("fe80::1%eth0", None, 22)),
        ("me@[::1]", Host("::1", "me")),
        ("my_alias", Host("my_alias")),
    ],
)
def test_hosts(text: str, host: Host) -> None:
    assert parse_host(text) == host
    assert str(host) == text


@pytest.mark.parametrize("text", [
    "", "-oProxyCommand=x", "-l", "a b", "pynq;reboot", "$(id)", "`id`", "pynq\n", "pynq:",
    "pynq:0",
    "pynq:65536", "pynq:22x", "pynq:-1", "@pynq", "-x@pynq", "a;b@pynq", "xi linx@pynq", "::1",
    "fe80::1", "[::1", "[nonsense]", "[::1]x", "[1.2.3.4]", "[::1%a;b]", "a..b/c", "pynq/", "a@b@c",
    "ssh://pynq", "pynq'", 'py"nq', "pynq|x", "pynq&", "py*q", "pynq\x00", "a" * 254, "-", "_", "ä",
])  # fmt: skip
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(InputError, match=r"expected \[user@\]host\[:port\]"):
        parse_host(text)


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="never a password") as refused:
        parse_host("xilinx:secret@pynq")
    assert "secret" not in str(refused.value)


@given(st.text(alphabet="ab-_.@:[]%;$ '\n1é", max_size=12) | st.text(max_size=8))
def test_no_host_holds_what_a_shell_obeys(text: str) -> None:
    try:
        host = parse_host(text)
    except InputError:
        return
    for part in (host.name, host.user or "x"):
        assert re.fullmatch(r"[A-Za-z0-9_.:%-]+", part)
        assert not part.startswith("-")
    assert parse_host(str(host)) == host


def test_arguments(path: Path, tmp_path: Path) -> None:
    fake_ssh.saying(path, "", 0)
    for name in ("key", "known hosts", "con%fig"):
        (tmp_path / name).write_text("x")
    options = Options(tmp_path / "key", tmp_path / "known hosts", tmp_path / "con%fig", 7, 2)
    Ssh(Host("pynq", "root", 2222), options).run(["echo", "a b", "$HOME", "it's"])
    found = fake_ssh.argv(path)
    assert found[:3] == ["-F", str(tmp_path / "con%fig"), "-T"]
    assert found[-7:] == [
        "-p",
        "2222",
        "-l",
        "root",
        "--",
        "pynq",
        "echo 'a b' '$HOME' 'it'\"'\"'s'",
    ]
    settings = [found[i + 1] for i, part in enumerate(found) if part == "-o"]
    assert settings == [
        "BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no",
        "PreferredAuthentications=publickey", "PasswordAuthentication=no",
        "KbdInteractiveAuthentication=no", "ConnectTimeout=7", "ServerAliveInterval=2",
        "ServerAliveCountMax=3", "ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes",
        "PermitLocalCommand=no", "ControlPath=none", "LogLevel=ERROR",
        f'IdentityFile="{tmp_path / "key"}"', "IdentitiesOnly=yes",
        f'UserKnownHostsFile="{tmp_path / "known hosts"}"', "GlobalKnownHostsFile=none",
    ]  # fmt: skip
    BOARD.run(["true"])
    found = fake_ssh.argv(path)
    assert found[-5:] == ["-l", "xilinx", "--", "pynq", "true"]
    assert not {"-F", "-p"} & set(found)


def test_files_that_ssh_would_misread(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*none; expected a file that ssh"):
        Ssh(Host("pynq"), Options(identity=tmp_path / "none"))
    for name in ('a"b', "a$b", "a\\b", "a\nb"):
        (tmp_path / name).write_text("x")
        with pytest.raises(InputError, match="a character that ssh gives a meaning"):
            Ssh(Host("pynq"), Options(known_hosts=tmp_path / name))


def test_what_a_command_gives(path: Path) -> None:
    fake_ssh.saying(path, "careful\n", 3, "out\n")
    assert BOARD.run(["x"], stdin=b"y" * 1_000_000) == (3, "out\n", "careful\n")


def test_without_ssh(path: Path) -> None:
    with pytest.raises(MissingTool, match="no ssh is on PATH; expected OpenSSH's client; run 'apt"):
        BOARD.run(["true"])
    (path / "ssh").write_text("no program")
    (path / "ssh").chmod(0o755)
    with pytest.raises(MissingTool, match="ssh could not be started"):
        BOARD.run(["true"])


CHANGED = """@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
The fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc.
Add correct host key in known_hosts to get rid of this message.
Offending ED25519 key in somewhere/known_hosts:3
Host key for pynq has changed and you have requested strict checking.
Host key verification failed."""


@pytest.mark.parametrize(("code", "said", "sentence"), [
    (255, "No ED25519 host key is known for pynq and you have requested strict checking.\r\n"
          "Host key verification failed.\r\n",
     "the host key of xilinx@pynq is not known; expected a key that you have accepted once; log in "
     "once by hand with 'ssh xilinx@pynq', compare the fingerprint that it shows with the board's "
     "own (on its console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), and answer yes."),
    (255, CHANGED,
     "the host key of xilinx@pynq is another one than was known in somewhere/known_hosts:3; "
     "expected the key that was accepted before; find out why (a newly written SD card makes new "
     "keys; somebody in between has another), and only then remove the old one with 'ssh-keygen "
     "-R' and log in once with 'ssh xilinx@pynq'."),
    (255, "@  WARNING: REVOKED HOST KEY DETECTED!  @\nHost key verification failed.",
     "the host key of xilinx@pynq is marked as revoked; expected"),
    (255, "xilinx@pynq: Permission denied (publickey,password).\r\n",
     "xilinx@pynq accepts none of your keys (it offers: publickey,password); expected a key that "
     "the board knows, in a file or an agent; put your public key there once ('ssh-copy-id'), "),
    (255, "Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures\n",
     "xilinx@pynq accepts none of your keys; expected"),
    (255, "@  WARNING: UNPROTECTED PRIVATE KEY FILE!  @\nPermissions 0644 for 'k' are too "
          " open.\nLoad key \"k\": bad permissions\nxilinx@pynq: Permission denied (publickey).",
     "ssh does not use a private key that others may read; expected a key for its owner alone"),
    (255, "ssh: connect to host pynq port 22: Connection refused\r\n",
     "xilinx@pynq refuses the connection; expected an SSH server on that port; wait until"),
    (255, "ssh: connect to host pynq port 22: Connection timed out\r\n",
     "xilinx@pynq does not answer; expected a board that is switched on and in this network"),
    (255, "Connection timed out during banner exchange\r\n", "xilinx@pynq does not answer;"),
    (255, "ssh: connect to host pynq port 22: No route to host\n", "xilinx@pynq does not answer;"),
    (255, "ssh: Could not resolve hostname pynq: Name or service not known\r\n",
     "the name xilinx@pynq is not known to this network; expected the board's name or address"),
    (255, "Unable to negotiate with 1.2.3.4 port 22: no matching host key type found. Their offer: "
          "ssh-dss\n", "xilinx@pynq and this ssh share no host key type; expected one that"),
    (255, "c: line 1: Bad configuration option: wrong\r\nc: terminating, 1 bad configuration "
          "options\r\n", "ssh does not accept its configuration file; expected"),
    (255, "kex_exchange_identification: Connection closed by remote host\r\n",
     "xilinx@pynq ended the connection before the login; expected an SSH server that lets"),
    (255, "Connection closed by 1.2.3.4 port 22\r\n",
     "xilinx@pynq ended the connection before the login;"),
    (255, "Connection to pynq closed by remote host.\r\n",
     "the connection to xilinx@pynq was lost; expected a board that stays on and connected; check"),
    (255, "Timeout, server pynq not responding.\r\n", "the connection to xilinx@pynq was lost;"),
    (255, "client_loop: send disconnect: Broken pipe\r\n", "the connection to xilinx@pynq was"),
    (255, "something \x1b[31mnew\x1b[0m.\n",
     "ssh to xilinx@pynq failed (something  [31mnew [0m); expected a connection; try "),
    (255, "", "the connection to xilinx@pynq was lost;"),
    (1, "sudo: a password is required\n",
     "on xilinx@pynq the user may not become root without a password; expected root, which "
     "programming the FPGA needs; log in as root with a key, or allow this user sudo without a "
     "password on the board."),
    (1, "xilinx is not in the sudoers file.\n", "on xilinx@pynq the user may not become root;"),
    (127, "env: 'sudo': No such file or directory\n", "xilinx@pynq has no sudo; expected root"),
    (127, "bash: line 1: python3: command not found\n",
     "xilinx@pynq has no python3; expected a PYNQ image, or another Linux with python3"),
    (127, "sh: 1: bash: not found\n", "xilinx@pynq has no bash;"),
])  # fmt: skip
def test_each_fault_is_one_sentence(path: Path, code: int, said: str, sentence: str) -> None:
    fake_ssh.saying(path, said, code)
    with pytest.raises(LeptonError) as met:
        BOARD.run(["true"])
    assert str(met.value).startswith(sentence)
    assert "\n" not in str(met.value)
    assert met.value.exit_code == 1
    with BOARD.open(["true"]) as channel:
        channel.feed(b"")
        assert channel.last_words() == met.value.found


@pytest.mark.parametrize(("code", "said"), [
    (1, "Permission denied (publickey)."), (2, "Connection refused"), (0, "python3: not found"),
    (1, "Host key verification failed."),
])  # fmt: skip
def test_what_the_command_itself_says_is_not_sshs(path: Path, code: int, said: str) -> None:
    fake_ssh.saying(path, said, code)
    assert BOARD.run(["driver.py"]) == (code, "", said)


def test_by_hand_names_the_port(path: Path) -> None:
    fake_ssh.saying(path, "Host key verification failed.")
    with pytest.raises(StageError, match="by hand with 'ssh -p 2222 root@pynq'"):
        Ssh(Host("pynq", "root", 2222)).run(["true"])


def slow(path: Path) -> None:
    (path / "ssh").write_text(
        f"#!{sys.executable}\nimport sys, time\nprint('there', flush=True)\ntime.sleep(60)\n"
    )
    (path / "ssh").chmod(0o755)


def test_a_command_that_takes_too_long(path: Path) -> None:
    slow(path)
    start = time.monotonic()
    with pytest.raises(StageError, match=r"command on xilinx@pynq took longer than 0\.3 s"):
        BOARD.run(["sleep"], timeout=0.3)
    assert time.monotonic() - start < 30


def test_an_answer_without_end(path: Path) -> None:
    (path / "ssh").write_text(f"#!{sys.executable}\nwhile True: print('x' * 100_000)\n")
    (path / "ssh").chmod(0o755)
    with pytest.raises(StageError, match="printed more than 16,777,216 bytes; expected a short"):
        BOARD.run(["yes"])


def test_leaving_the_block_ends_ssh(path: Path) -> None:
    slow(path)
    with pytest.raises(KeyboardInterrupt), BOARD.open(["sleep"]) as channel:
        assert channel.reader.readline() == b"there\n"
        process = channel._process
        raise KeyboardInterrupt
    assert process.poll() is not None
    channel.close()


def test_much_that_is_said_is_kept_in_part(path: Path) -> None:
    fake_ssh.saying(path, "x" * 300_000 + "\nConnection to pynq closed by remote host.\n")
    with pytest.raises(StageError, match="was lost"):
        BOARD.run(["true"])


def test_it_needs_nothing_but_the_errors() -> None:
    """So that the environment of a virtual board, with an old NumPy, can use it too."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import lepton_hw.tools.ssh_copy\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before} | {'lepton_hw'}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))\n"
        "print(sorted(name for name in sys.modules if name.startswith('lepton_hw.')))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    others, ours = done.stdout.splitlines()
    assert others == "['lepton_hw']"
    assert ours == str(
        ["lepton_hw.errors", "lepton_hw.tools", "lepton_hw.tools.ssh", "lepton_hw.tools.ssh_copy",
         "lepton_hw.tools.ssh_host", "lepton_hw.tools.ssh_problems"]
    )  # fmt: skip
