"""What Vivado's post-route reports say, as plain values: timing, utilisation, power.

It reads text of AMD's formats (UG906 "Design Analysis", UG907 "Power Analysis"), from Vivado 2018
on; it runs nothing, and a report that does not have that form is an error, never a zero.
"""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lepton_hw.errors import LeptonError, StageError

TIMING, UTILIZATION, POWER = "timing.rpt", "utilization.rpt", "power.rpt"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimingPath(_Frozen):
    """One path; slack and requirement in ns, `kind` is "Setup" or "Hold", `levels` of logic.

    `route` is the share of the delay that is wire, 0 to 1, or None where the report has none.
    """

    kind: str
    slack: float
    source: str
    destination: str
    group: str
    requirement: float | None = None
    levels: int | None = None
    route: float | None = None


class Timing(_Frozen):
    """Worst and total negative slack of setup, hold and pulse width, in ns, over all clocks.

    `clock` is the one with most end points; `period` in ns is its constraint, `clock_slack` its
    own worst setup slack. `paths` are those of the report, worst first.
    """

    wns: float
    tns: float
    whs: float
    ths: float
    wpws: float | None
    failing: int
    endpoints: int
    clock: str
    period: float
    clock_slack: float
    paths: tuple[TimingPath, ...] = ()

    @property
    def achieved_mhz(self) -> float:
        """The fastest clock by setup: 1 / (period − worst slack of that clock)."""
        return 1e3 / (self.period - self.clock_slack)

    @property
    def met(self) -> bool:
        """Whether nothing is late, and nothing too early."""
        return min(self.wns, self.whs, self.wpws if self.wpws is not None else 0.0) >= 0


class Used(_Frozen):
    """How much of a resource is used; halves of a BRAM36 count as .5."""

    used: float
    available: int

    @property
    def percent(self) -> float:
        """Share in percent."""
        return 100 * self.used / self.available if self.available else 0.0


class Utilisation(_Frozen):
    """By resource; `uram` is None on parts that have none."""

    lut: Used
    ff: Used
    bram36: Used
    dsp: Used
    uram: Used | None = None


class Power(_Frozen):
    """Vivado's estimate in watts, for one corner.

    `confidence` is Vivado's own word ("Low", "Medium", "High"), `process` "typical" or "maximum";
    temperatures in °C. An estimate, not a measurement: without simulated activity it assumes one.
    """

    total: float
    dynamic: float
    static: float
    confidence: str
    process: str
    grade: str
    ambient: float | None
    junction: float | None


class Implementation(_Frozen):
    """All of one implemented design."""

    timing: Timing
    utilisation: Utilisation
    power: Power


def read_reports(folder: Path) -> Implementation:
    """The three reports of `folder`; raises `StageError` where one is missing or is no report."""
    return Implementation(
        timing=parse_timing(_read(folder / TIMING)),
        utilisation=parse_utilisation(_read(folder / UTILIZATION)),
        power=parse_power(_read(folder / POWER)),
    )


def require_timing(timing: Timing, asked_mhz: float) -> None:
    """Raises `StageError` with the path's ends where a path misses its time."""
    if timing.met:
        return
    worst = min(timing.paths, key=lambda path: path.slack, default=None)
    ends = f" from {worst.source} to {worst.destination}" if worst and worst.slack < 0 else ""
    if timing.wns < 0:
        # Rounded down: what is advised must fit.
        reachable = int(timing.achieved_mhz * 10) / 10
        wires = worst is not None and worst.route is not None and worst.route > 0.7
        cause = "mostly wire: a part less full helps" if wires else "mostly logic"
        raise StageError(
            f"timing is missed by {-timing.wns:.3f} ns at {asked_mhz:g} MHz"
            f" ({timing.failing} end points){ends}" + (f", {cause}" if worst else ""),
            "no negative slack",
            f"lower the board's clock to {reachable:g} MHz, or the folding (compile.target_fps)",
        )
    kind, slack = ("hold", timing.whs) if timing.whs < 0 else ("pulse width", timing.wpws or 0.0)
    raise StageError(
        f"{kind} timing is missed by {-slack:.3f} ns{ends}",
        "no negative slack",
        "report this design: a slower clock does not repair it",
    )


def require_fit(use: Utilisation) -> None:
    """Raises `StageError` where a resource is used more than there is of it."""
    for name in ("lut", "ff", "bram36", "dsp", "uram"):
        amount: Used | None = getattr(use, name)
        if amount is not None and amount.used > amount.available:
            raise over_full(name.upper(), amount.used, amount.available)


def over_full(resource: str, demand: float, supply: float) -> LeptonError:
    """The sentence for a part that is too small."""
    return StageError(
        f"the design needs {demand:,g} {resource} and the part has {supply:,g}",
        f"at most {supply:,g}",
        "lower the folding (compile.target_fps), or choose a larger board",
    )


_CLOCK = re.compile(r"^\s*(\S+)\s+\{[^}]*\}\s+([\d.]+)\s+([\d.]+)\s*$", re.MULTILINE)
_ROW = r"^\s*{}\s+([-\d.]+)\s+([-\d.]+)\s+(\d+)\s+(\d+)\s+([-\d.]+)\s+([-\d.]+)\s+(\d+)\s+(\d+)"
_PULSE = r"(?:\s+([-\d.]+)\s+([-\d.]+)\s+(\d+)\s+(\d+))?"
_PATH = re.compile(
    r"^Slack(?: \((?:MET|VIOLATED)\))?\s*:\s*(-?[\d.]+)ns[^\n]*\n(.*?)(?=^Slack|\Z)",
    re.MULTILINE | re.DOTALL,
)


def parse_timing(text: str) -> Timing:
    """``report_timing_summary``; raises `StageError` for a design without a constrained clock."""
    summary = _section(text, "Design Timing Summary", TIMING)
    whole = re.search(_ROW.format("") + _PULSE, summary, re.MULTILINE)
    clocks = {name: float(period) for name, period, _ in _CLOCK.findall(text)}
    if whole is None or not clocks:
        raise StageError(
            "the timing report has no slack, because no clock is constrained",
            "a clock on the fabric",
            "read vivado's log: the processor's clock was lost",
        )
    clock, slack = _main_clock(_section(text, "Intra Clock Table", TIMING), clocks)
    return Timing(
        wns=float(whole[1]), tns=float(whole[2]), failing=int(whole[3]), endpoints=int(whole[4]),
        whs=float(whole[5]), ths=float(whole[6]),
        wpws=float(whole[9]) if whole[9] else None,
        clock=clock, period=clocks[clock], clock_slack=slack,
        paths=tuple(sorted((_path(*each) for each in _PATH.findall(text)), key=lambda p: p.slack)),
    )  # fmt: skip


def _main_clock(table: str, clocks: dict[str, float]) -> tuple[str, float]:
    """Name and worst setup slack of the clock with most end points."""
    found: list[tuple[int, str, float]] = []
    for name in clocks:
        row = re.search(_ROW.format(re.escape(name)), table, re.MULTILINE)
        if row is not None:
            found.append((int(row[4]), name, float(row[1])))
    if not found:
        raise _not_a_report(TIMING, "Intra Clock Table")
    _, name, slack = max(found)
    return name, slack


def _path(slack: str, body: str) -> TimingPath:
    def value(pattern: str) -> str | None:
        match = re.search(pattern, body, re.MULTILINE)
        return match[1] if match else None

    requirement, levels = value(r"Requirement:\s*(-?[\d.]+)ns"), value(r"Logic Levels:\s*(\d+)")
    route = value(r"Data Path Delay:.*route\s+-?[\d.]+ns\s+\(([\d.]+)%\)")
    return TimingPath(
        kind=value(r"Path Type:\s*(\w+)") or "",
        slack=float(slack),
        source=value(r"^\s*Source:\s*(\S+)") or "",
        destination=value(r"^\s*Destination:\s*(\S+)") or "",
        group=value(r"Path Group:\s*(\S+)") or "",
        requirement=float(requirement) if requirement else None,
        levels=int(levels) if levels else None,
        route=float(route) / 100 if route else None,
    )


def parse_utilisation(text: str) -> Utilisation:
    """``report_utilization`` of 7 series ("Slice …") and UltraScale ("CLB …")."""
    rows: dict[str, Used] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        # Site type, used, fixed, perhaps prohibited, available, percent.
        if len(cells) < 5 or not re.fullmatch(r"[\d.]+", cells[1]) or not cells[-2].isdigit():
            continue
        rows.setdefault(cells[0].rstrip("*"), Used(used=float(cells[1]), available=int(cells[-2])))

    def row(*names: str) -> Used:
        found = next((rows[name] for name in names if name in rows), None)
        if found is None:
            raise _not_a_report(UTILIZATION, names[0])
        return found

    return Utilisation(
        lut=row("Slice LUTs", "CLB LUTs"),
        ff=row("Slice Registers", "CLB Registers"),
        bram36=row("Block RAM Tile"),
        dsp=row("DSPs", "DSP Slices"),
        uram=rows.get("URAM"),
    )


def parse_power(text: str) -> Power:
    """``report_power``."""
    values = dict(re.findall(r"^\|\s*([^|:]+?)\s*[|:]\s*([^|\n]*?)\s*\|?\s*$", text, re.MULTILINE))

    def watts(name: str) -> float:
        try:
            return float(values[f"{name} (W)"].split()[0])
        except (KeyError, ValueError, IndexError):
            raise _not_a_report(POWER, f"{name} (W)") from None

    def degrees(name: str) -> float | None:
        try:
            return float(values.get(f"{name} (C)", ""))
        except ValueError:
            return None

    return Power(
        total=watts("Total On-Chip Power"),
        dynamic=watts("Dynamic"),
        static=watts("Device Static"),
        confidence=values.get("Confidence Level", "unknown"),
        process=values.get("Process", "unknown"),
        grade=values.get("Grade", "unknown"),
        ambient=degrees("Ambient Temp"),
        junction=degrees("Junction Temperature"),
    )


def _section(text: str, title: str, report: str) -> str:
    """From a heading ``| title`` to the next one."""
    match = re.search(rf"^\| {re.escape(title)}\s*$(.*?)(?=^\| \w|\Z)", text, re.M | re.S)
    if match is None:
        raise _not_a_report(report, title)
    return match[1]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise StageError(
            f"{path.name} cannot be read ({error.strerror})", "a report of Vivado", "run again"
        ) from None


def _not_a_report(report: str, part: str) -> LeptonError:
    return StageError(
        f"{report} has no '{part}'",
        "a report of Vivado 2018 or newer",
        "report this, with the file: its format is new to lepton",
    )
