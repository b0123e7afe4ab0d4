"""One dependency direction: a module imports only from lower ranks, or from its own package.

Imports are read from the source, so lazy ones inside functions count too.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from lepton_hw.sources import ROOT, imports, module_file

#: Part of the package → rank; see the design page. Fractions order the parts of one rank.
RANKS = {
    "errors": 0, "progress": 0, "sources": 0, "kept_files": 0,
    "toml_values": 1, "artifacts": 1, "datatypes": 1, "qonnx_names": 1,
    "onnx_tensors": 1, "devices": 1,
    "board": 1.1, "flow": 1.1, "design": 1.1, "contract": 1.1, "netlist": 1.1,
    "certificate": 1.2, "finn_settings": 1.2, "netlist_checks": 1.2, "netlist_box": 1.2,
    "deployment": 1.3,
    "sweep_results": 1.3,
    "models": 2, "data": 2, "plan": 2, "xc7": 2, "tools": 2.1,
    "rtl": 3, "reference": 3, "sim": 3.1, "compiler": 3.2, "virtual": 3.2,
    "bitstreams": 3.5, "executors": 4, "training": 4, "evaluate": 4, "measure": 4,
    "reporting": 4.1,
    "stages": 5,
    "pipeline": 6,
    "sweep": 6.1,
    "bench": 6.1,
    "serving": 6.1,
    "cli": 7, "__main__": 7.1,
}  # fmt: skip

#: Heavy or conflicting worlds → the only parts that may import them.
WORLDS = {
    "finn": {"compiler"},
    "torch": {"models", "data", "reference", "executors", "training", "evaluate", "stages",
              "devices"},
    "brevitas": {"models", "reference", "executors", "training", "evaluate", "stages"},
    "qonnx": {"models", "compiler", "reference", "executors", "stages"},
    "pynq": {"onboard", "virtual"},
    "pynqmetadata": {"virtual"},
    "grpc": {"virtual"},
}  # fmt: skip
#: The board has these and its standard library, and nothing of ours; Pillow where it is installed.
ONBOARD = {"numpy", "pynq", "PIL"}


def violations(root: Path) -> list[str]:
    """One sentence for each import below `root`, the folder of the package, that is not allowed."""
    found = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        names = parts[:-1] if parts[-1] == "__init__" else parts
        module = ".".join(["lepton_hw", *names])
        part = names[0] if names else ""
        place = path.relative_to(root).as_posix()
        if part not in RANKS and part not in ("", "onboard"):
            found.append(f"{place}: '{part}' has no rank; add it to RANKS")
            continue
        seen = set()
        for imported, line in imports(path, module):
            reason = _refusal(part, imported, root)
            if reason and (line, reason) not in seen:
                seen.add((line, reason))
                found.append(f"{place}:{line}: {reason}")
    return found


def _refusal(part: str, imported: str, root: Path) -> str | None:
    first, *rest = imported.split(".")
    if first != "lepton_hw":
        return _refusal_of_theirs(part, first)
    other = rest[0] if rest else ""
    is_ours = module_file(f"lepton_hw.{other}", root) or root.joinpath(other).is_dir()
    if other in ("", part) or not is_ours:  # the bare package, or a name inside it
        return None
    if part == "serving" and other == "onboard":
        return None  # the board's own service, on a PC
    if part == "onboard" or other == "onboard":
        return f"{part} imports {other}; nothing of ours meets onboard"
    if RANKS.get(other, 99) >= RANKS.get(part, -1):
        return f"{part or 'the package itself'} imports {other}, which is not below it"
    return None


def _refusal_of_theirs(part: str, package: str) -> str | None:
    if part == "onboard" and package not in ONBOARD | sys.stdlib_module_names:
        return f"onboard imports {package}, which the board does not have"
    if part not in WORLDS.get(package, {part}):
        return f"{part} imports {package}, which belongs to {', '.join(sorted(WORLDS[package]))}"
    return None


def test_every_import_goes_downwards() -> None:
    assert violations(ROOT) == []


FAKE = {
    "__init__.py": "",
    "errors.py": "",
    "board.py": "from lepton_hw.errors import InputError\nfrom lepton_hw import stages\n",
    "compiler/__init__.py": "import finn\nfrom lepton_hw.sim import build\n",
    "sim/__init__.py": "from lepton_hw.rtl import files\nfrom . import build\n",
    "sim/build.py": "def f():\n    from finn.util import basic\n    import lepton_hw.compiler\n",
    "rtl/__init__.py": "import typing as t\nif t.TYPE_CHECKING:\n    from .. import sim\n",
    "stages/__init__.py": "import torch\nimport pynq\n",
    "onboard/__init__.py": "import json, numpy, pynq, pydantic\nimport lepton_hw.errors\n",
    "surprise.py": "",
}


def test_the_check_finds_what_is_wrong(tmp_path: Path) -> None:
    for name, text in FAKE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert violations(tmp_path) == [
        "board.py:2: board imports stages, which is not below it",
        "onboard/__init__.py:1: onboard imports pydantic, which the board does not have",
        "onboard/__init__.py:2: onboard imports errors; nothing of ours meets onboard",
        "rtl/__init__.py:3: rtl imports sim, which is not below it",
        "sim/build.py:2: sim imports finn, which belongs to compiler",
        "sim/build.py:3: sim imports compiler, which is not below it",
        "stages/__init__.py:2: stages imports pynq, which belongs to onboard, virtual",
        "surprise.py: 'surprise' has no rank; add it to RANKS",
    ]


def _light() -> list[str]:
    names = [part for part, rank in RANKS.items() if rank < 2 or part in ("cli", "pipeline")]
    return [name for name in names if module_file(f"lepton_hw.{name}")]


@pytest.mark.parametrize("name", _light())
def test_plain_values_and_the_command_line_start_light(name: str) -> None:
    code = (
        f"import lepton_hw.{name}, sys\n"
        "heavy = {'torch', 'brevitas', 'finn', 'qonnx', 'onnx', 'onnxruntime', 'sklearn'}\n"
        "print(' '.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == ([], "")
