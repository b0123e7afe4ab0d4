"""AMD Vivado in batch mode: where it is, its command lines, and what its log says went wrong.

It starts Vivado only to ask for its version; builds are plans that others carry out.
"""

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.errors import LeptonError, MissingTool, StageError
from lepton_hw.plan.plan import File, source_file
from lepton_hw.tools.vivado_reports import over_full

ROOT_VARIABLE = "XILINX_ROOT"
#: FINN 1.6.1 names 2022.2 and 2024.2; block designs write their files to ``.gen`` from 2020.2 on.
AT_LEAST = (2022, 1)
PATIENCE = 120.0
TCL = Path(__file__).parent / "tcl"
#: Exit code of our scripts where a path misses its time.
MISSED_TIMING = 3
#: Vivado 2026.1 ends so when it finds no licence at all.
NO_LICENCE = 42
#: What a process that Linux ended for lack of memory leaves, as Popen and as a shell tell it.
KILLED = (-9, 137)


@dataclass(frozen=True)
class Vivado:
    """`home` is Vivado's own folder, `hls` that of Vitis HLS where there is one."""

    home: Path
    version: str
    hls: Path | None = None

    @property
    def program(self) -> Path:
        """The program."""
        return self.home / "bin" / "vivado"

    @property
    def root(self) -> Path:
        """The whole installation: newer versions share files beside Vivado's own folder."""
        return self.home.parents[1]

    def environment(self) -> dict[str, str]:
        """What AMD's settings64.sh sets and FINN reads."""
        found = {"XILINX_VIVADO": str(self.home)}
        if self.hls is not None:
            found |= {"XILINX_HLS": str(self.hls), "XILINX_VITIS": str(self.hls)}
        return found

    def path(self) -> list[str]:
        """Folders of programs, for PATH."""
        homes = [self.home] + ([self.hls] if self.hls is not None else [])
        return [str(home / "bin") for home in homes]


def argv(script: str, log: str) -> tuple[str, ...]:
    """Runs a Tcl script without a window; ends at its first error with exit code 1."""
    return ("vivado", "-mode", "batch", "-nojournal", "-log", log, "-source", script)


def script_file(name: str) -> File:
    """One of our Tcl scripts, for a plan."""
    return source_file(name, TCL / name)


@functools.cache
def find(root: str = "") -> Vivado:
    """The Vivado of `root`, else of XILINX_ROOT, else on PATH; raises `MissingTool`.

    A root holds ``Vivado/<version>`` (until 2024.2) or ``<version>/Vivado`` (from 2025.1 on).
    """
    given = root or os.environ.get(ROOT_VARIABLE, "")
    if given:
        homes = homes_below(Path(given))
        if not homes:
            raise MissingTool(
                f"there is no Vivado below {given}",
                "Vivado/<version>/bin/vivado or <version>/Vivado/bin/vivado in it",
                f"set {ROOT_VARIABLE} to the folder into which Vivado was installed",
            )
        home = homes[-1]
    else:
        on_path = shutil.which("vivado")
        if on_path is None:
            raise MissingTool(
                "Vivado is not installed",
                f"Vivado {AT_LEAST[0]}.{AT_LEAST[1]} or newer on PATH or below {ROOT_VARIABLE}",
                "install it, or build with --toolchain open where the board has it",
            )
        home = Path(on_path).absolute().parents[1]
    version = ask_version(home / "bin" / "vivado")
    return Vivado(home, version, _hls(home, version))


def homes_below(root: Path) -> list[Path]:
    """Vivado's folders below an installation, the newest last."""
    places = [*root.glob("Vivado/*/bin/vivado"), *root.glob("*/Vivado/bin/vivado")]
    homes = [place.parents[1] for place in places if place.is_file()]
    return sorted(homes, key=lambda home: _numbers(str(home.relative_to(root))))


def ask_version(program: Path) -> str:
    """Its version, ``2022.2``; raises `MissingTool` where it does not answer or is too old."""
    try:
        done = subprocess.run(
            [str(program), "-version"], capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    match = re.search(r"vivado v?(\d{4}\.\d+)", said, re.IGNORECASE)
    if match is None:
        if unlicensed := licence_problem(said):
            raise unlicensed
        first = next((line for line in said.splitlines() if line.strip()), "nothing")
        raise MissingTool(
            f"{program} does not tell its version ({first.strip()})",
            "a Vivado that starts", "run it by hand: it may lack a system library",
        )  # fmt: skip
    if tuple(_numbers(match[1])) < AT_LEAST:
        raise MissingTool(
            f"Vivado {match[1]} is installed", f"{AT_LEAST[0]}.{AT_LEAST[1]} or newer",
            "install a newer one",
        )  # fmt: skip
    return match[1]


def _hls(home: Path, version: str) -> Path | None:
    """Vitis HLS beside this Vivado: FINN needs it for its DMA."""
    if home.name == "Vivado":
        places = [home.parent / "Vitis", home.parent / "Vitis_HLS"]
    else:
        above = home.parents[1]
        places = [above / "Vitis_HLS" / version, above / "Vitis" / version]
    tools = ("vitis_hls", "vitis-run", "v++")
    return next((p for p in places if any((p / "bin" / tool).is_file() for tool in tools)), None)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


_LICENCE = re.compile(
    r"\[Common 17-34[58]\]|valid license was not found|Failed to get the license"
    r"|license feature .* could not be found|No license (?:was )?found|Invalid license file"
    r"|Cannot connect to license server|License server (?:machine )?is down"
    r"|checkout (?:of a license )?failed|FLEX ?net Licensing error|license has expired",
    re.IGNORECASE,
)
_FULL = re.compile(
    r"requires? more (.+?) cells than are available in the target device\.?"
    r".*?requires ([\d,]+) (?:of such|[^.]*?) ?cell(?: type)?s?,? but only ([\d,]+) compatible",
    re.DOTALL,
)
_MEMORY = re.compile(
    r"std::bad_alloc|out of memory|Cannot allocate memory|memory allocation failure"
    r"|Abnormal program termination \((?:6|9)\)",
    re.IGNORECASE,
)
_PART = re.compile(
    r"\[Coretcl 2-106\]|Specified part could not be found|No parts matched '([^']*)'"
)
_BOARD = re.compile(r"\[Board 49-71\][^\n]*?not found for (\S+?)\.?\s")
_DISK = re.compile(r"No space left on device", re.IGNORECASE)
_ERROR = re.compile(r"^\s*(?:ERROR|FATAL): ?(.+)$", re.MULTILINE)
_MISSED = re.compile(
    r"^LEPTON: (setup|hold) slack (\S+) ns from (\S+) to (\S+)$|^LEPTON: (there is no.*)$",
    re.MULTILINE,
)


def problem(log: str, code: int | None, place: Path, part: str) -> LeptonError:
    """The sentence for a Vivado that failed.

    Args:
        log: all that it said.
        code: its exit code, None after a time-out.
        place: where that log is, for the user.
        part: for which part the build was.
    """
    found = licence_problem(log, code) or _capacity(log) or _installation(log, part)
    if found is not None:
        return found
    if code is None:
        return StageError(
            "Vivado took longer than it may", "it to end in time",
            f"read {place}, then allow it more time or fold less",
        )  # fmt: skip
    missed = _MISSED.search(log)
    if code == MISSED_TIMING and missed:
        kind, slack, begin, end, none = missed.groups()
        what = none or f"the {kind} slack is {slack} ns from {begin} to {end}"
        return StageError(
            f"timing is missed: {what}", "no negative slack", "lower the board's clock or fold less"
        )
    if _DISK.search(log):
        return StageError("the disk is full", "several gigabytes for Vivado", "free some")
    if _MEMORY.search(log) or code in KILLED:
        return StageError(
            "Vivado ran out of memory or was killed",
            "about 8 GB for a Zynq-7020, 16 GB for larger parts",
            "close other programs, or use a machine with more",
        )
    first = _ERROR.search(log)
    said = first[1].strip().rstrip(".") if first else _last_line(log)
    return StageError(
        f"Vivado failed (exit code {code}): {said}", "a design that it implements", f"read {place}"
    )


def licence_problem(log: str, code: int | None = None) -> LeptonError | None:
    """The sentence for a missing licence, where the log or the exit code says so."""
    line = _licence_line(log)
    if line is None and code != NO_LICENCE:
        return None
    line = line or f"exit code {NO_LICENCE}"
    device = re.search(r"device '([^']+)'", line)
    what = f" for {device[1]}" if device else ""
    return MissingTool(
        f"Vivado has no licence{what} ({_shortened(line)})",
        "a licence for that device, in XILINXD_LICENSE_FILE or ~/.Xilinx",
        "get one from AMD (free for the Zynq-7020), or build with --toolchain open",
    )


def _licence_line(log: str) -> str | None:
    """The line about a licence. A warning counts only where no error says what it came to."""
    lines = [line for line in log.splitlines() if _LICENCE.search(line)]
    errors = [line for line in lines if "WARNING" not in line]
    return next(iter(errors or ([] if _ERROR.search(log) else lines)), None)


def _capacity(log: str) -> LeptonError | None:
    match = _FULL.search(log)
    if match is None:
        return None
    demand, supply = (float(number.replace(",", "")) for number in match.groups()[1:])
    return over_full(match[1].strip(), demand, supply)


def _installation(log: str, part: str) -> LeptonError | None:
    if match := _BOARD.search(log):
        return MissingTool(
            f"this Vivado does not know the board {match[1]}", "its board files",
            "install them (Vivado: Tools, Vivado Store, Boards; for FINN: run 'finn deps update')",
        )  # fmt: skip
    if _PART.search(log):
        return MissingTool(
            f"this Vivado does not know the part {part}", "its device family",
            "add it with Vivado's installer ('Add Design Tools or Devices')",
        )  # fmt: skip
    return None


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return _shortened(lines[-1]) if lines else "it said nothing"


def _shortened(line: str) -> str:
    line = re.sub(r"^\s*(?:ERROR|WARNING|CRITICAL WARNING): ?", "", line).strip()
    return (line if len(line) <= 160 else f"{line[:157]}...").rstrip(".")
