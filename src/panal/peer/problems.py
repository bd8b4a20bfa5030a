"""Why a request failed, as RFC 9457 says."""

import msgspec

from panal.errors import NotHereYet

PROBLEM = "application/problem+json"
RETRY_AFTER_S = 2


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


def problem_fields(slug: str) -> dict[str, str]:
    """What a refusal's head has of its own: when to ask again for what is not here yet."""
    return {"Retry-After": str(RETRY_AFTER_S)} if slug == NotHereYet.slug else {}
