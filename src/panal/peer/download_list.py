"""The downloads of a peer as they are listed and written down, until they are struck off."""

import contextlib
import logging
from collections.abc import Iterator

from panal.errors import PanalError
from panal.peer.download import Download, State
from panal.peer.queueing import Queued, waited_words
from panal.store.download_records import DownloadRecord, DownloadRecords

log = logging.getLogger(__name__)

ENDED_KEPT = 200
"""How many ended downloads stay listed."""


class DownloadList:
    """Each download by its id, the newest last; what the index does not take is written later."""

    def __init__(self, records: DownloadRecords) -> None:
        self._records = records
        self._downloads: dict[str, Download] = {}
        self._unsaved: set[str] = set()
        """Whose rows are not as they should be: the index could not grow."""
        self.is_closing = False
        """From then on nothing is written: what runs goes on at the next start."""

    def __iter__(self) -> Iterator[Download]:
        return iter(list(self._downloads.values()))

    def get(self, download_id: str) -> Download | None:
        """The download of this id."""
        return self._downloads.get(download_id)

    def restore(self) -> None:
        """Take up what was left when the peer stopped: what ran or waited is queued again."""
        for record in self._records.all():
            if State(record.state) in {State.RUNNING, State.WAITING}:
                record.state = State.QUEUED.value
                record.error_slug = record.error_text = ""
            self._downloads[record.id] = Download(record)

    def add(self, record: DownloadRecord) -> Download:
        """List a new one, and strike off old ones that have ended; NoSpace, PanalError."""
        self._strike_off_old()
        self._records.save(record)
        download = self._downloads[record.id] = Download(record)
        return download

    def strike_off(self, download_id: str) -> None:
        """List it no more."""
        del self._downloads[download_id]
        self._forget(download_id)

    def set_state(self, download: Download, state: State, error: PanalError | None = None) -> None:
        """Where it stands from now on, and why."""
        record = download.record
        record.state = state.value
        record.error_slug = "" if error is None else error.slug
        record.error_text = "" if error is None else str(error)
        download.lack = None
        if record.id in self._downloads and not self.is_closing:
            self.save(record)

    def save(self, record: DownloadRecord) -> None:
        """Write down what is asked for, and where it stands."""
        with self._written_later(record.id, "How a download stands is not written down yet"):
            self._records.save(record)

    def save_what_is_left(self) -> None:
        """Try again what the index did not take."""
        for download_id in list(self._unsaved):
            known = self._downloads.get(download_id)
            self._forget(download_id) if known is None else self.save(known.record)

    def in_state(self, state: State) -> list[Download]:
        """Those whose record says so."""
        return [d for d in self._downloads.values() if d.record.state == state.value]

    def queued(self) -> list[Queued]:
        """Those that wait for their turn."""
        return [Queued(d.id, d.record.priority) for d in self.in_state(State.QUEUED)]

    def _forget(self, download_id: str) -> None:
        with self._written_later(download_id, "A download is not struck off yet"):
            self._records.remove(download_id)

    @contextlib.contextmanager
    def _written_later(self, download_id: str, words: str) -> Iterator[None]:
        """What the index does not take now is tried again, and told once."""
        try:
            yield
            self._unsaved.discard(download_id)
        except PanalError as error:
            if download_id not in self._unsaved:
                log.warning("%s: %s", words, waited_words(error))
            self._unsaved.add(download_id)

    def _strike_off_old(self) -> None:
        ended = [d.id for d in self._downloads.values() if d.has_ended]
        for download_id in ended[: max(0, len(ended) - ENDED_KEPT)]:
            self.strike_off(download_id)
