"""What a form says of its parts, read to the letter: a name is taken as it is or refused.

aiohttp's own reading drops leading slashes and lone backslashes and gives up at a name with
two semicolons. Its rules here: RFC 7578, and the escapes that browsers and curl write.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from aiohttp.http_exceptions import HttpProcessingError

from panal.errors import UnsafeName, UsageError

UNREADABLE = (ValueError, RuntimeError, HttpProcessingError)
"""What aiohttp raises for a form that is none."""
_PARAMETER = re.compile(
    r"""\s*;\s*([a-z0-9*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))\s*""", re.IGNORECASE
)
_EXTENDED = re.compile("utf-8'[a-z0-9-]*'(.+)", re.IGNORECASE)
_ESCAPED = re.compile(r'\\(["\\])')


def part_parameters(dispositions: Sequence[str]) -> dict[str, str]:
    """`name` and `filename` in a part's Content-Disposition; UsageError unless it is readable."""
    if len(dispositions) != 1:
        raise UsageError("A part of the form has not one Content-Disposition.")
    kind, semicolon, rest = dispositions[0].partition(";")
    rest, end = semicolon + rest, 0
    found: dict[str, str] = {}
    while matched := _PARAMETER.match(rest, end):
        key, quoted, bare = matched[1].lower(), matched[2], matched[3]
        if key in found:
            break
        found[key] = bare if quoted is None else _as_sent(quoted)
        end = matched.end()
    in_pieces = any(key.startswith("filename*") and key != "filename*" for key in found)
    if end < len(rest) or in_pieces or kind.strip().lower() != "form-data":
        raise UsageError("A part of the form has no readable Content-Disposition.")
    if (extended := found.pop("filename*", None)) is not None:
        _check_not_rooted(found.get("filename", ""))
        found["filename"] = _decoded(extended)
    _check_not_rooted(found.get("filename", ""))
    return found


def _as_sent(quoted: str) -> str:
    """Without the escapes: `%22` is how browsers and curl write a quotation mark, and no other `%`.

    A name that has a `%22` of its own comes as the same bytes; a quotation mark is likelier.
    """
    return _ESCAPED.sub(r"\1", quoted).replace("%22", '"')


def _check_not_rooted(name: str) -> None:
    # A slash is refused by the rule for names; a backslash is a root only elsewhere, and
    # as the first character of a name only ever came from there.
    if name.startswith(("/", "\\")):
        raise UnsafeName("The file's name starts at the root of the disk.")


def _decoded(extended: str) -> str:
    """The name in a `filename*` (RFC 8187)."""
    matched = _EXTENDED.fullmatch(extended)
    if matched is None:
        raise UsageError("A file's name in the form is in another encoding than UTF-8.")
    try:
        return unquote_to_bytes(matched[1]).decode("utf-8")
    except UnicodeDecodeError:
        raise UnsafeName("The file's name is not valid UTF-8.") from None
