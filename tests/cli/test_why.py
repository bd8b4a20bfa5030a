"""`panal why` against a real peer; ids are meant as the other commands mean them."""

from panal.answers import WhyAnswer, WhyContent, WhySource
from panal.cli.why import SOURCES_SHOWN, lines_of
from tests.cli.running import panal
from tests.support.network import Network, until

UNKNOWN = "0" * 64


async def test_the_answer_in_words_and_as_json(network: Network) -> None:
    peer = await network.peer("one", shares_folder=False)
    identity = peer.node.get(UNKNOWN).id
    await until(lambda: peer.node.download(identity).state == "waiting", "waiting")
    said = await panal("why", identity[:5], "--peer", peer.url)
    assert (said.code, said.err) == (0, "")
    head, why = said.out.splitlines()
    assert head == f"{identity}  waiting  {UNKNOWN}"
    assert why == f"It waits: {peer.node.download(identity).reason}."
    shown = (await panal("why", identity, "--peer", peer.url, "--json")).json()
    assert (shown["id"], shown["state"], shown["why"]) == (identity, "waiting", why)


async def test_an_id_that_means_none_or_several(network: Network) -> None:
    peer = await network.peer("one", shares_folder=False)
    letters = [peer.node.get(f"{number:064x}").id[0] for number in range(17)]
    nobodys = await panal("why", "x", "--peer", peer.url)
    assert (nobodys.code, nobodys.out) == (3, "")
    letter = next(letter for letter in letters if letters.count(letter) > 1)
    several = await panal("why", letter, "--peer", peer.url)
    assert (several.code, several.out) == (2, "")
    assert "say more of it" in several.err


def source(number: int) -> WhySource:
    return WhySource(f"p{number}", "ready", "is online", 0.0, 0, 0, 0, None, None, 0.0, False, "")


def answer(*contents: WhyContent, advice: str = "") -> WhyAnswer:
    return WhyAnswer("3f0a", None, "running", "Why.", ["More."], advice, list(contents), [])


def test_sources_stand_below_what_they_serve() -> None:
    file = WhyContent("", "Why.", 4, 4, [], [source(1), source(10)])
    assert lines_of(answer(file, advice="Do it.")) == [
        "Why.", "More.", "  p1   is online", "  p10  is online", "What helps: Do it.",
    ]  # fmt: skip
    inside = WhyContent("a/\x1b.bin", "It waits.", 4, 4, [], [source(1)])
    bundle = WhyContent("", "A bundle.", 0, 0, [], [])
    assert lines_of(answer(inside, bundle))[2:] == [
        "a/\\x1b.bin: It waits.", "  p1  is online", "A bundle.",
    ]  # fmt: skip


def test_not_all_of_many_sources_are_shown() -> None:
    file = WhyContent("", "Why.", 4, 4, [], [source(n) for n in range(SOURCES_SHOWN + 2)])
    lines = lines_of(answer(file))
    assert len(lines) == 2 + SOURCES_SHOWN + 1
    assert lines[-1] == "  and 2 more; --json has them all"
