"""The open place-and-route and bitstream programs for Zynq-7000: where they are, and fetching them.

They are packaged in Debian's unstable release only. Where that is the system they are on PATH;
elsewhere ``make open-tools`` unpacks them into a folder of the project's own, from which they run
under their own C library. Nothing is installed and no other folder is touched.
"""

import argparse
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lepton_hw.artifacts import locked, new_folder
from lepton_hw.errors import LeptonError, MissingTool, StageError
from lepton_hw.progress import SILENT, Progress
from lepton_hw.tools import apt, programs

SUITE = "unstable"
NEXTPNR = "nextpnr-himbaechel-xilinx"
#: Program → the package that has it, whose version is the program's.
PROGRAMS = {
    NEXTPNR: NEXTPNR,
    "xc7frames2bit": "prjxray",
    "bitread": "prjxray",
}
DATA = (f"{NEXTPNR}-chipdb", "prjxray-database")
CHIPDB, DATABASE = Path("usr/share/nextpnr/himbaechel/xilinx"), Path("usr/share/prjxray/database")
#: Of 700 MB that the packages unpack to, what the project's boards do not need.
_SPARE = (
    *(str(DATABASE / family) for family in ("artix7", "kintex7", "spartan7")),
    f"{CHIPDB}/chipdb-xc7a*", f"{CHIPDB}/chipdb-xc7s*",
    "usr/lib/*/gconv", "usr/share/zoneinfo", "var", "etc",
)  # fmt: skip
#: Where the system keeps its data.
SYSTEM = Path("/")
REMEDY = "run 'make open-tools'"


@dataclass(frozen=True)
class Program:
    """One program: `argv` starts it, `version` is its package's, `share` is the root of its data.

    `share` is ``/`` for programs of the system.
    """

    name: str
    argv: tuple[str, ...]
    version: str
    share: Path = field(default=Path("/"))

    def run(self, arguments: list[str], folder: Path, log: Path) -> tuple[int, str]:
        """Runs it in `folder`; its exit code and all that it said, which `log` gets too.

        Interrupted as `programs.run` is. Raises `MissingTool` where it cannot be started.
        """
        try:
            return programs.run([*self.argv, *arguments], folder, log, [self.name, *arguments])
        except OSError as error:
            raise MissingTool(
                f"{self.name} cannot be started ({error.strerror})", "a working program", REMEDY
            ) from None


def home() -> Path:
    """Where fetched tools are: ``$LEPTON_OPEN_TOOLS``, or ``lepton_hw/open-tools`` of the cache."""
    own = os.environ.get("LEPTON_OPEN_TOOLS")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(own) if own else Path(base) / "lepton_hw" / "open-tools"


def find(name: str) -> Program:
    """One of `PROGRAMS`, on PATH or fetched; raises `MissingTool`."""
    path = shutil.which(name)
    if path is not None:
        return Program(name, (path,), _system_version(PROGRAMS[name]))
    return _fetched(name, home())


def _fetched(name: str, folder: Path) -> Program:
    root = folder / "tools" / "root"
    program = root / "usr" / "bin" / name
    version = _versions(folder).get(PROGRAMS[name])
    libraries = sorted({str(file.parent) for file in root.glob("usr/lib/*/libc.so.6")})
    loaders = [file for each in libraries for file in Path(each).glob("ld-linux*.so*")]
    if version is None or not program.is_file() or not loaders:
        raise MissingTool(
            f"{name} is not installed", f"the package {PROGRAMS[name]} of Debian's {SUITE}", REMEDY
        )
    argv = (str(loaders[0]), "--library-path", ":".join(libraries), str(program))
    return Program(name, argv, version, root)


def fetch(
    folder: Path | None = None, mirror: str | None = None, progress: Progress = SILENT
) -> dict[str, str]:
    """Package → version of the tools; fetches only what neither the system nor the folder has.

    `mirror` is the archive to use, by default the one that the host's own sources name. The
    folder is whole or absent at every moment; a second process waits for the first. Raises
    `MissingTool` or `StageError`.
    """
    if _of_the_system():
        return {name: _system_version(name) for name in (*PROGRAMS.values(), *DATA)}
    folder = (folder or home()).resolve()
    with locked(folder / "lock", lambda who: progress.say(f"waiting for {who}")):
        if not _whole(folder):
            packages = (*sorted(set(PROGRAMS.values())), *DATA)
            with new_folder(folder / "tools") as parts:
                apt.fetch(packages, parts, mirror or apt.host_mirror(), SUITE, progress)
                _trim(parts / "root")
    _try(folder)
    return _versions(folder)


def _of_the_system() -> bool:
    programs = all(shutil.which(name) for name in PROGRAMS)
    return programs and all((SYSTEM / each).is_dir() for each in (CHIPDB, DATABASE))


def _whole(folder: Path) -> bool:
    """Whether fetched tools are there; `versions.json` is the last file that is written."""
    root = folder / "tools" / "root"
    return {*PROGRAMS.values(), *DATA} <= set(_versions(folder)) and all(
        (root / "usr" / "bin" / name).is_file() for name in PROGRAMS
    )


def database(name: str = "zynq7") -> Path:
    """The folder of Project X-Ray's database for a family; raises `MissingTool`."""
    return _data(DATABASE / name, DATA[1])


def chipdb(part: str) -> Path:
    """nextpnr's file for the device of a part; raises `MissingTool`."""
    found = sorted(_data(CHIPDB, DATA[0]).glob("chipdb-*.bin"))
    devices = {file.stem.removeprefix("chipdb-"): file for file in found}
    for device, file in devices.items():
        if part.startswith(device):
            return file
    raise MissingTool(
        f"nextpnr has no file for {part}", f"one for {' or '.join(devices)}", "choose another board"
    )


def _data(path: Path, package: str) -> Path:
    for root in (SYSTEM, home() / "tools" / "root"):
        if (root / path).is_dir():
            return root / path
    raise MissingTool(f"{path.name} of {package} is not installed", f"Debian's {SUITE}", REMEDY)


def _trim(root: Path) -> None:
    for pattern in _SPARE:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _try(folder: Path) -> None:
    """Starts each fetched program once: what is missing, or does not suit the processor, shows now.

    nextpnr goes as far as it can without a design: it loads its device file and its Python.
    """
    nothing = folder / "no-such-design"
    root = folder / "tools" / "root"
    chips = {file.stem.removeprefix("chipdb-"): file for file in (root / CHIPDB).glob("*.bin")}
    parts = sorted(file.parent.name for file in (root / DATABASE).glob("*/*/part.json"))
    part, chip = next(
        ((part, chips[each]) for part in parts for each in chips if part.startswith(each)),
        ("", nothing),
    )
    asked = {
        NEXTPNR: (["--device", part, "--chipdb", str(chip), "--json", str(nothing)],
                  "Failed to open"),
        "xc7frames2bit": ([f"--part_file={nothing}"], "not found or invalid"),
        "bitread": ([str(nothing)], "Can't open input file"),
    }  # fmt: skip
    for name, (arguments, answer) in asked.items():
        with tempfile.TemporaryDirectory(prefix="lepton_tools_") as scratch:
            log = Path(scratch) / "log"
            code, said = _fetched(name, folder).run(arguments, folder, log)
        if answer not in said:
            last = said.strip().splitlines()[-1:] or [f"exit code {code}"]
            raise StageError(
                f"{name} does not run here: {last[0].strip()}",
                "a program that complains of its missing input",
                f"delete {folder} and run it again, or work in the open-build container",
            )


def _versions(folder: Path) -> dict[str, str]:
    try:
        values = json.loads((folder / "tools" / "versions.json").read_text())
        return {str(name): str(version) for name, version in values.items()}
    except (OSError, ValueError, AttributeError):
        return {}


@functools.cache
def _system_version(package: str) -> str:
    """Version of an installed Debian package; ``"of the system"`` where dpkg does not know it."""
    with suppress(OSError):
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode == 0 and done.stdout:
            return done.stdout
    return "of the system"


def main() -> int:
    """``python -m lepton_hw.tools.open_tools``: fetches what is missing and says what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to put them")
    parser.add_argument("--mirror", help="address of a Debian archive")
    given = parser.parse_args()
    try:
        versions = fetch(given.folder, given.mirror, _Printed())
    except LeptonError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for package in sorted({*PROGRAMS.values(), *DATA}):
        print(f"{package:<34} {versions[package]}")
    return 0


class _Printed(Progress):
    def say(self, line: str) -> None:
        """One line on the standard error stream."""
        print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
