"""What matches a search of the SQLite store, out of what is kept of searches where that stands."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from panal.tracker.kept_best import KeptBest
from panal.tracker.kept_orders import KeptOrders
from panal.tracker.name_counts import KeptCounts
from panal.tracker.ranking import RANK_LIMIT, RANKED_OF_MORE, Matches, best_key, ranked
from panal.tracker.search import Search
from panal.tracker.sqlite_peers import PeerRows
from panal.tracker.sqlite_queries import FEW_ROWS, Finding
from panal.tracker.sqlite_rows import bounded, filters, matches_in, names_in
from panal.tracker.sqlite_text import TRIGRAM, grams_of
from panal.wire.ids import ContentId

QUICK_ROWS = 300
"""With the longest names they are read and put in order in some twenty milliseconds."""


@dataclass(frozen=True, slots=True)
class KeptSearches:
    """What is kept of searches, each part for as long as it must be true."""

    counts: KeptCounts = field(default_factory=KeptCounts)
    best: KeptBest = field(default_factory=KeptBest)
    orders: KeptOrders = field(default_factory=KeptOrders)

    def note_changed(self, ids: Sequence[int], contents_before: Sequence[ContentId]) -> None:
        """These entries are gone or other now; what they were."""
        self.counts.note_rows(len(ids))
        self.best.note_changed(ids)
        self.orders.note_changed(ids, contents_before)

    def is_quick(self, search: Search) -> bool:
        """Whether kept counts say that a search reads few rows at most, by words alone."""
        is_narrowed = search.peer or search.content or search.sha256 or any(filters(search))
        if is_narrowed or not search.needles or min(map(len, search.needles)) < TRIGRAM:
            return False
        names = self.counts.names
        if names.is_known_more(search.needles, RANK_LIMIT):
            return not self.best.was_slow(search)
        grams = [gram for needle in search.needles for gram in grams_of(needle)]
        if any(names.known_about(gram) is None for gram in grams):
            return False
        at_most = [count for gram in grams if (count := names.at_most(gram)) is not None]
        return min(at_most) <= QUICK_ROWS and self.orders.is_quick(search)


def matches_of(
    connection: sqlite3.Connection, peers: PeerRows, kept: KeptSearches, search: Search
) -> Matches:
    """The entries of live peers that meet a search; exact names are never cut off."""
    only = peers.get(search.peer) if search.peer else None
    if search.peer and only is None:
        return Matches.of(())
    find = Finding(connection, peers, kept.counts, search, only)
    with bounded(connection):
        if find.is_too_much():
            return _best(peers, kept.best, find, search)
        return _known(peers, kept.orders, find, search) or _all(peers, kept.orders, find, search)


def _best(peers: PeerRows, kept: KeptBest, find: Finding, search: Search) -> Matches:
    exact = find.exact_names()
    beside = (peers.absences, exact)
    known = kept.get(search, beside)
    if known is not None:
        return known
    rows, last = find.best(exact, (search.beginnings, search.needles))
    is_more = len(rows) == RANKED_OF_MORE
    if last is None or not is_more:
        kept.note_slow(search)
    names = names_in(peers, rows)
    if last is None:
        return Matches(names.matches(), is_more)
    of_page, _ = ranked(search, names)
    return kept.keep(search, beside, last, replace(of_page, capped=is_more))


def _known(peers: PeerRows, kept: KeptOrders, find: Finding, search: Search) -> Matches | None:
    """A page out of an order that is kept; None where that is not known to be it."""
    order = kept.of(search, peers.absences, find.last_entry, find.is_among)
    if order is None:
        return None
    if (page := order.page(search)) is not None:
        return page
    contents = order.contents_of(search)
    if contents is None or not find.sees_all():
        return None
    names = names_in(peers, find.names_of(contents, find.found(), order.count))
    if search.after is not None:
        before = [row for row in names.matches() if row.content == contents[0]]
        if best_key(search, before) != search.after:  # it was another when that page was made
            return None
    return kept.keep_page(order, search, ranked(search, names)[0])


def _all(peers: PeerRows, kept: KeptOrders, find: Finding, search: Search) -> Matches:
    """All names of the page's contents and of the next one, and whether more were found.

    Where too much matches, a part of it, the best first.
    """
    found = find.found()
    count = find.at_most(found)
    if count > RANK_LIMIT:
        rows, _ = find.best(find.exact_names(), (search.needles,))
        return Matches(list(matches_in(peers, rows)), len(rows) == RANKED_OF_MORE)
    contents: list[ContentId] | None = None
    is_whole = True
    if count <= FEW_ROWS:
        names = names_in(peers, find.rows_of(found))
    else:
        of_page, contents, is_whole = find.contents_in_order(found)
        names = names_in(peers, find.names_of(of_page, found, count))
    if not find.sees_all():  # whoever asked puts it in order; nothing of it is kept
        return Matches(names.matches())
    matches, in_order = ranked(search, names)
    known = in_order if contents is None else contents
    order = kept.keep(search, peers.absences, find.last_entry, known, count, is_whole=is_whole)
    return kept.keep_page(order, search, matches)
