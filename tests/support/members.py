"""Authorities and members made for a test, their files in a folder."""

from dataclasses import dataclass
from pathlib import Path

from panal.trust.certificates import Authority, Issued, new_key, signing_request
from panal.wire.ids import PeerName

NOW_S = 1_700_000_000.0


@dataclass
class Identity:
    """One certificate with its key, on the disk."""

    authority: Path
    certificate: Path
    key: Path
    issued: Issued

    def files(self) -> tuple[Path, Path, Path]:
        return self.authority, self.certificate, self.key


class TestAuthority:
    """An authority and what it has signed."""

    __test__ = False

    def __init__(self, folder: Path, now_s: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.now_s = now_s
        self.key, certificate = Authority.made(now_s)
        self.authority = Authority(self.key, certificate)
        self.path = folder / "authority.pem"
        self.path.write_bytes(certificate)

    def member(self, name: str, *, now_s: float | None = None) -> Identity:
        key = new_key()
        made_s = self.now_s if now_s is None else now_s
        issued = self.authority.issue_member(PeerName(name), signing_request(key), made_s)
        return self._kept(name, key, issued)

    def tracker(self) -> Identity:
        key = new_key()
        issued = self.authority.issue_tracker(signing_request(key), self.now_s)
        return self._kept("tracker's own", key, issued)

    def _kept(self, name: str, key: bytes, issued: Issued) -> Identity:
        certificate_path, key_path = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate_path.write_bytes(issued.pem)
        key_path.write_bytes(key)
        return Identity(self.path, certificate_path, key_path, issued)
