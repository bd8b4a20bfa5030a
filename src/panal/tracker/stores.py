"""Which store a tracker keeps its records in: its own file, memory, or a shared database."""

import asyncio
import logging
import sys
from pathlib import Path

from panal.clock import Clock
from panal.errors import PanalError, StoreUnavailable, UsageError
from panal.tracker.sqlite import SqliteStorage
from panal.tracker.storage import LeaseClock, Storage
from panal.tracker.store_url import is_postgresql
from panal.trust.files import private_folder

_log = logging.getLogger("panal.tracker")

DATABASE_NAME = "tracker.db"
WAIT_S = 2.0
"""Between two tries to open a database that is away."""


def open_store(
    url: str | None, state_dir: Path | None, clock: Clock, lease_s: float
) -> tuple[Storage, LeaseClock]:
    """The store that an address names, and the clock by which its leases run.

    Without an address a file in the state directory, or memory. StoreUnavailable while a
    database is away, UsageError for an address that is none, PanalError without the extra.
    """
    if url is None:
        return SqliteStorage(_own_file(state_dir), clock.now_s(), lease_s), clock
    if not is_postgresql(url):
        raise UsageError("A store is named by postgresql://USER@HOST:PORT/DATABASE.")
    try:
        from panal.tracker.postgres import PostgresStorage
    except ImportError as error:
        raise PanalError(
            "PostgreSQL as a store needs an extra that is not installed. Where Panal's source "
            f"lies: {sys.executable} -m pip install '.[postgres]'"
        ) from error
    shared = PostgresStorage(url)
    return shared, shared


async def open_store_when_it_is_there(
    url: str | None, state_dir: Path | None, clock: Clock, lease_s: float
) -> tuple[Storage, LeaseClock]:
    """As `open_store`, and wait for a database that is away, saying so and why, once."""
    said = ""
    while True:
        try:
            return await asyncio.to_thread(open_store, url, state_dir, clock, lease_s)
        except StoreUnavailable as error:
            why = str(error)
        if why != said:
            _log.warning("%s It is tried again every %g s until it is there.", why, WAIT_S)
            said = why
        await clock.sleep(WAIT_S)


def _own_file(state_dir: Path | None) -> Path | None:
    if state_dir is None:
        return None
    try:
        private_folder(state_dir)
    except OSError as error:
        raise PanalError(f"{state_dir} cannot be made: {error.strerror}.") from error
    return state_dir / DATABASE_NAME
