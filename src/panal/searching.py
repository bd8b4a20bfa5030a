"""A search over as many pages as are wanted."""

from typing import TYPE_CHECKING

from panal.answers import SearchAnswer
from panal.api import Node
from panal.asking import Only, Tracker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


LARGEST_PAGE = 1_000


async def search_pages(
    asked: Node | Tracker, words: str, limit: int, only: Only | None = None
) -> "AsyncGenerator[SearchAnswer]":
    """The pages of a search one by one, until there are `limit` hits or no more."""
    page: str | None = ""
    while page is not None and limit > 0:
        answer = await asked.search(words, page, min(limit, LARGEST_PAGE), only)
        limit -= len(answer.hits)
        page = answer.next
        yield answer


async def search_all(
    asked: Node | Tracker, words: str, limit: int, only: Only | None = None
) -> SearchAnswer:
    """As many hits as are wanted, over as many pages as that takes."""
    whole = SearchAnswer([], None, capped=False)
    async for page in search_pages(asked, words, limit, only):
        whole = SearchAnswer(whole.hits, page.next, whole.capped or page.capped)
        whole.hits += page.hits
    return whole
