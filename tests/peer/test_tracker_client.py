"""What a tracker says is checked: it sends nobody where it may not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest

from panal.peer.tracker_calls import meaning_of
from panal.peer.tracker_client import TrackerClient, _problem
from panal.wire import tracker as convert
from panal.wire import tracker_pb2 as pb
from panal.wire.ids import ContentId
from panal.wire.tracker_pb2_grpc import TrackerServicer, add_TrackerServicer_to_server
from tests.wire.test_address import DIALLED, REFUSED

CONTENT = ContentId(bytes(32))


class EvilTracker(TrackerServicer):
    """Names whatever it is told to."""

    def __init__(self, rows: list[tuple[str, int]]) -> None:
        self.rows = rows

    async def Locate(self, request, context):  # noqa: N802
        providers = [
            pb.Provider(peer=f"peer-{at}", host=host, port=port, complete=True)
            for at, (host, port) in enumerate(self.rows)
        ]
        return pb.LocateResponse(located=[pb.Located(content=CONTENT, providers=providers)])


@asynccontextmanager
async def tracker(rows: list[tuple[str, int]]) -> AsyncIterator[str]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_TrackerServicer_to_server(EvilTracker(rows), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def located(rows: list[tuple[str, int]]) -> set[tuple[str, int]]:
    async with tracker(rows) as address:
        client = TrackerClient([address])
        try:
            found = {(one.host, one.port) for one in await client.locate(CONTENT, "me")}
            assert client.unusable_providers == len(rows) - len(found)
            return found
        finally:
            await client.close()


async def test_what_a_tracker_names_is_looked_at_again() -> None:
    good = list(DIALLED.values())
    rows = [row for row in REFUSED.values() if row[1] >= 0]  # the field holds no others
    assert 0 in {port for _, port in rows}
    for start in range(0, len(rows), 10):
        bad = rows[start : start + 10]
        found = await located([*good[:10], *bad])
        assert not found & set(bad)
        assert found == set(good[:10])


@pytest.mark.parametrize(
    ("tracker", "host", "may"),
    [
        ("127.0.0.1:50051", "127.0.0.1", True),
        ("localhost:50051", "127.0.0.1", True),
        ("[::1]:50051", "127.0.0.1", True),
        ("192.168.1.10:50051", "127.0.0.1", False),
        ("192.168.1.10:50051", "192.168.1.11", True),
        ("192.168.1.10:50051", "10.0.0.1", True),
        ("192.168.1.10:50051", "169.254.169.254", False),
        ("8.8.8.8:50051", "192.168.1.1", False),
        ("8.8.8.8:50051", "127.0.0.1", False),
        ("8.8.8.8:50051", "8.8.4.4", True),
        ("[2a00:1450::1]:50051", "fd00::5", False),
        ("tracker.example:50051", "127.0.0.1", False),
        ("tracker.example:50051", "192.168.1.11", True),
        ("localhost.example:50051", "127.0.0.1", False),
    ],
)
def test_whom_a_tracker_may_name(tracker: str, host: str, may: bool) -> None:
    assert (_problem(tracker, host, 5000) is None) is may


@pytest.mark.parametrize("slug", ["", "bad-request", "no-such"])
def test_what_a_tracker_says_does_nothing_to_a_terminal(slug: str) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J fine\n12:00:00 forged \u202e"
    told = [(convert.ERROR_METADATA, slug)] if slug else []
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(*told),
        evil,
    )
    said = str(meaning_of(error, "192.0.2.1:50051"))
    assert "forged" in said
    assert said.isprintable()


def test_nor_does_what_it_says_of_who_can_be_reached() -> None:
    evil = "\x1b[2J forged\n"
    welcome = pb.RegisterResponse(
        observed_host="127.0.0.1", lease_s=60, renew_s=20, digest=bytes(32), reachability=evil
    )
    assert convert.welcome_from(welcome).reachability.isprintable()
    assert convert.renewal_from(pb.RenewResponse(reachability=evil)).reachability.isprintable()
