"""A tracker's messages about a peer's folders, to domain values and back; checked here.

Reading raises UsageError, as in `wire.tracker_catalogue`.
"""

from panal.errors import UsageError
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import FolderItem, FolderPage, FolderQuery
from panal.wire.ids import content_id_from_bytes, parse_peer_name
from panal.wire.names import safe_path
from panal.wire.tracker_fields import DEFAULT_PAGE, MAX_PAGE, sha256_from, size_from


def folder_query_from(message: pb.ListFolderRequest) -> FolderQuery:
    """Which folder is asked for; the page size capped."""
    return FolderQuery(
        peer=parse_peer_name(message.peer),
        folder=safe_path(message.folder) if message.folder else "",
        page=_item_page(message.page),
        page_size=min(message.page_size or DEFAULT_PAGE, MAX_PAGE),
    )


def folder_query_to(query: FolderQuery) -> pb.ListFolderRequest:
    """Which folder is asked for, as a message; UsageError for a page that cannot be."""
    return pb.ListFolderRequest(
        peer=query.peer, folder=query.folder, page=_item_page(query.page), page_size=query.page_size
    )


def folder_page_from(message: pb.ListFolderResponse) -> FolderPage:
    """One page of a folder."""
    return FolderPage(tuple(map(_item_from, message.items)), _item_page(message.next_page))


def folder_page_to(page: FolderPage) -> pb.ListFolderResponse:
    """One page of a folder, as a message."""
    items = [
        pb.FolderItem(
            name=item.name,
            is_folder=item.is_folder,
            content=item.content or b"",
            size_bytes=item.size_bytes,
            files=item.files,
            uncounted=item.is_uncounted,
            sha256=item.sha256 or b"",
            content_bytes=item.content_bytes,
        )
        for item in page.items
    ]
    return pb.ListFolderResponse(items=items, next_page=page.next_page)


def _item_from(message: pb.FolderItem) -> FolderItem:
    if not message.content and not message.is_folder:
        raise UsageError("A file without a content.")
    return FolderItem(
        name=_one_part(message.name),
        is_folder=message.is_folder,
        content=content_id_from_bytes(message.content) if message.content else None,
        size_bytes=message.size_bytes,
        files=message.files,
        is_uncounted=message.uncounted,
        sha256=sha256_from(message.sha256),
        content_bytes=size_from(message.content_bytes),
    )


def _item_page(text: str) -> str:
    """The name that a page begins behind, a folder's with a slash."""
    return _one_part(text.removesuffix("/")) + text[len(text.removesuffix("/")) :] if text else ""


def _one_part(text: str) -> str:
    if "/" in safe_path(text):
        raise UsageError("A name in a folder is one part of a path.")
    return text
