"""A board and its designs as the tests see them, wherever the board is."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
#: Any address of the loopback range is this machine's: two servers do not meet.
LOOPBACK = f"127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 200 + 20}.1"


@dataclass
class Golden:
    """The vectors of a deployment: what goes in, what must come out."""

    inputs: np.ndarray
    outputs: np.ndarray

    def repeated(self, count: int) -> "Golden":
        """`count` of them, the first again behind the last."""
        index = np.arange(count) % len(self.inputs)
        return Golden(self.inputs[index], self.outputs[index])


class Bench:
    """Opens the designs on one board; `kind` is virtual, local, remote, ssh or serial."""

    def __init__(self, kind: str, designs: list[Path]) -> None:
        self.kind, self.designs = kind, designs
        # What was deployed is tested, not what is in the project today.
        sys.path.insert(0, str(designs[0]))
        import onboard

        self.onboard = onboard

    def open(self, folder: Path | None = None, **options: Any) -> Any:
        """The accelerator of a design, by default of the first."""
        return self.onboard.Accelerator((folder or self.designs[0]) / "design.bit", **options)

    def manifest(self, folder: Path | None = None) -> dict[str, Any]:
        return json.loads(((folder or self.designs[0]) / "design.json").read_text())

    def golden(self, folder: Path | None = None) -> Golden:
        with np.load((folder or self.designs[0]) / "vectors.npz", allow_pickle=False) as vectors:
            return Golden(vectors["inputs"], vectors["outputs"])

    def unplug(self) -> None:
        """Takes the board away while it runs."""
        raise NotImplementedError

    def replug(self) -> None:
        """Brings it back."""


class Virtual(Bench):
    def unplug(self) -> None:
        import pynq

        pynq.Device.active_device.board.unplug()

    def replug(self) -> None:
        import pynq

        from lepton_hw.virtual.device import VirtualDevice

        _use(pynq, VirtualDevice())


class RemoteVirtual(Bench):
    """A PYNQ.remote peer of our own, in another process."""

    def __init__(self, designs: list[Path]) -> None:
        self._server: subprocess.Popen[str] | None = None
        self._folders = designs
        os.environ["PYNQ_REMOTE_DEVICES"] = LOOPBACK
        self.replug()
        super().__init__("remote", designs)

    def unplug(self) -> None:
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def replug(self) -> None:
        if self._server is not None and self._server.poll() is None:
            return
        self._server = subprocess.Popen(
            [sys.executable, "-m", "lepton_hw.virtual", "serve", *map(str, self._folders),
             "--address", LOOPBACK],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._server.stdout is not None
        assert self._server.stdout.readline().startswith("virtual ")
        if "pynq" in sys.modules:  # its connection was to the one before
            import pynq
            from pynq.pl_server.remote_device import RemoteDevice

            _use(pynq, RemoteDevice(0, LOOPBACK))


class OverSsh(Bench):
    """A board that SSH reaches: the driver runs here, the registers are there."""

    def __init__(self, host: str, designs: list[Path]) -> None:
        from lepton_hw.tools import ssh, ssh_copy

        super().__init__("ssh", designs)
        config = os.environ.get("LEPTON_SSH_CONFIG")
        options = ssh.Options(config=Path(config) if config else None)
        self._ssh, self._as_root = ssh.Ssh(ssh.parse_host(host), options), ssh.as_root
        self._targets = {}
        for number, folder in enumerate(designs):
            self._targets[folder] = f"lepton/hil{number}"
            ssh_copy.copy_folder(self._ssh, folder, self._targets[folder])
        self._channels: list[Any] = []

    def open(self, folder: Path | None = None, **options: Any) -> Any:
        from onboard.pipe import PipeTransport

        self._end()  # one program holds the board
        target = self._targets.get(folder or self.designs[0])
        if target is None:  # a spoilt copy, which is refused before anything is sent
            return super().open(folder, transport=object(), **options)
        command = self._as_root(["python3", "driver.py", "--serve"], target)
        channel = self._ssh.open(command)
        self._channels.append(channel)
        transport = PipeTransport(channel.reader, channel.writer, channel.last_words)
        return super().open(folder, transport=transport, **options)

    def unplug(self) -> None:
        self._end()

    def _end(self) -> None:
        while self._channels:
            self._channels.pop().close()


class SerialVirtual(Bench):
    """The first design behind a pseudo-terminal, simulated in another process."""

    def __init__(self, designs: list[Path]) -> None:
        self._server: subprocess.Popen[str] | None = None
        self._folder = designs[0]
        self.replug()
        super().__init__("serial", designs[:1])  # who serves a device has loaded one design

    def unplug(self) -> None:
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def replug(self) -> None:
        if self._server is not None and self._server.poll() is None:
            return
        self._server = subprocess.Popen(
            [sys.executable, "-m", "lepton_hw.virtual", "serve-serial", str(self._folder)],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._server.stdout is not None
        said = self._server.stdout.readline()
        os.environ["LEPTON_SERIAL"] = said.partition(" at ")[2].partition(";")[0]


def _use(pynq: Any, device: Any) -> None:
    """Another device in the same process; pynq's clocks would keep the one before."""
    pynq.Device.active_device = device
    if hasattr(pynq.Clocks, "_real_instance"):
        del pynq.Clocks._real_instance


@contextlib.contextmanager
def open_bench(place: str, designs: list[Path]) -> Iterator[Bench]:
    kind, _, host = place.partition(":")
    if place == "remote:virtual":
        bench = RemoteVirtual(designs)
        try:
            yield bench
        finally:
            bench.unplug()
    elif place == "serial:virtual":
        serial = SerialVirtual(designs)
        try:
            yield serial
        finally:
            serial.unplug()
    elif kind == "serial" and host:
        os.environ["LEPTON_SERIAL"] = host
        yield Bench(kind, designs)
    elif kind == "remote" and host:
        os.environ["PYNQ_REMOTE_DEVICES"] = host
        yield Bench(kind, designs)
    elif kind == "ssh" and host:
        bench = OverSsh(host, designs)
        try:
            yield bench
        finally:
            bench.unplug()
    elif place == "virtual":
        yield Virtual(place, designs)
    elif place == "local":
        yield Bench(place, designs)
    else:
        raise SystemExit(
            f"--board={place}; expected virtual, local, remote:HOST, ssh:HOST or serial:DEVICE"
        )
