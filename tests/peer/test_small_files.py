"""Whom a folder's small files are asked of."""

from typing import Any, cast

from panal.peer.received import Received
from panal.peer.small_files import SmallFiles
from panal.wire.catalogue import Provider
from panal.wire.ids import ContentId, PeerName
from tests.peer.test_http_source import NO_LIMIT
from tests.support.clock import VirtualClock


async def test_a_liar_is_not_asked_under_another_name_either() -> None:
    liar = Provider(PeerName("liar"), "10.0.0.1", 5000, complete=True)
    again = Provider(PeerName("innocent"), "10.0.0.1", 5000, complete=True)
    other = Provider(PeerName("other"), "10.0.0.1", 5001, complete=True)
    found = [liar]

    async def locate(content: ContentId) -> list[Provider]:
        return found

    async def never(_: float) -> None:
        raise AssertionError

    nobody = cast(Any, None)
    small = SmallFiles(
        ContentId(bytes(32)), locate, nobody, NO_LIMIT, Received(), VirtualClock(), never
    )
    assert await small.look() == [liar]
    small.ban(liar, "sent wrong bytes")
    found = [liar, again, other]
    assert await small.look() == [other]
    assert small.banned == {"liar": "sent wrong bytes"}
