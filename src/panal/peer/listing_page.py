"""A folder as a page of links, that browsers show and `wget -r` and rclone walk."""

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from panal.peer.listing_answers import Form


def page_form(title: str, *, is_below: bool) -> Form:
    """The page around its names; `is_below` where there is a folder above to go back to."""
    shown = escape(title)
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{shown}</title>'
        f"<h1>{shown}</h1><ul>\n" + ('<li><a href="../">../</a></li>\n' if is_below else "")
    )
    tail = "\n</ul></html>\n"
    return Form("text/html; charset=utf-8", head.encode(), b"\n", tail.encode())


def page_rows(names: Iterable[tuple[str, int | None]]) -> bytes:
    """A name that ends with a slash is a folder, others have their size in bytes."""
    rows = []
    for name, size_bytes in names:
        # "./" keeps a colon in the first part from being read as a scheme.
        href = escape("./" + quote(name), quote=True)
        size = "" if size_bytes is None else f" {size_bytes}"
        rows.append(f'<li><a href="{href}">{escape(name)}</a>{size}</li>')
    return "\n".join(rows).encode()
