"""How the command starts: ready for Ctrl-C before it imports anything."""

import subprocess
import sys

import pytest


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_nothing_is_imported_before_the_program_is_ready() -> None:
    code = (
        "import sys; before = set(sys.modules); import lepton_hw.cli\n"
        "print(sorted(set(sys.modules) - before))"
    )
    assert python(code).stdout.strip() == "['lepton_hw', 'lepton_hw.cli']"


@pytest.mark.parametrize("module", ["signal", "json", "lepton_hw.errors", "lepton_hw.cli.program"])
def test_ctrl_c_while_modules_are_imported(module: str) -> None:
    """The signal comes when the import of one of them begins."""
    code = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            import os, _signal\n"
        "            sys.meta_path.remove(self)\n"
        "            os.kill(os.getpid(), _signal.SIGINT)\n"
        f"sys.modules.pop({module!r}, None)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from lepton_hw.cli import main\n"
        "main()"
    )
    done = python(code)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr in ("", "interrupted; the same command goes on where this one stopped.\n")
