"""A grpc.aio service that does nothing but answer: what the tracker's calls are compared with.

    python -m benchmarks.empty_service RENEWED LOCATED [--registered]

It has the tracker's own schema and generated code, gRPC's defaults, no guard and no records. It
parses the question, does not look at it, and answers with the same message each time: one that the
tracker has answered, in hex, so that both send as many bytes.

gRPC takes methods in two ways: looked up in handlers, as the tracker's are, or registered one by
one besides, which is what generated code does. With ten methods the second is slower, so the first
is the measure.
"""

import argparse
import asyncio
import gc
from typing import Any

import grpc.aio

from panal.wire import tracker_pb2 as pb
from panal.wire.tracker_pb2_grpc import TrackerServicer, add_TrackerServicer_to_server


class Empty(TrackerServicer):
    """The same answers to everybody."""

    def __init__(self, renewed: pb.RenewResponse, located: pb.LocateResponse) -> None:
        self._renewed = renewed
        self._located = located

    async def Renew(self, request: pb.RenewRequest, context: object) -> pb.RenewResponse:  # noqa: N802
        """What the tracker answered once."""
        return self._renewed

    async def Locate(self, request: pb.LocateRequest, context: object) -> pb.LocateResponse:  # noqa: N802
        """What the tracker answered once."""
        return self._located


class HandlersOnly:
    """Takes a server's place where a service is added: methods are looked up, not registered."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Nothing."""


async def _serve(service: Empty, *, is_registered: bool) -> None:
    server = grpc.aio.server()
    to: Any = server if is_registered else HandlersOnly(server)
    add_TrackerServicer_to_server(service, to)  # type: ignore[no-untyped-call]  # generated
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    gc.freeze()  # as the tracker does once it runs
    print(f"The empty service listens on 127.0.0.1:{port}.", flush=True)
    await server.wait_for_termination()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.empty_service")
    parser.add_argument("renewed", type=bytes.fromhex)
    parser.add_argument("located", type=bytes.fromhex)
    parser.add_argument("--registered", action="store_true")
    asked = parser.parse_args()
    renewed = pb.RenewResponse.FromString(asked.renewed)
    located = pb.LocateResponse.FromString(asked.located)
    asyncio.run(_serve(Empty(renewed, located), is_registered=asked.registered))


if __name__ == "__main__":
    main()
