"""Bundles: a tar that every tar reads, and that only one form of is taken."""

import io
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panal.errors import IntegrityError, UsageError
from panal.wire.bundle import (
    BLOCK_BYTES,
    END,
    MAX_IDS,
    Member,
    WrongMember,
    bundle_bytes,
    encode_request,
    header,
    members,
    padding,
    parse_request,
)
from panal.wire.ids import ContentId

ONE, TWO, THREE = (ContentId(bytes([n]) * 32) for n in (1, 2, 3))
FILES = {ONE: b"one" * 300, TWO: b"", THREE: bytes(BLOCK_BYTES)}
SIZES = {content: len(data) for content, data in FILES.items()}


def tar_of(files: dict[ContentId, bytes]) -> bytes:
    return b"".join(header(c, len(d)) + d + padding(len(d)) for c, d in files.items()) + END


def read(tar: bytes, sizes: dict[ContentId, int]) -> dict[ContentId, bytes]:
    return {member.content: bytes(member.data) for member in members(memoryview(tar), sizes)}


@given(
    st.dictionaries(
        st.binary(min_size=32, max_size=32).map(ContentId), st.binary(max_size=2000), max_size=5
    )
)
def test_what_is_packed_is_read_here_and_by_tar(files: dict[ContentId, bytes]) -> None:
    tar = tar_of(files)
    sizes = {content: len(data) for content, data in files.items()}
    assert read(tar, sizes) == files
    assert len(tar) == bundle_bytes(sizes.values())
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        listed = {
            member.name: file.read() if (file := opened.extractfile(member)) else None
            for member in opened
        }
    assert listed == {content.hex(): data for content, data in files.items()}


def test_members_may_be_missing_and_in_any_order() -> None:
    assert read(tar_of({THREE: FILES[THREE], ONE: FILES[ONE]}), SIZES) == {
        THREE: FILES[THREE],
        ONE: FILES[ONE],
    }
    assert read(END, SIZES) == {}


def test_a_bundle_that_is_cut_anywhere_is_none() -> None:
    tar = tar_of(FILES)
    for cut in range(len(tar)):
        with pytest.raises(IntegrityError):
            read(tar[:cut], SIZES)
        # And no part of a member is given for the member.
        for member in came_before(tar[:cut]):
            assert member.data == FILES[member.content]


def came_before(tar: bytes) -> list[Member]:
    """What is given until something is wrong."""
    came = []
    with suppress(IntegrityError):
        for member in members(memoryview(tar), SIZES):
            came.append(member)
    return came


def named(name: bytes) -> bytes:
    """A member under another name, its checksum right."""
    info = tarfile.TarInfo(name.decode())
    info.size = 5
    return info.tobuf(tarfile.USTAR_FORMAT) + b"bytes" + padding(5) + END


@pytest.mark.parametrize(
    "tar",
    [
        tar_of({ContentId(bytes(32)): b"not asked for"}),
        tar_of(FILES)[: -len(END)] + tar_of({ONE: FILES[ONE]}),
        named(b"../../etc/passwd"),
        named(b"/etc/passwd"),
        named(ONE.hex().upper().encode()),
        named(ONE.hex().encode() + b"/../x"),
        named(b"x" * 64),
        tar_of(FILES) + b"more",
        tar_of(FILES)[: -len(END)],
        b"",
        b"not a tar" * 200,
    ],
)
def test_what_was_not_asked_for_is_refused(tar: bytes) -> None:
    with pytest.raises((IntegrityError, WrongMember)):
        read(tar, SIZES)


def test_every_byte_of_a_header_counts() -> None:
    tar = tar_of({ONE: FILES[ONE]})
    for at in range(BLOCK_BYTES):
        with pytest.raises((IntegrityError, WrongMember)):
            read(tar[:at] + bytes([tar[at] ^ 1]) + tar[at + 1 :], SIZES)
    with pytest.raises(IntegrityError):  # between the bytes and the next block
        read(tar[: BLOCK_BYTES + 901] + b"x" + tar[BLOCK_BYTES + 902 :], SIZES)


def test_another_size_names_the_content() -> None:
    with pytest.raises(WrongMember) as caught:
        read(tar_of({ONE: b"shorter"}), SIZES)
    assert caught.value.content == ONE


def test_requests() -> None:
    assert parse_request(encode_request([ONE, TWO])) == [ONE, TWO]
    assert parse_request(encode_request([ONE, TWO, ONE])) == [ONE, TWO]
    assert parse_request(b'{"ids":[]}') == []
    many = [ContentId(n.to_bytes(32, "big")) for n in range(MAX_IDS + 1)]
    assert len(parse_request(encode_request(many[:-1]))) == MAX_IDS
    for wrong in (
        encode_request(many),
        b"",
        b"[]",
        b'{"ids":[1]}',
        b'{"ids":["../x"]}',
        b'{"ids":[],"more":1}',
        b'{"ids":"' + ONE.hex().encode() + b'"}',
    ):
        with pytest.raises(UsageError):
            parse_request(wrong)
