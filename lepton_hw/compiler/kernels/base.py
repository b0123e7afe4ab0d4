"""The class that turns a FINN op and a SystemVerilog module into a FINN RTL op.

It writes files and describes them; the module's behaviour in Python is FINN's own.
"""

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from finn.custom_op.fpgadataflow.rtlbackend import RTLBackend
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.kernels.spec import RTL, Spec, Stream, check, wrapper_text


class RtlKernel(RTLBackend):  # type: ignore[misc]
    """Mix in before FINN's op, whose `execute_node` in Python is the golden model."""

    #: FINN's op.
    golden: ClassVar[Any]
    #: Files in ``lepton_hw/rtl``, packages first.
    sources: ClassVar[tuple[str, ...]]

    @abstractmethod
    def kernel(self, model: ModelWrapper | None) -> Spec:
        """Module, parameters, streams and data files; without a model the files may be left out."""

    def stream_pairs(self, inputs: str = "in", outputs: str = "out") -> tuple[Stream, ...]:
        """All of the op's streams, its inputs joined to one bus and its outputs to another."""
        names = self.get_verilog_top_module_intf_names()
        return (
            *(Stream(port, inputs, bits, True) for port, bits in names["s_axis"]),
            *(Stream(port, outputs, bits, False) for port, bits in names["m_axis"]),
        )

    def with_streams(self, spec: Spec) -> Spec:
        """The checked spec and all of the op's streams, whose widths need valid parameters."""
        check(spec, self.get_verilog_top_module_name())
        return replace(spec, streams=self.stream_pairs())

    def generate_hdl(self, model: ModelWrapper, fpgapart: str, clk: float) -> None:
        """Checks the parameters, then writes the wrapper and the data files."""
        spec = self.kernel(model)
        top = self.get_verilog_top_module_name()
        check(spec, top)
        folder = Path(self.get_nodeattr("code_gen_dir_ipgen"))
        for name, text in spec.files.items():
            (folder / name).write_text(text)
        (folder / f"{top}.v").write_text(wrapper_text(spec, top, folder))
        self.set_nodeattr("gen_top_module", top)
        # FINN's synthesis and stitching look for these.
        self.set_nodeattr("ipgen_path", str(folder))
        self.set_nodeattr("ip_path", str(folder))

    def get_rtl_file_list(self, abspath: bool = False) -> list[str]:
        """The wrapper and the module's sources, in the order in which compilers want them."""
        top = f"{self.get_nodeattr('gen_top_module')}.v"
        if not abspath:
            return [*self.sources, top]
        folder = Path(self.get_nodeattr("code_gen_dir_ipgen"))
        return [*(str(RTL / name) for name in self.sources), str(folder / top)]

    def get_verilog_paths(self) -> list[str]:
        """Folders that hold sources."""
        return [self.get_nodeattr("code_gen_dir_ipgen"), str(RTL)]

    def code_generation_ipi(self) -> list[str]:
        """Tcl that adds the module to Vivado's block design."""
        top = self.get_nodeattr("gen_top_module")
        files = [f"add_files -norecurse {name}" for name in self.get_rtl_file_list(abspath=True)]
        return [*files, f"create_bd_cell -type module -reference {top} {self.onnx_node.name}"]

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """In Python (``exec_mode`` cppsim) or as RTL (rtlsim)."""
        if self.get_nodeattr("exec_mode") == "rtlsim":
            RTLBackend.execute_node(self, context, graph)
        else:
            self.golden.execute_node(self, context, graph)
