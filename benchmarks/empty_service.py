"""A grpc.aio service that does nothing but answer: what the tracker's calls are compared with.

    python -m benchmarks.empty_service RENEWED LOCATED [--same-loop | --guarded]

It has the tracker's own schema and generated code, asyncio's loop, gRPC's defaults, no guard and
no records. It parses the question, does not look at it, and answers with the same message each
time: one that the tracker has answered, in hex, so that both send as many bytes. Its methods are
looked up, as the tracker's are: registered with gRPC one by one, as generated code does it, ten are
slower.

On the same loop it has the tracker's event loop and collects garbage as seldom. Guarded it stands
behind the tracker's guard and limits besides: what is left to the tracker is its work.
"""

import argparse
import asyncio
import gc
from typing import Any

import grpc.aio
import uvloop

from panal.audit import AuditLog
from panal.cli.programs import SELDOM_COLLECTIONS, collect_after
from panal.clock import SystemClock
from panal.tracker.call_counts import CallCounts
from panal.tracker.calls import CallGuard
from panal.tracker.gate import Gate
from panal.tracker.guarded_server import GuardedServer
from panal.tracker.limits import CALLS_AT_ONCE
from panal.tracker.port import options
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


def _server(how: str) -> tuple[grpc.aio.Server, Any]:
    """A server, and what a service is added to."""
    if how != "guarded":
        server = grpc.aio.server()
        return server, HandlersOnly(server)
    server = grpc.aio.server(options=options(), maximum_concurrent_rpcs=CALLS_AT_ONCE)
    clock = SystemClock()
    guard = CallGuard(Gate(), AuditLog(None, clock), CallCounts(), clock)
    return server, GuardedServer(server, guard)


async def _serve(service: Empty, how: str) -> None:
    server, to = _server(how)
    add_TrackerServicer_to_server(service, to)  # type: ignore[no-untyped-call]  # generated
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    if how:
        collect_after(SELDOM_COLLECTIONS)
    else:
        gc.freeze()
    print(f"The empty service listens on 127.0.0.1:{port}.", flush=True)
    await server.wait_for_termination()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.empty_service")
    parser.add_argument("renewed", type=bytes.fromhex)
    parser.add_argument("located", type=bytes.fromhex)
    for how in ("same-loop", "guarded"):
        parser.add_argument(f"--{how}", dest="how", action="store_const", const=how, default="")
    asked = parser.parse_args()
    renewed = pb.RenewResponse.FromString(asked.renewed)
    located = pb.LocateResponse.FromString(asked.located)
    loop_factory = uvloop.new_event_loop if asked.how else None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(Empty(renewed, located), asked.how))


if __name__ == "__main__":
    main()
