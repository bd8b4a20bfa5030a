"""A grpc.aio service that does nothing but answer: what the tracker's calls are compared with."""

import asyncio

import grpc.aio

from panal.wire import tracker_pb2 as pb
from panal.wire.tracker_pb2_grpc import TrackerServicer, add_TrackerServicer_to_server

_PROVIDERS = [pb.Provider(peer=f"peer-{n:05}", host="127.0.0.1", port=5_000 + n) for n in range(2)]


class Empty(TrackerServicer):
    """Answers of the same size, without a look at the question."""

    async def Renew(self, request: pb.RenewRequest, context: object) -> pb.RenewResponse:  # noqa: N802
        """In step."""
        return pb.RenewResponse(in_step=True, reachable=True, reachability="Reached." * 5)

    async def Locate(self, request: pb.LocateRequest, context: object) -> pb.LocateResponse:  # noqa: N802
        """Two providers of each."""
        return pb.LocateResponse(
            located=[
                pb.Located(content=content, providers=_PROVIDERS) for content in request.contents
            ]
        )


async def _serve() -> None:
    server = grpc.aio.server()
    add_TrackerServicer_to_server(Empty(), server)  # type: ignore[no-untyped-call]  # generated
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"The empty service listens on 127.0.0.1:{port}.", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve())
