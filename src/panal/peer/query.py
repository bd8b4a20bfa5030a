"""What stands behind the question mark, read into a struct; what does not fit is refused."""

from typing import TypeVar

import msgspec
from aiohttp import web

from panal.errors import UsageError

Query = TypeVar("Query")


def read_query(request: web.Request, kind: type[Query]) -> Query:
    """The parameters that the struct has, each at most once; UsageError.

    A number is its decimal digits and nothing else, a truth `true` or `false`. Parameters
    that the struct does not have mean nothing.
    """
    given: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):  # type: ignore[arg-type]
        values = request.query.getall(field.encode_name, [])
        if len(values) > 1:
            raise UsageError(f"{field.encode_name} stands in the query more than once.")
        if values:
            given[field.encode_name] = values[0]
    try:
        found = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"The query does not fit: {error}.") from None
    for name, text in given.items():
        value = getattr(found, name)
        if not isinstance(value, str) and text != msgspec.json.encode(value).decode("ascii"):
            raise UsageError(f"The query does not fit: {name} is not as JSON writes it.")
    return found
