"""The vectors of docs/PROTOCOL.md, recomputed from the words of the protocol and compared.

What recomputes uses hashlib, struct and blake3 and nothing of panal.
"""

import hashlib
import struct

import pytest
from blake3 import blake3

from panal.wire import bundle
from panal.wire.catalogue import CatalogueDigest, Entry, Holding
from panal.wire.have import HEARTBEAT, HaveReader, index_frame, opening
from panal.wire.ids import parse_content_id
from panal.wire.manifest import Kind, chunk_size_for, content_id, decode, manifest_of
from tests.wire.protocol_document import table


def contents() -> dict[str, dict[str, str]]:
    vectors: dict[str, dict[str, str]] = {}
    for name, field, value in table("vectors: contents"):
        vectors.setdefault(name, {})[field] = value
    return vectors


CONTENTS = contents()


def bytes_of(description: str) -> bytes:
    kind, _, argument = description.partition(" ")
    if kind == "nothing":
        return b""
    if kind == "text":
        return argument.encode("ascii")
    if kind == "zeros":
        return bytes(int(argument))
    assert kind == "pattern"
    return bytes(i % 251 for i in range(int(argument)))


def manifest_by_the_words(content: bytes) -> bytes:
    """Valid up to 4 GiB, where chunks have 256 KiB."""
    chunk = 256 * 1024
    manifest = b"PANALM" + bytes([1, 0]) + struct.pack("<Q", len(content))
    manifest += struct.pack("<I", chunk) + hashlib.sha256(content).digest()
    for start in range(0, len(content), chunk):
        manifest += blake3(content[start : start + chunk]).digest()
    return manifest


def test_the_vectors_are_those_that_matter() -> None:
    sizes = {name: int(vector["size"]) for name, vector in CONTENTS.items()}
    assert sizes["empty"] == 0
    assert sizes["one-chunk"] == 5
    assert sizes["full-chunk"] == 256 * 1024
    assert sizes["one-byte-more"] == 256 * 1024 + 1
    assert 2 * 256 * 1024 < sizes["three-chunks"] <= 3 * 256 * 1024
    assert len(sizes) == 5


@pytest.mark.parametrize("name", CONTENTS)
def test_a_content_by_the_words(name: str) -> None:
    vector = CONTENTS[name]
    content = bytes_of(vector["content"])
    manifest = manifest_by_the_words(content)
    assert int(vector["size"]) == len(content)
    assert int(vector["chunk size"]) == 256 * 1024
    assert vector["sha256"] == hashlib.sha256(content).hexdigest()
    assert vector["manifest"] == manifest.hex()
    assert vector["content id"] == blake3(manifest).hexdigest()
    assert set(vector) == {"content", "size", "chunk size", "sha256", "manifest", "content id"}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_content_by_panal(name: str) -> None:
    vector = CONTENTS[name]
    content = bytes_of(vector["content"])
    chunk = chunk_size_for(len(content))
    hashes = [blake3(content[i : i + chunk]).digest() for i in range(0, len(content), chunk)]
    manifest = manifest_of(len(content), hashlib.sha256(content).digest(), hashes)
    assert chunk == int(vector["chunk size"])
    assert manifest.encode().hex() == vector["manifest"]
    assert content_id(manifest.encode()).hex() == vector["content id"]
    read = decode(bytes.fromhex(vector["manifest"]), parse_content_id(vector["content id"]))
    assert read == manifest
    assert read.sha256.hex() == vector["sha256"]


def test_the_digests_by_the_words() -> None:
    (_, entry, entry_digest), (_, holding, holding_digest), (_, _, both) = table("vectors: digests")
    one_chunk = CONTENTS["one-chunk"]
    identifier = bytes.fromhex(one_chunk["content id"])
    path = "música/año.txt".encode()
    canonical = b"e" + identifier + b"\0" + struct.pack("<Q", 5)
    assert entry == (canonical + bytes.fromhex(one_chunk["sha256"]) + path).hex()
    assert holding == (b"h" + identifier + b"\0").hex()
    hashes = [blake3(bytes.fromhex(item)).digest() for item in (entry, holding)]
    assert [entry_digest, holding_digest] == [item.hex() for item in hashes]
    total = sum(int.from_bytes(item, "little") for item in hashes) % 2**256
    assert both == total.to_bytes(32, "little").hex()


def test_the_digests_by_panal() -> None:
    (_, _, entry_digest), (_, _, holding_digest), (_, _, both) = table("vectors: digests")
    one_chunk = CONTENTS["one-chunk"]
    content = parse_content_id(one_chunk["content id"])
    entry = Entry("música/año.txt", content, 5, Kind.FILE, bytes.fromhex(one_chunk["sha256"]))
    holding = Holding(content, complete=False)
    assert entry.digest().to_bytes(32, "little").hex() == entry_digest
    assert holding.digest().to_bytes(32, "little").hex() == holding_digest
    catalogue = CatalogueDigest()
    catalogue.add(holding)
    catalogue.add(entry)
    assert catalogue.value().hex() == both


def test_the_dial_back_by_the_words() -> None:
    ((secret, nonce, answer),) = table("vectors: dialback")
    key = blake3(bytes.fromhex(secret)).digest()
    assert len(bytes.fromhex(secret)) == 32
    assert len(nonce) == 32
    assert answer == blake3(bytes.fromhex(nonce), key=key).hexdigest()


def test_the_have_stream() -> None:
    ((count, raw, _),) = table("vectors: have")
    stream = bytes.fromhex(raw)
    by_the_words = b"Panal-Have 1\n" + struct.pack("<I", 2) + bytes([0b1, 0b1])
    assert stream == by_the_words + struct.pack("<II", 3, 0xFFFFFFFF)
    assert stream == opening(0b1_0000_0001, int(count)) + index_frame(3) + index_frame(HEARTBEAT)
    assert HaveReader(int(count)).feed(stream) == (0b1_0000_0001, [3])


def test_the_header_of_a_bundles_member() -> None:
    rows = table("vectors: bundle")
    assert len(rows) == 2
    for content, size, digest in rows:
        before = content.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2
        before += b"%011o\0" % int(size) + b"00000000000\0"
        after = b"0".ljust(101, b"\0") + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2
        checksum = sum(before + b" " * 8 + after)
        head = (before + b"%06o\0 " % checksum + after).ljust(512, b"\0")
        assert blake3(head).hexdigest() == digest
        assert bundle.header(parse_content_id(content), int(size)) == head
