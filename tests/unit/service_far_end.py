"""A driver's service over the fake of the registers: FOLDER [--flip] ARGUMENTS of driver.py."""

import sys
from pathlib import Path


def run(folder: Path, arguments: list[str]) -> int:
    """Exit code of the driver; with ``--flip`` the board gives wrong integers."""
    import onboard_cases

    from lepton_hw.onboard.command import main

    if arguments[0] == "--flip":
        right = onboard_cases.network
        onboard_cases.network = lambda codes: right(codes) + 1
    fake = onboard_cases.FakeShell(
        onboard_cases.SHAPE, ("UINT4", 16, 3, 4, 2), ("INT13", 5, 1, 13, 2),
        onboard_cases.network, onboard_cases.DIGEST,
    )  # fmt: skip
    return main([each for each in arguments if each != "--flip"], folder, fake)


if __name__ == "__main__":
    # Started without PYTHONPATH, as a board's driver is: the project's own folder.
    sys.path.insert(1, str(Path(__file__).parents[2]))
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
