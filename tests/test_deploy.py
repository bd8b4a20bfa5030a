"""What lies in deploy/ against the programs: names of metrics, options, settings, files."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from panal.cli.main import panal
from panal.cli.words.running import peer, tracker
from panal.monitoring.exposition import exposition
from panal.peer import metrics as of_peer
from panal.peer.facts import DiskFacts, PeerFacts
from panal.peer.readiness import PeerStanding
from panal.peer.received import ReceivedTotals
from panal.peer.turns import LaneFacts
from panal.tracker import metrics as of_tracker
from panal.tracker.call_counts import Durations
from panal.tracker.facts import TrackerFacts
from panal.tracker.storage import Totals

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
TRACKER = TrackerFacts(
    version="1",
    up_s=1.0,
    access="network",
    store="sqlite",
    problem="",
    totals=Totals(1, 1, 1, 1),
    store_answer_s=0.1,
    store_waiting=0,
    leases_ended=0,
    lease_s=60.0,
    calls_under_way=0,
    calls_per_s=0.0,
    calls={("Locate", "OK"): 1},
    durations={"Locate": Durations()},
    authority_ends_at_s=1.0,
)
PEER = PeerFacts(
    version="1",
    standing=PeerStanding(False, True, True, True),
    is_reachable=True,
    lease_age_s=1.0,
    registrations=1,
    times_told_everything=1,
    sent_bytes=0,
    received=ReceivedTotals(0, 0, 0),
    downloads={"running": 1},
    lanes={"peers": LaneFacts(1, 1, 1)},
    connections=1,
    connections_at_most=1,
    files=1,
    size_bytes=1,
    to_hash=0,
    skipped={"hidden": 1},
    roots=1,
    roots_there=1,
    disk=DiskFacts(3, 2, 1),
    unfinished=0,
    unfinished_bytes=0,
)


def told() -> set[str]:
    """The names of all samples that the two programs tell, those of their process too."""
    page = exposition([*of_tracker.families(TRACKER), *of_peer.families(PEER)[1:]]).body.decode()
    return {line.split("{")[0].split(" ")[0] for line in page.splitlines() if line[0] != "#"}


@pytest.mark.parametrize("name", ["dashboard.json", "alerts.yml", "prometheus.yml"])
def test_every_metric_that_is_asked_for_is_told(name: str) -> None:
    asked = set(
        re.findall(r"\b(?:panal_(?:tracker|peer|build)|process)_\w+", (DEPLOY / name).read_text())
    )
    assert asked - told() == set()
    if name != "prometheus.yml":
        assert len(asked) > 10


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_a_disk_is_said_to_fill_up_once_it_was_looked_at_for_hours(tmp_path: Path) -> None:
    disk = {"series": 'panal_peer_disk_free_bytes{instance="a"}', "values": "1000-1x600"}
    labels = {"severity": "warning", "instance": "a"}
    annotations = {"summary": "The disk of a is full within a day, if it goes on so."}
    told = {"exp_labels": labels, "exp_annotations": annotations}
    pending = {"expr": "ALERTS", "eval_time": "170m", "exp_samples": []}
    firing = {"alertname": "PanalPeerDiskFillsUp", "eval_time": "300m", "exp_alerts": [told]}
    test = {
        "interval": "1m",
        "input_series": [disk],
        "promql_expr_test": [pending],
        "alert_rule_test": [firing],
    }
    cases = tmp_path / "cases.json"
    cases.write_text(json.dumps({"rule_files": [str(DEPLOY / "alerts.yml")], "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", cases], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_foretold_rests_on_hours() -> None:
    """The same where that tool is not: each forecast asks for what was there long before."""
    foretold = [
        line for line in (DEPLOY / "alerts.yml").read_text().splitlines() if "predict_" in line
    ]
    assert foretold
    assert all(" and count_over_time(" in line and " offset 3h" in line for line in foretold)


def test_records_that_do_not_answer_have_no_figures() -> None:
    told = {family.name for family in of_tracker.families(replace(TRACKER, totals=None))}
    assert "panal_tracker_ready" in told
    assert not told & {"panal_tracker_entries", "panal_tracker_store_answer_seconds"}


def test_the_guide_lists_every_metric_and_no_other() -> None:
    rows = re.findall(r"^\| `(panal_\w+)", (ROOT / "docs" / "OPERATING.md").read_text(), re.M)
    suffixes = re.compile(r"_(bucket|count|sum)$")
    own = {suffixes.sub("", name) for name in told() if name.startswith("panal_")}
    assert sorted(rows) == sorted(own)


def test_the_dashboard_is_one_that_can_be_loaded() -> None:
    board = json.loads((DEPLOY / "dashboard.json").read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    places = [tuple(panel["gridPos"][key] for key in "xywh") for panel in board["panels"]]
    for number, (x, y, w, h) in enumerate(places):
        assert x + w <= 24
        for a, b, c, d in places[:number]:
            assert x + w <= a or a + c <= x or y + h <= b or b + d <= y, "two panels overlap"


def settings_of(text: str) -> set[str]:
    return set(re.findall(r"\bPANAL_[A-Z_]+\b", text))


@pytest.mark.parametrize(
    ("name", "command", "own"),
    [
        ("panal-tracker.service", tracker, set()),
        ("panal-peer@.service", peer, {"PANAL_PORT", "PANAL_FOLDER"}),
        ("join.conf", peer, set()),
        ("Containerfile", tracker, set()),
    ],
)
def test_every_setting_is_one_that_the_command_reads(name: str, command, own: set[str]) -> None:
    known = {option.envvar for option in command.params}
    text = (DEPLOY / name).read_text()
    assert settings_of(text)
    assert settings_of(text) - own <= known
    assert all(f"${{{variable}}}" in text for variable in own)


@pytest.mark.parametrize("name", ["panal-tracker.service", "panal-peer@.service"])
def test_a_service_has_a_home(name: str) -> None:
    """Without one nothing starts on a host that cannot look up the users that systemd makes."""
    lines = (DEPLOY / name).read_text().splitlines()
    assert "DynamicUser=yes" in lines
    (home,) = [line for line in lines if line.startswith("Environment=HOME=")]
    assert home.replace("HOME", "PANAL_STATE") in lines


def test_the_container_starts_a_command_that_there_is() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    words = json.loads(next(line for line in lines if line.startswith("CMD")).removeprefix("CMD "))
    command = panal.commands[words[0]]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    copied = [word for line in lines if line.startswith("COPY p") for word in line.split()[1:-1]]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
