"""Whom a folder's small files are asked of."""

from typing import Any, cast

import pytest

from panal.peer.received import Received
from panal.peer.small_files import SmallFiles
from panal.peer.transfer import Transfer
from panal.wire.catalogue import Provider
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.ids import ContentId, PeerName
from panal.wire.names import SafePath
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


class Waited(Exception):
    """Nobody gives it."""


async def test_a_file_that_only_a_liar_has_waits_for_that_reason_whoever_found_it_out() -> None:
    liar = Provider(PeerName("liar"), "10.0.0.1", 5000, complete=True)

    async def locate(content: ContentId) -> list[Provider]:
        small.ban(liar, "sent wrong bytes")  # another file's request was answered meanwhile
        return [liar]

    async def wait(_: float) -> None:
        raise Waited

    nobody = cast(Any, None)
    small = SmallFiles(
        ContentId(bytes(32)), locate, nobody, NO_LIMIT, Received(), VirtualClock(), wait
    )
    entry = CollectionEntry(SafePath("a"), EntryType.FILE, ContentId(bytes([1]) * 32), 1, 0)
    transfer = Transfer()
    with pytest.raises(Waited):
        await small.get(entry, transfer)
    assert transfer.waiting_for == "liar sent wrong bytes and is not asked any more"
