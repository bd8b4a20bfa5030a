"""What this peer can serve at this moment, by content id: whole files and partial ones."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from panal.errors import ContentChanged, NotFound, PanalError, RootOffline
from panal.peer.availability import Availability, Followers
from panal.store.fingerprints import Fingerprint, Seen
from panal.store.index import Index
from panal.store.partial import PartialFile
from panal.store.roots import Root
from panal.store.shared_files import SharedFile
from panal.store.small_reads import read_all
from panal.wire import bitfield
from panal.wire.bundle import (
    END,
    MAX_BUNDLE_BYTES,
    MAX_FILE_BYTES,
    header,
    member_bytes,
    padding,
)
from panal.wire.catalogue import Provider
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest, chunk_count_for, chunk_size_for
from panal.wire.names import printable
from panal.wire.ranges import ByteRange

UNKNOWN = "This peer does not have that content."


class OpenContent(msgspec.Struct):
    """One content, open for reading; close it when done."""

    descriptor: int
    size_bytes: int
    bits: int
    """The chunks that are here now."""
    sha256: bytes | None
    """Only where it was computed here."""
    expected: Fingerprint | None
    """What the file must still be; None for one that is ours alone."""
    partial: PartialFile | None = None
    """What it belongs to while it is fetched: ours alone until it has its final name."""
    content: ContentId | None = None
    """Which it is, for whoever counts what is sent."""

    def close(self) -> None:
        """Let the file go, unless that was done already."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    @property
    def is_open(self) -> bool:
        """Whether its bytes can be read."""
        return self.descriptor >= 0

    def is_unchanged(self) -> bool:
        """Whether the open file still is what was hashed."""
        expected = self.expected
        if expected is None and self.partial is not None:
            expected = self.partial.published
        return expected is None or expected.is_of(self.descriptor)

    @property
    def is_whole(self) -> bool:
        """Whether every chunk is here."""
        return self.bits == bitfield.full(chunk_count_for(self.size_bytes))

    def part_of(self, first: int, count: int) -> ByteRange:
        """Where some chunks lie."""
        chunk_bytes = chunk_size_for(self.size_bytes)
        stop = min(self.size_bytes, (first + count) * chunk_bytes)
        return ByteRange(first * chunk_bytes, stop)

    def chunks_in(self, start: int, stop: int) -> tuple[int, int]:
        """First and count of the chunks that lie between two offsets, whole."""
        chunk_bytes = chunk_size_for(self.size_bytes)
        first = -(-start // chunk_bytes)
        last = -(-stop // chunk_bytes) if stop == self.size_bytes else stop // chunk_bytes
        return first, max(0, last - first)

    def has(self, start: int, stop: int) -> bool:
        """Whether bytes `start` to `stop` (not included) are all here."""
        if start >= stop:
            return True
        chunk_bytes = chunk_size_for(self.size_bytes)
        first, last = start // chunk_bytes, (stop - 1) // chunk_bytes
        wanted = ((1 << (last - first + 1)) - 1) << first
        return self.bits & wanted == wanted


class OwnFile(msgspec.Struct, frozen=True):
    """A content of Panal's own making, in its state directory: a folder's text."""

    path: Path
    manifest: Manifest


class Contents:
    """Looks contents up; the loop's own, except where said."""

    def __init__(self, root: Root, index: Index, withdraw: Callable[[SharedFile], None]) -> None:
        """`withdraw` is told of a shared file that is found changed."""
        self._root = root
        self._index = index
        self._withdraw = withdraw
        self._partials: dict[ContentId, PartialFile] = {}
        self._met: dict[ContentId, Callable[[Provider], None]] = {}
        self._own: dict[ContentId, OwnFile] = {}
        self._followers: dict[ContentId, Followers] = {}
        self.is_damaged: Callable[[Seen], bool] = lambda item: False
        """Whether a shared file has rotted: it may be in the index still, and is not served."""

    def open(self, content: ContentId) -> OpenContent:
        """The content, whole if there is a whole copy; NotFound or ContentChanged."""
        changed: ContentChanged | RootOffline | None = None
        for shared in self._index.by_content(content):
            try:
                return self.open_path(shared)
            except (ContentChanged, RootOffline) as error:
                changed = error
        if (partial := self._partials.get(content)) is not None:
            size = partial.manifest.size_bytes
            descriptor = os.dup(partial.descriptor)
            return OpenContent(descriptor, size, partial.written, None, None, partial, content)
        if (own := self._own.get(content)) is not None:
            size, sha256 = own.manifest.size_bytes, own.manifest.sha256
            bits = bitfield.full(own.manifest.chunk_count)
            descriptor = os.open(own.path, os.O_RDONLY | os.O_CLOEXEC)
            return OpenContent(descriptor, size, bits, sha256, None, content=content)
        raise changed or NotFound(UNKNOWN)

    def is_there(self, shared: SharedFile) -> bool:
        """Whether the folder or disk that a shared file lies on is there."""
        return self._root.shows(shared.path)

    def open_path(self, shared: SharedFile) -> OpenContent:
        """One shared file; ContentChanged, and withdrawn, where it is another now."""
        if self.is_damaged((shared.path, shared.fingerprint)):
            raise ContentChanged(f"{printable(shared.path)} is damaged.")
        try:
            descriptor = self._root.open_unchanged(shared.path, shared.fingerprint)
        except ContentChanged:
            self._withdraw(shared)
            raise
        size = shared.fingerprint.size_bytes
        return OpenContent(
            descriptor,
            size,
            bitfield.full(chunk_count_for(size)),
            shared.sha256 if shared.sha256_checked else None,
            shared.fingerprint,
            content=shared.content,
        )

    async def bundle(self, contents: Sequence[ContentId]) -> bytes:
        """A tar of those that are here as whole small files.

        Without what is larger than one chunk, or would make the tar too long.
        """
        tar, changed = await asyncio.to_thread(self._pack, contents)
        for shared in changed:
            self._withdraw(shared)
        return tar

    def _pack(self, contents: Sequence[ContentId]) -> tuple[bytes, list[SharedFile]]:
        """The tar, and the files that were found changed."""
        found = self._index.one_of_each(contents)
        small = [
            shared
            for shared in found
            if shared.fingerprint.size_bytes <= MAX_FILE_BYTES
            and not self.is_damaged((shared.path, shared.fingerprint))
        ]
        pieces: list[bytes] = []
        changed: list[SharedFile] = []
        left_bytes = MAX_BUNDLE_BYTES - len(END)
        for shared, data in read_all(self._root, small):
            if isinstance(data, ContentChanged):
                changed.append(shared)
            if isinstance(data, PanalError):
                continue
            left_bytes -= member_bytes(len(data))
            if left_bytes < 0:
                break
            pieces += header(shared.content, len(data)), data, padding(len(data))
        return b"".join((*pieces, END)), changed

    def encoded_manifest(self, content: ContentId) -> bytes:
        """The canonical manifest; NotFound unless the content is served here."""
        if (partial := self._partials.get(content)) is not None:
            return partial.manifest.encode()
        if (own := self._own.get(content)) is not None:
            return own.manifest.encode()
        encoded = self._index.encoded_manifest(content)
        if encoded is None:
            raise NotFound(UNKNOWN)
        return encoded

    def begin_partial(
        self, content: ContentId, partial: PartialFile, met: Callable[[Provider], None]
    ) -> None:
        """Serve a download's chunks as they are written; `met` is told who comes for them."""
        self._partials[content] = partial
        self._met[content] = met

        def tell(index: int) -> None:
            if (followers := self._followers.get(content)) is not None:
                followers.tell(index)

        partial.on_written = tell

    def end_partial(self, content: ContentId) -> None:
        """The download is over: in place, or given up."""
        self._partials.pop(content, None)
        self._met.pop(content, None)
        if content not in self._own and not self._index.by_content(content):
            self.taken_back(content)

    def begin_own(self, content: ContentId, path: Path, manifest: Manifest) -> None:
        """Serve a whole file that is Panal's own: nobody else changes it."""
        self._own[content] = OwnFile(path, manifest)

    def end_own(self, content: ContentId) -> None:
        """Serve it no more."""
        if self._own.pop(content, None) is not None:
            self.taken_back(content)

    def follow(self, content: ContentId, follower: Provider | None = None) -> Availability:
        """Begin to follow a content's chunks; NotFound or ContentChanged.

        Where it is being fetched here too, each is a source for the other.
        """
        # Followers first, chunks then: what is written between the two is told.
        followers = self._followers.setdefault(content, Followers())
        try:
            opened = self.open(content)
        except BaseException:
            self._forget_if_empty(content)
            raise
        opened.close()
        count = chunk_count_for(opened.size_bytes)
        availability = Availability(opened.bits, count, follower)
        followers.add(availability)
        if follower is not None and (met := self._met.get(content)) is not None:
            met(follower)
        return availability

    def followers(self, content: ContentId) -> list[Provider]:
        """Who else fetches a content, as far as this peer knows; NotFound or ContentChanged."""
        self.open(content).close()
        followers = self._followers.get(content)
        return [] if followers is None else followers.known()

    def followers_at(self, content: ContentId, host: str) -> list[str]:
        """The names of those at an address that say to fetch a content too."""
        followers = self._followers.get(content)
        known = [] if followers is None else followers.known()
        return sorted({follower.peer for follower in known if follower.host == host})

    def unfollow(self, content: ContentId, availability: Availability) -> None:
        """End following."""
        if (followers := self._followers.get(content)) is not None:
            followers.discard(availability)
        self._forget_if_empty(content)

    def taken_back(self, content: ContentId) -> None:
        """Some chunks are no longer here: followers must ask anew."""
        if (followers := self._followers.get(content)) is not None:
            followers.end()

    def close(self) -> None:
        """End every follower's stream: this peer goes."""
        for content in self._followers:
            self.taken_back(content)

    def _forget_if_empty(self, content: ContentId) -> None:
        if not self._followers.get(content):
            self._followers.pop(content, None)
