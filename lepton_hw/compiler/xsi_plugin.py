"""A pytest plugin: FINN's own tests over our ``finn.xsi``; it changes nothing else of FINN.

``pytest -p lepton_hw.compiler.xsi_plugin`` in a checkout of FINN; with ``--lepton-kernels``, FINN
finds our kernels too.
"""

from typing import Any

from lepton_hw.compiler import xsi


def pytest_addoption(parser: Any) -> None:
    """``--lepton-kernels``."""
    parser.addoption(
        "--lepton-kernels", action="store_true", help="let FINN find lepton_hw's RTL kernels"
    )


def pytest_load_initial_conftests(early_config: Any) -> None:
    """Before any conftest.py imports FINN."""
    xsi.install()
    if early_config.known_args_namespace.lepton_kernels:
        from lepton_hw.compiler import kernels

        kernels.register()
