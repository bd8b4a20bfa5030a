"""The reference for people: all that the document says, and nothing that a policy would stop."""

from collections import Counter
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from panal.web.reference_words import ENGLISH, SPANISH, words_for
from tests.support.network import Network, RunningPeer

UNPAIRED = {"meta", "link", "br", "wbr"}


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.languages: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag not in UNPAIRED:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes[name] += 1
            if name == "id":
                self.ids.append(value or "")
            if name in {"href", "src"}:
                self.links.append(value or "")
            if (tag, name) == ("html", "lang"):
                self.languages.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[RunningPeer]:
    async with Network(tmp_path) as network:
        yield await network.peer("one", shares_folder=False, guest_port=0)


async def page(peer: RunningPeer, accepted: str = "") -> Page:
    answer = await peer.request("GET", "/docs", headers={"Accept-Language": accepted})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in policy
    return Page(answer.body.decode())


async def test_the_page_says_all_that_the_document_says(peer: RunningPeer) -> None:
    document = (await peer.request("GET", "/openapi.json")).json()
    shown = await page(peer)
    for path, item in document["paths"].items():
        assert path in shown.text
        for operation in (o for method, o in item.items() if method != "servers"):
            assert operation["operationId"] in shown.ids
            assert operation["summary"].replace("`", "") in shown.text
    for name, schema in document["components"]["schemas"].items():
        assert f"struct-{name}" in shown.ids
        assert all(field in shown.text for field in schema["properties"])
    for name in document["components"]["responses"]:
        assert name.lower().replace("problem", "problem-") in shown.ids


async def test_nothing_in_it_needs_a_script_or_another_place(peer: RunningPeer) -> None:
    shown = await page(peer)
    assert not {"script", "style", "img", "iframe", "form", "object", "base"} & shown.tags.keys()
    assert not {name for name in shown.attributes if name.startswith("on")}
    assert shown.attributes["style"] == 0
    assert [id for id, times in Counter(shown.ids).items() if times > 1] == []
    local = {link for link in shown.links if link.startswith("#")}
    assert {link[1:] for link in local} <= set(shown.ids)
    assert set(shown.links) - local == {"/docs.css", "/openapi.json"}
    style = await peer.request("GET", "/docs.css")
    assert (style.status, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert b"url(" not in style.body
    assert b"@import" not in style.body


async def test_it_speaks_spanish_where_that_is_wanted(peer: RunningPeer) -> None:
    spanish, english = await page(peer, "es-MX,es;q=0.9,en;q=0.8"), await page(peer, "de")
    assert (spanish.languages, english.languages) == (["es"], ["en"])
    assert SPANISH.answers in spanish.text
    assert ENGLISH.answers in english.text


@pytest.mark.parametrize(
    ("accepted", "words"),
    [
        ("", ENGLISH),
        ("es", SPANISH),
        ("ES-ar", SPANISH),
        ("en, es", ENGLISH),
        ("en;q=0.5, es;q=0.6", SPANISH),
        ("es;q=0, en;q=0.1", ENGLISH),
        ("es;q=x", ENGLISH),
        ("fr, es;q=0.1", SPANISH),
        (",;=,;q=", ENGLISH),
    ],
)
def test_which_language_a_browser_wants(accepted: str, words: object) -> None:
    assert words_for(accepted) is words
