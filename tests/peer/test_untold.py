"""Which changes the tracker is told first."""

from panal.peer.untold import Untold
from panal.wire.catalogue import Entry, Holding
from panal.wire.ids import ContentId


def entry(path: str, number: int = 1) -> Entry:
    return Entry(path, ContentId(bytes([number]) * 32), 1)


def changed(*paths: str) -> Untold:
    untold = Untold()
    for path in paths:
        untold.change_entry(path, entry(path))
    return untold


def test_half_are_the_newest_and_half_the_oldest() -> None:
    untold = changed(*(str(number) for number in range(10)))
    assert set(untold.take(4).entries) == {"9", "8", "0", "1"}
    assert set(untold.take(5).entries) == {"7", "6", "2", "3", "4"}
    assert set(untold.take(5).entries) == {"5"}
    assert not untold


def test_one_at_a_time_is_the_oldest() -> None:
    assert set(changed("a", "b").take(1).entries) == {"a"}


def test_holdings_go_first() -> None:
    untold = changed("a", "b", "c")
    held = Holding(ContentId(bytes(32)), complete=True)
    untold.change_holding(held.content, held)
    taken = untold.take(2)
    assert taken.holdings == {held.content: held}
    assert len(taken) == 2


def test_what_was_not_told_waits_again_with_its_newest_value() -> None:
    untold = changed("a", "b")
    untold.take(2)
    untold.change_entry("a", None)
    untold.not_told()
    assert untold.take(9).entries == {"a": None, "b": entry("b")}


def test_a_change_counts_as_told_once_it_has_arrived() -> None:
    untold = changed("a")
    assert untold.includes(["x", "a"])
    assert not untold.includes(["x"])
    untold.take(9)
    assert untold.includes(["a"])
    untold.told()
    assert not untold.includes(["a"])
