"""Libraries that tests build go into a cache of their own, which all workers share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    base = tmp_path_factory.getbasetemp()
    worker = "PYTEST_XDIST_WORKER" in os.environ  # whose folder lies in the session's
    with pytest.MonkeyPatch.context() as patch:
        # YoWASP's tools are compiled at their first use, for half a minute each, and kept under the
        # digest of what was compiled: what the user has is as good. What they write is not atomic.
        known = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "YoWASP"
        patch.setenv("YOWASP_CACHE_DIR", str(known if known.is_dir() else base / "yowasp"))
        patch.setenv("XDG_CACHE_HOME", str((base.parent if worker else base) / "xdg"))
        yield
