"""News of who and what comes and goes, for those who watch: gathered for each, bounded; pure.

What happens here is told to the trackers on the same store too, and what happens there is heard.
What is waited for is found by key, so an announcement costs a few look-ups, however many watch.
A watcher that takes its news slowly has later ones gathered with them; what is too much to keep
becomes one word: ask anew.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from panal.errors import Busy
from panal.tracker.changes import Change, ChangeFeed, ChangeKind
from panal.tracker.limits import WATCHES_AT_ONCE, WATCHES_PER_ADDRESS
from panal.wire.catalogue import Announcement, Entry, News, Watched
from panal.wire.ids import PeerName

MOST_NAMES = 1_000
"""Of peers that wait to be told to one watcher."""

Key = str | bytes


class Watcher:
    """What one who watches has not been told yet."""

    def __init__(self, wanted: Watched, wake: Callable[[], None]) -> None:
        self._wanted = wanted
        self._wake = wake
        self._here: dict[PeerName, bool] = {}
        """Whether those who came or went are here, by the last that was heard."""
        self._came = False
        self._missed = False

    @property
    def keys(self) -> Iterator[Key]:
        """What it waits for."""
        yield from self._wanted.names
        yield from self._wanted.contents
        yield from self._wanted.sha256s

    def peer(self, name: PeerName, *, is_here: bool) -> None:
        """A peer has come, or gone."""
        if not self._wanted.peers or self._missed:
            return
        self._here.pop(name, None)
        self._here[name] = is_here
        if len(self._here) > MOST_NAMES:
            self.miss()
        self._wake()

    def came(self) -> None:
        """Something that it waits for has come, or may have."""
        self._came = True
        self._wake()

    def miss(self) -> None:
        """Something has happened that cannot be told."""
        self._here.clear()
        self._missed = True
        self._wake()

    def take(self) -> News:
        """What has gathered; it counts as told."""
        joined = tuple(name for name, is_here in self._here.items() if is_here)
        left = tuple(name for name, is_here in self._here.items() if not is_here)
        news = News(joined, left, came=self._came, missed=self._missed)
        self._here.clear()
        self._came = self._missed = False
        return news


class Newsroom:
    """Everybody who watches."""

    def __init__(self) -> None:
        self._watchers: dict[Watcher, str] = {}
        self._by_key: dict[Key, set[Watcher]] = {}
        self._per_place: dict[str, int] = {}
        self._others_announced = False
        self.is_closed = False
        self.publish: Callable[[Iterable[Change]], None] = lambda changes: None
        """Tells the other trackers on the same store."""

    def follow(self, feed: ChangeFeed, soon: Callable[..., object]) -> None:
        """Tell the other trackers on the store what happens here, and hear what happens there.

        `soon` has something called in the thread of whoever watches.
        """

        def heard(changes: Sequence[Change]) -> None:
            soon(self.heard, changes)

        def missed() -> None:
            soon(self.missed)

        self.publish = feed.publish
        feed.subscribe(heard, missed)

    @contextmanager
    def watching(
        self, wanted: Watched, place: str | None, wake: Callable[[], None]
    ) -> Iterator[Watcher]:
        """One who watches from now on; Busy where as many do as may.

        `place` is where it calls from; None has no limit of its own. `wake` is called when there
        is something to take.
        """
        if len(self._watchers) >= WATCHES_AT_ONCE:
            raise Busy("As many watch this tracker as may; ask it now and then instead.")
        key = place or ""
        if place is not None and self._per_place.get(key, 0) >= WATCHES_PER_ADDRESS:
            raise Busy("As many watch from this address as may; ask now and then instead.")
        watcher = Watcher(wanted, wake)
        self._watchers[watcher] = key
        self._per_place[key] = self._per_place.get(key, 0) + 1
        for wanted_key in watcher.keys:
            self._by_key.setdefault(wanted_key, set()).add(watcher)
        try:
            yield watcher
        finally:
            self._end(watcher)

    def _end(self, watcher: Watcher) -> None:
        place = self._watchers.pop(watcher)
        self._per_place[place] -= 1
        if not self._per_place[place]:
            del self._per_place[place]
        for key in watcher.keys:
            waiting = self._by_key.get(key, set())
            waiting.discard(watcher)
            if not waiting:
                self._by_key.pop(key, None)

    def peer(self, name: PeerName, *, is_here: bool) -> None:
        """A peer has come here, or gone."""
        self._tell_of(name, is_here=is_here)
        self.publish([Change(ChangeKind.JOINED if is_here else ChangeKind.LEFT, name)])

    def announced(self, name: PeerName, announcement: Announcement) -> None:
        """This was told here, and recorded."""
        self.publish([Change(ChangeKind.ANNOUNCED, name, len(announcement.entries))])
        if not self._by_key:
            return
        for entry in announcement.entries:
            self._wake(_keys_of(entry))
        self._wake(holding.content for holding in announcement.holdings)

    def heard(self, changes: Iterable[Change]) -> None:
        """This happened at other trackers; what was announced there is not known."""
        for change in changes:
            if change.kind is ChangeKind.ANNOUNCED:
                self._others_announced = True
            else:
                self._tell_of(change.peer, is_here=change.kind is ChangeKind.JOINED)

    def spread(self) -> None:
        """Tell that others were told something; now and then, for it may be of no matter here."""
        if self._others_announced:
            self._others_announced = False
            for watcher in {one for waiting in self._by_key.values() for one in waiting}:
                watcher.came()

    def missed(self) -> None:
        """Something has happened of which nothing is known."""
        for watcher in self._watchers:
            watcher.miss()

    def close(self) -> None:
        """Let everybody go."""
        self.is_closed = True
        self.missed()

    def _tell_of(self, name: PeerName, *, is_here: bool) -> None:
        for watcher in self._watchers:
            watcher.peer(name, is_here=is_here)

    def _wake(self, keys: Iterable[Key]) -> None:
        for key in keys:
            for watcher in self._by_key.get(key, ()):
                watcher.came()


def _keys_of(entry: Entry) -> Iterator[Key]:
    yield entry.path
    yield entry.path.rpartition("/")[2]
    yield entry.content
    if entry.sha256 is not None:
        yield entry.sha256
