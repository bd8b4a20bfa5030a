"""What comes of a fetch that fails here, and whose fault that is."""

import asyncio
from typing import cast

import pytest

from panal.clock import SystemClock
from panal.store.partial import PartialFile
from panal.swarm.chunk_source import ChunkSource
from panal.swarm.fact_queue import FactQueue
from panal.swarm.fetch_run import run_fetch
from panal.swarm.messages import Failure, Fetch, FetchEnded, SourceId

A = SourceId("a")


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def fetch(self, *_: object, **__: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (RuntimeError("can't start new thread"), Failure.BROKEN),
        (MemoryError(), Failure.BROKEN),
        (KeyError("what it sent"), Failure.MISBEHAVED),
    ],
    ids=["no thread", "no memory", "what was not thought of"],
)
async def test_whose_fault_a_failure_is(error: Exception, failure: Failure) -> None:
    taken = asyncio.Event()
    facts = FactQueue(taken.set, SystemClock())
    source = cast(ChunkSource, Failing(error))
    run_fetch(Fetch(A, 0, 1), source, cast(PartialFile, None), facts)
    await taken.wait()
    assert list(facts.taken()) == [FetchEnded(A, failure, repr(error))]
