"""The OpenAPI document as one page for people; no script, nothing from elsewhere."""

import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from panal.web.openapi_schemas import words_of
from panal.web.reference_words import Words

Operation = tuple[str, str, dict[str, Any]]
"""Path, method, and what the document says of it."""
_CODE = re.compile(r"`([^`]+)`|\*([^*]+)\*")


def reference_page(document: dict[str, Any], words: Words) -> str:
    """The page, with `words` around what the document says."""
    operations = [
        (path, method.upper(), operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "servers"
    ]
    groups = [
        (tag, [each for each in operations if tag["name"] in each[2]["tags"]])
        for tag in document["tags"]
    ]
    return "".join(
        [
            f'<!doctype html><html lang="{words.language}"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Panal: {escape(words.title)}</title>",
            '<link rel="stylesheet" href="/docs.css"></head><body>',
            '<main id="reference" lang="en">',
            f'<p class="to-contents" lang="{words.language}"><a href="#contents">',
            f"{escape(words.contents)}</a></p>",
            f'<h1 lang="{words.language}">{escape(words.title)}</h1>',
            *(f"<p>{_inline(part)}</p>" for part in _paragraphs(document["info"]["description"])),
            f'<p lang="{words.language}"><a href="/openapi.json">',
            f"{escape(words.as_document)}</a></p>",
            *(_group(tag, those, words) for tag, those in groups),
            _structs(document["components"]["schemas"], words),
            _problems(document["components"]["responses"], words),
            "</main>",
            _contents(groups, document, words),
            "</body></html>\n",
        ]
    )


def _contents(
    groups: list[tuple[dict[str, Any], list[Operation]]], document: dict[str, Any], words: Words
) -> str:
    parts = [f'<nav id="contents" aria-label="{escape(words.contents)}">']
    parts.append('<p class="mark"><a href="#reference">Panal</a></p>')
    for tag, operations in groups:
        rows = "".join(
            f'<li><a href="#{operation["operationId"]}">{_badge(method)}'
            f"<span>{_breakable(path)}</span></a></li>"
            for path, method, operation in operations
        )
        parts.append(f"<h2>{escape(tag['name'])}</h2><ul>{rows}</ul>")
    names = "".join(
        f'<li><a href="#struct-{name}">{name}</a></li>'
        for name in document["components"]["schemas"]
    )
    parts.append(f"<h2>{escape(words.structs)}</h2><ul>{names}</ul>")
    parts.append(f'<h2><a href="#problems">{escape(words.problems)}</a></h2></nav>')
    return "".join(parts)


def _group(tag: dict[str, Any], operations: Iterable[Operation], words: Words) -> str:
    name = escape(tag["name"])
    shown = "".join(_operation(*each, words) for each in operations)
    return f"<section><h2>{name}</h2><p>{_inline(tag['description'])}</p>{shown}</section>"


def _operation(path: str, method: str, said: dict[str, Any], words: Words) -> str:
    role = said["x-panal-role"]
    parts = [
        f'<article id="{said["operationId"]}"><h3><a href="#{said["operationId"]}">'
        f"{_badge(method)}<code>{_breakable(path)}</code></a>"
        f'<span class="role {role}">{role}</span></h3>',
        f"<p>{_inline(said['summary'])}</p>",
        *(f"<p>{_inline(part)}</p>" for part in _paragraphs(said.get("description", ""))),
    ]
    if "parameters" in said:
        rows = [
            (
                _name(one["name"], words.required if one.get("required") else ""),
                escape(getattr(words, one["in"])),
                _kind(one["schema"]),
                _inline(one["description"]),
            )
            for one in said["parameters"]
        ]
        heads = (words.name, words.place, words.kind, words.meaning)
        parts.append(_table(words.parameters, heads, rows, words))
    if "requestBody" in said:
        parts.append(f'<h4 lang="{words.language}">{escape(words.body)}</h4>')
        parts.append(f"<p>{_content(said['requestBody'])}</p>")
    parts.append(_answers(said["responses"], words))
    return "".join([*parts, "</article>"])


def _answers(responses: dict[str, Any], words: Words) -> str:
    good = [(s, answer) for s, answer in responses.items() if "$ref" not in answer]
    rows = [
        (f"<b>{status}</b>", _content(answer), _inline(answer["description"]))
        for status, answer in good
    ]
    bad = [s for s, answer in responses.items() if "$ref" in answer]
    links = " ".join(f'<a href="#problem-{status}">{status}</a>' for status in sorted(bad))
    heads = (words.status, words.kind, words.meaning)
    table = _table(words.answers, heads, rows, words)
    return (
        f'{table}<p class="problems"><span lang="{words.language}">{words.also}</span> {links}</p>'
    )


def _structs(schemas: dict[str, Any], words: Words) -> str:
    parts = [f'<section><h2 lang="{words.language}">{escape(words.structs)}</h2>']
    for name, schema in schemas.items():
        rows = [
            (
                _name(field, "" if field in schema["required"] else words.optional),
                _kind(of_field),
                _inline(of_field.get("description", "")),
            )
            for field, of_field in schema["properties"].items()
        ]
        parts.append(f'<article id="struct-{name}"><h3><a href="#struct-{name}">{name}</a></h3>')
        parts.append(f"<p>{_inline(schema['description'])}</p>")
        parts.append(_table("", (words.name, words.kind, words.meaning), rows, words))
        parts.append("</article>")
    return "".join([*parts, "</section>"])


def _problems(responses: dict[str, Any], words: Words) -> str:
    rows = [
        (
            f'<b id="problem-{name.removeprefix("Problem")}">{name.removeprefix("Problem")}</b>',
            "<br>".join(_inline(line[2:]) for line in answer["description"].split("\n")),
        )
        for name, answer in responses.items()
    ]
    table = _table("", (words.status, words.meaning), rows, words)
    return (
        f'<section id="problems"><h2 lang="{words.language}">{escape(words.problems)}</h2>'
        f'<p lang="{words.language}">{_inline(words.about)}</p>{table}</section>'
    )


def _table(
    caption: str, heads: Iterable[str], rows: Iterable[tuple[str, ...]], words: Words
) -> str:
    """Each cell knows its column's name: on a narrow screen a row is a block."""
    heads = tuple(heads)
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td data-head="{escape(head)}"><div>{cell}</div></td>'
            for head, cell in zip(heads, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    title = f'<h4 lang="{words.language}">{escape(caption)}</h4>' if caption else ""
    head = f'<thead lang="{words.language}"><tr>{top}</tr></thead>'
    return f"{title}<table>{head}<tbody>{body}</tbody></table>"


def _content(said: dict[str, Any]) -> str:
    shown = []
    for kind, content in said.get("content", {}).items():
        struct = _kind(content["schema"]) if "$ref" in content.get("schema", {}) else ""
        media = f'<span class="media">{escape(kind)}</span>'
        shown.append(f"{struct} {media}".strip())
    return "<br>".join(shown)


def _kind(schema: dict[str, Any]) -> str:
    words = words_of(
        schema,
        lambda name: f'<a href="#struct-{name}">{name}</a>',
        lambda word: f"<code>{escape(word)}</code>",
    )
    return f'<span class="kind">{words}</span>'


def _name(name: str, note: str) -> str:
    shown = f"<code>{escape(name)}</code>"
    return f'{shown} <span class="note">{escape(note)}</span>' if note else shown


def _badge(method: str) -> str:
    return f'<span class="method {method.lower()}">{method}</span>'


def _breakable(path: str) -> str:
    return escape(path).replace("/", "<wbr>/")


def _inline(text: str) -> str:
    """Words with `code` and *stress* in them."""

    def marked(found: re.Match[str]) -> str:
        return f"<code>{found[1]}</code>" if found[1] else f"<em>{found[2]}</em>"

    return _CODE.sub(marked, escape(text, quote=False))


def _paragraphs(text: str) -> Iterator[str]:
    return (part for part in text.split("\n\n") if part)
