"""Where the tests run and on which designs: ``pytest tests/hil --board=PLACE --design=FOLDER``.

PLACE is ``virtual``, ``local`` (on the board itself), ``remote:HOST`` (PYNQ.remote) or
``ssh:[USER@]HOST``; ``remote:virtual`` starts a virtual board as a PYNQ.remote peer. Designs are
folders that ``lepton deploy`` made. Python is one with pynq and NumPy below 2. For SSH,
LEPTON_SSH_CONFIG names a configuration file of ssh's, if not the user's own is meant.

Boards with a UART: ``serial:DEVICE``, with the first design loaded, or ``serial:virtual``. These
need no pynq.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import Bench, open_bench


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--board", default="virtual", help="virtual, local, remote:HOST, ssh:HOST, serial:DEVICE"
    )
    parser.addoption("--design", action="append", default=[], help="a folder of lepton deploy")


def pytest_report_header(config: pytest.Config) -> str:
    return f"board: {config.getoption('--board', 'virtual')}"


@pytest.fixture(scope="session")
def designs(request: pytest.FixtureRequest) -> list[Path]:
    folders = [Path(name).resolve() for name in request.config.getoption("--design", [])]
    if not folders:
        pytest.skip("no --design; 'make hil' builds two and runs this")
    return folders


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--board", "virtual"))


@pytest.fixture(scope="session")
def session_bench(place: str, designs: list[Path]) -> Iterator[Bench]:
    with open_bench(place, designs) as bench:
        yield bench


@pytest.fixture
def bench(session_bench: Bench) -> Bench:
    return session_bench


@pytest.fixture
def virtual(bench: Bench) -> Bench:
    if bench.kind != "virtual":
        pytest.skip("only the virtual board can be looked into")
    return bench
