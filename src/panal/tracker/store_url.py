"""The address of a shared store: what may be shown of it, and which store it means; pure."""

import re

POSTGRESQL = ("postgresql://", "postgres://")
_HOST = r"(?:[\w.-]*|\[[\da-fA-F:.]+\])(?::\d+)?"
_PLACE = re.compile(rf"{_HOST}(?:,{_HOST})*(?:/[\w.-]*)?")
_USER = re.compile(r"[\w.-]+")


def is_postgresql(url: str) -> bool:
    """Whether an address is that of a PostgreSQL database."""
    return url.startswith(POSTGRESQL)


def shown_store(url: str) -> str:
    """An address for logs and errors: user, host and database, never a password.

    Parameters are cut off too: a password may stand there. What is not plain is not shown.
    """
    scheme, _, rest = url.partition("://")
    named, at, place = rest.rpartition("@")
    place = place.partition("?")[0]
    user = named.partition(":")[0]
    if not is_postgresql(url) or "?" in named or not _PLACE.fullmatch(place):
        return "the store that was named"
    return f"{scheme}://{user}{at}{place}" if _USER.fullmatch(user) else f"{scheme}://{place}"
