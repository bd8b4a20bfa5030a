"""What was asked for becomes one content: by a link, a SHA-256, a name, or a path in a folder."""

from collections.abc import Sequence

from msgspec.structs import replace

from panal.errors import AmbiguousName, NotFound, PanalError
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import Hit, SearchQuery, Watched
from panal.wire.links import ByName, BySha256, Link, What
from panal.wire.manifest import Kind
from panal.wire.names import bears, printable, safe_path


async def identify(client: TrackerClient, asked: What) -> Link:
    """The one content that was meant; NotFound, or AmbiguousName listing them."""
    if isinstance(asked, Link):
        return asked if asked.name or asked.inside else await _with_name(client, asked)
    if isinstance(asked, BySha256):
        page = await client.search(SearchQuery(sha256=asked.sha256))
        return choose(list(page.hits), f"sha256:{asked.sha256.hex()}")
    try:
        return await _by_name(client, asked)
    except NotFound:
        if "\\\\" not in asked.name:
            raise
        # Pasted from where names are printed: there a backslash is written twice.
        return await _by_name(client, ByName(asked.name.replace("\\\\", "\\")))


async def _by_name(client: TrackerClient, asked: ByName) -> Link:
    page = await client.search(SearchQuery(words=asked.name, literal=True))
    named = _named_exactly(page.hits, asked)
    if not named and (folder := await _in_a_folder(client, asked.name)) is not None:
        return folder
    return choose(named, asked.name)


async def _in_a_folder(client: TrackerClient, asked: str) -> Link | None:
    """`name/path` where the name is a shared folder's; the longest such name."""
    parts = asked.split("/")
    for count in range(len(parts) - 1, 0, -1):
        name = "/".join(parts[:count])
        page = await client.search(SearchQuery(words=name, literal=True, kind=Kind.COLLECTION))
        if hits := _named_exactly(page.hits, ByName(name)):
            return replace(choose(hits, name), inside=safe_path("/".join(parts[count:])))
    return None


async def _with_name(client: TrackerClient, link: Link) -> Link:
    """A bare id gets the name under which others share it, where somebody does."""
    try:
        page = await client.search(SearchQuery(content=link.content))
    except PanalError:
        return link  # the tracker may come back; the id is enough to begin with
    return choose(list(page.hits), "") if page.hits else link


def watched_for(asked: What) -> Watched:
    """What may come under which it would be identified."""
    if isinstance(asked, ByName):
        parts = asked.name.split("/")
        return Watched(names=tuple("/".join(parts[:count]) for count in range(1, len(parts) + 1)))
    return Watched(sha256s=(asked.sha256,)) if isinstance(asked, BySha256) else Watched()


def choose(hits: list[Hit], asked: str) -> Link:
    """The one content that was meant; NotFound, or AmbiguousName listing them."""
    if not hits:
        raise NotFound(f"Nobody shares {printable(asked)}.")
    if len(hits) > 1:
        listed = "; ".join(
            f"{hit.content.hex()} {printable(hit.names[0].path)} ({hit.size_bytes} bytes)"
            for hit in hits[:10]
            if hit.names
        )
        raise AmbiguousName(f"{printable(asked)} means {len(hits)} contents, ask by id: {listed}")
    hit = hits[0]
    paths = sorted((n.path for n in hit.names), key=lambda path: not bears(path, asked))
    name = paths[0].rpartition("/")[2] if paths else None
    return Link(hit.content, name, hit.size_bytes)


def _named_exactly(hits: Sequence[Hit], asked: ByName) -> list[Hit]:
    """The hits that bear the name itself, so that `data` does not mean `data-old` too."""
    return [
        hit
        for hit in hits
        if any(asked.name in {n.path, n.path.rpartition("/")[2]} for n in hit.names)
    ]
