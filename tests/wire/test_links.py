"""Links and the other things that a person may ask for."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import UnsafeName, UsageError
from panal.wire.ids import parse_content_id
from panal.wire.links import (
    MAX_LINK_CHARACTERS,
    ByName,
    BySha256,
    Link,
    parse_link,
    parse_what,
)
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import SafePath, path_problem
from tests.wire import PROPERTY

HEX = "0123456789abcdef" * 4
ID = parse_content_id(HEX)
BARE = "panal:" + HEX


@pytest.mark.parametrize(
    ("link", "text"),
    [
        (Link(ID), BARE),
        (Link(ID, name="a.txt"), BARE + "?name=a.txt"),
        (Link(ID, size_bytes=0), BARE + "?size=0"),
        (Link(ID, tracker="host:50051"), BARE + "?tracker=host:50051"),
        (
            Link(ID, "x/año & b.txt", 5, "[::1]:50051"),
            BARE + "?name=x/a%C3%B1o%20%26%20b.txt&size=5&tracker=[::1]:50051",
        ),
        (Link(ID, name="a+b=c#d?e%f"), BARE + "?name=a%2Bb%3Dc%23d%3Fe%25f"),
        (Link(ID, inside=SafePath("a/b c#?%.txt")), BARE + "/a/b%20c%23%3F%25.txt"),
        (Link(ID, "x", 7, inside=SafePath("año")), BARE + "/a%C3%B1o?name=x&size=7"),
    ],
)
def test_a_link_is_written_and_read(link: Link, text: str) -> None:
    assert str(link) == text
    assert parse_link(text) == link
    assert parse_what(text) == link


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@PROPERTY
def test_a_name_is_quoted_as_urls_are(name: str) -> None:
    assert str(Link(ID, name)) == f"{BARE}?name={quote(name, safe=':/[]')}"


@pytest.mark.parametrize(
    ("text", "link"),
    [
        (BARE + "?", Link(ID)),
        (BARE + "?name=", Link(ID)),
        (BARE + "?name=a+b", Link(ID, name="a b")),
        (BARE + "?name=%2e%2e%2eb", Link(ID, name="...b")),
        (BARE + "?later=1&size=7", Link(ID, size_bytes=7)),
        (BARE + "?size=0007", Link(ID, size_bytes=7)),
        (BARE + f"?size={MAX_CONTENT_BYTES}", Link(ID, size_bytes=MAX_CONTENT_BYTES)),
        (BARE + "?tracker=192.168.1.5:1", Link(ID, tracker="192.168.1.5:1")),
        (BARE + "?tracker=a-b.example:65535", Link(ID, tracker="a-b.example:65535")),
    ],
)
def test_what_others_may_write(text: str, link: Link) -> None:
    assert parse_link(text) == link


WRONG = {
    "no id": "panal:",
    "no id, a name": "panal:?name=a",
    "a short id": "panal:" + HEX[:-1],
    "a long id": BARE + "0",
    "an id in capitals": "panal:" + HEX.upper(),
    "two slashes": "panal://" + HEX,
    "a path inside that climbs": BARE + "/../a.txt",
    "a path inside that climbs, encoded": BARE + "/%2e%2e/a.txt",
    "a path inside with an empty part": BARE + "/a//b",
    "a path inside that is absolute": BARE + "//a",
    "a path inside that is not UTF-8": BARE + "/%ff",
    "a path inside with a newline": BARE + "/a%0ab",
    "a fragment after the path inside": BARE + "/a#b",
    "a fragment after the id": BARE + "#a",
    "a name that climbs": BARE + "?name=../a",
    "a name that climbs, encoded": BARE + "?name=%2e%2e%2fa",
    "an absolute name": BARE + "?name=/etc/passwd",
    "a name with ESC": BARE + "?name=%1b[2J",
    "a name with NUL": BARE + "?name=a%00",
    "a name with an override": BARE + "?name=%E2%80%AEgpj.exe",
    "a name that is not UTF-8": BARE + "?name=%ff",
    "a name in our state": BARE + "?name=.panal/index",
    "a size that is none": BARE + "?size=big",
    "a negative size": BARE + "?size=-1",
    "a size with a sign": BARE + "?size=%2B1",
    "a size with a point": BARE + "?size=1.0",
    "a size of other digits": BARE + "?size=%D9%A1",
    "a size over the largest": BARE + f"?size={MAX_CONTENT_BYTES + 1}",
    "a size of 5,000 digits": BARE + "?size=" + "9" * 5000,
    "a tracker without a port": BARE + "?tracker=host",
    "a tracker with port 0": BARE + "?tracker=host:0",
    "a tracker with port 65536": BARE + "?tracker=host:65536",
    "a tracker with a long port": BARE + "?tracker=host:" + "1" * 4000,
    "a tracker with a port of other digits": BARE + "?tracker=host:%D9%A1",
    "a tracker without a host": BARE + "?tracker=:50051",
    "a tracker with ESC": BARE + "?tracker=%1b[2J:50051",
    "a tracker with a newline": BARE + "?tracker=host:50051%0a",
    "a tracker with an override": BARE + "?tracker=%E2%80%AEhost:1",
    "a tracker with a path": BARE + "?tracker=host:1/x",
    "a tracker with a user": BARE + "?tracker=user@host:1",
    "a tracker by unix socket": BARE + "?tracker=unix:/run/x",
    "a tracker in two parts": BARE + "?tracker=a:1,b:2",
    "a tracker with a long name": BARE + "?tracker=" + "a" * 254 + ":1",
    "17 parameters": BARE + "?" + "&".join(f"x{i}=1" for i in range(17)),
    "two names": BARE + "?name=a&name=b",
    "two trackers": BARE + "?tracker=a:1&tracker=b:1",
    "8,193 characters": BARE + "?x=" + "a" * (MAX_LINK_CHARACTERS + 1 - len(BARE) - 3),
}


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (HEX + "/a/b c%20", "a/b c%20"),
        (f" {HEX}/a\n", "a"),
        (HEX + "/docs/", "docs"),
        (HEX + "/", None),
        (BARE + "/", None),
        (BARE + "/docs/", "docs"),
    ],
)
def test_an_id_and_a_path_is_what_is_inside(text: str, inside: str | None) -> None:
    assert parse_what(text) == Link(ID, inside=None if inside is None else SafePath(inside))


@pytest.mark.parametrize("text", [HEX + "/..", HEX + "//a", HEX + "/a/../b"])
def test_a_path_inside_obeys_the_rules_of_names(text: str) -> None:
    with pytest.raises(UnsafeName):
        parse_what(text)


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_link_is_refused_and_never_taken_for_a_name(text: str) -> None:
    for read in (parse_link, parse_what):
        with pytest.raises(UsageError) as refused:
            read(text)
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 1_000


def test_a_link_of_the_greatest_length() -> None:
    text = BARE + "?x=" + "a" * (MAX_LINK_CHARACTERS - len(BARE) - 3)
    assert len(text) == 8_192
    assert parse_link(text) == Link(ID)


def test_an_unsafe_name_in_a_link_says_so() -> None:
    with pytest.raises(UnsafeName, match=r"'\.\.'"):
        parse_link(BARE + "?name=../a")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (HEX, Link(ID)),
        (BARE, Link(ID)),
        (f" {BARE}\n", Link(ID)),
        (f"{HEX}\n", Link(ID)),
        ("PANAL:" + HEX, Link(ID)),
        ("Panal:" + HEX + "?size=1", Link(ID, size_bytes=1)),
        ("sha256:" + HEX, BySha256(ID)),
        ("sha256:" + HEX.upper(), BySha256(ID)),
        ("SHA256:" + HEX, BySha256(ID)),
        ("a.txt", ByName("a.txt")),
        ("weird/", ByName("weird")),
        ("/", ByName("/")),
        ("dos palabras", ByName("dos palabras")),
        ("sha256", ByName("sha256")),
        ("panal", ByName("panal")),
        ("panal-1.0.tar.gz", ByName("panal-1.0.tar.gz")),
        (HEX[:-1], ByName(HEX[:-1])),
        (HEX.upper(), ByName(HEX.upper())),
        ("http://host/a.txt", ByName("http://host/a.txt")),
    ],
)
def test_what_may_be_asked_for(text: str, what: object) -> None:
    assert parse_what(text) == what


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n\t", "sha256:", "sha256:" + HEX[:-1], "sha256:" + HEX + "0", "sha256:" + "g" * 64],
)
def test_what_asks_for_nothing(text: str) -> None:
    with pytest.raises(UsageError):
        parse_what(text)


NAMES = st.text(min_size=1, max_size=40).filter(lambda text: path_problem(text) is None)


@PROPERTY
@given(
    st.binary(min_size=32, max_size=32),
    st.none() | NAMES,
    st.none() | st.integers(0, MAX_CONTENT_BYTES),
    st.sampled_from([None, "host:50051", "192.168.1.5:5", "[fd00::5]:50051"]),
)
def test_every_link_survives_a_chat(
    content: bytes, name: str | None, size_bytes: int | None, tracker: str | None
) -> None:
    link = Link(parse_content_id(content.hex()), name, size_bytes, tracker)
    assert str(link).isascii()
    assert not set(str(link)) & set(" <>\"'\\\n")
    assert parse_what(str(link)) == link


@PROPERTY
@given(st.text(st.characters()))
def test_no_text_is_a_surprise(text: str) -> None:
    for asked in (text, BARE + text, BARE + "?name=" + text, BARE + "?tracker=" + text):
        try:
            what = parse_what(asked)
        except UsageError:
            continue
        assert not isinstance(what, Link) or what.name is None or path_problem(what.name) is None
