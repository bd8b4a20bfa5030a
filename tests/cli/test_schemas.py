"""Every command's `--json` is what its schema says, beside a real tracker and peers."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from panal.answers.meanings import meanings, nested
from panal.cli.documents import Problem
from panal.cli.main import panal as group
from panal.cli.schemas import every_command, schema_of, structs_of
from tests.cli.running import Said, panal, said
from tests.support.network import Network, RunningPeer, until

UNKNOWN = "0" * 64
COMMANDS = dict(every_command(group))


class Place:
    """A network with something of everything to print."""

    def __init__(self, network: Network, peer: RunningPeer, elsewhere: Path) -> None:
        self.at = ("--peer", peer.url)
        self.tracker = ("--tracker", network.tracker_address)
        self.peer = peer
        self.elsewhere = elsewhere

    async def download(self) -> str:
        """The id of a download that waits."""
        identity = self.peer.node.get(UNKNOWN).id
        await until(lambda: self.peer.node.download(identity).state == "waiting", "waiting")
        return identity

    def note(self) -> str:
        path = self.elsewhere / "note.txt"
        path.write_text("a note")
        return str(path)


@pytest.fixture
async def place(network: Network, tmp_path: Path) -> Place:
    peer = await network.peer("one", hosts=("127.0.0.1",), guest_port=0)
    await peer.upload("data.bin", b"x" * 5_000)
    (peer.folder / "album" / "empty").mkdir(parents=True)
    (peer.folder / "album" / "a.txt").write_bytes(b"a")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    return Place(network, peer, elsewhere)


async def add(place: Place) -> Said:
    folder = str(place.peer.folder / "album")
    return await panal("add", place.note(), folder, *place.at, "--json")


async def unshare(place: Place) -> Said:
    return await panal("unshare", "data.bin", *place.at, "--json")


async def get(place: Place) -> Said:
    here = ("--into", str(place.elsewhere), *place.tracker)
    check("get", await panal("get", "data.bin", "--dry-run", "--json", *here), code=0)
    return await panal("get", "data.bin", *place.at, "--json")


def of_downloads(*words: str) -> Callable[[Place], Awaitable[Said]]:
    async def run(place: Place) -> Said:
        ids = [await place.download()] if words else []
        if words == ("resume",):
            await place.peer.node.pause_download(ids[0])
        return await panal("downloads", *words, *ids, *place.at, "--json")

    return run


def at_peer(*words: str) -> Callable[[Place], Awaitable[Said]]:
    return lambda place: panal(*words, *place.at, "--json")


def at_tracker(*words: str) -> Callable[[Place], Awaitable[Said]]:
    return lambda place: panal(*words, *place.tracker, "--json")


def alone(*words: str) -> Callable[[Place], Awaitable[Said]]:
    return lambda place: panal(*words, "--json")


async def link(place: Place) -> Said:
    for words in (("data.bin", "--guest"), ("--list",)):
        check("link", await panal("link", *words, *place.at, "--json"), code=0)
    (made,) = place.peer.node.guest_links().links
    revoked = await panal("link", "--revoke", made.id, *place.at, "--json")
    check("link", revoked, code=0)
    return await panal("link", "data.bin", *place.at, "--json")


async def why(place: Place) -> Said:
    return await panal("why", await place.download(), *place.at, "--json")


async def listed(place: Place) -> Said:
    await place.download()
    return await panal("downloads", "list", *place.at, "--json")


def of_network(*words: str) -> Callable[[Place], Awaitable[Said]]:
    async def run(place: Place) -> Said:
        async with Network(place.elsewhere, has_members=True) as members:
            await members.peer("a")
            at = ("--state", str(place.elsewhere / "tracker"), "--json")
            if words != ("revoke",):
                return await panal("network", *words, *at)
            (line,) = (await panal("network", *at)).json()["join_lines"]
            return await panal("network", "revoke", line["id"], *at)

    return run


RUNS: dict[str, Callable[[Place], Awaitable[Said]]] = {
    "add": add,
    "config": alone("config"),
    "doctor": lambda place: panal("doctor", *place.at, *place.tracker, "--json"),
    "downloads": of_downloads(),
    "downloads cancel": of_downloads("cancel"),
    "downloads list": listed,
    "downloads pause": of_downloads("pause"),
    "downloads priority": of_downloads("priority", "3"),
    "downloads resume": of_downloads("resume"),
    "get": get,
    "link": link,
    "log": at_peer("log"),
    "ls": at_peer("ls"),
    "network": of_network(),
    "network join-line": of_network("join-line"),
    "network remove": of_network("remove", "a"),
    "network revoke": of_network("revoke"),
    "page": at_peer("page"),
    "peers": at_tracker("peers"),
    "search": at_tracker("search"),
    "settings": at_peer("settings"),
    "tracker status": at_tracker("tracker", "status"),
    "unshare": unshare,
    "verify": at_peer("verify"),
    "version": alone("version"),
    "why": why,
}
"""How each command with `--json` is run to its good end."""


def check(command: str, answer: Said, code: int) -> Any:
    """The document, which is exactly one of the command's structs."""
    assert answer.code == code, answer.err
    document = answer.json()
    for struct in structs_of(COMMANDS[command]):
        try:
            read = msgspec.convert(document, struct, strict=True)
        except msgspec.ValidationError:
            continue
        if msgspec.to_builtins(read) == document:
            return document
    raise AssertionError(f"no struct of {command!r} is {document}")


def test_each_command_with_json_has_a_schema_and_is_run_here() -> None:
    with_json = {
        name
        for name, command in COMMANDS.items()
        if any("--json" in option.opts for option in command.params)
    }
    assert {name for name in with_json if not structs_of(COMMANDS[name])} == set()
    assert with_json == RUNS.keys()


@pytest.mark.parametrize("command", RUNS)
async def test_what_is_printed_is_what_the_schema_says(command: str, place: Place) -> None:
    check(command, await RUNS[command](place), code=0)


def test_every_field_says_what_it_means() -> None:
    printed = [struct for command in COMMANDS.values() for struct in structs_of(command)]
    structs = nested([*printed, Problem])
    silent = [
        f"{struct.__name__}.{field}"
        for struct in structs
        for field in struct.__struct_fields__
        if not meanings(struct).get(field)
    ]
    assert silent == []


def without_a_peer() -> list[str]:
    needs = {"config", "version", "doctor"}
    return [name for name in RUNS if name not in needs and not name.startswith("network")]


@pytest.mark.parametrize("command", without_a_peer())
async def test_a_failure_is_one_problem(command: str, tmp_path: Path) -> None:
    known = {option for p in COMMANDS[command].params for option in p.opts}
    words = [word for p in COMMANDS[command].params for word in named(p, tmp_path)]
    nobody = ["--tracker", "127.0.0.1:1"]
    if "--peer" in known:
        nobody = ["--peer", "http://127.0.0.1:1"]
    answer = await panal(*command.split(), *words, *nobody, "--json")
    problem = msgspec.convert(answer.json(), Problem, strict=True)
    assert msgspec.to_builtins(problem) == answer.json()
    assert (answer.code, problem.exit_code) == (4, 4)
    assert problem.type == "urn:panal:error:unreachable"
    assert problem.detail in answer.err


def named(parameter: click.Parameter, place: Path) -> list[str]:
    """Something for each argument that must be given."""
    if not isinstance(parameter, click.Argument):
        return []
    if not parameter.required and parameter.name != "what":  # of link, which has options instead
        return []
    return ["1"] if parameter.name == "priority" else [str(place)]


async def test_what_was_found_stands_beside_a_bad_exit_code(network: Network) -> None:
    # One that watches its folder would take the change for a new file, if it sees it first.
    peer = await network.peer("one", shares_folder=False)
    await peer.upload("data.bin", b"x" * 5_000)
    await asyncio.to_thread((peer.folder / "data.bin").write_bytes, b"y" * 5_000)
    found = check("verify", await panal("verify", "--peer", peer.url, "--json"), code=5)
    assert list(found["differing"]) == ["data.bin"]


def test_behind_two_dashes_is_no_option() -> None:
    answer = said("unshare", "--peer", "http://127.0.0.1:1", "--", "--json")
    assert (answer.code, answer.out) == (4, "")


def test_schemas_are_printed() -> None:
    one = json.loads(said("schema", "downloads", "pause").out)
    assert one == schema_of(structs_of(COMMANDS["downloads pause"]))
    assert [each["$ref"] for each in one["anyOf"]] == [
        "#/$defs/DownloadsAnswer", "#/$defs/Problem",
    ]  # fmt: skip
    state = one["$defs"]["DownloadAnswer"]["properties"]["state"]
    assert state["description"].startswith("queued, running")
    assert json.loads(said("schema").out).keys() == RUNS.keys()
    assert said("schema", "tracker").code == 2
