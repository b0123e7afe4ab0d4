"""PYNQ.remote's protocol in front of a `Peer`: unmodified pynq clients reach the virtual board.

The messages are pynq's own, from the package that is installed. There is no authentication in this
protocol, so it listens on the loopback address unless another one is asked for.
"""

from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from pynq.remote import (
    buffer_pb2,
    buffer_pb2_grpc,
    mmio_pb2,
    mmio_pb2_grpc,
    remote_device_pb2,
    remote_device_pb2_grpc,
)

from lepton_hw.virtual.errors import BoardError
from lepton_hw.virtual.peer import MOST_FIRMWARE, Peer

PORT, LOOPBACK = 7967, "127.0.0.1"
_CHUNK = 2 << 20


def start(peer: Peer, address: str = LOOPBACK, port: int = PORT) -> Any:
    """A running gRPC server; one request at a time. Raises `BoardError` where it cannot listen."""
    options = [
        ("grpc.max_receive_message_length", 2 * _CHUNK), ("grpc.so_reuseport", 0),
    ]  # fmt: skip
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1), options=options)
    remote_device_pb2_grpc.add_RemoteDeviceServicer_to_server(_Device(peer), server)
    mmio_pb2_grpc.add_MmioServicer_to_server(_Mmio(peer), server)
    buffer_pb2_grpc.add_RemoteBufferServicer_to_server(_Buffer(peer), server)
    try:
        bound = server.add_insecure_port(f"{address}:{port}")
    except RuntimeError:
        bound = 0
    if not bound:
        raise BoardError(
            f"{address}:{port} cannot be listened on",
            "an address of this machine with that port free",
            "end the other server, or pass another --address",
        )
    server.start()
    return server


def _refusing(act: Callable[[], Any], refuse: Callable[[str], Any]) -> Any:
    """What `act` gives, or `refuse` of the sentence that went wrong: no client ends the server."""
    try:
        return act()
    except Exception as error:
        return refuse(str(error))


class _Device(remote_device_pb2_grpc.RemoteDeviceServicer):  # type: ignore[misc]
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def existsfile(self, request: Any, context: Any) -> Any:
        # Never of firmware: pynq would not send a second design of the same name.
        there = self._peer.file(request.file_path) is not None
        return remote_device_pb2.ExistsFileResponse(exists=there)

    def readfile(self, request: Any, context: Any) -> Iterator[Any]:
        content = self._peer.file(request.file_path)
        if content is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no {request.file_path}")
        yield remote_device_pb2.ReadFileResponse(data=content)

    def writefile(self, requests: Any, context: Any) -> Any:
        path, content = "", bytearray()
        for request in requests:
            path = request.file_path
            content += request.data
            if len(content) > MOST_FIRMWARE:
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the file is too long")
        _refusing(
            lambda: self._peer.write_file(context.peer(), path, bytes(content)),
            lambda text: context.abort(grpc.StatusCode.FAILED_PRECONDITION, text),
        )
        return remote_device_pb2.WriteFileResponse()

    def set_bitstream_attrs(self, request: Any, context: Any) -> Any:
        return remote_device_pb2.SetBitstreamAttrsResponse(status=not request.partial)


class _Mmio(mmio_pb2_grpc.MmioServicer):  # type: ignore[misc]
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def get_mmio(self, request: Any, context: Any) -> Any:
        return _refusing(
            lambda: mmio_pb2.GetMmioResponse(
                status=True,
                mmio_id=self._peer.window(context.peer(), request.base_addr, request.length),
            ),
            lambda text: mmio_pb2.GetMmioResponse(status=False, msg=text),
        )

    def read(self, request: Any, context: Any) -> Any:
        def act() -> Any:
            value = self._peer.read(
                context.peer(), request.mmio_id, request.offset, request.length, request.word_order
            )
            return mmio_pb2.ReadResponse(status=True, data=_wrapped(value))

        return _refusing(act, lambda text: mmio_pb2.ReadResponse(status=False, msg=text))

    def write(self, request: Any, context: Any) -> Any:
        def act() -> Any:
            self._peer.write(context.peer(), request.mmio_id, request.offset, request.data)
            return mmio_pb2.WriteResponse(status=True)

        return _refusing(act, lambda text: mmio_pb2.WriteResponse(status=False, msg=text))


def _wrapped(value: int) -> int:
    """The number as the field holds it: signed, 32 bits, in pynq 3.1; unsigned and longer in 4."""
    kind = mmio_pb2.ReadResponse.DESCRIPTOR.fields_by_name["data"]
    signed = kind.cpp_type == kind.CPPTYPE_INT32
    return (value + (1 << 31)) % (1 << 32) - (1 << 31) if signed else value


class _Buffer(buffer_pb2_grpc.RemoteBufferServicer):  # type: ignore[misc]
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def allocate(self, request: Any, context: Any) -> Any:
        # pynq looks at no message here, so that a refusal must be an error of the call.
        identifier = _refusing(
            lambda: self._peer.allocate(context.peer(), request.size),
            lambda text: context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text),
        )
        return buffer_pb2.AllocateResponse(buffer_id=identifier)

    def write(self, requests: Any, context: Any) -> Any:
        def act() -> Any:
            at = 0
            for request in requests:
                buffer = self._peer.buffer(context.peer(), request.buffer_id)
                if at + len(request.data) > buffer.host.size:
                    raise BoardError("data beyond the buffer", "at most its size", "send less")
                buffer.host[at : at + len(request.data)] = memoryview(request.data)
                at += len(request.data)
            return buffer_pb2.BufferWriteResponse()

        return _refusing(act, lambda text: buffer_pb2.BufferWriteResponse(msg=text))

    def read(self, request: Any, context: Any) -> Iterator[Any]:
        host = _refusing(
            lambda: self._peer.buffer(context.peer(), request.buffer_id).host,
            lambda text: context.abort(grpc.StatusCode.FAILED_PRECONDITION, text),
        )
        for at in range(0, host.size, _CHUNK):
            yield buffer_pb2.BufferReadResponse(data=host[at : at + _CHUNK].tobytes())

    def freebuffer(self, request: Any, context: Any) -> Any:
        def act() -> Any:
            self._peer.free(context.peer(), request.buffer_id)
            return buffer_pb2.FreeBufferResponse()

        return _refusing(act, lambda text: buffer_pb2.FreeBufferResponse(msg=text))

    def flush(self, request: Any, context: Any) -> Any:
        def act() -> Any:
            buffer = self._peer.buffer(context.peer(), request.buffer_id)
            buffer.memory[:] = buffer.host
            return buffer_pb2.FlushResponse()

        return _refusing(act, lambda text: buffer_pb2.FlushResponse(msg=text))

    def invalidate(self, request: Any, context: Any) -> Any:
        def act() -> Any:
            buffer = self._peer.buffer(context.peer(), request.buffer_id)
            buffer.host[:] = buffer.memory
            return buffer_pb2.InvalidateResponse()

        return _refusing(act, lambda text: buffer_pb2.InvalidateResponse(msg=text))

    def physical_address(self, request: Any, context: Any) -> Any:
        return _refusing(
            lambda: buffer_pb2.AddressResponse(
                address=self._peer.buffer(context.peer(), request.buffer_id).block.address
            ),
            lambda text: buffer_pb2.AddressResponse(msg=text),
        )

    virtual_address = physical_address  # of no use over a network, and never dereferenced

    def cacheable(self, request: Any, context: Any) -> Any:
        return buffer_pb2.CacheableResponse(cacheable=True)
