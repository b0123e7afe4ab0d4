"""Libraries that tests build go into a cache of their own, which all workers share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's folder, in which the folder of a worker lies, where there are workers."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Iterator[None]:
    own = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        # YoWASP's tools are compiled at their first use, for half a minute each, and kept under the
        # digest of what was compiled: what the user has is as good. What they write is not atomic.
        known = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "YoWASP"
        patch.setenv("YOWASP_CACHE_DIR", str(known if known.is_dir() else own / "yowasp"))
        patch.setenv("XDG_CACHE_HOME", str(shared / "xdg"))
        yield
