"""What is told of a download's chunks adds up to what they are."""

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from panal.answers import ChunksEvent
from panal.swarm.chunk_picture import ChunkPicture, whole_picture
from panal.web.chunk_events import CHUNKS_A_RUN, WatchedContent, chunks_event

PROPERTY = settings(max_examples=200, deadline=None, derandomize=True)
COUNT = 64


@dataclass
class Page:
    """What a page knows that is told."""

    states: list[int] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    copies: list[int] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def take(self, news: ChunksEvent | None) -> None:
        if news is None:
            return
        if isinstance(news.sources, list):
            self.sources = news.sources
        for kept, told in (
            ("states", news.states), ("origins", news.origins), ("copies", news.copies)
        ):  # fmt: skip
            if isinstance(told, bytes):
                setattr(self, kept, list(told))
        if news.runs is not UNSET:
            for first, last, state, origin in news.runs:
                for index in range(first, last + 1):
                    self.states[index], self.origins[index] = state, origin

    def shows(self, picture: ChunkPicture) -> bool:
        seen = (self.states, self.origins, self.sources)
        return seen == (list(picture.looks()), list(picture.numbers()), list(picture.sources))


def watched(picture: ChunkPicture, *, download: str = "d", path: str = "") -> WatchedContent:
    return WatchedContent(download, path, 1 << 20, 1 << 18, picture)


@PROPERTY
@given(st.data())
def test_changes_add_up(data: st.DataObject) -> None:
    bits = st.integers(0, 2**COUNT - 1)
    sources = ("a", "b", "c")
    written, wrong, origins = 0, 0, bytearray([255] * COUNT)
    page, before = Page(), None
    told: tuple[int, ...] = (0,)
    for step in range(data.draw(st.integers(1, 8))):
        come = data.draw(bits) & data.draw(bits) & ~written
        number = data.draw(st.integers(0, 2))
        for index in range(COUNT):
            if come >> index & 1:
                origins[index] = number
        written |= come
        wrong |= data.draw(bits) & data.draw(bits) & data.draw(bits)
        asked = data.draw(bits) & ~written
        picture = ChunkPicture(
            COUNT, written, wrong, ((number, asked),) if asked else (), bytes(origins),
            sources[: max(number + 1, min(step + 1, 3))] if before is None
            else sources[: max(len(before.picture.sources), number + 1)],
            (data.draw(bits),),
        )  # fmt: skip
        now = watched(picture)
        news = chunks_event(now, before, told)
        if news is not None and news.copies is not UNSET:
            told = picture.by_copies
        page.take(news)
        before = now
        assert page.shows(picture)
        assert page.copies == list(picture.copies())


def test_nothing_is_told_twice() -> None:
    now = watched(ChunkPicture(COUNT, 0b1, origins=bytes(COUNT), sources=("a",)))
    first = chunks_event(now, None)
    assert first is not None
    assert first.whole
    assert chunks_event(now, now, now.picture.by_copies) is None


def test_many_scattered_changes_are_told_as_the_whole() -> None:
    origins = bytes(COUNT)
    before = watched(ChunkPicture(COUNT, 0, origins=origins))
    runs = COUNT // CHUNKS_A_RUN
    for count, whole in ((runs, False), (runs + 1, True)):
        bits = sum(1 << (2 * index) for index in range(count))
        news = chunks_event(watched(ChunkPicture(COUNT, bits, origins=origins)), before)
        assert news is not None
        assert news.whole is whole


def test_copies_are_told_when_it_is_time() -> None:
    picture = ChunkPicture(COUNT, 0b1, origins=bytes(COUNT), by_copies=(0b1,))
    before, now = watched(picture), watched(replace(picture, by_copies=(0, 0b1)))
    assert chunks_event(now, before) is None
    news = chunks_event(now, before, picture.by_copies)
    assert news is not None
    assert news.copies == b"\x01" + bytes(COUNT - 1)
    # Later too, where they have stayed so meanwhile.
    assert chunks_event(now, now, picture.by_copies) == news


def test_what_does_not_go_on_is_told_anew() -> None:
    picture = ChunkPicture(COUNT, 0b11, origins=bytes(COUNT), sources=("a",))
    before = watched(picture)
    for now in (
        watched(replace(picture, sources=("b",))),  # begun anew
        watched(replace(picture, written=0b1)),
        watched(whole_picture(COUNT)),
        watched(picture, path="another.bin"),
        watched(picture, download="e"),
    ):
        news = chunks_event(now, before)
        assert news is not None
        assert news.whole
