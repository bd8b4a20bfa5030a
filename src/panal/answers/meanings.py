"""What the fields of structs mean, and of which structs they are made: for documents."""

import ast
import inspect
import textwrap
from collections.abc import Sequence

import msgspec


def meanings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """What each field means, by its name in JSON: the text below it in the struct's source."""
    names = {field.name: field.encode_name for field in msgspec.structs.fields(struct)}
    found: dict[str, str] = {}
    for owner in reversed(struct.__mro__):
        if owner is msgspec.Struct or not issubclass(owner, msgspec.Struct):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        assert isinstance(body, ast.ClassDef)  # noqa: S101 (it is a class's source)
        for field, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = below.value if isinstance(below, ast.Expr) else None
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[names[field.target.id]] = " ".join(text.value.split())
    return found


def nested(structs: Sequence[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """These structs and all that their fields are made of, each once."""
    found: dict[type[msgspec.Struct], None] = {}

    def walk(kind: msgspec.inspect.Type) -> None:
        if isinstance(kind, msgspec.inspect.StructType):
            if kind.cls not in found:
                found[kind.cls] = None
                for field in kind.fields:
                    walk(field.type)
        elif isinstance(kind, msgspec.inspect.ListType):
            walk(kind.item_type)
        elif isinstance(kind, msgspec.inspect.DictType):
            walk(kind.value_type)
        elif isinstance(kind, msgspec.inspect.UnionType):
            for each in kind.types:
                walk(each)

    for struct in structs:
        walk(msgspec.inspect.type_info(struct))
    return list(found)
