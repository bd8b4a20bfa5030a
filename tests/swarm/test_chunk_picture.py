"""What each chunk looks like, whom it came from, and how many others have it."""

from hypothesis import given
from hypothesis import strategies as st

from panal.swarm.chunk_picture import ChunkLook, ChunkPicture, picture_of, whole_picture
from panal.swarm.messages import ChunkCorrupt, ChunkWritten, Fetch, FetchAny, Ticked
from panal.swarm.origins import HERE_BEFORE, OTHERS, Origins
from panal.wire import bitfield
from tests.swarm import PROPERTY, A, B, Driven, only

MISSING, ASKED, WRITTEN, WRONG = ChunkLook


def test_a_download_is_seen_chunk_by_chunk() -> None:
    driven = Driven(4, written=0b0001)
    driven.tell(Ticked())
    first = driven.open_one_chunk(A, 0b1110)
    (fetch,) = only(driven.open(B, 0b1110), Fetch)
    driven.tell(ChunkWritten(A, first))
    seen = picture_of(driven.state, is_running=True)
    looks, numbers, copies = seen.looks(), seen.numbers(), seen.copies()
    assert looks[0] == WRITTEN
    assert numbers[0] == HERE_BEFORE
    assert (looks[first], seen.sources[numbers[first]]) == (WRITTEN, "peer_a")
    assert (looks[fetch.first], seen.sources[numbers[fetch.first]]) == (ASKED, "peer_b")
    (left,) = {1, 2, 3} - {first, fetch.first}
    assert (looks[left], numbers[left]) == (MISSING, HERE_BEFORE)
    assert list(copies) == [0, 2, 2, 2]


def test_of_what_stopped_nothing_is_asked_for() -> None:
    driven = Driven(2)
    driven.tell(Ticked())
    index = driven.open_one_chunk(A, 0b11)
    assert picture_of(driven.state, is_running=True).looks()[index] == ASKED
    seen = picture_of(driven.state, is_running=False)
    assert list(seen.looks()) == [MISSING, MISSING]
    assert list(seen.copies()) == [0, 0]


def test_a_chunk_that_came_wrong_shows_until_it_is_asked_for_again() -> None:
    driven = Driven(1)
    driven.tell(Ticked())
    driven.open_one_chunk(A, 0b1)
    driven.tell(ChunkCorrupt(A, 0))
    assert picture_of(driven.state, is_running=False).looks()[0] == WRONG
    before = picture_of(driven.state, is_running=False)
    driven.state.origins.came(0, "peer_b")
    whole = ChunkPicture(1, 0b1, wrong=0b1)
    assert whole.looks()[0] == WRITTEN
    assert whole.changed(before) == 0b1


def test_a_seed_that_chooses_is_asked_for_nothing_until_it_has_chosen() -> None:
    driven = Driven(64)
    driven.tell(Ticked())
    assert only(driven.open(A, bitfield.full(64)), FetchAny)
    assert set(picture_of(driven.state, is_running=True).looks()) == {MISSING}


def test_a_content_that_is_here() -> None:
    seen = whole_picture(3)
    assert list(seen.looks()) == [WRITTEN] * 3
    assert list(seen.numbers()) == [HERE_BEFORE] * 3
    assert whole_picture(0).looks() == whole_picture(0).copies() == b""


def test_more_sources_than_there_are_numbers_share_one() -> None:
    origins = Origins(1)
    assert [origins.number(f"p{number}") for number in range(300)][-1] == OTHERS
    assert len(origins.peers) == OTHERS
    assert origins.number("p7") == 7


@PROPERTY
@given(st.lists(st.integers(0, 2**40 - 1), min_size=1, max_size=6), st.integers(0, 2**40 - 1))
def test_copies_are_counted_as_one_by_one(levels: list[int], written: int) -> None:
    taken, apart = 0, []
    for level in levels:
        apart.append(level & ~taken)
        taken |= level
    seen = ChunkPicture(40, written, by_copies=tuple(apart))
    for index, copies in enumerate(seen.copies()):
        assert copies == next((n for n, level in enumerate(apart) if level >> index & 1), 0)
    assert [look == WRITTEN for look in seen.looks()] == [bool(written >> i & 1) for i in range(40)]


def test_at_most_255_copies_are_told() -> None:
    levels = (0,) * 300 + (0b1,)
    assert ChunkPicture(1, 0, by_copies=levels).copies() == b"\xff"
