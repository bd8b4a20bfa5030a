"""Which store is opened, and what is said of its address."""

import logging
import sys
from pathlib import Path

import pytest

from panal.errors import PanalError, StoreUnavailable, UsageError
from panal.tracker import stores
from panal.tracker.sqlite import SqliteStorage
from panal.tracker.store_url import shown_store
from tests.support.clock import VirtualClock


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ana@db.lan:5432/panal", "postgresql://ana@db.lan:5432/panal"),
        ("postgresql://ana:s3cret@db.lan/panal", "postgresql://ana@db.lan/panal"),
        ("postgres://db.lan", "postgres://db.lan"),
        ("postgresql://ana@[::1]:5432/panal", "postgresql://ana@[::1]:5432/panal"),
        ("postgresql://ana:s3cret@a,b:5/panal?sslmode=require", "postgresql://ana@a,b:5/panal"),
        ("postgresql:///panal?host=/run/x&password=s3cret", "postgresql:///panal"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert shown_store(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ana:s3cret/x@db/panal",
        "postgresql://ana:s3cret?x@db/panal",
        "postgresql://ana:s3cret#x@db/panal",
        "postgresql://ana:x@s3cret@db/panal",
        "postgresql://s3cret:pass/word?y",
        "postgresql://db/panal?password=s3cret@x",
        "postgresql://db/panal?user=a@b&password=s3cret",
        "postgresql://db/panal?password=a@s3cret/x",
        "password=s3cret",
        "mysql://ana:s3cret@db/panal",
    ],
)
def test_a_password_is_never_shown(url: str) -> None:
    assert "s3cret" not in shown_store(url)


def test_without_an_address_the_store_is_a_file_or_memory(tmp_path: Path) -> None:
    clock = VirtualClock()
    for state_dir in (None, tmp_path / "state"):
        storage, lease_clock = stores.open_store(None, state_dir, clock, 60.0)
        assert isinstance(storage, SqliteStorage)
        assert lease_clock is clock
        storage.close()
    assert (tmp_path / "state" / stores.DATABASE_NAME).exists()


@pytest.mark.parametrize("url", ["mysql://ana@db/panal", "/tmp/panal.db", "postgres"])
def test_an_address_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="postgresql://USER@HOST"):
        stores.open_store(url, None, VirtualClock(), 60.0)


def test_a_missing_extra_is_said_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for name in [name for name in sys.modules if name.startswith("panal.tracker.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(PanalError, match=r"pip install '\.\[postgres\]'"):
        stores.open_store("postgresql://db/panal", None, VirtualClock(), 60.0)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ana:s3cret@db:port/panal?nonsense=1",
        "postgresql://ana:s3cret@[::1/panal",
        "postgresql://ana:%zzs3cret@db/panal",
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(url: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(UsageError, match="cannot be read") as caught:
        stores.open_store(url, None, VirtualClock(), 60.0)
    assert "s3cret" not in str(caught.value)


class Impatient(VirtualClock):
    """Waits for nothing, and notes for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def sleep(self, duration_s: float) -> None:
        self.waits.append(duration_s)


async def test_a_database_that_is_away_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Impatient()

    made = SqliteStorage(None, 0.0), clock

    def open_it(*_: object) -> tuple[SqliteStorage, VirtualClock]:
        if len(clock.waits) < 6:
            raise StoreUnavailable("It is away." if len(clock.waits) < 4 else "It is starting.")
        return made

    monkeypatch.setattr(stores, "open_store", open_it)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "panal.tracker"):
        opened = await stores.open_store_when_it_is_there("postgresql://db", None, clock, 60.0)
    assert opened == made
    made[0].close()
    assert clock.waits == [2.0] * 6
    assert [record.getMessage().partition(".")[0] for record in caplog.records] == [
        "It is away",
        "It is starting",
    ]
