"""The command ``lepton``: arguments in, stages run, tables or JSON out.

Every error of a user's is one sentence on stderr and exit code 1 (bad input) or 2 (missing tool).
"""

import json
import sys
import warnings
from typing import Any

from lepton_hw.errors import LeptonError, MissingTool


def main() -> None:
    """Entry point of the ``lepton`` program."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code."""
    from lepton_hw.cli.commands import app

    if "--debug" not in arguments:
        # Of Brevitas, QONNX and FINN, about their own insides; no user can act on them.
        warnings.simplefilter("ignore")
    try:
        app(args=arguments, standalone_mode=True, prog_name="lepton")
    except SystemExit as ending:
        return _code(ending.code)
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _report(error, as_json="--json" in arguments)
    return 0


def _code(code: Any) -> int:
    return code if isinstance(code, int) else 0 if code is None else 1


def _report(error: Exception, as_json: bool) -> int:
    known = _as_lepton_error(error)
    if as_json:
        value = {"found": known.found, "expected": known.expected, "remedy": known.remedy}
        print(json.dumps({"error": value}))
    print(f"error: {known}", file=sys.stderr)
    return known.exit_code


def _as_lepton_error(error: Exception) -> LeptonError:
    if isinstance(error, LeptonError):
        return error
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("lepton_hw"):
        return MissingTool(
            f"the Python package '{error.name}' is not installed",
            "the environment that the Makefile makes",
            "run 'make demo' or 'make test', which install it",
        )
    return LeptonError(
        f"internal error, {type(error).__name__}: {str(error).strip().splitlines()[:1]}",
        "no such thing",
        "run the command again with --debug and report what it prints",
    )
