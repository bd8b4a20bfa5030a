"""The tables' steps: made once, brief, refused where a newer program needs others."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

psycopg = pytest.importorskip("psycopg", reason="the extra panal[postgres] is not installed")

from panal.errors import PanalError, Refused  # noqa: E402
from panal.tracker.postgres import PostgresStorage  # noqa: E402
from panal.tracker.postgres_database import Database  # noqa: E402
from panal.tracker.postgres_migrations import migrate  # noqa: E402
from panal.tracker.postgres_steps import MIGRATIONS, TRIGRAM_INDEXES, Migration  # noqa: E402
from tests.support.postgres_server import PostgresServer  # noqa: E402

ADDED = Migration("ALTER TABLE peers ADD COLUMN colour text", least=1)
LATER = Migration(
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS peers_by_colour ON peers (colour)",
    least=1,
    is_concurrent=True,
)
REPAINTED = Migration("CREATE TABLE paint (colour text)", least=1)
OTHER = Migration("ALTER TABLE peers DROP COLUMN bound", least=2)


def never(duration_s: float) -> None:
    raise AssertionError("nothing is to be waited for")


def versions(url: str) -> list[tuple[int, int]]:
    with psycopg.connect(url) as connection:
        return list(
            connection.execute("SELECT version, least FROM panal.migrations ORDER BY version")
        )


def test_the_tables_are_made_once_and_steps_are_added(empty_database: str) -> None:
    for steps in (MIGRATIONS, MIGRATIONS, (*MIGRATIONS, ADDED, LATER)):
        migrate(Database(empty_database, 1), never, steps)
        assert versions(empty_database) == [(n, s.least) for n, s in enumerate(steps, 1)]


def test_trackers_that_start_together_make_them_once(empty_database: str) -> None:
    pauses: list[float] = []
    steps = (*MIGRATIONS, ADDED, LATER)

    def start(_: int) -> None:
        migrate(Database(empty_database, 1), pauses.append, steps)

    with ThreadPoolExecutor(6) as trackers:
        list(trackers.map(start, range(6)))
    assert len(versions(empty_database)) == len(steps)


def test_an_older_tracker_works_on_what_was_only_added_to(empty_database: str) -> None:
    migrate(Database(empty_database, 1), never, (*MIGRATIONS, ADDED))
    PostgresStorage(empty_database, threads=1).close()


def test_what_older_trackers_use_goes_when_they_have_gone(empty_database: str) -> None:
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'panal tracker 9'"
    steps = (*MIGRATIONS[:-1], replace(MIGRATIONS[-1], sql="CREATE TABLE panal.made ()"))
    kept = len(MIGRATIONS) - 1
    with psycopg.connect(empty_database, application_name="panal tracker 9"):
        migrate(Database(empty_database, 1), never, steps)
        PostgresStorage(empty_database, threads=1).close()  # it works all the same
        assert len(versions(empty_database)) == kept
    with psycopg.connect(empty_database, autocommit=True) as looking:
        while looking.execute(sessions).fetchone() != (0,):
            pass
    migrate(Database(empty_database, 1), never, steps)
    assert len(versions(empty_database)) == kept + 1


def test_tables_of_a_newer_panal_are_left_alone(empty_database: str) -> None:
    newer = (*MIGRATIONS, Migration(OTHER.sql, least=len(MIGRATIONS) + 1))
    migrate(Database(empty_database, 1), never, newer)
    before = versions(empty_database)
    with pytest.raises(Refused, match="newer Panal"):
        PostgresStorage(empty_database, threads=1)
    assert versions(empty_database) == before


def test_a_step_that_fails_leaves_nothing(empty_database: str) -> None:
    broken = Migration("CREATE TABLE half (x int); SELECT 1 / 0", least=1)
    for steps in ((*MIGRATIONS, broken), MIGRATIONS):
        if steps == MIGRATIONS:
            migrate(Database(empty_database, 1), never, steps)
        else:
            with pytest.raises(psycopg.errors.DivisionByZero):
                migrate(Database(empty_database, 1), never, steps)
    assert len(versions(empty_database)) == len(MIGRATIONS)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('panal.half')").fetchone() == (None,)


def test_an_index_that_was_not_finished_is_made_anew(empty_database: str) -> None:
    migrate(Database(empty_database, 1), never, (*MIGRATIONS, ADDED))
    unique = LATER.sql.replace("CREATE", "CREATE UNIQUE")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("SET search_path = panal")
        values = "key, name, secret_hash, epoch, sequence, observed_host, port, bound, reachable"
        for key in "ab":  # both of one colour: the index cannot be unique, and is left half made
            connection.execute(
                f"INSERT INTO peers ({values}, reachability, lease_until_s, joined_at_s,"
                " renewed_at_s, digest, colour)"
                f" VALUES ('{key}', '', '', 1, 1, '', 1, '', true, '', 1, 1, 1, '', 'red')"
            )
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(unique)
        unfinished = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
        assert connection.execute(unfinished).fetchone() == (1,)
        migrate(Database(empty_database, 1), never, (*MIGRATIONS, ADDED, LATER))
        assert connection.execute(unfinished).fetchone() == (0,)
        assert connection.execute("SELECT to_regclass('peers_by_colour')").fetchone() != (None,)


def test_a_step_does_not_wait_long_for_a_table(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.tracker.postgres_migrations.LOCK_S", 0.01)
    migrate(Database(empty_database, 1), never)
    busy = psycopg.connect(empty_database)
    busy.execute("SET idle_in_transaction_session_timeout = '5s'")  # a failure is to end
    busy.execute("SELECT * FROM panal.peers")
    pauses: list[float] = []

    def pause(duration_s: float) -> None:
        pauses.append(duration_s)
        if len(pauses) == 2:
            busy.rollback()  # answered when the lock is gone, as a close is not

    migrate(Database(empty_database, 1), pause, (*MIGRATIONS, ADDED))
    assert len(pauses) == 2
    busy.close()


def test_a_concurrent_step_waits_for_older_transactions_however_long(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.tracker.postgres_migrations.LOCK_S", 0.01)
    migrate(Database(empty_database, 1), never, (*MIGRATIONS, ADDED))
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND clock_timestamp() > query_start + '0.02s'"
    )
    with psycopg.connect(empty_database) as older, ThreadPoolExecutor(1) as tracker:
        older.execute("SET idle_in_transaction_session_timeout = '20s'")  # a failure is to end
        older.execute("DELETE FROM panal.peers")
        steps = (*MIGRATIONS, ADDED, REPAINTED, LATER)
        made = tracker.submit(migrate, Database(empty_database, 1), never, steps)
        with psycopg.connect(empty_database, autocommit=True) as looking:
            while not made.done() and looking.execute(waiting).fetchone() == (0,):
                pass
        assert not made.done()
        older.rollback()
        made.result()
    assert len(versions(empty_database)) == len(steps)


def test_an_old_server_is_said_in_words(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.tracker.postgres_migrations.LEAST_SERVER", 990_000)
    with pytest.raises(PanalError, match="needs PostgreSQL 99 or later; this is"):
        PostgresStorage(empty_database, threads=1)


def _owned_by_others(server: PostgresServer, name: str) -> None:
    server.sql(f"GRANT CONNECT ON DATABASE {name} TO PUBLIC")


def _in_latin_1(server: PostgresServer, name: str) -> None:
    server.sql(f"DROP DATABASE {name}")
    server.sql(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")


@pytest.mark.parametrize(
    ("make", "user", "words"),
    [(_owned_by_others, "guest", "may not make"), (_in_latin_1, "panal", "UTF-8")],
)
def test_a_database_that_cannot_do_is_said_in_words(
    postgres: PostgresServer,
    empty_database: str,
    make: Callable[[PostgresServer, str], None],
    user: str,
    words: str,
) -> None:
    name = empty_database.partition("@/")[2].partition("?")[0]
    if user == "guest":
        postgres.sql("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN")
    make(postgres, name)
    with pytest.raises(PanalError, match=words):
        PostgresStorage(postgres.url(name, user), threads=1)


def indexes(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'panal'")
        return {name for (name,) in rows}


def test_what_a_restore_left_out_is_made_again(
    empty_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    migrate(Database(empty_database, 1), never)
    whole = indexes(empty_database)
    assert whole >= TRIGRAM_INDEXES.keys()
    with psycopg.connect(empty_database, autocommit=True) as connection:
        for name in TRIGRAM_INDEXES:
            connection.execute(f"DROP INDEX panal.{name}".encode())
    migrate(Database(empty_database, 1), never)
    assert indexes(empty_database) == whole
    assert caplog.text.count("an index is missing, as after a restore") == len(TRIGRAM_INDEXES)


def test_a_whole_database_is_restored_with_all_its_indexes(
    postgres: PostgresServer, empty_database: str
) -> None:
    migrate(Database(empty_database, 1), never)
    dump = postgres.folder / "panal.sql"
    postgres.run("pg_dump", "--file", str(dump), empty_database)
    postgres.sql("CREATE DATABASE restored")
    try:
        url = postgres.url("restored")
        postgres.run("psql", "--set", "ON_ERROR_STOP=1", "--file", str(dump), url)
        assert indexes(url) == indexes(empty_database)
        migrate(Database(url, 1), never)
    finally:
        postgres.sql("DROP DATABASE restored WITH (FORCE)")


def test_an_index_whose_making_was_broken_off_is_made_again(empty_database: str) -> None:
    migrate(Database(empty_database, 1), never)
    is_valid = (
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'panal.entries_of_no_block'::regclass"
    )
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(
            "UPDATE pg_index SET indisvalid = false"
            " WHERE indexrelid = 'panal.entries_of_no_block'::regclass"
        )
        assert connection.execute(is_valid).fetchone() == (False,)
        migrate(Database(empty_database, 1), never)
        assert connection.execute(is_valid).fetchone() == (True,)


def test_a_tracker_starts_where_somebody_reads_for_long_and_makes_the_index_later(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(Database(empty_database, 1), never)
    monkeypatch.setattr("panal.tracker.postgres_migrations.LOCK_S", 0.01)
    index = "WHERE indexrelid = 'panal.blocks_by_text'::regclass"
    is_valid = f"SELECT indisvalid FROM pg_index {index}"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(f"UPDATE pg_index SET indisvalid = false {index}")
        with psycopg.connect(empty_database) as backup:
            backup.execute("SELECT count(*) FROM panal.blocks")
            migrate(Database(empty_database, 1), never)
            assert connection.execute(is_valid).fetchone() == (False,)
        migrate(Database(empty_database, 1), never)
        assert connection.execute(is_valid).fetchone() == (True,)


def test_a_tracker_starts_beside_a_backup_where_a_restore_left_an_index_out(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    migrate(Database(empty_database, 1), never)
    whole = indexes(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("DROP INDEX panal.blocks_by_text")
    with psycopg.connect(empty_database) as backup, monkeypatch.context() as patched:
        patched.setattr("panal.tracker.postgres_migrations.READERS_S", 0.01)
        backup.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ  # pg_dump's
        backup.execute("SET idle_in_transaction_session_timeout = '5s'")  # a failure is to end
        backup.execute("SELECT count(*) FROM panal.peers")
        migrate(Database(empty_database, 1), never)
        backup.execute("SELECT count(*) FROM panal.blocks")  # nobody has ended it
    assert "blocks_by_text is made at a later start" in caplog.text
    migrate(Database(empty_database, 1), never)
    assert indexes(empty_database) == whole
    with psycopg.connect(empty_database) as connection:
        left = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
        assert connection.execute(left).fetchone() == (0,)


def test_an_index_that_an_administrator_is_making_again_is_let_alone(empty_database: str) -> None:
    migrate(Database(empty_database, 1), never)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE INDEX peers_by_zone_ccnew1 ON panal.peers (zone)")
        connection.execute(
            "UPDATE pg_index SET indisvalid = false"
            " WHERE indexrelid = 'panal.peers_by_zone_ccnew1'::regclass"
        )
        migrate(Database(empty_database, 1), never, (*MIGRATIONS, ADDED, LATER))
        left = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
        assert connection.execute(left).fetchone() == (1,)
