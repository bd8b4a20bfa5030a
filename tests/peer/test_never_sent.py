"""Each chunk is granted once before any is twice; what did not arrive is granted again."""

from random import Random

from panal.peer import never_sent
from panal.peer.never_sent import NeverSent
from panal.wire.ids import ContentId

CONTENT = ContentId(bytes(32))
ALL = (1 << 100) - 1


def test_every_chunk_is_granted_once() -> None:
    left = NeverSent(Random(1))
    seen: list[int] = []
    while (granted := left.grant(CONTENT, 100, ALL, 7)) is not None:
        first, count = granted
        assert 1 <= count <= 7
        seen += range(first, first + count)
    assert sorted(seen) == list(range(100))
    assert not left.has_any(CONTENT, 100, ALL)


def test_only_what_was_asked_for_is_granted() -> None:
    left = NeverSent(Random(1))
    assert left.grant(CONTENT, 100, 0b1000, 9) == (3, 1)
    assert left.grant(CONTENT, 100, 0b1000, 9) is None


def test_what_did_not_arrive_counts_as_never_sent_again() -> None:
    left = NeverSent(Random(1))
    assert left.grant(CONTENT, 100, 0b11, 2) is not None
    left.give_back(CONTENT, 0, 2)
    assert left.has_any(CONTENT, 100, 0b10)


def test_what_was_sent_by_another_way_is_sent() -> None:
    left = NeverSent(Random(1))
    assert left.has_any(CONTENT, 100, ALL)
    left.sent(CONTENT, 0, 99)
    assert left.grant(CONTENT, 100, ALL, 100) == (99, 1)


def test_only_the_contents_asked_for_last_are_remembered() -> None:
    left = NeverSent(Random(1))
    for number in range(never_sent.MOST_CONTENTS + 1):
        left.grant(ContentId(number.to_bytes(32, "big")), 1, 1, 1)
    assert left.has_any(CONTENT, 1, 1)
    assert not left.has_any(ContentId(never_sent.MOST_CONTENTS.to_bytes(32, "big")), 1, 1)
