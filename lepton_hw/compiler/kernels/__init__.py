"""Our own RTL kernels as FINN custom ops: every layer that FINN itself builds only with HLS.

To add a kernel:

1. ``lepton_hw/rtl/<module>.sv``: ports ``clk``, ``rst`` (active high) and, for each bus,
   ``<bus>_data``, ``<bus>_valid``, ``<bus>_ready``; several streams given the same bus stand side
   by side, the first in the lowest bits.
2. ``kernels/<name>.py``: ``class <Op>_rtl(RtlKernel, <FINN's op>)`` with ``golden`` = FINN's op and
   ``kernel()``, which returns a `Spec`: module, sources, checked parameters, streams, data files.
   Override the estimates (``lut_estimation`` …) and ``get_exp_cycles`` where FINN's op has none.
3. Its class goes into `_kernels` below. The class name is what FINN looks up: ``<Op>_rtl``.

FINN then folds, estimates, sizes, generates and stitches it like its own. Only FINN's SetFolding
knows ops by name (``<Op>_hls``, in lists of its own) and skips one that it does not know.
"""

from typing import Any

DOMAIN = "finn.custom_op.fpgadataflow.rtl"


def register() -> None:
    """Makes FINN find our kernels; safe to call again. Needs ``finn.xsi`` in place."""
    from finn.custom_op.fpgadataflow.rtl import custom_op
    from qonnx.custom_op.registry import add_op_to_domain

    for kernel in (*_kernels(), *_stream_kernels()):
        if custom_op.get(kernel.__name__) is not kernel:
            custom_op[kernel.__name__] = kernel
            add_op_to_domain(DOMAIN, kernel)


def _kernels() -> tuple[Any, ...]:
    from lepton_hw.compiler.kernels.mvau import MVAU_rtl
    from lepton_hw.compiler.kernels.pooling import GlobalAccPool_rtl, Pool_rtl
    from lepton_hw.compiler.kernels.upsample import UpsampleNearestNeighbour_rtl
    from lepton_hw.compiler.kernels.vvau import VVAU_rtl

    return (
        MVAU_rtl,
        VVAU_rtl,
        Pool_rtl,
        GlobalAccPool_rtl,
        UpsampleNearestNeighbour_rtl,
    )


def _stream_kernels() -> tuple[Any, ...]:
    from lepton_hw.compiler.kernels import elementwise, fork_join, reshaping
    from lepton_hw.compiler.kernels.label_select import LabelSelect_rtl
    from lepton_hw.compiler.kernels.lookup import Lookup_rtl

    return (
        elementwise.ElementwiseAdd_rtl,
        elementwise.ElementwiseSub_rtl,
        elementwise.ElementwiseMul_rtl,
        fork_join.DuplicateStreams_rtl,
        fork_join.StreamingConcat_rtl,
        fork_join.StreamingSplit_rtl,
        LabelSelect_rtl,
        Lookup_rtl,
        reshaping.Squeeze_rtl,
        reshaping.Unsqueeze_rtl,
    )
