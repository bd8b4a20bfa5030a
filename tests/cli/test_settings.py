"""`panal config`: where each value comes from."""

import os
from pathlib import Path
from typing import Any

import pytest

from panal.cli.main import panal
from panal.cli.schemas import every_command
from tests.cli.running import said


def settings(*words: str) -> dict[tuple[str, str], Any]:
    answer = said("config", "--json", *words)
    assert answer.code == 0, answer.err
    return {(s["command"], s["setting"]): s for s in answer.json()["settings"]}


def test_each_value_with_its_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "panal" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        'tracker = ["127.0.0.1:3"]\n[search]\nlimit = 7\n[downloads.list]\npeer = "x"\n'
    )
    monkeypatch.setenv("PANAL_PEER", "http://127.0.0.1:9")
    found = settings()
    tracker = found["get", "tracker"]
    assert (tracker["value"], tracker["origin"]) == (["127.0.0.1:3"], "file")
    assert tracker["where"] == str(file)
    assert (found["search", "limit"]["value"], found["search", "limit"]["origin"]) == (7, "file")
    peer = found["ls", "peer"]
    assert (peer["origin"], peer["where"]) == ("environment", "PANAL_PEER")
    assert found["tracker", "listen"]["origin"] == "default"
    assert found["get", "into"]["value"] is None
    flagged = settings("search", "--limit", "8")
    assert flagged["search", "limit"]["origin"] == "flag"
    assert flagged["search", "limit"]["value"] == 8
    assert {command for command, _ in flagged} == {"panal", "search"}
    assert found["downloads list", "peer"]["origin"] == "environment"
    monkeypatch.delenv("PANAL_PEER")
    found = settings()
    below = found["downloads list", "peer"]
    assert (below["value"], below["origin"]) == ("x", "file")
    assert found["downloads pause", "peer"]["origin"] == "default"
    words = said("config", "search").out
    assert f'search --tracker = ["127.0.0.1:3"]  (file {file})' in words


def test_every_option_of_every_command_is_there() -> None:
    told = {command for command, _ in settings()}
    with_settings = {name for name, command in every_command(panal) if len(command.params) > 2}
    assert with_settings - {"config", "schema", "version"} <= told
    assert {"tracker", "peer", "downloads", "downloads priority"} <= told


def test_a_command_below_another_and_one_with_arguments() -> None:
    flagged = settings("downloads", "pause", "--peer", "http://x")
    assert {command for command, _ in flagged} == {"panal", "downloads pause"}
    assert flagged["downloads pause", "peer"]["origin"] == "flag"
    assert settings("peer", "--open")["peer", "open"]["origin"] == "flag"
    assert settings("peer", "p", "5000", "x", "--open")["peer", "open"]["value"] is True
    assert ("downloads list", "peer") in settings("downloads")
    assert said("config", "downloads", "nonsense").code == 2


def test_options_that_do_not_fit() -> None:
    assert said("config", "search", "--limit", "x").code == 2
    assert said("config", "get", "--nonsense", "x").code == 2


def test_limits_from_the_file_the_environment_and_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "limits.toml"
    file.write_text('limit-down = 5000000\n[peer]\nlimit-up = "1.5MiB"\n')
    monkeypatch.setenv("PANAL_CONFIG", str(file))
    found = settings()
    assert found["peer", "limit-up"]["value"] == 1_572_864
    assert found["get", "limit-down"]["value"] == 5_000_000
    assert found["get", "limit-up"]["value"] is None
    monkeypatch.setenv("PANAL_LIMIT_UP", "500K")
    up = settings()["peer", "limit-up"]
    assert (up["value"], up["origin"]) == (500_000, "environment")
    assert settings("get", "x", "--limit-up", "0")["get", "limit-up"]["value"] == 0
    for words in (("--limit-up", "fast"), ("--limit-down", "5"), ("--limit-up", "-1")):
        refused = said("get", "x", *words)
        assert refused.code == 2
        assert words[0] in refused.err


@pytest.mark.parametrize(
    ("flags", "environment", "file"),
    [
        (("--tracker", "a:1", "--tracker", "b:2"), "", ""),
        (("--tracker", "a:1,b:2"), "", ""),
        ((), "a:1,b:2", ""),
        ((), "a:1 b:2", ""),
        ((), "", 'tracker = ["a:1", "b:2"]'),
        ((), "", 'tracker = "a:1, b:2"'),
    ],
)
def test_several_trackers_may_be_named_in_each_way(
    flags: tuple[str, ...], environment: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "panal" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(file)
    if environment:
        monkeypatch.setenv("PANAL_TRACKER", environment)
    for command in ("peer", "get", "search"):
        assert settings(command, *flags)[command, "tracker"]["value"] == ["a:1", "b:2"]


def test_a_zone_comes_from_the_environment_and_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PANAL_ZONE", "Rack9")
    assert settings()["peer", "zone"]["value"] == "rack9"
    monkeypatch.delenv("PANAL_ZONE")
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "panal" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('zone = "rack1"\n[get]\nzone = "rack2"\n')
    found = settings()
    assert (found["peer", "zone"]["value"], found["get", "zone"]["value"]) == ("rack1", "rack2")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[get]\ninto = 3", "[get] into is one text: write it in quotes."),
        ("[peer]\nopen = 'yes'", "[peer] open is true or false, without quotes."),
        ("[get]\ninto = ['a', 'b']", "[get] into is one text"),
        ("[search]\nlimit = true", "[search] limit is one text"),
        ("tracker = [['a:1']]", "tracker is one text"),
        ("traker = ['a:1']", "traker is not known. Is 'tracker' meant?"),
        ("[peer]\ninto = 'x'", "[peer] into is not known."),
        ("[pear]\nopen = true", "[pear] is not known. Is 'peer' meant?"),
        ("[downloads.lst]\npeer = 'x'", "[downloads.lst] is not known. Is 'list' meant?"),
        ("[search]\nlimit = 'x'", "It stands in the settings file "),
    ],
)
def test_what_the_file_may_not_say_is_refused_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, words: str
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(written)
    monkeypatch.setenv("PANAL_CONFIG", str(file))
    answer = said("search", "x")
    assert (answer.code, str(file) in answer.err, words in answer.err) == (2, True, True)


def test_values_are_taken_as_if_they_were_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('tracker = "a:1"\n[peer]\nhost = "x"\nname = 7\n[search]\nmin-size = 5000\n')
    monkeypatch.setenv("PANAL_CONFIG", str(file))
    found = settings()
    assert found["get", "tracker"]["value"] == ["a:1"]
    assert found["peer", "host"]["value"] == ["x"]
    assert found["search", "min-size"]["value"] == 5_000
