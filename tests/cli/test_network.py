"""`panal network` and `--join`, as a user types them."""

import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click
import pytest

from panal.cli import joining, programs
from panal.cli.main import panal as group
from panal.errors import JoinRefused, StoreUnavailable, UsageError
from panal.tracker import network as trackers_network
from panal.wire.join_line import JoinLine, parse_join_line
from tests.cli.running import panal
from tests.support.network import Network

SECRET = bytes(range(16))
LINE = JoinLine(bytes(32), ("10.0.0.1:50051",), SECRET, 1_795_766_400)


@pytest.fixture
async def members(tmp_path: Path) -> AsyncIterator[Network]:
    async with Network(tmp_path, has_members=True) as made:
        yield made


def state(members: Network) -> str:
    return str(members.place / "tracker")


# Where a join line comes from -------------------------------------------------------------


def read(*words: str) -> JoinLine | None:
    """What `--join` makes of some words."""
    got: list[Any] = []

    @click.command()
    @click.option("--join", envvar="PANAL_JOIN", is_flag=False, flag_value="?", callback=_read)
    def command(join: JoinLine | None) -> None:
        got.append(join)

    command.main(list(words), standalone_mode=False)
    found: JoinLine | None = got[0]
    return found


def _read(context: click.Context, option: click.Parameter, value: str | None) -> JoinLine | None:
    return joining.read_join(context, option, value)


def test_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "join.txt").write_text(f"{LINE}\n")
    assert read("--join", f"@{tmp_path / 'join.txt'}") == LINE


def test_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{LINE}\n"))
    assert read("--join", "-") == LINE


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PANAL_JOIN", str(LINE))
    assert read() == LINE
    (tmp_path / "join.txt").write_text(str(LINE))
    monkeypatch.setenv("PANAL_JOIN", f"@{tmp_path / 'join.txt'}")
    assert read() == LINE


def test_from_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click, "prompt", lambda *_, hide_input, **__: hide_input and str(LINE))
    assert read("--join") == LINE


def test_nothing_is_said() -> None:
    assert read() is None


def test_on_the_command_line_it_is_refused_with_the_fix() -> None:
    with pytest.raises(UsageError) as caught:
        read("--join", str(LINE))
    assert "@FILE" in str(caught.value)
    assert SECRET.hex() not in str(caught.value)


@pytest.mark.parametrize("command", ["peer", "get", "search", "peers"])
def test_every_command_that_joins_reads_it_so(command: str) -> None:
    (option,) = [p for p in group.commands[command].params if p.name == "join"]
    assert option.envvar == "PANAL_JOIN"
    context = click.Context(group.commands[command])
    context.set_parameter_source("join", click.core.ParameterSource.COMMANDLINE)
    assert option.callback is not None
    with pytest.raises(UsageError, match="secret"):
        option.callback(context, option, str(LINE))


# The owner's commands ---------------------------------------------------------------------


async def test_members_and_lines_are_listed(members: Network) -> None:
    await members.peer("a")
    shown = await panal("network", "--state", state(members))
    assert shown.code == 0
    assert shown.out.startswith("a  here")
    assert "lets in 9 more of 10" in shown.err
    document = json.loads((await panal("network", "--state", state(members), "--json")).out)
    assert [member["name"] for member in document["members"]] == ["a"]
    assert [line["uses_left"] for line in document["join_lines"]] == [9]


async def test_a_line_that_is_made_lets_in_until_it_is_revoked(members: Network) -> None:
    words = ("network", "join-line", "--uses", "2", "--for", "1h", "--state", state(members))
    made = await panal(*words)
    line = parse_join_line(made.out)
    await members.peer("a", join=line)
    line_id = made.err.split()[2].rstrip(":")
    revoked = await panal("network", "revoke", line_id, "--state", state(members))
    assert revoked.code == 0
    assert (await panal("network", "revoke", line_id, "--state", state(members))).code == 3
    with pytest.raises(JoinRefused, match="revoked"):
        await members.peer("b", join=line)


async def test_a_line_is_written_for_this_user_alone(members: Network, tmp_path: Path) -> None:
    to = tmp_path / "a join.txt"
    words = ("network", "join-line", "--to", str(to), "--state", state(members))
    made = await panal(*words)
    assert made.code == 0
    assert made.out == ""
    assert to.stat().st_mode & 0o777 == 0o600
    await members.peer("a", join=parse_join_line(to.read_text()))
    again = (*words[:3], str(tmp_path / "again.txt"), *words[4:])
    assert json.loads((await panal(*again, "--json")).out)["line"] is None
    nowhere = str(tmp_path / "missing" / "join.txt")
    refused = await panal("network", "join-line", "--to", nowhere, "--state", state(members))
    assert refused.code == 1
    assert "join.txt" in refused.err


async def test_a_line_is_not_made_where_it_would_take_the_place_of_a_file(
    members: Network, tmp_path: Path
) -> None:
    to = tmp_path / "join.txt"
    to.write_text("mine")
    (tmp_path / "join.txt.new").write_text("mine too")
    lines = (await panal("network", "--state", state(members))).err
    words = ("network", "join-line", "--to", str(to), "--state", state(members))
    refused = await panal(*words)
    assert (refused.code, "is there already" in refused.err) == (7, True)
    assert (to.read_text(), (tmp_path / "join.txt.new").read_text()) == ("mine", "mine too")
    assert (await panal("network", "--state", state(members))).err == lines
    to.unlink()
    assert (await panal(*words[:-1], str(tmp_path / "no-network"))).code == 3
    assert not to.exists()


async def test_a_line_with_addresses_that_its_maker_knows(members: Network) -> None:
    words = ("network", "join-line", "--address", "nas.example:7000", "--state", state(members))
    document = json.loads((await panal(*words, "--json")).out)
    assert parse_join_line(document["line"]).addresses == ("nas.example:7000",)
    assert document["join_line"]["uses"] == 10


async def test_a_member_is_removed(members: Network) -> None:
    await members.peer("a")
    removed = await panal("network", "remove", "A", "--state", state(members))
    assert removed.code == 0
    assert (await panal("network", "remove", "a", "--state", state(members))).code == 3
    shown = await panal("network", "--state", state(members))
    assert "Nobody has joined" in shown.err


async def test_a_quiet_command_says_nothing_but_what_was_asked_for(
    members: Network, tmp_path: Path
) -> None:
    quiet = ("--quiet", "--state", state(members))
    to = tmp_path / "join.txt"
    written = await panal("network", "join-line", "--to", str(to), *quiet)
    assert (written.code, written.out, written.err) == (0, "", "")
    made = await panal("network", "join-line", *quiet)
    assert (bool(parse_join_line(made.out)), made.err) == (True, "")
    await members.peer("a", join=parse_join_line(to.read_text()))
    shown = await panal("network", "--state", state(members), "--json")
    line = json.loads(shown.out)["members"][0]["enrolled_by"]
    for words in (("revoke", line), ("remove", "a")):
        said = await panal("network", *words, *quiet)
        assert (said.code, said.out, said.err) == (0, "", "")
    assert (await panal("network", "remove", "a", *quiet)).err


async def test_who_removes_is_told_of_the_line_that_lets_the_member_in_again(
    members: Network,
) -> None:
    await members.peer("a")
    words = ("network", "remove", "a", "--state", state(members))
    by = json.loads((await panal("network", "--state", state(members), "--json")).out)
    line = by["members"][0]["enrolled_by"]
    hint = f"panal network revoke {line} --state {state(members)}"
    assert hint in (await panal(*words)).err
    assert f"'panal network --state {state(members)}' lists them" in (await panal(*words)).err
    await members.peer("b")
    await panal("network", "revoke", line, "--state", state(members))
    removed = await panal("network", "remove", "b", "--state", state(members), "--json")
    assert json.loads(removed.out) == {"removed": "b", "open_join_line": None}


async def test_why_a_tracker_cannot_do_it_is_said(
    members: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreUnavailable("The tracker's database does not answer.")

    monkeypatch.setattr(trackers_network.Network, "members", fail)
    failed = await panal("network", "--state", state(members))
    assert failed.code == 4
    assert "database does not answer" in failed.err
    assert "Start it" not in failed.err


async def test_a_tracker_that_is_stopped_is_said(members: Network) -> None:
    await members.stop_tracker()
    shown = await panal("network", "--state", state(members))
    assert shown.code == 4
    assert "Start it" in shown.err


@pytest.mark.parametrize("is_terminal", [False, True])
async def test_a_new_network_s_line_is_for_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: bool
) -> None:
    made: list[JoinLine] = []

    async def mint() -> JoinLine:
        made.append(LINE)
        return LINE

    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    await programs._tell_join_line(mint, Path("/a state"))
    said = capsys.readouterr().out
    assert (SECRET.hex() in said) == bool(made) == is_terminal
    words = "panal network" if is_terminal else "panal network join-line"
    assert f"{words} --state '/a state'" in said
