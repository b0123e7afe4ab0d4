"""A line between the driver's serial transport and the simulated link, as noisy as asked.

Both directions go through the simulation's bytes; noise is random, by a seed, and repeatable.
"""

from typing import Any

import numpy as np

from lepton_hw.sim.serial_model import SerialModel

FLAG = b"\x7e"


class Noise:
    """Bytes are flipped, dropped or inserted, each with probability `rate` a byte."""

    def __init__(self, rate: float, seed: int) -> None:
        self.rate, self._random = rate, np.random.default_rng(seed)
        self.hits = 0

    def __call__(self, data: bytes) -> bytes:
        if not self.rate:
            return data
        out = bytearray()
        for byte in data:
            if self._random.random() >= self.rate:
                out.append(byte)
                continue
            self.hits += 1
            kind = self._random.integers(4)
            if kind == 0:
                out.append(byte ^ 1 << int(self._random.integers(8)))
            elif kind == 1:
                out += bytes((byte, int(self._random.integers(256))))
            elif kind == 2:
                out += FLAG
        return bytes(out)


class ModelPort:
    """Stands where `SerialPort` does, over an open simulation; `portion` bytes at most at once."""

    def __init__(
        self, model: SerialModel, to_board: Noise, from_board: Noise, portion: int, quiet: int
    ) -> None:
        self.path = "simulation"
        self._model, self._to, self._from = model, to_board, from_board
        self._portion, self._quiet = portion, quiet
        self._arrived = b""

    def wait(self, seconds: float, to_write: bool) -> tuple[bool, bool]:
        if not self._arrived and not to_write:
            self._model.settle(self._quiet, 20_000)
            self._arrived += self._from(self._model.take())
        return bool(self._arrived), to_write

    def read(self) -> bytes:
        data, self._arrived = self._arrived[: self._portion], self._arrived[self._portion :]
        return data

    def write(self, data: bytes) -> int:
        part = data[: self._portion]
        self._model.send(self._to(part))
        self._arrived += self._from(self._model.take())
        return len(part)

    def close(self) -> None:
        pass


def transport_over(port: ModelPort, monkeypatch: Any, patience: float = 0.02) -> Any:
    """The driver's transport on that line; it repeats requests after `patience` seconds."""
    from lepton_hw.onboard import serial_link

    monkeypatch.setattr(serial_link, "SerialPort", lambda path, baud: port)
    monkeypatch.setattr(serial_link, "PATIENCE", patience)
    monkeypatch.setattr(serial_link, "TRIES", 200)
    return serial_link.SerialTransport("simulation", 2_000_000)
