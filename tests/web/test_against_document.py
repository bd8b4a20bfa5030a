"""The live peer against its own document: what it answers is what is written there.

Schemathesis makes requests of each operation's parameters and bodies, those that fit and those that
do not, the same ones each time; `make fuzz` makes many more, others each time.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from panal.peer.http_answers import OCTETS
from panal.wire import tus
from tests.support.network import Network, RunningPeer
from tests.support.patience import PATIENCE_S

schemathesis.serializer.alias(tus.CONTENT_TYPE, OCTETS)
EXAMPLES = int(os.environ.get("PANAL_EXAMPLES", "6"))
"""For each operation, half of them made not to fit."""
STREAM_S = 2.0
"""An event stream has no end: it is read for so long, or until it is silent for so long."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
"""Not ignored_auth: the owner is known by the connection. Not negative_data_rejection: what a
query has beyond its parameters means nothing. Not positive_data_acceptance: a well-formed path may
be refused for its words. The others follow links, which the document has none of."""
LAST = "/api/v1/settings"
"""A rate limit of one byte a second is a good request, and none can be made after it."""


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[RunningPeer]:
    async with Network(tmp_path) as network:
        yield await network.peer("one", shares_folder=False, guest_port=0)


class Known:
    """Names of what is there, for requests that would meet only what is not."""

    def __init__(self, content: str, download: str, guest_link: str, capability: str) -> None:
        self.by_place = {
            ("/content/", "id"): content,
            ("/api/v1/downloads/", "id"): download,
            ("/api/v1/guest-links/", "id"): guest_link,
            ("/guest/", "capability"): capability,
            ("/guest/", "name"): "a.txt",
            ("/files/", "path"): "a.txt",
        }

    def put_into(self, case: Any) -> None:
        for (prefix, name), value in self.by_place.items():
            if case.path.startswith(prefix) and name in case.path_parameters:
                case.path_parameters[name] = value


async def made_known(peer: RunningPeer) -> Known:
    content = (await peer.upload("a.txt", b"some bytes"))["id"]
    download = peer.node.get("nobody has this", wait=True).id
    link = await peer.node.make_guest_link("a.txt")
    assert link.url is not None
    return Known(content, download, link.id, link.url.split("/guest/")[1].partition("/")[0])


async def test_what_it_answers_is_in_its_document(peer: RunningPeer) -> None:
    document = (await peer.request("GET", "/openapi.json")).json()
    known = await made_known(peer)
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 50
    failures: list[str] = []
    for operation in sorted(operations, key=lambda one: (one.path == LAST, one.path, one.method)):
        guests = f"http://127.0.0.1:{peer.app.ports.guest_port}"
        base = guests if operation.path.startswith("/guest/") else peer.url
        for mode in GenerationMode:
            if mode is GenerationMode.NEGATIVE and not _can_be_wrong(operation):
                continue
            try:
                await asyncio.to_thread(_try, operation, mode, base, known)
            except Exception as error:
                failures.append(f"{operation.label}, {mode.value}: {error!r}")
    assert failures == [], "\n\n".join(failures)


def _can_be_wrong(operation: Any) -> bool:
    """Whether anything can be put into a request that does not fit: every text is a text, and all
    bytes are bytes."""
    shapes = [one.definition["schema"] for one in operation.iter_parameters()]
    anything = {"type", "default"}
    has_form = any(body.media_type != tus.CONTENT_TYPE for body in operation.body)
    return has_form or any(
        shape.get("type") != "string" or shape.keys() - anything for shape in shapes
    )


def _is_stream(operation: Any) -> bool:
    answers = operation.definition.raw["responses"].values()
    return any("text/event-stream" in answer.get("content", ()) for answer in answers)


def _try(operation: Any, mode: GenerationMode, base: str, known: Known) -> None:
    patience_s = STREAM_S if _is_stream(operation) else PATIENCE_S

    @settings(
        max_examples=EXAMPLES // 2,
        derandomize="PANAL_EXAMPLES" not in os.environ,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def once(case: Any, is_known: bool) -> None:
        if is_known and operation.path != "/content/{id}/have":  # which has no end
            known.put_into(case)
        case.call_and_validate(base_url=base, timeout=patience_s, checks=CHECKS)

    once()
