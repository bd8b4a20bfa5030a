"""Links for guests: made for one content, listed, revoked, and looked at when one is used."""

import secrets
from pathlib import Path

import msgspec

from panal.audit import AuditLog
from panal.clock import Clock
from panal.errors import NotFound, UsageError
from panal.peer.collections import Collections
from panal.store.disk_errors import disk_error
from panal.store.guest_records import GuestRecords
from panal.store.index import Index
from panal.trust.files import read_private, write_private
from panal.wire.capability import SERIAL_BYTES, Grant, capability, is_signed, serial_of
from panal.wire.ids import ContentId, is_content_id, parse_content_id
from panal.wire.manifest import Kind
from panal.wire.names import printable, safe_path

KEY_FILE = "guest-key"
KEY_BYTES = 32
DEFAULT_S = 24 * 3600
MAX_S = 30 * 24 * 3600
MOST_LINKS = 1_000


class Named(msgspec.Struct, frozen=True):
    """A shared content under a name."""

    content: ContentId
    kind: Kind
    name: str
    size_bytes: int


class GuestLinks:
    """The links of one peer."""

    def __init__(
        self,
        state: Path,
        index: Index,
        collections: Collections,
        clock: Clock,
        audit: AuditLog,
    ) -> None:
        self._state = state
        self._index = index
        self._collections = collections
        self._clock = clock
        self._audit = audit
        self._records = GuestRecords(index)
        self._records.remove_expired(clock.wall_s())
        collections.is_linked = self._is_linked
        self._kept_key: bytes | None = None

    async def named(self, what: str) -> Named:
        """What a path of a shared file or folder, or a content id, means; NotFound.

        A folder is taken as it is now, as one content.
        """
        if is_content_id(what):
            return self._by_id(parse_content_id(what))
        path = safe_path(what)
        if (file := self._index.by_path(path)) is not None:
            size_bytes = file.fingerprint.size_bytes
            return Named(file.content, Kind.FILE, path.rpartition("/")[2], size_bytes)
        try:
            record = (await self._collections.add(path)).record
        except NotFound as error:
            if type(error) is not NotFound:
                raise
            shown = printable(path)
            raise NotFound(f"This peer shares neither a file nor a folder {shown}.") from None
        size_bytes = record.manifest.size_bytes
        return Named(record.content, Kind.COLLECTION, path.rpartition("/")[2], size_bytes)

    def make(self, named: Named, duration_s: int) -> tuple[Grant, str]:
        """A link, and the capability that is told this once; UsageError."""
        if not 0 < duration_s <= MAX_S:
            raise UsageError(f"A link for guests lasts at most {MAX_S // 86_400} days.")
        now_s = self._clock.wall_s()
        self._records.remove_expired(now_s)
        if len(self._records.all()) >= MOST_LINKS:
            raise UsageError(f"There are {MOST_LINKS} links for guests: revoke some.")
        grant = Grant(
            secrets.token_bytes(SERIAL_BYTES),
            named.content,
            named.kind,
            named.name,
            int(now_s) + duration_s,
        )
        made = capability(self._key(), grant)
        self._records.add(grant)
        self._audit.note("guest-link-made", what=grant.name, link=grant.serial.hex())
        return grant, made

    def all(self) -> list[Grant]:
        """Every link that counts."""
        self._records.remove_expired(self._clock.wall_s())
        return self._records.all()

    def revoke(self, serial: str) -> None:
        """A link counts no more, named by its serial in hex or the beginning of that."""
        found = [grant for grant in self.all() if serial and grant.serial.hex().startswith(serial)]
        if len(found) > 1:
            raise UsageError(f"{len(found)} links' ids begin with {printable(serial)}.")
        if not found:
            raise NotFound(f"There is no link with the id {printable(serial)}.")
        self._records.remove(found[0].serial)
        self._audit.note("guest-link-revoked", what=found[0].name, link=found[0].serial.hex())

    def grant(self, text: str, name: str) -> Grant | None:
        """What a capability gives under a name; None where it gives nothing (any more)."""
        serial = serial_of(text)
        if serial is None:
            return None
        grant = self._records.by_serial(serial)
        if grant is None or not is_signed(self._key(), text, grant):
            return None
        return grant if grant.name == name and grant.expires_s > self._clock.wall_s() else None

    def _is_linked(self, content: ContentId) -> bool:
        return any(grant.content == content for grant in self.all())

    def _by_id(self, content: ContentId) -> Named:
        for record in self._collections.offering.known.values():
            if record.content == content:
                name, size_bytes = record.path.rpartition("/")[2], record.manifest.size_bytes
                return Named(content, Kind.COLLECTION, name, size_bytes)
        for file in self._index.by_content(content):
            name = file.path.rpartition("/")[2]
            return Named(content, Kind.FILE, name, file.fingerprint.size_bytes)
        raise NotFound("This peer does not share that content.")

    def _key(self) -> bytes:
        """Made when the first link is; without it no link counts."""
        if self._kept_key is None:
            path = self._state / KEY_FILE
            text = read_private(path) or ""
            if len(text) != 2 * KEY_BYTES or set(text) - set("0123456789abcdef"):
                text = secrets.token_hex(KEY_BYTES)
                try:
                    write_private(path, text.encode("ascii") + b"\n")
                except OSError as error:
                    raise disk_error(error, f"keep a secret in {self._state}") from None
            self._kept_key = bytes.fromhex(text)
        return self._kept_key
