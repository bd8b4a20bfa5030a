import ast
import base64
import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import panal.tracker
from panal.errors import UsageError
from panal.tracker.query_words import EXTENSIONS
from panal.tracker.ranking import (
    MAX_NAMES_PER_HIT,
    MAX_PAGE_BYTES,
    RANK_LIMIT,
    Match,
    Matches,
    RankedPage,
    listed,
    match_class,
    rank,
)
from panal.tracker.search import understand
from panal.tracker.searchable import (
    common_kind,
    common_kind_of_all,
    fold,
    marked,
    searchable,
    searchable_all,
)
from panal.wire.catalogue import SearchQuery
from panal.wire.ids import ContentId, PeerName
from panal.wire.manifest import MAX_CONTENT_BYTES, Kind
from tests.tracker.makers import content
from tests.tracker.search_cases import REFUSED


@given(st.lists(st.text(st.characters(exclude_characters="\n"), min_size=1, max_size=12)))
def test_many_paths_have_the_forms_that_each_has(paths: list[str]) -> None:
    assert searchable_all(paths) == [searchable(path) for path in paths]


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_marked_as_other_text_is(text: str) -> None:
    assert marked(text) == marked(text + "\u00e9").removesuffix("\u00e9").removesuffix("\x1f")


def _found(words: str, path: str, *, literal: bool = False) -> bool:
    needles = understand(SearchQuery(words, literal)).needles
    return all(needle in searchable(path) for needle in needles)


def _class(words: str, path: str, *, literal: bool = False) -> int:
    return match_class(understand(SearchQuery(words, literal)), searchable(path))


def _row(path: str, number: int, peer: str = "peer_1", **more) -> Match:
    values = {"size_bytes": 10, "kind": Kind.FILE, "sha256": None} | more
    return Match(PeerName(peer), path, searchable(path), content(number), **values)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("año", "ano"),
        ("AÑO", "ano"),
        ("an\u0303o", "a\u00f1o"),
        ("Straße", "STRASSE"),
        ("ﬁn", "fin"),
        ("İstanbul", "istanbul"),
        ("Ελλάς", "ελλασ"),
        ("naïve café", "NAIVE CAFE"),
        ("Ａ１", "a1"),
    ],
)
def test_accents_case_and_forms_make_no_difference(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("words", "path", "found"),
    [
        ("nuevo", "Música/Año Nuevo.mp3", True),
        ("uev", "Música/Año Nuevo.mp3", True),
        ("ano musica", "Música/Año Nuevo.mp3", True),
        ("ano jazz", "Música/Año Nuevo.mp3", False),
        ("nuevo.mp3", "Música/Año Nuevo.mp3", True),
        ("musica/ano", "Música/Año Nuevo.mp3", True),
        ("nu", "Música/Año Nuevo.mp3", True),
        ("ue", "Música/Año Nuevo.mp3", False),
        ("m", "Año Nuevo.mp3", True),
        ("p", "Año Nuevo.mp3", False),
        ("img_20", "IMG_2024.jpg", True),
        ("20", "IMG_2024.jpg", True),
        ("24", "IMG_2024.jpg", False),
        ("東京", "夜の東京タワー.jpg", True),
        ("京東", "夜の東京タワー.jpg", False),
        ("*", "plain.txt", False),
        ("*", "a*b.txt", True),
        ("%", "plain.txt", False),
        ("100%", "100% sure.txt", True),
        ("100%", "1000 sure.txt", False),
        ("a_c", "abc.txt", False),
        ("a_c", "a_c.txt", True),
        ('"x', 'say "x".txt', True),
        ('"x', "say x.txt", False),
        ("say* OR", "say or.txt", False),
        ("", "anything", True),
        (" \t\x1f\x00 ", "anything", True),
    ],
)
def test_what_a_query_finds(words: str, path: str, found: bool) -> None:
    assert _found(words, path) is found


@pytest.mark.parametrize(
    ("words", "path", "expected"),
    [
        ("report.pdf", "work/Report.PDF", 0),
        ("work/report.pdf", "work/Report.pdf", 0),
        ("report", "work/report.pdf", 1),
        ("pdf report", "work/report.pdf", 1),
        ("ort", "work/report.pdf", 2),
        ("report wor", "work/report.pdf", 2),
        ("report", "reports report.pdf", 1),
        ("c++", "c++ primer.pdf", 1),
        ("", "work/report.pdf", 2),
    ],
)
def test_the_class_of_a_match(words: str, path: str, expected: int) -> None:
    assert _class(words, path) == expected


_PATH = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


@given(st.text(st.sampled_from("aÀé\u0301\u0338// _.ß１漢ﬁΣ9"), max_size=20))
def test_a_path_is_folded_part_by_part_as_it_is_whole(path: str) -> None:
    assert searchable(path) == f"/{marked(fold(path))}\x1e"


@given(_PATH)
def test_every_name_finds_itself_exactly(path: str) -> None:
    if fold(path).strip() == fold(path) != "":
        assert _found(path, path, literal=True)
        assert _class(path, "folder/" + path, literal=True) == 0


@given(st.text(max_size=30), _PATH)
def test_no_query_breaks_the_ranking(words: str, path: str) -> None:
    with contextlib.suppress(UsageError):  # a filter that cannot be
        rank(understand(SearchQuery(words)), Matches.of([_row(path, 1)]))


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_a_filter_that_cannot_be_is_refused_with_what_to_write(words: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        understand(SearchQuery(words))


def test_filters_beside_the_words_and_in_them_agree_or_are_refused() -> None:
    both = understand(SearchQuery("size:<9 size:>=2", min_size_bytes=1, max_size_bytes=20))
    assert (both.min_size_bytes, both.max_size_bytes) == (2, 8)
    assert understand(SearchQuery("peer:Ana", peer="ana")).peer
    for query in (SearchQuery("peer:b", peer="a"), SearchQuery("kind:folder", kind=Kind.FILE)):
        with pytest.raises(UsageError, match="is of one"):
            understand(query)


def test_a_name_is_of_the_kind_whose_extension_it_ends_with() -> None:
    texts = {
        name: common_kind(searchable(name)) for name in ("a.JPG", "b.png", "a.tar.gz", "ａ．ｇｚ")
    }
    assert texts["a.JPG"] == texts["b.png"] != texts["a.tar.gz"] == texts["ａ．ｇｚ"]
    for name in ("jpg", "a.jpg2", "jpg/a", "a.jpg.part", "a.jpg ", "", "."):
        assert common_kind(searchable(name)) is None


def test_endings_are_of_one_common_kind_or_of_none() -> None:
    for name, extensions in EXTENSIONS.items():
        whole = understand(SearchQuery(f"kind:{name}")).any_of[0]
        kind, is_whole = common_kind_of_all(whole)
        assert kind is not None
        assert is_whole
        assert common_kind_of_all(whole[1:]) == (kind, False)
        assert common_kind_of_all((*whole[1:], whole[1])) == (kind, False)
        for extension in extensions.split():
            assert common_kind(searchable(f"a.{extension}")) == kind
    for query in ("ext:jpg,q", "ext:jpg,mp3", "ext:q"):
        assert common_kind_of_all(understand(SearchQuery(query)).any_of[0]) == (None, False)
    longer = EXTENSIONS["archive"].replace("gz", "tar.gz", 1).replace(" ", ",")
    assert common_kind_of_all(understand(SearchQuery(f"ext:{longer}")).any_of[0])[1] is False


def test_a_quoted_name_comes_first() -> None:
    assert _class('"new year" ext:txt', "a/new year") == 0
    assert _class('"new year" ext:txt', "a/new year.txt") == 1


def test_exact_names_come_first_then_whole_words_then_the_rest() -> None:
    rows = [_row("my reports", 1), _row("a report.pdf", 2), _row("z/report", 3)]
    page = rank(understand(SearchQuery("report")), Matches.of(rows))
    assert [hit.content for hit in page.hits] == [content(3), content(2), content(1)]


def test_one_hit_a_content_with_its_names() -> None:
    rows = [_row(f"copy {number:03}.txt", 1, f"peer_{number}") for number in range(30)]
    rows.append(_row("copy.txt", 1, "last", sha256=b"x" * 32))
    (hit,) = rank(understand(SearchQuery("copy.txt")), Matches.of(rows)).hits
    assert (len(hit.names), hit.names_total) == (MAX_NAMES_PER_HIT, 31)
    assert (hit.names[0].peer, hit.sha256) == ("last", b"x" * 32)


def test_pages_follow_one_another_without_gap_or_repeat() -> None:
    rows = [_row(f"file {number:04}", number) for number in range(25)]
    seen = []
    query = SearchQuery("file", page_size=10)
    while True:
        page = rank(understand(query), Matches.of(rows))
        seen += [hit.content for hit in page.hits]
        if not page.next_page:
            break
        query = SearchQuery("file", page=page.next_page, page_size=10)
    assert seen == [content(number) for number in range(25)]


@pytest.mark.parametrize("page_size", [1, 3, 7, 100])
def test_each_content_comes_once_where_its_best_name_is(page_size: int) -> None:
    names = ["ab", "z/ab", "ab c", "c ab", "abc", "d/abc", "x abc/y"]
    rows = [
        _row(f"{n % 5}/{names[(n % 23 + n // 23 % 3) % 7]}", n % 23, f"peer_{n}")
        for n in range(300)
    ]
    search = understand(SearchQuery("ab", page_size=page_size))
    best: dict[ContentId, tuple[int, str]] = {}
    for row in rows:
        key = match_class(search, row.searchable), fold(f"/{row.path}\x1e")
        best[row.content] = min(key, best.get(row.content, key))
    expected = sorted(best, key=lambda content: (*best[content], content))
    seen, page = [], rank(search, Matches.of(rows))
    while True:
        seen += [hit.content for hit in page.hits]
        if not page.next_page:
            break
        query = SearchQuery("ab", page=page.next_page, page_size=page_size)
        page = rank(understand(query), Matches.of(rows))
    assert seen == expected
    assert {quality for quality, _ in best.values()} == {0, 1, 2}


def test_a_page_token_survives_changes_between_pages() -> None:
    rows = [_row(f"file {number}", number) for number in range(6)]
    page = rank(understand(SearchQuery("file", page_size=3)), Matches.of(rows))
    later = [row for row in rows if row.path != "file 2"] + [_row("file 0a", 9)]
    after = rank(
        understand(SearchQuery("file", page=page.next_page, page_size=9)), Matches.of(later)
    )
    assert [hit.names[0].path for hit in after.hits] == ["file 3", "file 4", "file 5"]


def test_a_page_is_bounded_in_bytes() -> None:
    rows = [_row(f"{number:04}/" + "x" * 4_000, number) for number in range(1_000)]
    page = rank(understand(SearchQuery("", page_size=1_000)), Matches.of(rows))
    assert page.next_page
    assert sum(len(named.path) for hit in page.hits for named in hit.names) <= MAX_PAGE_BYTES


def _listing(rows: list[Match], page_size: int) -> list[RankedPage]:
    rows = sorted(rows, key=lambda row: (row.path, row.content, row.peer))
    pages = [listed(understand(SearchQuery(page_size=page_size)), rows)]
    while pages[-1].next_page:
        query = SearchQuery(page=pages[-1].next_page, page_size=page_size)
        pages.append(listed(understand(query), rows))
    return pages


@given(st.lists(st.tuples(st.sampled_from("abcAé"), st.integers(0, 2), st.sampled_from("xyz"))))
def test_a_listing_names_every_path_once_a_content_whatever_the_pages(
    found: list[tuple[str, int, str]],
) -> None:
    rows = [_row(path, number, peer) for path, number, peer in sorted(set(found))]
    names = [
        [(named.path, hit.content, named.peer) for named in hit.names]
        for page in _listing(rows, 2)
        for hit in page.hits
    ]
    told = [one for some in names for one in some]
    assert told == sorted((row.path, row.content, row.peer) for row in rows)
    assert len(names) == len({(row.path, row.content) for row in rows})


def test_only_words_are_ranked_and_contents_asked_for_by_id() -> None:
    assert understand(SearchQuery(peer="one", kind=Kind.FILE, min_size_bytes=1)).is_listing
    for query in (SearchQuery("a"), SearchQuery(content=content(1)), SearchQuery(sha256=b"h" * 32)):
        assert not understand(query).is_listing


def test_a_listed_page_takes_no_more_than_it_shows() -> None:
    rows = iter([_row(f"{number:04}", number) for number in range(100)])
    assert len(listed(understand(SearchQuery(page_size=10)), rows).hits) == 10
    assert len(list(rows)) == 89


def test_a_listed_page_is_bounded_in_bytes_and_in_entries() -> None:
    rows = [_row(f"{number:04}/" + "x" * 4_000, number) for number in range(1_000)]
    sizes = [sum(len(hit.names[0].path) for hit in page.hits) for page in _listing(rows, 1_000)]
    assert max(sizes) <= MAX_PAGE_BYTES < sum(sizes)
    many = [_row(path, 1, f"peer_{number}") for path in "ab" for number in range(RANK_LIMIT)]
    assert [len(page.hits) for page in _listing(many, 10)] == [1, 1]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "!!!!",
        "ñ",
        base64.urlsafe_b64encode(b"[1]").decode(),
        base64.urlsafe_b64encode(b"\xff\xff").decode(),
        base64.urlsafe_b64encode(json.dumps([1, 2, "a"]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps([1, "a", "a"]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps([True, "a", 64 * "a"]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps([3, "a", 64 * "a"]).encode()).decode(),
        base64.urlsafe_b64encode(b'[2,"\\ud800","%s"]' % (64 * b"a")).decode(),
        base64.urlsafe_b64encode(b'[2,"a\\u0000","%s"]' % (64 * b"a")).decode(),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"[" + b"9" * 9_000 + b',"a","a"]').decode(),
        base64.urlsafe_b64encode(b'[1,"%s","%s"]' % (200_000 * b"a", 64 * b"a")).decode(),
    ],
)
def test_a_foreign_page_token_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="page token"):
        understand(SearchQuery("a", page=token))


@pytest.mark.parametrize("size_bytes", [-1, MAX_CONTENT_BYTES + 1, 2**63, 2**64 - 1])
def test_a_size_that_cannot_be_is_refused(size_bytes: int) -> None:
    with pytest.raises(UsageError):
        understand(SearchQuery(min_size_bytes=size_bytes))
    with pytest.raises(UsageError):
        understand(SearchQuery(max_size_bytes=size_bytes))


@pytest.mark.parametrize("module", ["registry", "handout", "query_words", "search"])
def test_decisions_are_pure(module: str) -> None:
    folder = Path(panal.tracker.__file__).parent
    tree = ast.parse((folder / f"{module}.py").read_text("utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    forbidden = {"asyncio", "threading", "socket", "time", "random", "os", "pathlib", "grpc"}
    assert not imported & (forbidden | {"sqlite3", "panal.clock", "secrets", "logging"})


@pytest.mark.parametrize(
    ("words", "alike"),
    [
        ("ext:py ext:py", "ext:py"),
        ("kind:image ext:png", "ext:png"),
        ("ext:png kind:image", "ext:png"),
        ("ext:tar.gz ext:gz", "ext:tar.gz"),
        ("ext:gz,tar.gz ext:gz", "ext:gz"),
        ("ext:gz ext:gz,tar.gz", "ext:gz"),
        ("ext:gz,tar.gz", "ext:gz"),
        ("kind:image kind:image ext:jpg,png", "ext:jpg,png"),
        ("ext:gz,py ext:gz,txt", "ext:gz"),
        ("ext:gz,a.py,mp3 ext:py,tar.gz,png", "ext:a.py,tar.gz"),
    ],
)
def test_filters_are_one_of_what_meets_all(words: str, alike: str) -> None:
    found, same = understand(SearchQuery(words)), understand(SearchQuery(alike))
    assert [set(group) for group in found.any_of] == [set(group) for group in same.any_of]


@pytest.mark.parametrize(
    "words",
    [
        "ext:py kind:document",
        "lib ext:a kind:image",
        "ext:tar.gz ext:zip.gz",
        "ext:gz,py ext:gz,txt ext:py",
        "kind:image -ext:" + ",".join(EXTENSIONS["image"].split()),
        "size:>2M size:<1M",
        "library -lib",
        "lib -lib",
        '"new year" -year',
    ],
)
def test_conditions_that_exclude_each_other_are_known(words: str) -> None:
    assert understand(SearchQuery(words)).is_impossible


@pytest.mark.parametrize(
    "words",
    [
        "",
        "lib",
        "kind:image ext:png",
        "ext:gz ext:tar.gz",
        "kind:image -ext:png",
        "size:>1M size:<2M",
        "size:1M",
        "lib -library",
        "library -li",
        "-lib",
    ],
)
def test_conditions_that_a_name_can_meet_are_not_given_up(words: str) -> None:
    assert not understand(SearchQuery(words)).is_impossible
