"""Renewals that come together, and what becomes of each."""

import asyncio
from collections.abc import Sequence

import pytest

from panal.errors import NotRegistered, StoreUnavailable
from panal.tracker.registry import PeerRecord
from panal.tracker.renewals import MOST_TOGETHER, Outcome, Renewal, Renewals
from tests.tracker.makers import caller, record


def renewal(name: str) -> Renewal:
    return Renewal(caller(name), "127.0.0.1")


class Store:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.alone: list[str] = []
        self.may_answer = asyncio.Event()
        self.answers: dict[str, Outcome] = {}
        self.fails_with: Exception | None = None

    async def ask(self, renewals: Sequence[Renewal]) -> list[Outcome]:
        names = [str(one.caller.name) for one in renewals]
        self.batches.append(names)
        await self.may_answer.wait()
        if self.fails_with is not None:
            raise self.fails_with
        return [self.answers[name] if name in self.answers else record(name) for name in names]

    async def ask_alone(self, one: Renewal) -> PeerRecord:
        self.alone.append(one.caller.name)
        return record(one.caller.name)


async def test_what_comes_while_one_is_asked_for_goes_together() -> None:
    store = Store()
    renewals = Renewals(store.ask, store.ask_alone)
    first = asyncio.create_task(renewals.renew(renewal("a")))
    while not store.batches:
        await asyncio.sleep(0)
    others = [asyncio.create_task(renewals.renew(renewal(name))) for name in "bcd"]
    await asyncio.sleep(0)
    store.may_answer.set()
    assert (await first).name == "a"
    assert [(await other).name for other in others] == ["b", "c", "d"]
    assert store.batches == [["a"], ["b", "c", "d"]]
    assert not store.alone


async def test_each_hears_what_became_of_its_own() -> None:
    store = Store()
    store.may_answer.set()
    store.answers = {"b": NotRegistered("register again"), "c": None}
    renewals = Renewals(store.ask, store.ask_alone)
    a, b, c = await asyncio.gather(
        *(renewals.renew(renewal(name)) for name in "abc"), return_exceptions=True
    )
    assert isinstance(a, PeerRecord)
    assert isinstance(b, NotRegistered)
    assert isinstance(c, PeerRecord)
    assert store.alone == ["c"]


async def test_a_store_that_is_away_is_everybodys_answer() -> None:
    store = Store()
    store.may_answer.set()
    store.fails_with = StoreUnavailable("away")
    renewals = Renewals(store.ask, store.ask_alone)
    for _ in range(2):  # and the next are asked for again
        with pytest.raises(StoreUnavailable):
            await renewals.renew(renewal("a"))
    assert store.batches == [["a"], ["a"]]


async def test_what_a_batch_fails_with_is_not_everybodys() -> None:
    store = Store()
    store.may_answer.set()
    store.fails_with = ZeroDivisionError()
    renewals = Renewals(store.ask, store.ask_alone)
    assert (await renewals.renew(renewal("a"))).name == "a"
    assert store.alone == ["a"]


async def test_a_batch_has_a_limit() -> None:
    store = Store()
    store.may_answer.set()
    renewals = Renewals(store.ask, store.ask_alone)
    names = [f"peer-{number}" for number in range(MOST_TOGETHER + 1)]
    await asyncio.gather(*(renewals.renew(renewal(name)) for name in names))
    assert [len(batch) for batch in store.batches] == [MOST_TOGETHER, 1]


async def test_whose_call_has_ended_is_not_asked_for() -> None:
    store = Store()
    renewals = Renewals(store.ask, store.ask_alone)
    first = asyncio.create_task(renewals.renew(renewal("a")))
    while not store.batches:
        await asyncio.sleep(0)
    gone, stays = (asyncio.create_task(renewals.renew(renewal(name))) for name in "bc")
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    store.may_answer.set()
    await asyncio.gather(first, stays)
    assert store.batches == [["a"], ["c"]]
