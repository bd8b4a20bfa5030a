"""The picker: rarity against a naive counter, and what may be picked."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from panal.swarm.picker import Rarity, pick_span
from panal.wire import bitfield
from tests.swarm import PROPERTY

CHUNKS = 12
bitfields = st.integers(0, 2**CHUNKS - 1)


@PROPERTY
@given(st.lists(st.tuples(bitfields, st.booleans()), max_size=20), bitfields)
def test_rarity_agrees_with_counting_one_by_one(steps: list[tuple[int, bool]], asked: int) -> None:
    rarity, naive, added = Rarity(CHUNKS), Counter[int](), list[int]()
    for bits, takes_back in steps:
        if takes_back and added:
            gone = added.pop(bits % len(added))
            rarity.remove(gone)
            naive.subtract(bitfield.indices(gone))
        else:
            rarity.add(bits)
            naive.update(bitfield.indices(bits))
            added.append(bits)
    assert [rarity.copies(i) for i in range(CHUNKS)] == [naive[i] for i in range(CHUNKS)]
    among = bitfield.indices(asked)
    fewest = min((naive[i] for i in among), default=0)
    assert bitfield.indices(rarity.rarest(asked)) == [i for i in among if naive[i] == fewest]


@PROPERTY
@given(
    st.lists(bitfields, max_size=6),
    st.integers(1, 2**CHUNKS - 1),
    st.integers(1, CHUNKS),
    st.integers(0, 2**32),
)
def test_a_span_is_useful_rarest_and_no_longer_than_it_may_be(
    sources: list[int], useful: int, longest: int, seed: int
) -> None:
    rarity = Rarity(CHUNKS)
    for bits in sources:
        rarity.add(bits)
    first, count = pick_span(useful, rarity, longest, Random(seed))
    picked = set(range(first, first + count))
    assert picked <= set(bitfield.indices(rarity.rarest(useful)))
    assert 1 <= count <= longest
    follower = first + count
    could_go_on = rarity.rarest(useful) >> follower & 1
    assert count == longest or not could_go_on


def test_ties_are_broken_by_chance() -> None:
    picked = {pick_span(0b1111, Rarity(4), 1, Random(seed))[0] for seed in range(50)}
    assert picked == {0, 1, 2, 3}


def test_a_chunk_that_nobody_else_has_comes_first() -> None:
    rarity = Rarity(4)
    for bits in (0b1111, 0b1011, 0b1011):
        rarity.add(bits)
    assert {pick_span(0b1111, rarity, 4, Random(seed)) for seed in range(20)} == {(2, 1)}
