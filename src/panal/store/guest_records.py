"""The links for guests that a peer has given out, as its index keeps them between starts."""

from panal.store.index import Index
from panal.wire.capability import Grant
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind

_TABLE = """CREATE TABLE IF NOT EXISTS guest_links (
    serial    BLOB PRIMARY KEY,
    content   BLOB NOT NULL,
    kind      INTEGER NOT NULL,
    name      TEXT NOT NULL,
    expires_s INTEGER NOT NULL      -- since 1970
) WITHOUT ROWID"""
_COLUMNS = "serial, content, kind, name, expires_s"


class GuestRecords:
    """The table `guest_links`: a link counts while it has a row."""

    def __init__(self, index: Index) -> None:
        self._index = index
        index.write(_TABLE, ())

    def all(self) -> list[Grant]:
        """Every link, the next to expire first."""
        return self._grants("ORDER BY expires_s, serial", ())

    def by_serial(self, serial: bytes) -> Grant | None:
        """One link."""
        return next(iter(self._grants("WHERE serial = ?", (serial,))), None)

    def add(self, grant: Grant) -> None:
        """Keep one."""
        values = (grant.serial, grant.content, grant.kind.value, grant.name, grant.expires_s)
        self._index.write("INSERT INTO guest_links VALUES (?, ?, ?, ?, ?)", values)

    def remove(self, serial: bytes) -> None:
        """One counts no more."""
        self._index.write("DELETE FROM guest_links WHERE serial = ?", (serial,))

    def remove_expired(self, now_s: float) -> None:
        """Forget those whose time is over."""
        self._index.write("DELETE FROM guest_links WHERE expires_s <= ?", (int(now_s),))

    def _grants(self, where: str, values: tuple[object, ...]) -> list[Grant]:
        rows = self._index.rows(f"SELECT {_COLUMNS} FROM guest_links {where}", values)  # noqa: S608
        return [
            Grant(
                bytes(serial),
                ContentId(bytes(content)),
                Kind(kind),
                str(name),
                int(expires_s),
            )
            for serial, content, kind, name, expires_s in rows
        ]
