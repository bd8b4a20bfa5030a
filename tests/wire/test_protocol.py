"""docs/PROTOCOL.md says what the code does: its tables, its calls, its links to itself."""

import re

import pytest

from panal import errors
from panal.errors import PanalError
from panal.wire import (
    bundle,
    have,
    ids,
    links,
    manifest,
    names,
    ranges,
    tracker,
    tracker_catalogue,
    tracker_fields,
    tracker_pb2,
    tracker_searches,
)
from panal.wire.ranges import RangeNotSatisfiable, parse_range
from tests.wire.protocol_document import document, table


def kinds_of(error: type[PanalError]) -> list[type[PanalError]]:
    return [error, *(kind for child in error.__subclasses__() for kind in kinds_of(child))]


def test_every_error_stands_there_with_its_codes() -> None:
    # Those of panal.errors: a test elsewhere may have made one of its own.
    kinds = [kind for kind in kinds_of(PanalError) if kind.__module__ == errors.__name__]
    wanted = [
        [kind.slug, str(kind.exit_code), str(kind.http_status), kind.grpc_code] for kind in kinds
    ]
    found = [[slug, *codes] for slug, _, *codes in table("table: errors")]
    assert sorted(found) == sorted(wanted)
    assert len({slug for slug, *_ in found}) == len(kinds)


def test_a_slug_leads_back_to_its_error() -> None:
    for slug, _, exit_code, *_ in table("table: errors"):
        error = errors.by_slug(slug, "Words.")
        assert (error.slug, error.exit_code, str(error)) == (slug, int(exit_code), "Words.")
    assert type(errors.by_slug("from-a-later-version", "Words.")) is PanalError


LIMITS = {
    "manifest": f"{manifest.MAX_MANIFEST_BYTES} bytes",
    "chunks of a content": str(manifest.MAX_CHUNKS),
    "content": f"{manifest.MAX_CONTENT_BYTES} bytes",
    "part of a path": f"{names.MAX_COMPONENT_BYTES} bytes",
    "path": f"{names.MAX_PATH_BYTES} bytes",
    "depth of a path": str(names.MAX_DEPTH),
    "link": f"{links.MAX_LINK_CHARACTERS} characters",
    "ranges in a request": str(ranges.MAX_RANGES),
    "contents of a bundle": str(bundle.MAX_IDS),
    "bundle": f"{bundle.MAX_BUNDLE_BYTES} bytes",
    "request for a bundle": f"{bundle.MAX_REQUEST_BYTES} bytes",
    "addresses of a peer": str(tracker.MAX_BOUND),
    "contents of a Locate": str(tracker_catalogue.MAX_LOCATED),
    "providers of a content in a Locate": str(tracker_catalogue.MAX_PROVIDERS),
    "items of one message of an announcement": str(tracker_catalogue.MAX_TOLD),
    "page of a list": str(tracker_fields.MAX_PAGE),
    "page of a list, by default": str(tracker_fields.DEFAULT_PAGE),
    "words of a search": f"{tracker_searches.MAX_WORDS} characters",
    "heartbeat of availability": f"{have.HEARTBEAT_S:g} s",
    "silence of availability": f"{have.SILENCE_S:g} s",
}


def test_every_limit_is_that_of_the_code() -> None:
    assert dict(table("table: limits")) == LIMITS


@pytest.mark.parametrize(("header", "size", "answer"), table("vectors: ranges"))
def test_every_range_is_decided_as_written(header: str, size: str, answer: str) -> None:
    try:
        parts = parse_range(header, int(size))
    except RangeNotSatisfiable:
        decided = "416"
    else:
        whole = parts is None
        decided = "whole" if whole else ", ".join(f"{p.start}-{p.stop - 1}" for p in parts or [])
    assert decided == answer


def test_every_call_has_its_heading_and_no_other() -> None:
    methods = [method.name for method in tracker_pb2.DESCRIPTOR.services_by_name["Tracker"].methods]
    section = document().partition("\n## 8. ")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)$", section, re.MULTILINE) == methods


def test_the_numbers_in_prose() -> None:
    text = re.sub(r"\s+", " ", document())
    assert f"`{ids._PEER_NAME.pattern}`" in text
    assert f"at most {manifest.MAX_CHUNKS:,} chunks" in text
    assert f"has {manifest.MAX_CONTENT_BYTES:,} bytes" in text
    assert f"more than {manifest.CHUNKS_BEFORE_DOUBLING:,} chunks" in text
    assert f"1 to {names.MAX_PATH_BYTES:,} bytes and 1 to {names.MAX_DEPTH} parts" in text
    assert f"1 to {tracker_catalogue.MAX_LOCATED:,} ids" in text
    assert f"up to {tracker_catalogue.MAX_PROVIDERS} providers" in text
    assert f"most {bundle.MAX_IDS:,} ids in at most {bundle.MAX_REQUEST_BYTES:,} bytes" in text
    assert f"longer than {bundle.MAX_BUNDLE_BYTES:,} bytes" in text
    assert f"more than {links.MAX_LINK_CHARACTERS:,} characters" in text


def test_its_links_to_itself_lead_somewhere() -> None:
    text = document()
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    wanted = re.findall(r"\]\(#([^)]+)\)", text)
    assert len(wanted) == 15
    assert set(wanted) <= anchors


def test_the_chunk_sizes_of_the_table() -> None:
    gib, units = 2**30, {"KiB": 2**10, "MiB": 2**20}
    rows = re.findall(r"^\| up to (\d+) GiB \| (\d+) (KiB|MiB) \|$", document(), re.MULTILINE)
    assert len(rows) == 4
    for size, chunk, unit in rows:
        assert manifest.chunk_size_for(int(size) * gib) == int(chunk) * units[unit]
        assert manifest.chunk_size_for(int(size) * gib + 1) == 2 * int(chunk) * units[unit]
