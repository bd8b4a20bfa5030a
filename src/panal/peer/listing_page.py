"""A folder as a page of links, that browsers show and `wget -r` and rclone walk."""

from collections.abc import Mapping
from html import escape
from urllib.parse import quote

from aiohttp import web

from panal.peer.http_answers import PROTOCOL_HEADER


def listing_page(title: str, names: Mapping[str, int | None], *, is_below: bool) -> web.Response:
    """The page; a name that ends with a slash is a folder, others have their size in bytes.

    `is_below` where there is a folder above to go back to.
    """
    rows = ['<li><a href="../">../</a></li>'] if is_below else []
    for name, size_bytes in names.items():
        # "./" keeps a colon in the first part from being read as a scheme.
        href = escape("./" + quote(name), quote=True)
        size = "" if size_bytes is None else f" {size_bytes}"
        rows.append(f'<li><a href="{href}">{escape(name)}</a>{size}</li>')
    shown = escape(title)
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{shown}</title>'
        f"<h1>{shown}</h1><ul>\n" + "\n".join(rows) + "\n</ul></html>\n"
    )
    return web.Response(text=page, content_type="text/html", headers=PROTOCOL_HEADER)
