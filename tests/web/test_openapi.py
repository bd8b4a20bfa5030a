"""The document of the interface: it says what the registered routes and their structs are."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from panal.answers.downloads import STATES
from panal.answers.found import KindWord
from panal.errors import PanalError
from panal.peer.download import State
from panal.wire.manifest import Kind
from tests.support.network import Network, RunningPeer

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[RunningPeer]:
    async with Network(tmp_path) as network:
        yield await network.peer("one", shares_folder=False, guest_port=0)


@pytest.fixture
async def document(peer: RunningPeer) -> dict[str, Any]:
    answer = await peer.request("GET", "/openapi.json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    read: dict[str, Any] = answer.json()
    return read


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "servers"
    }


async def test_what_is_served_is_what_is_committed(document: dict[str, Any]) -> None:
    assert document == json.loads(COMMITTED.read_text("utf-8"))


async def test_every_registered_route_is_in_it(peer: RunningPeer, document: dict[str, Any]) -> None:
    registered = [*peer.app.routes, *peer.app.guest_routes]
    shown = {(r.method, re.sub(r":[^}]*", "", r.path)): r for r in registered if r.is_documented}
    found = operations(document)
    assert found.keys() == shown.keys()
    for place, operation in found.items():
        assert operation["x-panal-role"] == shown[place].role.value
    hidden = {(r.method, r.path) for r in registered if not r.is_documented}
    assert hidden == {("GET", "/{any:.*}"), ("HEAD", "/{any:.*}"), ("GET", "/page/{name}")}
    assert len({operation["operationId"] for operation in found.values()}) == len(found)


async def test_every_name_in_a_path_is_a_parameter(document: dict[str, Any]) -> None:
    for (method, path), operation in operations(document).items():
        named = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
        assert sorted(named) == sorted(re.findall(r"\{(\w+)\}", path)), (method, path)
        assert all(p["required"] for p in operation.get("parameters", []) if p["in"] == "path")


async def test_everything_in_it_is_described(document: dict[str, Any]) -> None:
    for place, operation in operations(document).items():
        assert operation["summary"], place
        assert all(p["description"] for p in operation.get("parameters", [])), place
        assert all(a.get("description", a.get("$ref")) for a in operation["responses"].values())
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        bare = [field for field, of in schema["properties"].items() if not of.get("description")]
        assert bare == [], name
    assert all(tag["description"] for tag in document["tags"])


async def test_what_it_refers_to_is_in_it(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', text)):
        part: Any = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


async def test_every_error_has_its_type_in_it(document: dict[str, Any]) -> None:
    """Whatever a handler lets out has a status, and the document has its stable type there."""
    responses = document["components"]["responses"]
    pending: list[type[PanalError]] = [PanalError]
    while pending:
        error = pending.pop()
        pending += error.__subclasses__()
        if f"Problem{error.http_status}" in responses and error.__module__ == "panal.errors":
            problem = responses[f"Problem{error.http_status}"]
            kinds = problem["content"]["application/problem+json"]["schema"]["allOf"][1]
            assert f"urn:panal:error:{error.slug}" in kinds["properties"]["type"]["enum"]


def test_words_of_a_fixed_set_are_all_named() -> None:
    assert set(STATES) == {state.value for state in State}
    kinds = msgspec.json.schema(KindWord)["enum"]
    assert set(kinds) == {kind.name.lower() for kind in Kind}
