"""Ports and top module of a simulation with the methods that FINN calls on them.

Values are those of the last `XsiPort.read`; the design sees one only after `write_back`.
"""

from collections.abc import Iterator

from lepton_hw.sim.port_model import Port, PortModel


class XsiPort:
    """A port with the methods that FINN calls. Values change at `write_back`."""

    def __init__(self, port: Port) -> None:
        self._port, self._value = port, port.value

    def name(self) -> str:
        """Name in the top module."""
        return self._port.name

    def width(self) -> int:
        """Width in bits."""
        return self._port.width

    def isInput(self) -> bool:  # noqa: N802 – FINN's names, here and below
        """Whether the testbench drives it."""
        return self._port.is_input

    def isOutput(self) -> bool:  # noqa: N802
        """Whether the design drives it."""
        return not self._port.is_input

    def isInout(self) -> bool:  # noqa: N802
        """Never: Verilator has no tri-state ports."""
        return False

    def hasUnknown(self) -> bool:  # noqa: N802
        """Never: two-state simulation."""
        return False

    def read(self) -> "XsiPort":
        """Takes over the port's present value."""
        self._value = self._port.value
        return self

    def write_back(self) -> None:
        """Gives the value that was set to the design."""
        self._port.value = self._value

    def isZero(self) -> bool:  # noqa: N802
        """Whether the value read or set last is 0."""
        return self._value == 0

    def as_bool(self) -> bool:
        """Whether it is not 0."""
        return self._value != 0

    def as_unsigned(self) -> int:
        """As an unsigned integer."""
        return self._value

    def as_hexstr(self) -> str:
        """As hexadecimal digits, all of them."""
        return f"{self._value:0{-(-self.width() // 4)}x}"

    as_hexstr_2state = as_hexstr

    def as_binstr(self) -> str:
        """As binary digits, all of them."""
        return f"{self._value:0{self.width()}b}"

    def clear(self) -> "XsiPort":
        """Sets 0."""
        return self.set(0)

    def set(self, value: int) -> "XsiPort":
        """Sets an integer; bits beyond the width are dropped, as in a hardware assignment."""
        self._value = int(value) & ((1 << self.width()) - 1)
        return self

    def set_hexstr(self, value: str) -> "XsiPort":
        """Sets hexadecimal digits."""
        return self.set(int(value, 16))

    def set_binstr(self, value: str) -> "XsiPort":
        """Sets binary digits."""
        return self.set(int(value, 2))


class XsiDesign:
    """The top module."""

    def __init__(self, model: PortModel) -> None:
        self.model = model
        self._ports = {name: XsiPort(port) for name, port in model.ports.items()}

    def getPort(self, name: str) -> XsiPort:  # noqa: N802
        """The port of that name; raises RuntimeError (which FINN catches) where there is none."""
        if name not in self._ports:
            raise RuntimeError(f"no port {name!r}")
        return self._ports[name]

    def ports(self) -> Iterator[XsiPort]:
        """All ports."""
        return iter(self._ports.values())

    def num_ports(self) -> int:
        """How many there are."""
        return len(self._ports)

    def trace_all(self) -> None:
        """Nothing to do: a trace always has every signal."""
