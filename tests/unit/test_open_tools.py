"""Finding and fetching the open tools: fakes of apt and dpkg on PATH, no network."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lepton_hw.errors import InputError, MissingTool, StageError
from lepton_hw.progress import Progress
from lepton_hw.tools import apt, open_tools, prjxray

URIS = """'http://mirror.example/debian-security/dists/x-security/InRelease' a 0
'http://mirror.example/debian/dists/x/InRelease' b 0
"""
DUMP = """APT "";
APT::Architecture "amd64";
APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";
Dir::State "var/lib/apt";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::https::CaInfo "/etc/ssl/own.pem";
Acquire::IndexTargets::deb::Packages::MetaKey "x";
Acquire::Languages:: "none";
"""
#: What the fake dpkg-deb unpacks of any package.
LAYOUT = (
    "usr/bin/nextpnr-himbaechel-xilinx", "usr/bin/xc7frames2bit", "usr/bin/bitread",
    "usr/lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    "usr/share/nextpnr/himbaechel/xilinx/chipdb-xc7z020.bin",
    "usr/share/nextpnr/himbaechel/xilinx/chipdb-xc7a50t.bin",
    "usr/share/prjxray/database/zynq7/xc7z020clg484-1/part.json",
    "usr/share/prjxray/database/artix7/x",
)  # fmt: skip
#: A loader that ignores the libraries and starts the program, as a script.
LOADER = (
    f"#!{sys.executable}\nimport os, sys\n"
    f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[3:]])\n"
)
ANSWERS = {
    "nextpnr-himbaechel-xilinx": "ERROR: Failed to open '--json' file",
    "xc7frames2bit": "Part file x not found or invalid",
    "bitread": "Can't open input file 'x' for reading!",
}
FAKES = {
    "apt-config": "print(open(here + '/dump').read() if sys.argv[1] == 'dump' else \"NETRC='/n'\")",
    "apt-get": """
if '--print-uris' in sys.argv:
    print(open(here + '/uris').read())
elif os.path.exists(here + '/offline'):
    print("W: Failed to fetch http://mirror.example/x  Connection refused")
elif 'install' in sys.argv:
    cache = os.path.dirname(os.environ['APT_CONFIG']) + '/cache/archives/'
    for name in sys.argv[sys.argv.index('--no-install-recommends') + 1:]:
        open(cache + name + '_1.deb', 'w').close()
""",
    "dpkg-deb": """
name = os.path.basename(sys.argv[2]).split('_')[0]
if sys.argv[1] == '--field':
    print(f'Package: {name}\\nVersion: 1.2-{len(name)}')
else:
    for each in json.load(open(here + '/layout')):
        path = os.path.join(sys.argv[3], each)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        answers = json.load(open(here + '/answers'))
        base = os.path.basename(each)
        with open(path, 'w') as file:
            file.write(answers.get(base) and f'print({answers[base]!r})' or '')
            if base.startswith('ld-linux'):
                file.write(open(here + '/loader').read())
        os.chmod(path, 0o755)
""",
}


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has only these programs, with a log of their arguments."""
    here = tmp_path / "bin"
    here.mkdir()
    for name, body in FAKES.items():
        head = f"#!{sys.executable}\nimport json, os, sys\nhere = {str(here)!r}\n"
        log = f"open(here + '/log', 'a').write(' '.join([{name!r}, *sys.argv[1:]]) + '\\n')\n"
        (here / name).write_text(head + log + body)
        (here / name).chmod(0o755)
    texts = {"dump": DUMP, "uris": URIS, "layout": json.dumps(LAYOUT), "loader": LOADER,
             "answers": json.dumps(ANSWERS)}  # fmt: skip
    for name, text in texts.items():
        (here / name).write_text(text)
    (here / "keys.gpg").touch()
    monkeypatch.setenv("PATH", str(here))
    monkeypatch.setenv("LEPTON_OPEN_TOOLS", str(tmp_path / "open tools"))
    monkeypatch.setattr(apt, "KEYRINGS", (here / "keys.gpg",))
    monkeypatch.setattr(open_tools, "SYSTEM", tmp_path / "system")
    open_tools._system_version.cache_clear()
    return here


def test_the_private_configuration_keeps_only_how_to_fetch() -> None:
    text = apt.configuration(Path("/a b"), DUMP, "NETRC='/etc/apt/auth.conf'\nPARTS='/p/'\n")
    for line in ('Dir::State "/a b/state";', 'Dir::Etc::netrc "/etc/apt/auth.conf";',
                 'Dir::Etc::netrcparts "/p/";', 'APT::Architecture "amd64";',
                 'Acquire::http::Proxy "http://proxy.example:3128";',
                 'Acquire::https::CaInfo "/etc/ssl/own.pem";'):  # fmt: skip
        assert line in text
    for word in ("Post-Invoke", "var/lib/apt", "IndexTargets", "Languages::"):
        assert word not in text
    assert "AllowUnauthenticated" not in text
    assert "AllowInsecure" not in text


def test_everything_is_fetched_once(fakes: Path) -> None:
    versions = open_tools.fetch()
    assert versions["prjxray"] == "1.2-7"
    assert set(versions) == {"nextpnr-himbaechel-xilinx", "nextpnr-himbaechel-xilinx-chipdb",
                             "prjxray", "prjxray-database"}  # fmt: skip
    home = open_tools.home()
    assert sorted(path.name for path in (home / "tools").iterdir()) == [
        "apt.log", "root", "versions.json",
    ]  # fmt: skip
    program = open_tools.find("bitread")
    assert program.version == "1.2-7"
    assert program.argv[1] == "--library-path"
    assert open_tools.chipdb("xc7z020clg400-1").name == "chipdb-xc7z020.bin"
    assert open_tools.database().name == "zynq7"
    assert not (home / "tools/root/usr/share/prjxray/database/artix7").exists()
    with pytest.raises(MissingTool, match="has no file for xc7z045; expected one for xc7z020"):
        open_tools.chipdb("xc7z045")
    asked = (fakes / "log").read_text()
    assert "apt-get update" in asked
    open_tools.fetch()
    assert (fakes / "log").read_text() == asked


def test_the_sources_are_signed_and_those_of_the_host(
    fakes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Path] = []
    monkeypatch.setattr(apt.shutil, "rmtree", lambda path, **_: kept.append(path))
    open_tools.fetch()
    sources = next(open_tools.home().glob("tools/apt/etc/sources.list")).read_text()
    assert (
        sources == f"deb [signed-by={fakes}/keys.gpg] http://mirror.example/debian unstable main\n"
    )


def test_failures_are_sentences_and_leave_nothing(
    fakes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fakes / "offline").touch()
    with pytest.raises(StageError, match=r"apt-get update for Debian's unstable failed: .*refused"):
        open_tools.fetch()
    (fakes / "offline").unlink()
    (fakes / "uris").write_text("'http://mirror.example/ubuntu/dists/x/InRelease' b 0")
    with pytest.raises(MissingTool, match=r"name no Debian archive.*--mirror"):
        open_tools.fetch()
    monkeypatch.setattr(apt, "KEYRINGS", (fakes / "none",))
    with pytest.raises(MissingTool, match=r"keys of Debian's archive.*debian-archive-keyring"):
        open_tools.fetch(mirror="http://other.example/debian")
    (fakes / "dpkg-deb").unlink()
    with pytest.raises(MissingTool, match="dpkg-deb is not on PATH"):
        open_tools.fetch(mirror="http://other.example/debian")
    assert [path.name for path in open_tools.home().iterdir()] == ["lock"]


def test_programs_that_do_not_run_are_noticed(fakes: Path) -> None:
    broken = {**ANSWERS, "nextpnr-himbaechel-xilinx": "error while loading shared libraries: x"}
    (fakes / "answers").write_text(json.dumps(broken))
    with pytest.raises(
        StageError, match="nextpnr-himbaechel-xilinx does not run here: error while"
    ):
        open_tools.fetch()


def test_a_half_finished_folder_is_no_tool(fakes: Path) -> None:
    open_tools.fetch()
    (open_tools.home() / "tools" / "versions.json").unlink()
    with pytest.raises(MissingTool, match=r"bitread is not installed.*run 'make open-tools'"):
        open_tools.find("bitread")
    assert open_tools.fetch()
    assert open_tools.find("bitread")


def test_a_second_process_waits(fakes: Path) -> None:
    said: list[str] = []

    class Told(Progress):
        def say(self, line: str) -> None:
            said.append(line)

    (open_tools.home() / "lock").mkdir(parents=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import fcntl, sys; f = open(sys.argv[1], 'a+');"
         "fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()",
         str(open_tools.home() / "lock" / ".lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    threading.Timer(0.3, holder.communicate).start()
    assert open_tools.fetch(progress=Told())
    assert said == ["waiting for another process"]


def test_programs_of_the_system_come_first(fakes: Path) -> None:
    for name in open_tools.PROGRAMS:
        (fakes / name).write_text("#!/bin/sh\n")
        (fakes / name).chmod(0o755)
    for each in (open_tools.CHIPDB, open_tools.DATABASE / "zynq7"):
        (open_tools.SYSTEM / each).mkdir(parents=True)
    assert open_tools.find("bitread").argv == (str(fakes / "bitread"),)
    assert open_tools.fetch()["prjxray"] == "of the system"
    assert open_tools.database() == open_tools.SYSTEM / open_tools.DATABASE / "zynq7"
    assert not open_tools.home().exists()


def test_without_anything_the_remedy_is_named(fakes: Path) -> None:
    for look in (lambda: open_tools.find("xc7frames2bit"), open_tools.database, prjxray.find,
                 lambda: open_tools.chipdb("xc7z020clg400-1")):  # fmt: skip
        with pytest.raises(MissingTool, match="run 'make open-tools'"):
            look()


def test_where_fetched_tools_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEPTON_OPEN_TOOLS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert open_tools.home() == Path("/c/lepton_hw/open-tools")


def prjxray_with(fakes: Path, writer: str, reader: str = "") -> prjxray.Prjxray:
    """Fakes of both programs, in Python, and a database with one part."""
    open_tools.fetch()
    part = open_tools.database() / "xc7z020clg400-1" / "part.yaml"
    part.parent.mkdir()
    part.touch()
    found = []
    for name, body in (("xc7frames2bit", writer), ("bitread", reader)):
        program = fakes / name
        program.write_text(
            f"#!{sys.executable}\nimport sys\n"
            "given = dict(a.lstrip('-').split('=', 1) for a in sys.argv if '=' in a)\n" + body
        )
        program.chmod(0o755)
        found.append(open_tools.Program(name, (str(program),), "1"))
    return prjxray.Prjxray(*found)


def test_prjxrays_programs_are_called_and_believed_only_with_a_result(
    fakes: Path, tmp_path: Path
) -> None:
    frm, bit = tmp_path / "a b.frm", tmp_path / "a b.bit"
    frm.touch()
    tool = prjxray_with(
        fakes,
        "open(given['output_file'], 'w').write(' '.join(sorted(given)))",
        "open(given['o'], 'w').write('.frame 0x00000080\\n' + '0000000a ' * 101); print('DONE')",
    )
    tool.write_bit(frm, "xc7z020clg400-1", bit)
    assert bit.read_text() == "frm_file output_file part_file part_name"
    addresses, words = tool.read_bit(bit, "xc7z020clg400-1")
    assert addresses.tolist() == [0x80]
    assert words.shape == (1, 101)
    assert set(words[0].tolist()) == {10}
    with pytest.raises(InputError, match="no part xc7z045"):
        tool.read_bit(bit, "xc7z045")
    tool = prjxray_with_again(tool, "print('Frames file x not found or invalid')")
    with pytest.raises(StageError, match="xc7frames2bit failed: Frames file x not found"):
        tool.write_bit(frm, "xc7z020clg400-1", bit)
    assert not bit.exists()


def prjxray_with_again(tool: prjxray.Prjxray, writer: str) -> prjxray.Prjxray:
    path = Path(tool.writer.argv[0])
    path.write_text(f"#!{sys.executable}\n{writer}\n")
    return tool


@pytest.mark.parametrize("text", [".frame 0x80\n1 2 3\n", ".frame 0x80\n" + "g " * 101])
def test_odd_tables_of_bitread(text: str) -> None:
    with pytest.raises(StageError, match="cannot be understood"):
        prjxray.parse_frames(text)
    assert prjxray.parse_frames("")[1].shape == (0, 101)


def test_the_log_keeps_what_a_program_said(tmp_path: Path) -> None:
    program = open_tools.Program("echo", ("/bin/echo",), "1")
    log = tmp_path / "log"
    assert program.run(["a", "b"], tmp_path, log) == (0, "a b\n")
    assert log.read_text() == "$ echo a b\na b\n"
    with pytest.raises(MissingTool, match="none cannot be started"):
        open_tools.Program("none", ("/none",), "1").run([], tmp_path, Path(os.devnull))
