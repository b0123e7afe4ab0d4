"""Our stand-in for FINN's module ``finn.xsi``: its RTL simulation, over Verilator, not Vivado.

FINN imports ``finn.xsi`` in nearly every module, so that `install` must run before FINN is
imported. With Vivado present FINN's own module is left alone.
"""

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

NAMES = (
    "SimEngine",
    "compile_sim_obj",
    "load_sim_obj",
    "reset_rtlsim",
    "close_rtlsim",
    "rtlsim_multi_io",
    "locate_glbl",
    "get_simkernel_so",
    "is_available",
    "ensure_available",
)


def vivado_present() -> bool:
    """Whether a Vivado is set up in this process, so that FINN's own simulator works."""
    vivado = os.environ.get("XILINX_VIVADO", "")
    return bool(vivado) and (Path(vivado) / "bin").is_dir()


def install() -> ModuleType | None:
    """Puts our module in place of ``finn.xsi``; None where Vivado makes that unnecessary.

    Safe to call again. Raises ImportError where finn is not installed.
    """
    if vivado_present():
        return None
    present = sys.modules.get("finn.xsi")
    if isinstance(present, _Xsi):
        return present
    import finn

    module = _Xsi("finn.xsi", "RTL simulation for FINN through Verilator (lepton_hw).")
    sys.modules["finn.xsi"] = module
    finn.xsi = module
    return module


class _Xsi(ModuleType):
    """Loads the simulator only when FINN calls it: most compilations never simulate."""

    def __getattr__(self, name: str) -> Any:
        if name not in NAMES:
            raise AttributeError(f"module 'finn.xsi' has no attribute {name!r}")
        from lepton_hw.compiler import xsi_adapter

        return getattr(xsi_adapter, name)
