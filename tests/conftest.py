import os
import sys
import tracemalloc  # noqa: F401  # pytest imports it in whatever thread drops something: two fail
from collections.abc import Iterator
from itertools import count
from time import monotonic

import hypothesis
import pytest

from tests.support.patience import PATIENCE_S
from tests.support.postgres_server import PostgresServer, server_programs

# Before gRPC is imported: its handlers of forks end children of subprocess that change their
# user, and may stop this process (grpc/grpc#43055). Nothing here goes on after a fork without exec.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

# Where these are set pytest compares all that differs line by line: 64 KiB take it more than
# ten minutes, also where a test expects the failure. `verbosity_assertions` does that for `-v`.
for _set_by_ci in ("CI", "BUILD_NUMBER"):
    os.environ.pop(_set_by_ci, None)

# A loaded machine is no reason to fail; nor are the examples others each time.
hypothesis.settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("steady")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many more than cores: tests wait for two thirds of their time."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return cores + cores // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of what takes long come first: at the end nobody waits for one of them alone."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def _pristine() -> Iterator[PostgresServer]:
    """What servers are copies of; the test is skipped where none is installed."""
    pytest.importorskip("psycopg", reason="the extra panal[postgres] is not installed")
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    server = PostgresServer(programs)
    yield server
    server.remove()


def _started(like: PostgresServer) -> Iterator[PostgresServer]:
    server = PostgresServer(like.programs, like)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres(_pristine: PostgresServer) -> Iterator[PostgresServer]:
    """A running server."""
    yield from _started(_pristine)


@pytest.fixture
def away_server(_pristine: PostgresServer) -> Iterator[PostgresServer]:
    """A server of the test's own, to be stopped."""
    yield from _started(_pristine)


@pytest.fixture(scope="session")
def _kept_database(postgres: PostgresServer) -> str:
    postgres.sql("CREATE DATABASE kept")
    return postgres.url("kept")


def check_nothing_is_open(url: str) -> None:
    """AssertionError where a transaction was left open: the tests to come would wait for it."""
    import psycopg

    until_s = monotonic() + PATIENCE_S  # whose connection was closed may still be ending
    with psycopg.connect(url, autocommit=True) as connection:
        while left := connection.execute(
            "SELECT state, query FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND xact_start IS NOT NULL"
            " AND pid <> pg_backend_pid()"
        ).fetchall():
            assert monotonic() < until_s, f"left open in the database of all tests: {left}"


@pytest.fixture
def database(_kept_database: str) -> Iterator[str]:
    """The URL of a database without records; its tables are kept from test to test."""
    import psycopg

    with psycopg.connect(_kept_database) as connection:
        if connection.execute("SELECT to_regclass('panal.leftovers')").fetchone() != (None,):
            connection.execute(
                "TRUNCATE panal.peers, panal.kept, panal.entries, panal.blocks, panal.holdings,"
                " panal.leftovers, panal.membership, panal.members, panal.certificates,"
                " panal.join_lines;"
                " INSERT INTO panal.membership DEFAULT VALUES;"
                " DELETE FROM panal.facts WHERE name <> 'id'"
            )
    yield _kept_database
    check_nothing_is_open(_kept_database)


_numbers = count(1)


@pytest.fixture
def empty_database(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a database that has nothing in it; for one test."""
    name = f"empty_{next(_numbers)}"
    postgres.sql(f"CREATE DATABASE {name}")
    yield postgres.url(name)
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")
