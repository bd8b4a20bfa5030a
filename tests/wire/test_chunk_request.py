"""The one form in which peers ask each other for chunks."""

import pytest

from panal.wire.chunk_request import (
    MAX_BODY_BYTES,
    ChoiceRequest,
    ProofRequest,
    RangeRequest,
    choice_fields,
    goes_on,
    head,
    parse,
    range_answer,
    range_fields,
)
from panal.wire.ids import ContentId
from panal.wire.ranges import ByteRange
from panal.wire.response import parse_head

CONTENT = ContentId(bytes(range(32)))
PATH = f"/content/{CONTENT.hex()}"
PART = ByteRange(262_144, 524_288)
RANGED = head("GET", PATH, "10.0.0.1:5000", range_fields(PART))
BODY = b"\x01\x02\x03"
CHOICE = head("POST", f"{PATH}/next?max=7", "[::1]:5000", choice_fields(BODY)) + BODY


def test_what_is_written_is_read() -> None:
    assert parse(RANGED) == RangeRequest(CONTENT, "10.0.0.1:5000", PART)
    assert parse(CHOICE) == ChoiceRequest(CONTENT, "[::1]:5000", 7, BODY)


@pytest.mark.parametrize("gives_way", [False, True])
def test_who_gives_way_says_so(gives_way: bool) -> None:
    """As RFC 9218 has it: 3 is what is not said, and more is less urgent."""
    ranged = head("GET", PATH, "h", range_fields(PART, gives_way=gives_way))
    fields = choice_fields(BODY, gives_way=gives_way)
    choice = head("POST", f"{PATH}/next?max=7", "h", fields) + BODY
    assert parse(ranged) == RangeRequest(CONTENT, "h", PART, gives_way)
    assert parse(choice) == ChoiceRequest(CONTENT, "h", 7, BODY, gives_way)
    assert [b"\r\nPriority: u=5\r\n" in one for one in (ranged, choice)] == [gives_way] * 2
    assert parse(ranged.replace(b"u=5", b"u=6")) is None or not gives_way
    assert not goes_on(choice)
    assert goes_on(choice[:-1])


def test_the_head_of_an_answer_says_what_is_needed_of_it() -> None:
    answer = parse_head(range_answer(PART, 1_000_000))
    assert (answer.status, answer.content_length) == (206, PART.length)
    assert answer.fields["content-range"] == PART.content_range(1_000_000)
    assert range_answer(PART, 1_000_001) != range_answer(PART, 1_000_000)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET", b"HEAD"),
        (b"GET ", b"GET http://10.0.0.1:5000"),
        (b"/content/00", b"/content/0"),
        (b"1f HTTP", b"1F HTTP"),
        (b"1f HTTP", b"1f/name HTTP"),
        (b"1f HTTP", b"1f? HTTP"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Host: ", b"Host:"),
        (b"10.0.0.1:5000", b""),
        (b"10.0.0.1:5000", b"a b"),
        (b"10.0.0.1:5000\r\n", b"10.0.0.1:5000\n"),
        (b"Range: ", b"Origin: http://x\r\nRange: "),
        (b"Range: ", b"range: "),
        (b"262144-524287", b"262144-"),
        (b"262144-524287", b"-524287"),
        (b"262144-524287", b"524287-262144"),
        (b"262144-524287", b"1-2,4-5"),
        (b"262144-524287", b"1-" + b"9" * 19),
        (b"262144-524287", "262144-52428٧".encode()),
        (b"Panal-Protocol: 1", b"Panal-Protocol: 2"),
        (b"Panal-Protocol: 1\r\n", b"Panal-Protocol: 1\r\nCookie: a\r\n"),
        (b"\r\n\r\n", b"\r\n"),
        (b"\r\n\r\n", b"\r\n\r\nGET"),
    ],
)
def test_any_other_request_is_for_the_http_server(old: bytes, new: bytes) -> None:
    assert old in RANGED
    changed = RANGED.replace(old, new, 1)
    assert parse(changed) is None
    assert not goes_on(changed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"max=7", b"max=0"),
        (b"max=7", b"max=12345678"),
        (b"max=7", b"max=-1"),
        (b"max=7", b"max=7&x=1"),
        (b"?max=7", b""),
        (b"Length: 3", b"Length: 2"),
        (b"Length: 3", b"Length: +3"),
        (b"octet-stream", b"json"),
        (b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    ],
)
def test_any_other_choice_is_for_the_http_server(old: bytes, new: bytes) -> None:
    assert old in CHOICE
    changed = CHOICE.replace(old, new, 1)
    assert parse(changed) is None
    assert not goes_on(changed)


def test_a_choice_goes_on_until_its_bitfield_is_whole() -> None:
    begun = CHOICE[:-1]
    assert (parse(begun), goes_on(begun)) == (None, True)
    assert not goes_on(CHOICE)
    assert not goes_on(CHOICE[:60])
    endless = head("POST", f"{PATH}/next?max=7", "a", choice_fields(bytes(MAX_BODY_BYTES + 1)))
    assert not goes_on(endless)


PROOF = (
    b"GET /dialback/00112233445566778899aabbccddeeff HTTP/1.1\r\nHost: 10.0.0.1:5000\r\n"
    b"Accept-Encoding: identity\r\nPanal-Protocol: 1\r\nConnection: close\r\n\r\n"
)


def test_a_proof_is_asked_for_in_one_form() -> None:
    nonce = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert parse(PROOF) == ProofRequest(nonce, "10.0.0.1:5000")
    for old, new in (
        (b"eeff ", b"eef "),
        (b"aabb", b"AABB"),
        (b"GET", b"POST"),
        (b"Connection: close\r\n", b""),
        (b"Panal-Protocol: 1\r\n", b"Panal-Protocol: 1\r\nOrigin: http://a\r\n"),
    ):
        assert old in PROOF
        assert parse(PROOF.replace(old, new, 1)) is None
