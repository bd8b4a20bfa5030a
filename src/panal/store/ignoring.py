"""What a folder's owner never shares: `.panalignore`, what was unshared, secrets, Panal's states.

Rules are gitignore's own; those of a deeper folder go before those above it, and all of them
before the list of usual secrets, so that `!*.pem` shares certificates again; a rule that names
nothing, as `!docs/**`, does not. A state stays out.
"""

import codecs
import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from blake3 import blake3

from panal.errors import PanalError
from panal.store.other_states import REASON as STATE
from panal.store.other_states import is_state

if TYPE_CHECKING:
    from panal.store.ignore_rules import IgnoreRules, Verdict

IGNORE_FILE = ".panalignore"
MAX_RULES_BYTES = 256 * 1024
# Files by these names, never folders: a folder `cookies` is somebody's source code. Hidden
# names (.ssh, .gnupg, .env, .mozilla) are left out in any case.
_SECRETS = re.compile(
    r"(?i:.*\.(?:key|pem|p12|pfx)|id_(?:rsa|dsa|ecdsa|ed25519))"
    r"|key[34]\.db|logins\.json|cookies\.sqlite|Login Data|Cookies"
    r"|owner-(?:token|secret)|guest-key|members\.sqlite.*"
)
_ANY_SECRET = re.compile(rf"^(?:{_SECRETS.pattern})$", re.MULTILINE)


class Ignoring:
    """The rules of one root, as the last walk of each folder has read them."""

    def __init__(self) -> None:
        self._rules: dict[str, IgnoreRules] = {}
        self._texts: dict[str, str] = {}
        self._states: set[str] = set()
        self._unshared: frozenset[str] = frozenset()
        self._unshared_mark = b""
        self._edition = 0
        """Of the rules; raised when some have changed."""
        self._below_ignored = -1, "", False
        """The folder that was asked of last: by which edition, and whether it is left out."""

    @property
    def unshared(self) -> frozenset[str]:
        """Paths that are left out until they are added again."""
        return self._unshared

    @unshared.setter
    def unshared(self, paths: frozenset[str]) -> None:
        self._unshared = paths
        self._unshared_mark = _hashed(sorted(paths)) if paths else b""

    def mark(self, folder: str) -> bytes:
        """Stands for all that `reason` says of names in a folder, as long as it is the same."""
        texts = []
        at = folder
        while self._texts:
            if at in self._texts:
                texts += [at, self._texts[at]]
            if not at:
                break
            at = at.rpartition("/")[0]
        return self._unshared_mark + (_hashed(texts) if texts else b"")

    def enter(self, folder: str, descriptor: int) -> None:
        """Read a folder's rules anew; PanalError where they are there and cannot be read."""
        if folder and is_state(descriptor):
            self._states.add(folder)
        else:
            self._states.discard(folder)
        text = _rules_text(folder, descriptor)
        if text == self._texts.get(folder):
            return
        if text is None:
            self._rules.pop(folder, None)
            self._texts.pop(folder, None)
        else:
            self._rules[folder] = _rules_in(text, folder)
            self._texts[folder] = text
        self._edition += 1  # last: another thread may ask meanwhile

    def has_state(self, folder: str) -> bool:
        """Whether Panal's state is in a folder, or in one above: nothing in it is shared."""
        return bool(self._states) and any(at in self._states for at in _with_those_above(folder))

    def reason(self, path: str, *, is_folder: bool) -> str | None:
        """Why a path is left out, or None."""
        if path in self.unshared:
            return "unshared"
        if self._states and self.has_state(path.rpartition("/")[0]):
            return STATE
        verdict = self._verdict(path, is_folder) if self._rules else None
        if verdict == "ignored" or (self._rules and self._is_below_ignored(path)):
            return "ignored"
        if is_folder or verdict == "taken back":
            return None
        return "a secret by its name" if _SECRETS.fullmatch(path.rpartition("/")[2]) else None

    def has_no_say(self, names: Iterable[str]) -> bool:
        """Whether files of these names, without line feeds, are shared in whatever folder."""
        if self._rules or self.unshared or self._states:
            return False
        return _ANY_SECRET.search("\n".join(names)) is None

    def _is_below_ignored(self, path: str) -> bool:
        """Whether rules leave out a folder above: then nothing in it can be taken back."""
        folder, edition = path.rpartition("/")[0], self._edition
        known = self._below_ignored
        if known[:2] != (edition, folder):
            ignored = any(self._verdict(at, True) == "ignored" for at in _with_those_above(folder))
            self._below_ignored = known = edition, folder, ignored
        return known[2]

    def _verdict(self, path: str, is_folder: bool) -> "Verdict | None":
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            if (rules := self._rules.get(folder)) is not None:
                below = path[len(folder) + 1 :] if folder else path
                if (verdict := rules.verdict(below, is_folder=is_folder)) is not None:
                    return verdict
        return None


def _with_those_above(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]


def _hashed(texts: list[str]) -> bytes:
    # A line feed and a number: no two lists come to the same.
    whole = "".join(f"{len(text)}\n{text}" for text in texts)
    return blake3(whole.encode("utf-8", "surrogatepass")).digest()


def _rules_in(text: str, folder: str) -> "IgnoreRules":
    from panal.store.ignore_rules import IgnoreRules

    try:
        return IgnoreRules(line.removesuffix("\r") for line in text.split("\n"))
    except ValueError as error:
        raise PanalError(f"{_named(folder)} has a wrong rule: {error}.") from None


def _rules_text(folder: str, descriptor: int) -> str | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(IGNORE_FILE, flags, dir_fd=descriptor)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PanalError(f"{_named(folder)} cannot be read: {error.strerror}.") from None
    try:
        raw = os.read(file, MAX_RULES_BYTES + 1)
    except OSError as error:
        raise PanalError(f"{_named(folder)} cannot be read: {error.strerror}.") from None
    finally:
        os.close(file)
    if len(raw) > MAX_RULES_BYTES:
        raise PanalError(f"{_named(folder)} has more than {MAX_RULES_BYTES} bytes.")
    if b"\0" in raw:
        raise PanalError(f"{_named(folder)} is no UTF-8 text; save it as UTF-8.")
    return raw.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def _named(folder: str) -> str:
    return f"{folder}/{IGNORE_FILE}" if folder else IGNORE_FILE
