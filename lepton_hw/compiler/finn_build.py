"""FINN's own steps from a compiled model to its bitstream, where Vivado and Vitis HLS are.

``python -m lepton_hw.compiler.finn_build`` in the folder of a build that `finn_bitstream` planned.
FINN builds from a copy of its RTL library with our adjustments, which is checked afterwards.
"""

import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lepton_hw.compiler.world import finn_world
from lepton_hw.errors import InputError, LeptonError, MissingTool, StageError
from lepton_hw.rtl.finn_sources import ADJUSTMENTS, adjust

SETTINGS, MODEL, LOG = "finn.json", "finn.onnx", "finn.log"
SCRATCH, LIBRARY, OUTPUT = "scratch", "finn-rtllib", "finn"
BITSTREAM, HANDOFF, PACKAGE, RESOURCES = "design.bit", "design.hwh", "deploy.zip", "resources.json"
STEPS = (
    "step_hw_codegen", "step_hw_ipgen", "step_synthesize_bitfile", "step_make_driver",
    "step_deployment_package",
)  # fmt: skip
#: What FINN's HLS and Vivado scripts read, below FINN_DEPS.
DEPENDENCIES = ("finn-hlslib", "board_files")


def build(folder: Path, steps: tuple[str, ...] = STEPS) -> None:
    """Builds in `folder`; raises a `LeptonError` where FINN or what it calls fails.

    Args:
        folder: has ``finn.json`` and ``finn.onnx``; receives the results.
        steps: FINN's steps, in order; the results are written if the last one is among them.
    """
    if re.search(r"\s", str(folder.absolute())):
        raise InputError(
            f"the build folder {folder.absolute()} has a space in its path",
            "none, which FINN's own scripts do not quote",
            "pass another one with --build-dir, or take our shell, which may have spaces",
        )
    settings = json.loads((folder / SETTINGS).read_text())
    scratch = folder / SCRATCH
    for old in (SCRATCH, LIBRARY, OUTPUT):  # of a build that was killed
        shutil.rmtree(folder / old, ignore_errors=True)
    with _surroundings(folder, settings), _no_simulator():
        adjusted_library(folder / LIBRARY)
        log = folder / LOG
        log.unlink(missing_ok=True)
        with finn_world(scratch, log):
            model = _run(folder, settings, steps)
            require_adjusted(folder, model)
    if steps[-1] == STEPS[-1]:
        _results(folder)


def adjusted_library(target: Path) -> None:
    """A copy of FINN's RTL library in which every source is as we stitch it."""
    import importlib.util

    spec = importlib.util.find_spec("finn")
    assert spec is not None
    assert spec.submodule_search_locations
    shutil.copytree(Path(next(iter(spec.submodule_search_locations))) / "finn-rtllib", target)
    found = set()
    for path in sorted(target.rglob("*.sv")):
        if path.name in ADJUSTMENTS:
            path.chmod(0o644)
            path.write_text(adjust(path.name, path.read_text()))
            found.add(path.name)
    missing = sorted(set(ADJUSTMENTS) - found)
    if missing:
        raise StageError(
            f"FINN's RTL library has no {missing[0]}", "the library of finn-plus 1.6.1",
            "install that version",
        )  # fmt: skip


def require_adjusted(folder: Path, model: Any) -> None:
    """Raises `StageError` where a source that FINN uses is one of its own that we adjust.

    Looks at the sources that each node names, and at every copy below the build's folder.
    """
    from qonnx.custom_op.registry import getCustomOp

    library = (folder / LIBRARY).resolve()
    wanted = {path.name: path.read_bytes() for path in library.rglob("*.sv")}
    used = [path for path in folder.rglob("*.sv") if path.name in ADJUSTMENTS]
    for node in model.graph.node:
        op = getCustomOp(node)
        if hasattr(op, "get_rtl_file_list"):
            used += [Path(name) for name in op.get_rtl_file_list(abspath=True)]
    for path in used:
        if path.name in ADJUSTMENTS and path.read_bytes() != wanted[path.name]:
            raise StageError(
                f"FINN uses {path}, which is not repaired", f"the copy in {library}",
                "report this: a bitstream of it could lose data",
            )  # fmt: skip


@contextmanager
def _surroundings(folder: Path, settings: dict[str, Any]) -> Iterator[None]:
    """FINN's environment: our library, its dependencies, the number of processes."""
    import importlib.util

    spec = importlib.util.find_spec("finn")
    if spec is None or not spec.submodule_search_locations:
        raise MissingTool("FINN is not installed", "finn-plus 1.6.1", "run 'make docker-build'")
    finn = Path(next(iter(spec.submodule_search_locations)))
    values = {
        "FINN_RTLLIB": str((folder / LIBRARY).resolve()),
        "FINN_CUSTOM_HLS": str(finn / "custom_hls"),
        "FINN_DEPS": str(_dependencies()),
        "NUM_DEFAULT_WORKERS": str(settings["workers"]),
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _dependencies() -> Path:
    """FINN_DEPS; raises `MissingTool` where FINN's HLS library or board files are not there."""
    folder = Path(os.environ.get("FINN_DEPS", "finn_deps")).expanduser().absolute()
    missing = [name for name in DEPENDENCIES if not (folder / name).is_dir()]
    if missing:
        raise MissingTool(
            f"there is no {folder / missing[0]}", "FINN's dependencies, in FINN_DEPS",
            "run 'finn deps update' once, with a network, and set FINN_DEPS",
        )  # fmt: skip
    return folder


@contextmanager
def _no_simulator() -> Iterator[None]:
    """FINN's own simulator would be compiled on import; a bitstream needs none."""
    vivado = os.environ.pop("XILINX_VIVADO", None)
    from lepton_hw.compiler import xsi

    xsi.install()
    if vivado is not None:
        os.environ["XILINX_VIVADO"] = vivado
    yield


def _run(folder: Path, settings: dict[str, Any], steps: tuple[str, ...]) -> Any:
    import finn.builder.build_dataflow_config as finn_config
    import finn.builder.build_dataflow_steps as finn_steps
    from qonnx.core.modelwrapper import ModelWrapper

    outputs = finn_config.DataflowOutputType
    config = finn_config.DataflowBuildConfig(
        output_dir=str(folder / OUTPUT),
        synth_clk_period_ns=settings["clock_ns"],
        board=settings["finn_board"],
        shell_flow_type=finn_config.ShellFlowType.VIVADO_ZYNQ,
        generate_outputs=[outputs.PYNQ_DRIVER, outputs.BITFILE, outputs.DEPLOYMENT_PACKAGE],
        auto_fifo_depths=False,  # the FIFOs are in the model, with depths from simulation
    )
    model = ModelWrapper(str(folder / MODEL))
    for name in steps:
        print(f"=== {name} ===", flush=True)
        try:
            model = getattr(finn_steps, name)(model, config)
        except Exception as error:
            import traceback

            traceback.print_exc()
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise StageError(
                f"FINN's {name} failed: {(lines or [type(error).__name__])[0][:300].rstrip('.')}",
                "a bitstream",
                f"read {folder / LOG} and the logs of the programs below {folder / SCRATCH}",
            ) from error
        if name == "step_hw_codegen":
            require_adjusted(folder, model)  # before hours of work
    return model


def _results(folder: Path) -> None:
    output = folder / OUTPUT
    shutil.copyfile(output / "bitfile/finn-accel.bit", folder / BITSTREAM)
    shutil.copyfile(output / "bitfile/finn-accel.hwh", folder / HANDOFF)
    shutil.copyfile(output / "report/post_synth_resources.json", folder / RESOURCES)
    with zipfile.ZipFile(folder / PACKAGE, "w", zipfile.ZIP_DEFLATED) as package:
        for path in sorted((output / "deploy").rglob("*")):
            if path.is_file():
                package.write(path, path.relative_to(output / "deploy"))


def vivado_logs(folder: Path) -> str:
    """What the programs that FINN started said: the newest logs last."""
    logs = [*(folder / SCRATCH).rglob("vivado.log"), *(folder / SCRATCH).rglob("runme.log")]
    logs += [*(folder / SCRATCH).rglob("vitis_hls.log")]
    logs.sort(key=lambda path: path.stat().st_mtime)
    return "\n".join(path.read_text(errors="replace") for path in logs)


def main() -> int:
    """Builds in the current folder; what went wrong is one sentence on standard error."""
    try:
        build(Path.cwd())
    except LeptonError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
