"""Runs one command line: its verb, its exit code, and every error as one sentence on stderr.

Handles no signal; `lepton_hw.cli` does.
"""

import contextlib
import errno
import json
import os
import sys
import warnings
from typing import Any

from lepton_hw.errors import InputError, LeptonError, MissingTool

INTERRUPTED = 130  # 128 + SIGINT, as shells count it
UNREAD = 141  # 128 + SIGPIPE: nobody reads on


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code."""
    code = _run(arguments)
    refused = _output_error()
    if refused is None:
        return code
    # What was not written is still in a buffer, and Python would try it again at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if refused.errno == errno.EPIPE:
        return UNREAD
    return _report(_unwritten(refused), as_json=False)


def _run(arguments: list[str]) -> int:
    if "--debug" not in arguments:
        # Of Brevitas, QONNX and FINN, about their own insides; no user can act on them.
        warnings.simplefilter("ignore")
    try:
        # They add their verbs.
        from lepton_hw.cli import hardware, measuring, serving, sweeping  # noqa: F401
        from lepton_hw.cli.commands import app

        code = app(args=arguments or ["--help"], standalone_mode=False, prog_name="lepton")
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as ending:
        code = ending.code
    except Exception as error:
        if _output_error() is not None:
            return 1  # `run` says why
        if "--debug" in arguments:
            raise
        return _report(error, as_json="--json" in arguments)
    if code == INTERRUPTED:
        _complain("interrupted; the same command goes on where this one stopped.")
    return code if isinstance(code, int) else 0 if code is None else 1


def _output_error() -> OSError | None:
    """Why standard output takes nothing more, if so; what it did not take is in its buffer."""
    try:
        if sys.stdout is not None:  # as it is where it was closed before the start
            sys.stdout.flush()
    except OSError as error:
        return error
    return None


def _complain(line: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that is gone
        print(line, file=sys.stderr)


def _report(error: Exception, as_json: bool) -> int:
    known = _as_lepton_error(error)
    if as_json:
        value = {"found": known.found, "expected": known.expected, "remedy": known.remedy}
        with contextlib.suppress(OSError):  # `run` says it
            print(json.dumps({"error": value}))
    _complain(f"error: {known}")
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
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _unwritten(error)
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return InputError(
            f"{error.filename or 'a file'} cannot be used ({error.strerror})",
            "a path that the disk takes",
            "correct the path",
        )
    first = (str(error).strip().splitlines() or ["no message"])[0].rstrip(".")
    return LeptonError(
        f"internal error, {type(error).__name__}: {first}",
        "no such thing",
        "run the command again with --debug and report what it prints",
    )


def _unwritten(error: OSError) -> InputError:
    name = error.filename or "the output or a temporary file"  # a write knows no name
    return InputError(
        f"{name} cannot be written ({error.strerror})",
        "room for it, and in the folder for temporary files",
        "free some, or send the output elsewhere",
    )


def _usage_error(error: Any) -> InputError:
    found = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    usage = " ".join(context.get_usage().split()).removeprefix("Usage: ") if context else "lepton"
    command = context.command_path if context else "lepton"
    return InputError(found[:1].lower() + found[1:], f"'{usage}'", f"see '{command} --help'")
