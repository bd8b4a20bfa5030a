"""Who is asked for a manifest, and when the next is."""

import asyncio
from collections.abc import Callable

import pytest

from panal.errors import IntegrityError, PanalError, Unreachable
from panal.peer.manifest_asking import ASKED_AT_ONCE, BEGUN_S, ManifestAsking
from panal.swarm.progress import QUIET_S
from panal.wire.catalogue import Provider
from panal.wire.ids import PeerName
from panal.wire.manifest import Manifest
from tests.peer.test_http_source import MANIFEST
from tests.support.clock import VirtualClock

Answer = tuple[float | None, float, PanalError | None]
"""When it begins, when it ends, and how."""
SILENT: Answer = (None, 60.0, Unreachable("silent"))


class Asked:
    """Providers that answer as they are told to, in virtual time."""

    def __init__(self, *answers: Answer) -> None:
        self.clock = VirtualClock()
        self.answers = answers
        self.began_s = self.clock.now_s()
        self.at_s: list[float] = []
        self.quiet: list[str] = []
        self.cancelled = self.open = self.most_open = 0

    async def ask(self, provider: Provider, begins: Callable[[], None]) -> Manifest:
        self.at_s.append(self.clock.now_s() - self.began_s)
        begins_s, ends_s, failure = self.answers[provider.port - 1]
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            if begins_s is not None:
                await self.clock.sleep(begins_s)
                begins()
            await self.clock.sleep(ends_s - (begins_s or 0.0))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.open -= 1
        if failure is not None:
            raise failure
        return MANIFEST

    async def manifest(self) -> tuple[Manifest, float]:
        providers = [
            Provider(PeerName(f"p{port}"), "127.0.0.1", port, complete=True)
            for port in range(1, len(self.answers) + 1)
        ]
        asking = ManifestAsking(self.ask, self.clock, self.quiet.append)
        task = asyncio.create_task(asking.first(providers))
        for _ in range(2_000):
            await self.clock.run_for(0.1)
            if task.done():
                break
        return await task, round(self.clock.now_s() - self.began_s, 1)


async def test_the_first_that_answers_is_enough() -> None:
    asked = Asked((0.1, 0.2, None), SILENT)
    assert await asked.manifest() == (MANIFEST, 0.2)
    assert (len(asked.at_s), asked.quiet) == (1, [])


async def test_who_is_silent_keeps_nobody_waiting() -> None:
    asked = Asked(*[SILENT] * 9, (0.1, 0.2, None))
    _, took_s = await asked.manifest()
    assert took_s == pytest.approx(9 * QUIET_S + 0.2, abs=0.2)
    assert asked.quiet == [f"p{n}" for n in range(1, 10)]
    assert asked.cancelled == 9


async def test_only_a_few_are_asked_at_once_and_who_was_asked_first_is_given_up() -> None:
    """Each may send as much as it likes of what is no manifest."""
    begun: Answer = (0.1, 60.0, None)
    asked = Asked(begun, *[SILENT] * 20, (None, 4 * QUIET_S - 1, None), *[SILENT] * 9)
    _, took_s = await asked.manifest()
    assert took_s == pytest.approx(BEGUN_S + QUIET_S + 24 * QUIET_S - 1, abs=0.5)
    assert (asked.most_open, asked.open) == (ASKED_AT_ONCE, 0)


async def test_where_one_fails_the_next_is_asked_at_once() -> None:
    asked = Asked(
        (0.1, 0.2, IntegrityError("a lie")), (None, 0.3, Unreachable("away")), (0, 1, None)
    )
    assert await asked.manifest() == (MANIFEST, 1.5)
    assert asked.quiet == []


async def test_who_has_begun_is_waited_for_longer_but_not_for_ever() -> None:
    slow, quick = (1.0, BEGUN_S, None), (0.0, 0.5, None)
    asked = Asked(slow, quick)
    assert await asked.manifest() == (MANIFEST, BEGUN_S)
    assert len(asked.at_s) == 1
    asked = Asked((1.0, 60.0, Unreachable("stalled")), quick)
    assert (await asked.manifest())[1] == pytest.approx(QUIET_S + BEGUN_S + 0.5, abs=0.2)


async def test_where_nobody_gives_it_the_last_failure_is_told() -> None:
    asked = Asked((0.1, 0.2, IntegrityError("a lie")), SILENT)
    with pytest.raises(Unreachable, match="silent"):
        await asked.manifest()
