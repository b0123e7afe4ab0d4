"""The figures of a build, and what is installed, as rows of text; measures nothing itself."""

from collections.abc import Iterable

from lepton_hw.artifacts import Artifact
from lepton_hw.board import Board
from lepton_hw.stages.bitstream import Bitstream
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.train import Trained
from lepton_hw.tools.doctor import Finding

Row = tuple[str, ...]
#: Letters of a version in a table; --json has it whole.
VERSION = 18


def summary(done: dict[str, Artifact], board: Board) -> list[Row]:
    """One row a figure, in the order of the stages."""
    rows: list[Row] = []
    for artifact in done.values():
        match artifact:
            case Trained():
                rows += _trained(artifact)
            case Compiled():
                rows += _compiled(artifact, board)
            case Simulated():
                rows += _simulated(artifact, board, done)
            case Certified():
                rows += _certified(artifact)
    return rows


def bitstream_rows(built: Bitstream, board: Board) -> list[Row]:
    """What place and route, and the proofs around it, found."""
    have = board.resources.model_dump()
    rows: list[Row] = [("clock", f"{built.clock:g} MHz")]
    if built.achieved:
        asked = f"{board.clock:g} MHz asked"
        rows.append(("reached by place and route", f"{built.achieved:.1f} MHz, {asked}"))
    for name, used in built.used.items():
        if name in have:
            rows.append((f"{name.upper()}, placed", f"{used:,.10g} of {have[name]:,}"))
    if built.untimed:
        cells = ", ".join(f"{count} {name}" for name, count in sorted(built.untimed.items()))
        rows.append(("pins without a timing model", cells))
    rows += [(f"slack, {name}", f"{value:+.3f} ns") for name, value in built.slack.items()]
    corner = f", {built.power_corner}" if built.power_corner else ""
    rows += [(f"power, {name}", f"{value:.3f} W{corner}") for name, value in built.power.items()]
    if built.netlist_vectors:
        count = built.netlist_vectors
        rows.append(("netlist against RTL", f"{count} of {count} vectors identical"))
    if built.features:
        rows.append(("read back from the bitstream", f"all {built.features:,} features"))
    rows += [(f"  {step}", f"{seconds:.1f} s") for step, seconds in built.step_seconds.items()]
    rows += [(f"  {tool}", version) for tool, version in built.tools.items()]
    return rows


def _trained(trained: Trained) -> list[Row]:
    metrics = trained.metrics
    return [
        ("accuracy, held out", f"{metrics.accuracy:.2%}"),
        ("macro F1", f"{metrics.f1:.4f}"),
    ]


def _compiled(compiled: Compiled, board: Board) -> list[Row]:
    have = board.supply
    return [
        ("slowest layer, FINN's estimate", f"{compiled.bottleneck}, {compiled.cycles:,} cycles"),
        ("LUT, estimate", f"{compiled.lut:,} of {have.lut:,}"),
        ("BRAM36, estimate", f"{compiled.bram36:,} of {have.bram36:,}"),
        ("DSP, estimate", f"{compiled.dsp:,} of {have.dsp:,}"),
        *_fifos(compiled),
    ]


def _fifos(compiled: Compiled) -> list[Row]:
    """Storage in the FIFOs, against FINN's own sizing; limits that were reached."""
    rows: list[Row] = [("FIFO storage", f"{compiled.fifo_bits:,} bits")]
    if compiled.fifo_bits_finn:
        share = compiled.fifo_bits / compiled.fifo_bits_finn
        rows.append(("  FINN's own sizing", f"{compiled.fifo_bits_finn:,} bits, {share:.0%} kept"))
    if compiled.fifo_limited:
        rows.append(("  too short for full speed", ", ".join(compiled.fifo_limited)))
    if compiled.fifo_timed_out:
        rows.append(("  search", "ended by compile.fifo_time_limit"))
    return rows


def _simulated(simulated: Simulated, board: Board, done: dict[str, Artifact]) -> list[Row]:
    per_frame = simulated.cycles_per_frame
    rows: list[Row] = [
        ("cycles a frame, RTL", f"{per_frame:,}"),
        ("latency, RTL", f"{simulated.latency_cycles:,} cycles"),
        (
            f"at {board.clock:g} MHz",
            f"{board.clock * 1e6 / per_frame:,.0f} frames/s, "
            f"{simulated.latency_cycles / board.clock:,.1f} µs",
        ),
        ("simulation speed", f"{simulated.cycles_per_second:,.0f} cycles/s"),
    ]
    compiled = done.get("compile")
    if isinstance(compiled, Compiled) and compiled.cycles:
        over = per_frame / compiled.cycles - 1
        rows.insert(1, ("against the slowest layer", f"{over:+.1%}"))
    return rows


def _certified(certified: Certified) -> list[Row]:
    certificate = certified.certificate
    rows: list[Row] = [("bit-exact", "yes" if certificate.exact else "NO")]
    for name, row in certificate.executors.items():
        same = row.vectors - row.mismatches
        rows.append((f"  {name}", f"{same} of {row.vectors} identical"))
    if (floats := certificate.float_check) is not None:
        rows.append(
            (
                "  float decisions",
                f"{floats.within_one_ulp:,} of {floats.decisions:,} within one ULP of a threshold",
            )
        )
    if certificate.remedies:
        mended, changed = len(certificate.remedies), certificate.changed_vectors
        rows.append(("  model mended", f"at {mended} layers, {changed} vectors changed"))
    inside = certificate.layers
    same_inside = "identical" if inside.exact else "DIFFERENT"
    rows.append(
        ("  every layer", f"{inside.streams} streams, {inside.frames} images {same_inside}")
    )
    return rows


def tools(findings: Iterable[Finding]) -> list[Row]:
    """State, name, version and use of each tool."""
    rows: list[Row] = []
    for finding in findings:
        state = "ok" if finding.ok else "check" if finding.found else "missing"
        if state == "missing" and not finding.required:
            state = "-"
        need = "needed for " if finding.required and not finding.found else ""
        version = finding.found or ""
        if len(version) > VERSION:
            version = version[: VERSION - 1] + "…"
        rows.append((state, finding.name, version, need + finding.enables))
    return rows


def advice(findings: Iterable[Finding]) -> list[str]:
    """What is wrong with a tool and what to do, a line each."""
    return [
        f"{finding.name}: {finding.note or finding.remedy}"
        for finding in findings
        if not finding.ok
    ]
