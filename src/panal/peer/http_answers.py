"""The forms that answers have: JSON, a JSON document a line, errors."""

from collections.abc import AsyncIterator, Mapping

import msgspec
from aiohttp import web

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
PROBLEM = "application/problem+json"


class ProblemAnswer(msgspec.Struct):
    """Why a request failed, as RFC 9457 says."""

    type: str
    """Stable: `urn:panal:error:` and the slug, by which programs decide."""
    status: int
    """The HTTP status."""
    detail: str
    """One sentence for a person."""


def problem(status: int, slug: str, text: str) -> web.Response:
    """An error as RFC 9457 says; the type is stable, the text is for people."""
    body = ProblemAnswer(f"urn:panal:error:{slug}", status, text)
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        content_type=PROBLEM,
        headers=PROTOCOL_HEADER,
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
