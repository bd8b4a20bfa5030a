"""Blocks of names: whatever a name contains, its block contains the parts of."""

from hypothesis import given
from hypothesis import strategies as st

from panal.tracker.postgres_blocks import NAMES_A_BLOCK, blocks_of, parts_of
from panal.tracker.searchable import MARK, searchable, searchable_all

NAMES = st.lists(
    st.lists(st.text("ab ñ", min_size=1, max_size=3), min_size=1, max_size=3).map("/".join),
    min_size=1,
    max_size=3 * NAMES_A_BLOCK,
)


@given(NAMES, st.data())
def test_a_block_contains_the_parts_of_whatever_a_name_contains(
    paths: list[str], data: st.DataObject
) -> None:
    texts = searchable_all(paths)
    blocks = blocks_of(texts)
    assert len(blocks) == -(-len(texts) // NAMES_A_BLOCK)
    place = data.draw(st.integers(0, len(texts) - 1))
    text = texts[place]
    start = data.draw(st.integers(0, len(text) - 1))
    needle = text[start : data.draw(st.integers(start + 1, len(text)))]
    for part in parts_of(needle):
        assert part in blocks[place // NAMES_A_BLOCK]


def test_a_folder_stands_once() -> None:
    (block,) = blocks_of([searchable(path) for path in ("docs/a", "docs/b", "c", "docs/d")])
    shown = block.replace(MARK, "|").replace("\x1e", "$")
    assert shown == "/|docs//|a$/|b$//|c$/|docs//|d$"


def test_a_needle_is_looked_for_part_by_part() -> None:
    assert parts_of("ab") == ["ab"]
    assert parts_of("a/b/c") == ["a/", "/b/", "/c"]
    assert parts_of("/a") == ["/a"]
    assert parts_of("/") == []
