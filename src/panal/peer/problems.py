"""Why a request failed, as RFC 9457 says."""

import msgspec

PROBLEM = "application/problem+json"


class ProblemAnswer(msgspec.Struct):
    """Why a request failed, as RFC 9457 says."""

    type: str
    """Stable: `urn:panal:error:` and the slug, by which programs decide."""
    status: int
    """The HTTP status."""
    detail: str
    """One sentence for a person."""


def encoded_problem(status: int, slug: str, text: str) -> bytes:
    """The body of an answer; the type is stable, the text is for people."""
    return msgspec.json.encode(ProblemAnswer(f"urn:panal:error:{slug}", status, text))
