"""The command ``lepton``: arguments in, stages run, tables or JSON out.

Every error of a user's is one sentence on stderr and exit code 1 (bad input) or 2 (missing tool);
an interrupted command ends with 130. Imports nothing before `main` is ready for Ctrl-C.
"""

import sys


def main() -> None:
    """Entry point of the ``lepton`` program."""
    code = 130  # 128 + SIGINT, as shells count it
    try:
        _heed_signals()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        pass
    _end_without_traceback()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code."""
    from lepton_hw.cli import program

    return program.run(arguments)


def _heed_signals() -> None:
    import signal

    # A batch system ends a job with SIGTERM; it is to clean up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, _hung_up)


def _end_without_traceback() -> None:
    """What a late Ctrl-C does."""
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _hung_up(number: int, frame: object) -> None:
    """The terminal is gone. Shell and kernel may both say so; cleaning up is to happen once."""
    import signal

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise KeyboardInterrupt
