"""Which request a task works on: kept apart from others, handed on to what it starts."""

import asyncio

import pytest

from panal import request_ids


@pytest.mark.parametrize("given", ["a", "0f" * 8, "A-b_c.9", "x" * 64])
def test_an_id_is_taken_as_it_is(given: str) -> None:
    assert request_ids.accepted(given) == given


@pytest.mark.parametrize("given", [None, b"abc", "", "a b", "a\n", "ñ", "x" * 65, '"', "a/b"])
def test_what_is_no_id_is_not_taken(given: str | bytes | None) -> None:
    assert request_ids.accepted(given) == ""


def test_a_new_one_has_the_form_and_is_another_each_time() -> None:
    made = {request_ids.new_id() for _ in range(100)}
    assert len(made) == 100
    assert all(request_ids.accepted(one) for one in made)


async def test_a_task_hands_its_own_on() -> None:
    async def child() -> str:
        return request_ids.current()

    async def parent(request_id: str) -> list[str]:
        request_ids.begin(request_id)
        await asyncio.sleep(0)
        return [request_ids.current(), await asyncio.create_task(child())]

    both = await asyncio.gather(parent("one"), parent("two"))
    assert list(both) == [["one", "one"], ["two", "two"]]
    assert request_ids.current() == ""
