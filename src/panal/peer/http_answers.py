"""The forms that answers have: JSON, a JSON document a line, errors."""

from collections.abc import AsyncIterator, Mapping

import msgspec
from aiohttp import web

from panal.peer.problems import PROBLEM, encoded_problem, problem_fields

PROTOCOL_HEADER = {"Panal-Protocol": "1"}
SAFE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "Panal",  # which versions run here is nobody's business
}
"""Of every answer that does not say otherwise: a browser runs nothing of it, and keeps nothing."""
SHARED_CONTENT = {"Content-Security-Policy": "sandbox; default-src 'none'"}
"""Of bytes that anybody may have shared, beside those."""
NDJSON = "application/x-ndjson"
OCTETS = "application/octet-stream"


def problem(status: int, slug: str, text: str) -> web.Response:
    """An error as RFC 9457 says; the type is stable, the text is for people."""
    return web.Response(
        body=encoded_problem(status, slug, text),
        status=status,
        content_type=PROBLEM,
        headers={**PROTOCOL_HEADER, **problem_fields(slug)},
    )


def json_answer(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer of the API."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={**PROTOCOL_HEADER, **(headers or {})},
    )


async def ndjson_answer(
    request: web.Request, values: AsyncIterator[msgspec.Struct]
) -> web.StreamResponse:
    """A JSON document a line, as they come; a failure before the first has its own status."""
    answer: web.StreamResponse | None = None
    async for value in values:
        if answer is None:
            answer = web.StreamResponse(headers=PROTOCOL_HEADER)
            answer.content_type = NDJSON
            await answer.prepare(request)
        await answer.write(msgspec.json.encode(value) + b"\n")
    return answer or web.Response(status=204)
