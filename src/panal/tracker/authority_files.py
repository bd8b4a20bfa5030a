"""A network's authority on the disk, and the tracker's own certificate by it.

All of it lies in a folder of its own beside the soft records, for its user alone. Whoever can
read the owner's token there is the network's owner. The trackers of one network have the same
authority, put there by their owner, and each a token and a certificate of its own.
"""

import logging
import secrets
import shlex
import stat
from pathlib import Path

from panal.errors import PanalError
from panal.trust.certificates import Authority, new_key, signing_request, validity
from panal.trust.files import private_file, private_folder, write_private
from panal.trust.owner_files import ADDRESS, AUTHORITY_CERTIFICATE, FOLDER, OWNER_TOKEN

_log = logging.getLogger("panal.tracker")

_MEMBERS = "members.sqlite"
_MOVED = "members-in-database"
_OLD_MEMBERS = "members.sqlite.moved"
_AUTHORITY_KEY = "authority.key"
_TOKEN_BYTES = 32
RENEW_AT = 2 / 3


def is_made(state: Path) -> bool:
    """Whether a tracker's state directory has a network."""
    return (state / FOLDER / _AUTHORITY_KEY).exists()


def to_replace(state: Path) -> str:
    """What to do with a network of its own, where a tracker is to be one of another's."""
    own = shlex.quote(str(state / FOLDER))
    return (
        "What this tracker has there now is a network of its own: move that away first, with "
        f"'mv {own} {own}.old'. Whoever has joined it joins anew."
    )


class AuthorityFiles:
    """The folder, made where there was none; PanalError where that cannot be."""

    def __init__(self, state: Path, now_s: float) -> None:
        self.folder = state / FOLDER
        self.is_new = not is_made(state)
        self.certificate_path = self.folder / AUTHORITY_CERTIFICATE
        self.tracker_key_path = self.folder / "tracker.key"
        self.tracker_certificate_path = self.folder / "tracker.pem"
        self.members_path = self.folder / _MEMBERS
        try:
            private_folder(self.folder)
            if self.folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                self.folder.chmod(0o700)  # it may have been made by hand
            if self.is_new:
                self._make(now_s)
            elif not self.certificate_path.exists():
                raise PanalError(
                    f"{self.folder} has {_AUTHORITY_KEY} and not {AUTHORITY_CERTIFICATE}, which "
                    "belongs to it. Put both there, from a tracker of the network or a backup."
                )
            key_path, token_path = self.folder / _AUTHORITY_KEY, self.folder / OWNER_TOKEN
            _take_from_others(key_path)
            key = key_path.read_bytes()
            self.authority = Authority(key, self.certificate_path.read_bytes())
            if not token_path.exists():
                _make_token(token_path)
            _take_from_others(token_path)
            self.owner_token = bytes.fromhex(token_path.read_text("ascii"))
        except (OSError, ValueError) as error:
            raise PanalError(f"The network in {self.folder} cannot be used: {error}.") from None
        self.certify_tracker(now_s)

    def certify_tracker(self, now_s: float) -> None:
        """A fresh key and certificate for the tracker itself."""
        key = new_key()
        certificate = self.authority.issue_tracker(signing_request(key), now_s).pem
        write_private(self.tracker_key_path, key)
        write_private(self.tracker_certificate_path, certificate)
        begin_s, end_s = validity(certificate)
        self.renew_tracker_at_s = begin_s + (end_s - begin_s) * RENEW_AT

    def note_address(self, address: str) -> None:
        """Where the tracker listens, for whoever owns the network on this machine."""
        write_private(self.folder / ADDRESS, address.encode("ascii") + b"\n")

    @property
    def has_moved(self) -> bool:
        """Whether the members are kept elsewhere: a file of them here would be an old one."""
        return (self.folder / _MOVED).exists()

    def note_moved(self) -> None:
        """From now on the members are kept elsewhere."""
        write_private(self.folder / _MOVED, b"")
        if self.members_path.exists():
            self.members_path.replace(self.folder / _OLD_MEMBERS)

    def _make(self, now_s: float) -> None:
        key, certificate = Authority.made(now_s)
        write_private(self.certificate_path, certificate)
        _make_token(self.folder / OWNER_TOKEN)
        write_private(self.folder / _AUTHORITY_KEY, key)  # last: with it the network is made


def _make_token(path: Path) -> None:
    write_private(path, secrets.token_bytes(_TOKEN_BYTES).hex().encode("ascii"))


def _take_from_others(path: Path) -> None:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        _log.warning(
            "Others could read %s until now; its mode is 600 from now on. Whoever has read it "
            "owns the network: if that may be, make a new one.",
            path,
        )
    private_file(path)
