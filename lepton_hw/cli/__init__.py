"""The command ``lepton``: arguments in, stages run, tables or JSON out.

Every error of a user's is one sentence on stderr and exit code 1 (bad input) or 2 (missing tool);
an interrupted command ends with 130.
"""

import json
import signal
import sys
import warnings
from typing import Any

from lepton_hw.errors import InputError, LeptonError, MissingTool

INTERRUPTED = 130  # 128 + SIGINT, as shells count it


def main() -> None:
    """Entry point of the ``lepton`` program."""
    # A batch system ends a job with SIGTERM; it is to clean up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code."""
    if "--debug" not in arguments:
        # Of Brevitas, QONNX and FINN, about their own insides; no user can act on them.
        warnings.simplefilter("ignore")
    try:
        from lepton_hw.cli import hardware, measuring, sweeping  # noqa: F401 – they add their verbs
        from lepton_hw.cli.commands import app

        code = app(args=arguments or ["--help"], standalone_mode=False, prog_name="lepton")
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as ending:
        code = ending.code
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _report(error, as_json="--json" in arguments)
    if code == INTERRUPTED:
        print("interrupted; the same command goes on where this one stopped.", file=sys.stderr)
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
    if hasattr(error, "format_message"):  # what typer raises for a wrong command line
        return _usage_error(error)
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("lepton_hw"):
        return MissingTool(
            f"the Python package '{error.name}' is not installed",
            "the environment that the Makefile makes",
            "run 'make demo' or 'make test', which install it",
        )
    first = (str(error).strip().splitlines() or ["no message"])[0].rstrip(".")
    return LeptonError(
        f"internal error, {type(error).__name__}: {first}",
        "no such thing",
        "run the command again with --debug and report what it prints",
    )


def _usage_error(error: Any) -> InputError:
    found = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    usage = " ".join(context.get_usage().split()).removeprefix("Usage: ") if context else "lepton"
    command = context.command_path if context else "lepton"
    return InputError(found[:1].lower() + found[1:], f"'{usage}'", f"see '{command} --help'")
