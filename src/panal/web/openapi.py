"""The OpenAPI 3.1 document, made of the registered routes and the structs they name."""

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from panal.errors import NotFound, PanalError, Refused, TooLarge, TooSlow, UsageError, WrongHost
from panal.peer.access import Route
from panal.peer.documented import Answer, Body
from panal.peer.http_answers import NDJSON, OCTETS
from panal.peer.problems import PROBLEM, ProblemAnswer
from panal.peer.roles import Role
from panal.web.openapi_schemas import Schemas, parameters_of
from panal.web.openapi_words import (
    ABOUT,
    GOOD,
    GUESTS,
    HERE,
    RANGE_FIELDS,
    SCHEMES,
    SECURITY,
)

JSON = "application/json"
_HTTPS_OWN = {400: "That is no request.", 404: "No route has that address."}
ALWAYS = (UsageError, Refused, WrongHost, PanalError)
"""How any request can end: its Host, the page that it comes from, a fault."""


def openapi_document(routes: Iterable[Route]) -> dict[str, Any]:
    """The document of these routes; the same for the same routes."""
    shown = sorted((r for r in routes if r.is_documented), key=lambda r: (r.path, r.method))
    schemas = Schemas(ProblemAnswer)
    paths: dict[str, dict[str, Any]] = {}
    for route in shown:
        item = paths.setdefault(_template(route.path), {})
        if route.role is Role.GUEST:
            item["servers"] = [GUESTS]
        item[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Panal: a peer's HTTP interface",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [HERE],
        "tags": _tags(shown),
        "paths": paths,
        "components": {
            "schemas": schemas.made(),
            "responses": dict(_problems(shown)),
            "securitySchemes": SCHEMES,
        },
    }


def _operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    summary, _, more = (inspect.getdoc(route.handler) or "").partition("\n")
    made: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": summary,
        "tags": [_tag(route)],
        "x-panal-role": route.role.value,
        "security": SECURITY[route.role],
    }
    if more.strip():
        made["description"] = _paragraph(more)
    parameters = [*parameters_of(route.where, "path"), *parameters_of(route.query, "query")]
    if any(isinstance(gives, Body) and gives.has_ranges for gives in _several(route.gives)):
        parameters += RANGE_FIELDS
    if parameters:
        made["parameters"] = parameters
    if route.takes is not None:
        made["requestBody"] = {"required": True, "content": _content([route.takes], schemas)}
    made["responses"] = dict(_responses(route, schemas))
    return made


def _responses(route: Route, schemas: Schemas) -> Iterator[tuple[str, Any]]:
    gives = _several(route.gives)
    for status in (route.status,) if isinstance(route.status, int) else route.status:
        answer: dict[str, Any] = {"description": GOOD[status]}
        if gives and status != 204 and route.method != "HEAD":
            answer["content"] = _content(gives, schemas)
            if route.streams is not None:
                answer["content"][NDJSON] = {"schema": schemas.of(route.streams)}
        yield str(status), answer
    if any(isinstance(one, Body) and one.has_ranges for one in gives):
        yield from _parts(route.method)
    for status, also in route.also.items():
        yield str(status), {"description": GOOD[status], "content": _content([also], schemas)}
    for status in sorted({error.http_status for error in _errors(route)} - route.also.keys()):
        yield str(status), {"$ref": f"#/components/responses/Problem{status}"}


def _parts(method: str) -> Iterator[tuple[str, Any]]:
    """What a request for parts of a content is answered with (RFC 9110, sections 13 and 14)."""
    yield "304", {"description": GOOD[304]}
    if method == "GET":
        kinds: dict[str, Any] = {OCTETS: {}, "multipart/byteranges": {}}
        yield "206", {"description": GOOD[206], "content": kinds}
        yield "416", {"$ref": "#/components/responses/Problem416"}
        yield "503", {"$ref": "#/components/responses/Problem503"}


def _errors(route: Route) -> Iterator[type[PanalError]]:
    yield from ALWAYS
    yield from route.fails
    if route.unknown:
        yield NotFound
    if route.takes is not None:
        yield from (TooLarge, TooSlow)


def _content(answers: Sequence[Answer], schemas: Schemas) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for one in answers:
        if not isinstance(one, Body):
            made[JSON] = {"schema": schemas.of(one)}
        elif one.struct is not None:
            made[one.media_type] = {"schema": schemas.of(one.struct)}
        else:
            made[one.media_type] = {"schema": dict(one.schema)} if one.schema else {}
            if one.events is not None:  # OpenAPI 3.1 has no word for what a stream's events are
                made[one.media_type]["x-panal-events"] = schemas.of(one.events)
    return made


def _problems(routes: Sequence[Route]) -> Iterator[tuple[str, Any]]:
    """One answer for each status that errors have: which stable types come with it."""
    statuses = {error.http_status for route in routes for error in _errors(route)} | {416, 503}
    for status in sorted(statuses):
        slugs = _slugs(status)
        types = [f"urn:panal:error:{slug}" for slug in slugs]
        schema = {
            "allOf": [
                {"$ref": "#/components/schemas/ProblemAnswer"},
                {"type": "object", "properties": {"type": {"enum": types}}},
            ]
        }
        yield (
            f"Problem{status}",
            {
                "description": "\n".join(f"- `{slug}`: {words}" for slug, words in slugs.items()),
                "content": {PROBLEM: {"schema": schema}},
            },
        )


def _slugs(status: int) -> dict[str, str]:
    """The stable words of errors with this status, and what each means."""
    found: dict[str, str] = {}
    pending: list[type[PanalError]] = [PanalError]
    while pending:
        error = pending.pop(0)
        pending.extend(error.__subclasses__())
        if error.http_status == status and error.__module__ == PanalError.__module__:
            found.setdefault(error.slug, error.title())
    if status in _HTTPS_OWN:
        found["http"] = _HTTPS_OWN[status]
    return found or {"range": "No part of the Range lies inside the content."}


def _tags(routes: Sequence[Route]) -> list[dict[str, str]]:
    """Routes belong together as their handlers do; what the owner has comes first."""
    groups: dict[str, list[Route]] = {}
    for route in routes:
        groups.setdefault(_tag(route), []).append(route)

    def order(tag: str) -> tuple[bool, str]:
        return all(route.role is not Role.OWNER for route in groups[tag]), tag

    holders = {tag: type(_holder(groups[tag][0])) for tag in sorted(groups, key=order)}
    return [
        {"name": tag, "description": (inspect.getdoc(holder) or "").partition("\n")[0]}
        for tag, holder in holders.items()
    ]


def _tag(route: Route) -> str:
    return type(_holder(route)).__name__.removesuffix("Routes")


def _holder(route: Route) -> object:
    return getattr(inspect.unwrap(route.handler), "__self__", None)


def _template(path: str) -> str:
    return re.sub(r"\{(\w+)[^}]*\}", r"{\1}", path)


def _operation_id(route: Route) -> str:
    words = re.findall(r"[a-zA-Z0-9]+", _template(route.path).removeprefix("/api/v1"))
    behind = "Folder" if route.path.endswith("/") else ""
    return route.method.lower() + "".join(word.capitalize() for word in words) + behind


def _several(answers: Answer | tuple[Answer, ...]) -> tuple[Answer, ...]:
    return answers if isinstance(answers, tuple) else (answers,)


def _paragraph(text: str) -> str:
    """Words as they are meant: a line break in a source is a space."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))
