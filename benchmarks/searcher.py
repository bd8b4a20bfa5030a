"""One user who searches, one search after the other, in a process of its own.

    python -m benchmarks.searcher ADDRESS SECONDS

Beside those that announce and renew, its times would be those of their event loop besides. It says
``begins``, then ``turns`` with a list of searches in JSON, then ``anew`` with those in words that
nobody has asked for before. Of each: the query's number, seconds, hits, and why it was refused.
"""

import asyncio
import itertools
import math
import sys
import time
from collections.abc import Iterable
from typing import Any

import grpc.aio
import msgspec

from panal.wire import tracker_pb2 as pb

QUERIES = (
    "bash_completion",
    "libssl",
    "python3 test_",
    "readme",
    "unicode data",
    "locale es",
    "zlib",
    "copyright",
    "changelog gz",
    "en",
    "py",
    "li",
    "zo",
    "usr",
    "share",
    "lib",
    "share doc",
    "usr -share",
    '"dist-info"',
    "ext:py",
    "kind:image",
    "size:>3G lib",
    "peer:peer-00042 lib",
    "x",
    "",
    "qqzzy",
)
"""In turn. What each matches is counted and shown."""
ROUNDS_ANEW = 8
"""Of each query in other words, which nobody has asked for before."""
PAUSE_S = 0.005


class Search(msgspec.Struct, frozen=True, array_like=True):
    """One search."""

    number: int
    """Of its query."""
    spent_s: float
    hits: int
    refused: str = ""


def in_other_words(words: str, number: int) -> str:
    """A query that finds the same, and of which no tracker has kept an answer; of nothing, itself.

    Told several times, words and filters mean what they mean once; only the name that would be
    exactly so is another.
    """
    return " ".join([words] * number)


async def _search(call: Any, number: int, words: str) -> Search:
    request = pb.SearchRequest(words=words).SerializeToString()
    began_s = time.monotonic()
    try:
        raw, refused = await call(request, timeout=120), ""
    except grpc.aio.AioRpcError as error:
        raw, refused = b"", str(error.details())[:60]
    spent_s = time.monotonic() - began_s
    return Search(number, spent_s, len(pb.SearchResponse.FromString(raw).hits), refused)


async def _searches(call: Any, asked: Iterable[tuple[int, str]], until_s: float) -> list[Search]:
    found = []
    for number, words in asked:
        if time.monotonic() >= until_s:
            break
        found.append(await _search(call, number, words))
        await asyncio.sleep(PAUSE_S)
    return found


def _say(word: str, found: list[Search]) -> None:
    print(word, msgspec.json.encode(found).decode(), flush=True)


async def main(address: str, duration_s: float) -> None:
    """The command."""
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.unary_unary("/panal.tracker.v1.Tracker/Search")
        await channel.channel_ready()
        print("begins", flush=True)
        until_s = time.monotonic() + duration_s
        _say("turns", await _searches(call, itertools.cycle(enumerate(QUERIES)), until_s))
        anew = (
            (number, in_other_words(words, times))
            for times in range(2, ROUNDS_ANEW + 2)
            for number, words in enumerate(QUERIES)
        )
        _say("anew", await _searches(call, anew, math.inf))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
