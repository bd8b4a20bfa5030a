"""The texts of folders, kept durably in the state directory under their content ids."""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from panal.errors import IntegrityError
from panal.store.disk_errors import disk_error
from panal.store.hashing import READ_BYTES, ContentHasher
from panal.store.own_files import clear, names_of
from panal.trust.files import private_folder
from panal.wire.ids import ContentId, is_content_id, parse_content_id
from panal.wire.manifest import Kind, Manifest, chunk_size_for, content_id


def manifest_of_text(text: bytes) -> Manifest:
    """The manifest of a folder's text."""
    with ContentHasher(chunk_size_for(len(text))) as hasher:
        view = memoryview(text)
        for start in range(0, len(text), READ_BYTES):
            hasher.update(view[start : start + READ_BYTES])
        manifest = hasher.finish()
    assert manifest is not None  # noqa: S101 (the size was known)
    return replace(manifest, kind=Kind.COLLECTION)


_NAME = re.compile(r"([0-9a-f]{64})(\.(new|part|journal))?")
FOLDER = "collections"
"""In a state directory: where the texts are."""


class Texts:
    """One directory of them."""

    def __init__(self, folder: Path, *, keeps_one: bool = False) -> None:
        """With `keeps_one`, each text takes the place of whatever was there."""
        self.folder = folder
        self._keeps_one = keeps_one

    def path(self, content: ContentId) -> Path:
        """Where a text lies, if it is here."""
        return self.folder / content.hex()

    def keep(self, text: bytes) -> tuple[ContentId, Manifest]:
        """Write a text durably; its id and manifest."""
        manifest = manifest_of_text(text)
        content = content_id(manifest.encode())
        temporary = self.folder / f"{content.hex()}.new"
        try:
            private_folder(self.folder)
            with temporary.open("wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            self.take(temporary, content)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise disk_error(error, "keep the folder's list") from None
        return content, manifest

    def take(self, durable: Path, content: ContentId) -> None:
        """Give a durable file in this directory its final name."""
        os.rename(durable, self.path(content))
        if self._keeps_one:
            self.keep_only([content])
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, content: ContentId) -> tuple[bytes, Manifest] | None:
        """A text that is here, checked against its id; None where it is not.

        IntegrityError where its manifest names a wrong SHA-256, or the disk has changed it.
        """
        try:
            text = self.path(content).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return None
        except OSError as error:
            raise disk_error(error, "read the folder's list") from None
        manifest = manifest_of_text(text)
        if content_id(manifest.encode()) != content:
            self.remove(content)
            raise IntegrityError(
                "The folder's list is not what its id says: whoever shared it first made its "
                "manifest wrong, or the disk has changed it. Ask again, or ask for another copy."
            )
        return text, manifest

    def all(self) -> set[ContentId]:
        """The ids of all texts that are here."""
        if not self.folder.is_dir():
            return set()
        names = names_of(self.folder, _NAME)
        return {parse_content_id(name) for name in names if is_content_id(name)}

    def remove(self, content: ContentId) -> None:
        """Forget a text, and what there is of it in part."""
        for name in ("", ".new", ".part", ".journal"):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                self.folder.joinpath(content.hex() + name).unlink()

    def keep_only(self, wanted: Iterable[ContentId]) -> None:
        """Remove the texts that none of these is, and what there is of such in part."""
        names = {content.hex() for content in wanted}
        if self.folder.is_dir():
            clear(self.folder, _NAME, names)
