"""One order to fetch, carried out in a thread; what comes of it is told as facts."""

from panal.errors import PanalError
from panal.store.partial import PartialFile
from panal.swarm.chunk_source import ChunkSource, CorruptChunk, SourceFailure
from panal.swarm.fact_queue import FactQueue
from panal.swarm.messages import (
    ChunkCorrupt,
    ChunksGranted,
    ChunkWritten,
    Failure,
    Fetch,
    FetchAny,
    FetchEnded,
)


def run_fetch(
    order: Fetch | FetchAny, source: ChunkSource, into: PartialFile, facts: FactQueue
) -> None:
    """Fetch until it ends, however it does; PanalError where this machine's disk gives up."""
    source_id = order.source
    try:
        _fetch(order, source, into, facts)
        facts.report(FetchEnded(source_id))
    except CorruptChunk as error:
        facts.report(ChunkCorrupt(source_id, error.index))
        facts.report(FetchEnded(source_id, Failure.MISBEHAVED, str(error)))
    except SourceFailure as error:
        facts.report(FetchEnded(source_id, error.failure, str(error)))
    except PanalError:
        raise
    except (MemoryError, RuntimeError) as error:  # no thread, no memory: no fault of the source
        facts.report(FetchEnded(source_id, Failure.BROKEN, repr(error)))
    except Exception as error:  # nothing that a peer sends may end the download
        facts.report(FetchEnded(source_id, Failure.MISBEHAVED, repr(error)))


def _fetch(
    order: Fetch | FetchAny, source: ChunkSource, into: PartialFile, facts: FactQueue
) -> None:
    source_id = order.source
    last = order.first + order.count - 1 if isinstance(order, Fetch) else -1

    def wrote(index: int) -> None:
        facts.report_written(ChunkWritten(source_id, index), is_last=index == last)

    def granted(first: int, count: int) -> None:
        nonlocal last
        last = first + count - 1
        facts.report(ChunksGranted(source_id, first, count))

    if isinstance(order, Fetch):
        source.fetch(order.first, order.count, into, wrote, gives_way=order.gives_way)
    else:
        source.fetch_any(order.among, order.most, into, granted, wrote, gives_way=order.gives_way)
