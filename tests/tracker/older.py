"""The tracker's schema as it was once, and a tracker and a client that know no more than that."""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

SCHEMA = Path(__file__).with_name("older_tracker.proto")


@cache
def older() -> descriptor_pb2.FileDescriptorProto:
    """The schema, compiled."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        words = ["protoc", f"-I{SCHEMA.parent}", f"--descriptor_set_out={out}", SCHEMA.name]
        assert protoc.main(words) == 0
        found = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    return found.file[0]


@cache
def _messages() -> dict[str, Any]:
    """Its messages: in a pool of their own, beside those that this process has."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(older())
    return message_factory.GetMessageClassesForFiles([older().name], pool)


def message(kind: str, /, **fields: Any) -> Any:
    """A message as an older program makes it."""
    return _messages()[f"{older().package}.{kind}"](**fields)


def _as_older(type_name: str) -> Callable[[bytes], bytes]:
    """What an older program understands of a message."""
    kind = _messages()[type_name.removeprefix(".")]

    def only_what_it_knows(raw: bytes) -> bytes:
        parsed = kind.FromString(raw)
        parsed.DiscardUnknownFields()
        known: bytes = parsed.SerializeToString()
        return known

    return only_what_it_knows


def _same(raw: bytes) -> bytes:
    return raw


class _OlderService(grpc.GenericRpcHandler):
    """Passes on to a tracker what an older one knows; the rest it does not implement."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._handlers = {
            f"/{older().package}.{service.name}/{method.name}": self._passing(channel, path, method)
            for service in older().service
            for method in service.method
            for path in [f"/{older().package}.{service.name}/{method.name}"]
        }
        self.refused: list[str] = []
        """What was asked that it does not know."""

    def service(self, call: grpc.HandlerCallDetails) -> Any:
        handler = self._handlers.get(call.method)
        if handler is None:
            self.refused.append(call.method)
        return handler

    def _passing(self, channel: grpc.aio.Channel, path: str, method: Any) -> Any:
        request, answer = _as_older(method.input_type), _as_older(method.output_type)
        assert not method.server_streaming

        async def of(raws: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            async for raw in raws:
                yield request(raw)

        async def passed(raws: AsyncIterator[bytes], context: Any) -> bytes:
            try:
                return answer(await channel.stream_unary(path, _same, _same)(of(raws)))
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details(), error.trailing_metadata())
                raise

        # A unary call is the same on the wire as a stream of one message.
        return grpc.stream_unary_rpc_method_handler(passed, _same, _same)


@asynccontextmanager
async def older_tracker(address: str) -> AsyncIterator[tuple[str, list[str]]]:
    """The address of one that answers as that one would have once; what it was asked in vain."""
    async with grpc.aio.insecure_channel(address) as channel:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        service = _OlderService(channel)
        server.add_generic_rpc_handlers((service,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}", service.refused
        finally:
            await server.stop(0)


class OlderClient:
    """Calls as an older program makes them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def call(self, name: str, request: Any) -> Any:
        method = self._method(name)
        call = self._channel.unary_unary(self._path(name), _serialized, self._parse(method))
        return await call(request)

    async def stream(self, name: str, requests: Iterable[Any]) -> Any:
        async def each() -> AsyncIterator[Any]:
            for request in requests:
                yield request

        method = self._method(name)
        call = self._channel.stream_unary(self._path(name), _serialized, self._parse(method))
        return await call(each())

    def _method(self, name: str) -> Any:
        (found,) = (m for m in older().service[0].method if m.name == name)
        return found

    def _path(self, name: str) -> str:
        return f"/{older().package}.{older().service[0].name}/{name}"

    def _parse(self, method: Any) -> Any:
        return _messages()[method.output_type.removeprefix(".")].FromString


def _serialized(request: Any) -> bytes:
    raw: bytes = request.SerializeToString()
    return raw
