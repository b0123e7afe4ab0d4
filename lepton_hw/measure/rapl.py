"""Energy of the processor, as it counts it itself (RAPL), by Linux's powercap files.

Reads counters only; it never asks for rights that the user has not given.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from lepton_hw.errors import InputError, MissingTool
from lepton_hw.measure.power import Energy, counted
from lepton_hw.measure.sensors import Watch

ROOT = Path("/sys/class/powercap")
#: Of RAPL against a meter in the supply of Intel's server processors since Haswell: Khan et al.,
#: "RAPL in Action", ACM ToMPECS 3(2), 2018, find a correlation of 0.99 and errors of a few percent.
ACCURACY = 0.05
#: Its counters are up to date to a millisecond.
LEAST = 0.1
_UNIT = 1e-6


@dataclass(frozen=True)
class Counter:
    """One domain: its name, its file, and what it counts to (µJ)."""

    name: str
    file: Path
    wrap: int


class Rapl:
    """All processor packages, and their memory where that is counted apart."""

    accuracy, least = ACCURACY, LEAST

    def __init__(self, root: Path = ROOT) -> None:
        """Raises `MissingTool` where there are none, `InputError` where they may not be read."""
        self.counters = _counters(root)
        self.source = "RAPL (" + ", ".join(counter.name for counter in self.counters) + ")"
        self._read()

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Energy of the block, by the counters before and after."""
        watch, before, begin = Watch(), self._read(), monotonic()
        yield watch
        after, end = self._read(), monotonic()
        joules = sum(
            counted(first, last, counter.wrap, _UNIT)
            for first, last, counter in zip(before, after, self.counters, strict=True)
        )
        if end > begin:
            watch.energy = Energy(joules, end - begin, 1.0, 2, self.source)

    def _read(self) -> list[int]:
        try:
            return [int(counter.file.read_text()) for counter in self.counters]
        except PermissionError as error:
            raise InputError(
                f"the processor's energy counters may not be read ({error.filename})",
                "the right to read them, which Linux gives to root only since 2020",
                "run as root, or 'sudo chmod a+r' on these files",
            ) from None


def _counters(root: Path) -> tuple[Counter, ...]:
    found = []
    for folder in sorted(root.glob("intel-rapl:*")) if root.is_dir() else []:
        try:
            name = (folder / "name").read_text().strip()
            wrap = int((folder / "max_energy_range_uj").read_text())
        except (OSError, ValueError):
            continue
        # Cores and graphics are within a package; "psys" is the whole platform, which holds it.
        if name.startswith("package") or name == "dram":
            found.append(Counter(name, folder / "energy_uj", wrap))
    if not found:
        raise MissingTool(
            f"this machine shows no energy counters of its processor (none in {root})",
            "RAPL, which virtual machines and containers often hide",
            "measure on bare metal, or with a meter (--meter)",
        )
    return tuple(found)
