"""The SSH client against a real server: keys, host keys, commands, and what is lost on the way."""

import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lepton_hw.errors import InputError, StageError
from lepton_hw.tools.ssh import Host, Options, Ssh, as_root
from tests.remote.conftest import Server, _free_port


def test_a_command(ssh: Ssh) -> None:
    done = ssh.run(["sh", "-c", 'cat; echo "$1" >&2; exit 3', "x", "it's a $HOME"], b"in\0put")
    assert done == (3, "in\0put", "it's a $HOME\n")


def test_much_goes_both_ways(ssh: Ssh) -> None:
    content = b"0123456789abcdef" * 200_000
    assert ssh.run(["cat"], content).stdout.encode() == content
    assert ssh.run(["true"], content).code == 0  # not read at all


def test_a_host_key_that_is_not_known(server: Server) -> None:
    (server.folder / "empty").write_text("")
    with pytest.raises(
        StageError, match=r"the host key of 127\.0\.0\.1:\d+ is not known; .* by ha"
    ):
        server.ssh(known_hosts="empty").run(["true"])
    assert (server.folder / "empty").read_text() == ""  # nothing was accepted on the side


def test_a_host_key_that_has_changed(server: Server) -> None:
    key = " ".join((server.folder / "stranger.pub").read_text().split()[:2])
    (server.folder / "changed").write_text(f"[127.0.0.1]:{server.port} {key}\n")
    with pytest.raises(StageError, match=r"is another one than was known in .*changed:1; expected"):
        server.ssh(known_hosts="changed").run(["true"])
    (server.folder / "revoked").write_text(
        "@revoked * " + " ".join((server.folder / "host.pub").read_text().split()[:2]) + "\n"
    )
    with pytest.raises(StageError, match="is marked as revoked"):
        server.ssh(known_hosts="revoked").run(["true"])


def test_a_key_that_the_board_does_not_know(server: Server) -> None:
    with pytest.raises(StageError, match=r"accepts none of your keys \(it offers: publickey"):
        server.ssh(identity="stranger").run(["true"])


def test_a_key_that_others_may_read(server: Server) -> None:
    shutil.copy(server.folder / "user", server.folder / "open")
    (server.folder / "open").chmod(0o644)
    with pytest.raises(StageError, match=r"a private key that others may read; .* 'chmod 600'"):
        server.ssh(identity="open").run(["true"])


def test_a_key_with_a_passphrase_is_not_asked_for(server: Server) -> None:
    key = server.folder / "locked"
    if not key.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(key)]
        subprocess.run(command, check=True)
    start = time.monotonic()
    with pytest.raises(StageError, match="accepts none of your keys"):
        server.ssh(identity="locked").run(["true"])
    assert time.monotonic() - start < 30


def test_a_wrong_configuration(server: Server) -> None:
    (server.folder / "wrong").write_text("NoSuchThing yes\n")
    with pytest.raises(InputError, match="ssh does not accept its configuration file; expected"):
        server.ssh(config="wrong").run(["true"])


def test_a_jump_host_of_the_configuration(server: Server) -> None:
    folder = server.folder
    (folder / "jump").write_text(
        f"Host inner\nHostName 127.0.0.1\nPort {server.port}\nProxyJump outer\n"
        f"Host outer\nHostName 127.0.0.1\nPort {server.port}\nBatchMode yes\n"
        f"IdentityFile {folder / 'user'}\nUserKnownHostsFile {folder / 'known_hosts'}\n"
    )
    options = Options(folder / "user", folder / "known_hosts", folder / "jump")
    assert Ssh(Host("inner"), options).run(["echo", "there"]).stdout == "there\n"


def test_nobody_listens(server: Server) -> None:
    with pytest.raises(StageError, match=r"127\.0\.0\.1:\d+ refuses the connection; expected an S"):
        server.ssh(port=_free_port()).run(["true"])


def test_a_name_that_does_not_exist(server: Server) -> None:
    files = {name: server.folder / name for name in ("known_hosts",)}
    board = Ssh(Host("no-such-board.invalid"), Options(**files, connect_timeout=5))
    with pytest.raises(StageError, match=r"the name no-such-board\.invalid is not known to this"):
        board.run(["true"])


def test_what_listens_is_no_ssh_server(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def hang_up() -> None:
            client, _ = other.accept()
            client.close()

        threading.Thread(target=hang_up, daemon=True).start()
        port = other.getsockname()[1]
        with pytest.raises(StageError, match="ended the connection before the login; expected an"):
            server.ssh(port=port).run(["true"])


def test_what_listens_says_nothing(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        options = Options(config=server.folder / "client", connect_timeout=1)
        board = Ssh(Host("127.0.0.1", None, other.getsockname()[1]), options)
        with pytest.raises(StageError, match=r"does not answer; expected a board that is switched"):
            board.run(["true"])


def test_a_connection_that_is_lost(server: Server, ssh: Ssh) -> None:
    with ssh.open(["cat"]) as channel:
        channel.writer.write(b"hello")
        channel.writer.flush()
        assert channel.reader.read1(5) == b"hello"  # type: ignore[attr-defined]
        server.drop()
        assert channel.reader.read() == b""
        assert "lost" in channel.last_words() or "before the login" in channel.last_words()
        failure = channel.failure()
    assert failure is not None
    assert "the connection to 127.0.0.1" in str(failure)
    assert ssh.run(["true"]).code == 0


def test_leaving_the_block_ends_the_command(ssh: Ssh, tmp_path: Path) -> None:
    """It meets the end of its input, whatever happened here."""
    mark = tmp_path / "ended"
    script = f"echo started; cat; echo over > {mark}"
    with pytest.raises(KeyboardInterrupt), ssh.open(["sh", "-c", script]) as channel:
        assert channel.reader.readline() == b"started\n"
        raise KeyboardInterrupt
    for _ in range(100):
        if mark.exists():
            break
        time.sleep(0.05)
    assert mark.exists()


def test_as_root(ssh: Ssh, tmp_path: Path) -> None:
    if os.getuid() != 0 and shutil.which("sudo") is None:
        with pytest.raises(StageError, match="has no sudo"):
            ssh.run(as_root(["true"], str(tmp_path)))
        pytest.skip("not root, and no sudo here")
    try:
        done = ssh.run(as_root(["sh", "-c", "id -u; pwd; cat"], str(tmp_path)), b"in")
    except StageError as error:
        assert "may not become root" in str(error)
        pytest.skip("sudo asks for a password here")
    assert (done.code, done.stdout) == (0, f"0\n{tmp_path}\nin")
