"""Structs as JSON Schema: their fields, and what each means in words."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from panal.answers.meanings import meanings, nested

_REFERENCE = "#/components/schemas/{name}"


class Schemas:
    """The schemas of the structs that a document names."""

    def __init__(self, *structs: type) -> None:
        self._named: set[type] = set(structs)

    def of(self, struct: type) -> dict[str, str]:
        """Where the schema of this struct stands."""
        self._named.add(struct)
        return {"$ref": _REFERENCE.format(name=struct.__name__)}

    def made(self) -> dict[str, Any]:
        """All of them and what they are made of, by name."""
        structs = nested(sorted(self._named, key=lambda struct: struct.__name__))
        _, found = msgspec.json.schema_components(structs, ref_template=_REFERENCE)
        for struct in structs:
            _complete(struct, found[struct.__name__])
        return {name: found[name] for name in sorted(found)}


def parameters_of(struct: type | None, place: str) -> Iterator[dict[str, Any]]:
    """The fields of a struct as parameters of a request, in its path or query."""
    if struct is None:
        return
    _, found = msgspec.json.schema_components([struct], ref_template=_REFERENCE)
    words, shape = meanings(struct), found[struct.__name__]
    for name, schema in shape["properties"].items():
        made: dict[str, Any] = {"name": name, "in": place, "schema": schema}
        if name in shape["required"]:
            made["required"] = True
        if name in words:
            made["description"] = words[name]
        yield made


def words_of(
    schema: dict[str, Any], struct: Callable[[str], str], literal: Callable[[str], str]
) -> str:
    """What kind of value a schema lets in; `struct` and `literal` say how names are shown."""
    if "$ref" in schema:
        return struct(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(words_of(one, struct, literal) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(literal(value or '""') for value in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if "prefixItems" in schema:
        each = (words_of(one, struct, literal) for one in schema["prefixItems"])
        return f"array of {', '.join(each)}"
    if kind == "array":
        return f"array of {words_of(schema['items'], struct, literal)}"
    if kind == "object" and "additionalProperties" in schema:
        return f"object of {words_of(schema['additionalProperties'], struct, literal)}"
    least, most = schema.get("minimum"), schema.get("maximum")
    return kind if most is None else f"{kind} from {least:,} to {most:,}"


def _complete(struct: type[msgspec.Struct], schema: dict[str, Any]) -> None:
    """Add what each field means, and that whoever writes an answer writes all of it."""
    for field, meaning in meanings(struct).items():
        schema["properties"][field]["description"] = meaning
    config = struct.__struct_config__
    if not config.forbid_unknown_fields and not config.omit_defaults:
        left_out = {
            field.encode_name
            for field in msgspec.structs.fields(struct)
            if field.default is msgspec.UNSET
        }
        schema["required"] = [name for name in schema["properties"] if name not in left_out]
