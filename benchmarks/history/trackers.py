"""Tracker processes that are killed and started again, and the database under them."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from benchmarks.processes import Program, free_port
from panal.tracker.records import Records
from panal.tracker.server import TrackerServer
from panal.tracker.settings import TrackerSettings
from panal.wire.catalogue import Announcement, Caller


class TrackerProcess:
    """One tracker, on a port that it keeps."""

    def __init__(self, words: Sequence[str]) -> None:
        self.port = free_port()
        self._words = words
        self._program: Program | None = None

    @property
    def address(self) -> str:
        """Where peers reach it."""
        return f"127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether it was started and not killed since."""
        return self._program is not None

    async def start(self) -> None:
        """Start it; it listens when this returns."""
        words = [sys.executable, "-m", "benchmarks.history.trackers", "--port", str(self.port)]
        program = Program([*words, *self._words])
        await asyncio.to_thread(program.wait_for, "listening on")
        self._program = program

    def kill(self) -> None:
        """End it with signal 9."""
        if self._program is not None:
            self._program.kill()
            self._program = None


def forget_removals() -> None:
    """Break this process's tracker, for a history that must not pass: what is removed stays."""
    real = Records.announce

    async def forgetting(
        records: Records, caller: Caller, announcement: Announcement
    ) -> tuple[bytes, int | None]:
        return await real(records, caller, replace(announcement, removed_paths=()))

    Records.announce = forgetting  # type: ignore[method-assign, assignment]


async def _run(settings: TrackerSettings) -> None:
    server = TrackerServer(settings)
    await server.start()
    await server.wait_stopped()


def main() -> None:
    """Run one tracker with a shorter lease than the command has."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--store")
    parser.add_argument("--state", type=Path)
    parser.add_argument("--renew", type=float)
    parser.add_argument("--lease", type=float)
    parser.add_argument("--broken", action="store_true")
    given = parser.parse_args()
    if given.broken:
        forget_removals()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    asyncio.run(
        _run(
            TrackerSettings(
                port=given.port,
                state_dir=given.state,
                lease_s=given.lease,
                renew_s=given.renew,
                store=given.store,
            )
        )
    )


if __name__ == "__main__":
    main()
