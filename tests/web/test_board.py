"""Whoever listens knows in the end what there is, however seldom it was told."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from panal.web.board import MOST_GONE, MOST_LINES, Board

PROPERTY = settings(max_examples=200, deadline=None, derandomize=True)


class Thing(msgspec.Struct):
    """Something that can be told."""

    value: int


class Listener:
    """One who is told now and then."""

    def __init__(self) -> None:
        self.number = 0
        self.rows: dict[str, int] = {}
        self.values: dict[str, int] = {}
        self.wholes = 0

    def listen(self, board: Board) -> None:
        if (changes := board.rows_since("things", self.number)) is not None:
            if changes.whole:
                self.wholes += 1
                self.rows = {}
            for row in changes.rows:
                assert isinstance(row, Row)
                self.rows[row.key] = row.value
            for key in changes.removed:
                self.rows.pop(key, None)
        for kind, value in board.values_since(self.number):
            assert isinstance(value, Thing)
            self.values[kind] = value.value
        self.number = board.number


class Row(msgspec.Struct):
    """A thing with a key."""

    key: str
    value: int


def put(board: Board, rows: dict[str, int]) -> None:
    board.put_rows("things", {key: Row(key, value) for key, value in rows.items()})


@PROPERTY
@given(
    st.lists(
        st.one_of(
            st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2)),
            st.tuples(st.sampled_from("xy"), st.integers(0, 2)),
            st.integers(0, 2),  # which listener is told
        ),
        max_size=40,
    )
)
def test_a_listener_comes_to_know_what_there_is(steps: list[object]) -> None:
    board, listeners = Board(), [Listener() for _ in range(3)]
    rows: dict[str, int] = {}
    values: dict[str, int] = {}
    for step in steps:
        if isinstance(step, dict):
            rows = step
            put(board, rows)
        elif isinstance(step, tuple):
            values[step[0]] = step[1]
            board.put(step[0], Thing(step[1]))
        else:
            assert isinstance(step, int)
            listeners[step].listen(board)
    for listener in listeners:
        listener.listen(board)
        assert listener.rows == rows
        assert listener.values == values
        assert listener.wholes <= 1


def test_only_what_has_changed_is_told() -> None:
    board = Board()
    put(board, {"a": 1, "b": 1})
    number = board.number
    put(board, {"a": 1, "b": 1})
    board.put("x", Thing(1))
    before = board.number
    board.put("x", Thing(1))
    assert (number + 1, board.number) == (before, before)
    put(board, {"a": 2, "c": 1})
    changes = board.rows_since("things", number)
    assert changes is not None
    assert (changes.whole, changes.rows) == (False, [Row("a", 2), Row("c", 1)])
    assert changes.removed == ["b"]
    assert board.rows_since("things", board.number) is None


def test_no_rows_at_all_are_something_to_tell_once() -> None:
    board = Board()
    assert board.rows_since("things", 0) is None
    put(board, {})
    changes = board.rows_since("things", 0)
    assert changes is not None
    assert (changes.whole, changes.rows) == (True, [])


def test_rows_that_were_not_known_yet_are_told_whole() -> None:
    board = Board()
    board.put("x", Thing(1))
    number = board.number
    put(board, {"a": 1})
    changes = board.rows_since("things", number)
    assert changes is not None
    assert changes.whole


def test_who_has_missed_too_much_is_told_everything() -> None:
    board, here, away = Board(), Listener(), Listener()
    put(board, {"a": 1})
    for listener in (here, away):
        listener.listen(board)
    for number in range(3 * MOST_GONE):
        put(board, {str(number): 1})
        here.listen(board)
    away.listen(board)
    assert here.rows == away.rows == {str(3 * MOST_GONE - 1): 1}
    assert (here.wholes, away.wholes) == (1, 2)


def test_lines_are_for_those_who_were_here() -> None:
    board = Board()
    board.add("log", Thing(0))
    number = board.number
    for value in range(1, 3):
        board.add("log", Thing(value))
    assert board.lines_since(0) == []
    assert board.lines_since(number) == [("log", Thing(1)), ("log", Thing(2))]
    for value in range(10 * MOST_LINES):
        board.add("log", Thing(value))
    assert len(board.lines_since(number)) == MOST_LINES


def test_a_listener_from_elsewhere_begins_anew() -> None:
    board = Board()
    board.add("log", Thing(0))
    assert board.goes_on_from(1)
    assert not board.goes_on_from(0)
    assert not board.goes_on_from(2)
