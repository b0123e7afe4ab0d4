"""Libraries that tests build go into a cache of their own, which all workers share."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports torch. With a worker on each core, threads that wait for each other burn
# CPU time: of test_models 252 s instead of 33 on a machine that others use too, 38 instead of 27 on
# one that is idle. What needs several threads asks for them itself.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A shell that starts the tests in the background has SIGINT ignored, which programs inherit; those
# under test are to be interrupted all the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)

#: They take longest, and are begun first, so that the workers end together.
FIRST = (
    "flow/test_compile", "rtl/test_cells", "rtl/test_finn_adjusted", "rtl/test_shell_cocotb",
    "rtl/test_xsi", "flow/test_runtime_weights", "flow/test_interrupt", "rtl/test_vvau",
    "rtl/test_serial", "rtl/test_netlist_sim", "flow/test_real_models", "flow/test_models",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):  # by number of tests, which says little
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {f"tests/{name}.py": place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(FIRST)))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's folder, in which the folder of a worker lies, where there are workers."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def own_cache(shared: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        # YoWASP's tools are compiled at their first use, for half a minute each, and kept under the
        # digest of what was compiled: what the user has is as good.
        known = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "YoWASP"
        patch.setenv("YOWASP_CACHE_DIR", str(known if known.is_dir() else shared / "yowasp"))
        patch.setenv("XDG_CACHE_HOME", str(shared / "xdg"))
        yield
