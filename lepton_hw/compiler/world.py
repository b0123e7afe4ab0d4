"""The surroundings that FINN expects: a build folder, settings, a simulator at ``finn.xsi``.

FINN prints a lot and keeps its settings in globals; both are confined to `finn_world`.
"""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from lepton_hw.errors import MissingTool

NEEDED = "1.6.1"


def finn_version() -> str:
    """Version of the installed FINN distribution; raises `MissingTool` where there is none."""
    try:
        return metadata.version("finn-plus")
    except metadata.PackageNotFoundError:
        raise MissingTool(
            "the FINN compiler is not installed",
            f"the package finn-plus {NEEDED}",
            "run 'make demo' or 'make test', which install it",
        ) from None


@contextlib.contextmanager
def finn_world(build_dir: Path, log: Path) -> Iterator[None]:
    """Everything FINN does in the block writes below `build_dir` and prints into `log`."""
    found = finn_version()
    if found != NEEDED:
        raise MissingTool(
            f"finn-plus {found} is installed", f"finn-plus {NEEDED}", f"install {NEEDED}"
        )
    build_dir.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file, _printing_into(file), _environment(build_dir):
        from lepton_hw.compiler import kernels, xsi

        xsi.install()
        _use_settings_from_environment()
        kernels.register()
        try:
            yield
        finally:
            _use_settings_from_environment()


def _use_settings_from_environment() -> None:
    # FINN reads FINN_BUILD_DIR once and keeps it; forgetting makes it read again.
    from finn.util import settings

    settings._SETTINGS = None


@contextlib.contextmanager
def _environment(build_dir: Path) -> Iterator[None]:
    before = os.environ.get("FINN_BUILD_DIR")
    os.environ["FINN_BUILD_DIR"] = str(build_dir.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ["FINN_BUILD_DIR"]
        else:
            os.environ["FINN_BUILD_DIR"] = before


@contextlib.contextmanager
def _printing_into(file: io.TextIOBase) -> Iterator[None]:
    handler = logging.StreamHandler(file)
    root = logging.getLogger()
    before = list(root.handlers)
    root.handlers[:] = [handler]
    try:
        with (
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        root.handlers[:] = before
