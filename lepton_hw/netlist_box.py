"""A netlist with one of its cells taken out: what joined the cell becomes ports of the module.

So a processor that has no model is replaced by whatever drives those ports.
"""

import itertools
from dataclasses import replace

from lepton_hw.errors import StageError
from lepton_hw.netlist import Netlist, Port

FROM, TO = "from_box_", "to_box_"


def opened(netlist: Netlist, box: Netlist) -> Netlist:
    """`netlist` without its only cell of the black box `box`.

    An output of the cell becomes an input ``from_box_<pin>`` as wide as the pin, an input an output
    ``to_box_<pin>``. Raises `StageError` where there is not exactly one such cell.
    """
    cells = [cell for cell in netlist.cells if cell.type == box.top]
    if len(cells) != 1:
        raise StageError(
            f"{netlist.top} has {len(cells)} cells {box.top}", "one", "report this, with the design"
        )
    used = (
        bit
        for cell in netlist.cells
        for pins in cell.connections.values()
        for bit in pins
        if isinstance(bit, int)
    )
    free = itertools.count(max(used, default=0) + 1)
    ports = []
    for port in box.ports:
        bits = cells[0].connections.get(port.name, ())
        missing = len(port.bits) - len(bits)
        if port.direction == "output":  # a bit that nothing takes gets a net of its own
            nets = (bit if isinstance(bit, int) else next(free) for bit in (*bits, *"x" * missing))
            ports.append(Port(FROM + port.name, "input", tuple(nets)))
        else:
            ports.append(Port(TO + port.name, "output", (*bits, *"0" * missing)))
    rest = tuple(cell for cell in netlist.cells if cell is not cells[0])
    return replace(netlist, ports=(*netlist.ports, *ports), cells=rest)
