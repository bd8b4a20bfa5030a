"""The resumable uploads that an earlier run of the peer has left in its folder."""

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from panal.errors import NotFound, PanalError, TargetTaken
from panal.peer.resumable_upload import ResumableUpload
from panal.peer.upload_names import Conflict, names_like
from panal.store.disk_errors import disk_error
from panal.store.fingerprints import Fingerprint
from panal.store.upload_files import UploadFiles, UploadRecord, upload_ids
from panal.trust.files import private_folder
from panal.wire.ids import ContentId, parse_content_id
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import SafePath, safe_path

log = logging.getLogger(__name__)


class LeftUploads:
    """Reads them, and finds those that have their name already."""

    def __init__(
        self,
        folder: Path,
        stands: Callable[[SafePath], Fingerprint | None],
        where_is: Callable[[ContentId], str | None],
    ) -> None:
        """`stands` tells of the file under a path; `where_is` gives a path that has a content."""
        self._folder = folder
        self._stands = stands
        self._where_is = where_is

    def read(self) -> list[ResumableUpload]:
        """Each of them, in a thread; OSError. One whose record is damaged is removed."""
        try:
            private_folder(self._folder)
        except OSError as error:  # what is there can be shared all the same
            log.warning("%s", disk_error(error, f"make {self._folder} ready for uploads"))
            return []
        found = []
        for identity in upload_ids(self._folder):
            files = UploadFiles(self._folder, identity)
            try:
                found.append(self._read_one(files))
            except (PanalError, ValueError) as error:
                log.warning("An unfinished upload is removed: its record is damaged (%s).", error)
                files.remove()
        return found

    def _read_one(self, files: UploadFiles) -> ResumableUpload:
        """What an earlier run has left of one; ValueError or PanalError where it makes no sense."""
        record = files.read_record()
        safe_path(record.path)
        Conflict(record.conflict)
        if not 0 <= record.size_bytes <= MAX_CONTENT_BYTES:
            raise ValueError(f"no content has {record.size_bytes} bytes")
        content = parse_content_id(record.content) if record.content else None
        if record.stored_as:
            safe_path(record.stored_as)
            return ResumableUpload(files, record, record.size_bytes)
        files.drop_named()
        if files.data.exists():
            here_bytes = files.here_bytes()
            if here_bytes > record.size_bytes:
                raise ValueError(f"{here_bytes} bytes of {record.size_bytes} are here")
            return ResumableUpload(files, record, here_bytes)
        path = None if content is None else self.path_of(record) or self._where_is(content)
        if path is None:
            raise NotFound("Its bytes are missing.")
        # It got its name, and the peer ended before that was written down.
        record.stored_as = path
        files.write_record(record)
        return ResumableUpload(files, record, record.size_bytes)

    def path_of(self, record: UploadRecord) -> str | None:
        """Where its bytes have their name; the index may not know of that yet."""
        with contextlib.suppress(TargetTaken):
            for path in names_like(SafePath(record.path)):
                if (found := self._stands(path)) is None:
                    break
                wanted = record.inode, record.size_bytes, record.mtime_ns
                if (found.inode, found.size_bytes, found.mtime_ns) == wanted:
                    return path
        return None
