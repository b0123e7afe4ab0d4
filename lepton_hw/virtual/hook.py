"""Makes the virtual board known to pynq as soon as a program imports pynq, which stays as it is.

pynq finds devices by the classes that exist. The environment of the board imports this module when
Python starts (a ``.pth`` file, written by ``python -m lepton_hw.virtual install``); it costs
nothing until pynq is imported.
"""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType

_WAITS_FOR = "pynq.pl_server.device"
NONE = "none"


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _WAITS_FOR:
            return None
        sys.meta_path.remove(self)  # once; the next finder answers, and its loader is wrapped
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: importlib.abc.Loader) -> None:
        self._inner = inner

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        import lepton_hw.virtual.device  # noqa: F401 – the class is all that pynq needs


def install() -> None:
    """From now on pynq brings the virtual board, unless LEPTON_VIRTUAL_BOARD is none."""
    if os.environ.get("LEPTON_VIRTUAL_BOARD") == NONE:
        return
    if _WAITS_FOR in sys.modules:
        import lepton_hw.virtual.device  # noqa: F401
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


install()
