"""Further roots beside the folder, and what their owners leave out."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from panal.errors import NotFound, PanalError, Refused, RootOffline
from panal.store.fingerprints import Fingerprint, Skipped
from panal.store.ignoring import Ignoring
from panal.store.mounts import FurtherRoot, Mounts
from panal.store.publish import make_durable
from panal.store.roots import Root
from panal.wire.names import SafePath
from tests.store.makers import sp


def may_be_empty(_: str) -> bool:
    return True


def may_not_be_empty(_: str) -> bool:
    return False


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder and, beside it, what is shared in place."""
    for folder in ("root", "music/live"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "root/own.txt").write_bytes(b"own")
    (tmp_path / "music/song.flac").write_bytes(b"song")
    (tmp_path / "music/live/set.flac").write_bytes(b"set")
    (tmp_path / "disk.iso").write_bytes(b"iso")
    (tmp_path / "secret").write_bytes(b"not shared")
    return tmp_path


@pytest.fixture
def mounts(place: Path) -> Mounts:
    mounts = Mounts(place / "root")
    mounts.mount(FurtherRoot("music", place / "music", is_folder=True))
    mounts.mount(FurtherRoot("disk.iso", place / "disk.iso", is_folder=False))
    assert all(mounts.refresh_all(may_not_be_empty).values())
    return mounts


def paths(mounts: Mounts, below: str = "") -> set[str]:
    return {path for path, _ in mounts.walk(Skipped(), below)}


def read(mounts: Mounts, path: str) -> bytes:
    descriptor, found = mounts.open_file(sp(path))
    with os.fdopen(descriptor, "rb") as file:
        assert mounts.fingerprint(sp(path)) == found
        return file.read()


ALL = {"own.txt", "music/song.flac", "music/live/set.flac", "disk.iso"}


def test_every_root_is_walked_under_its_name(mounts: Mounts) -> None:
    assert paths(mounts) == ALL
    assert paths(mounts, "music/live") == {"music/live/set.flac"}
    assert paths(mounts, "disk.iso") == {"disk.iso"}


def test_files_of_every_root_are_read_and_nothing_beside_them(mounts: Mounts) -> None:
    assert read(mounts, "own.txt") == b"own"
    assert read(mounts, "music/live/set.flac") == b"set"
    assert read(mounts, "disk.iso") == b"iso"
    for path in ("secret", "music", "disk.iso/secret", "music/none"):
        with pytest.raises(NotFound):
            mounts.open_file(sp(path))


@pytest.mark.parametrize(
    ("path", "folders"),
    [
        ("own.txt", ["root"]),
        ("music/live/set.flac", ["music/live", "music", "music"]),
        ("disk.iso", ["."]),
    ],
)
def test_a_file_of_every_root_is_made_durable_with_its_folders(
    mounts: Mounts, place: Path, path: str, folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = mounts.fingerprint(sp(path))
    assert found is not None
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    make_durable(mounts, sp(path), found)
    assert synced == [found.inode, *[(place / folder).stat().st_ino for folder in folders]]


@pytest.mark.parametrize("path", ["music/new", "music/live/new", "disk.iso", "music"])
def test_nothing_is_written_in_a_further_root(mounts: Mounts, path: str) -> None:
    with pytest.raises(Refused, match="only read there"), mounts.parent_for_writing(sp(path)):
        pass


def test_a_name_is_taken_whether_its_root_is_there_or_not(mounts: Mounts, place: Path) -> None:
    (place / "music").rename(place / "away")
    mounts.refresh_all(may_be_empty)
    assert mounts.is_taken(sp("music"))
    assert not mounts.is_taken(sp("music/song.flac"))
    assert not mounts.is_taken(sp("secret"))


def test_the_folders_own_files_behind_a_further_roots_name_are_counted(
    mounts: Mounts, place: Path
) -> None:
    (place / "root/music").mkdir()
    (place / "root/music/other").write_bytes(b"other")
    skipped = Skipped()
    assert {path for path, _ in mounts.walk(skipped)} == ALL
    assert skipped.counts == {"hidden by a further root of that name": 1}


# Away and back ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["music", "disk.iso", ""])
def test_a_root_that_is_away_is_offline_and_not_empty(
    mounts: Mounts, place: Path, name: str
) -> None:
    where = mounts.places()[name]
    path = sp({"music": "music/song.flac", "disk.iso": "disk.iso", "": "own.txt"}[name])
    before = mounts.fingerprint(path)
    assert before is not None
    where.rename(place / "away")
    assert mounts.refresh_all(may_be_empty)[name] is False
    assert not mounts.shows(path)
    with pytest.raises(NotFound) as caught:
        mounts.open_unchanged(path, before)
    assert name == "disk.iso" or type(caught.value) is RootOffline
    (place / "away").rename(where)
    assert all(mounts.refresh_all(may_not_be_empty).values())
    os.close(mounts.open_unchanged(path, before))


@pytest.mark.parametrize("name", ["music", ""])
def test_an_empty_folder_in_its_place_is_a_disk_that_is_not_mounted(
    mounts: Mounts, place: Path, name: str
) -> None:
    where = mounts.places()[name]
    where.rename(place / "away")
    where.mkdir()
    (where / ".panal").mkdir()
    assert mounts.refresh_all(may_not_be_empty)[name] is False
    assert mounts.refresh_all(may_be_empty)[name] is True


@pytest.mark.parametrize("name", ["music", ""])
def test_another_folder_with_files_in_its_place_is_the_root_now(
    mounts: Mounts, place: Path, name: str
) -> None:
    where = mounts.places()[name]
    where.rename(place / "away")
    where.mkdir()
    (where / "restored").write_bytes(b"from the backup")
    assert mounts.refresh_all(may_not_be_empty)[name] is True
    inside = "restored" if name == "" else f"{name}/restored"
    assert read(mounts, inside) == b"from the backup"


def test_a_root_swapped_between_two_looks_is_not_read(mounts: Mounts, place: Path) -> None:
    (place / "music").rename(place / "away")
    (place / "music").mkdir()
    (place / "music/song.flac").write_bytes(b"another")
    with pytest.raises(RootOffline):
        mounts.open_file(sp("music/song.flac"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_remount_changes_no_fingerprint_and_is_not_hindered(tmp_path: Path) -> None:
    disk, other = tmp_path / "disk", tmp_path / "other"
    for folder in (disk, other, tmp_path / "root"):
        folder.mkdir()
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 4 * 1024 * 1024)
    made = subprocess.run(["mkfs.ext4", "-q", str(image)], capture_output=True, check=False)
    mount = ["mount", "-o", "loop", str(image)]
    if made.returncode or subprocess.run([*mount, str(disk)], check=False).returncode:
        pytest.skip("no loop devices here")
    mounts = Mounts(tmp_path / "root")
    whole = Mounts(disk)  # shared as the folder itself, and still free to go
    try:
        assert whole.refresh_all(may_not_be_empty) == {"": True}
        (disk / "file").write_bytes(b"bytes")
        mounts.mount(FurtherRoot("disk", disk, is_folder=True))
        mounts.refresh_all(may_not_be_empty)
        before = mounts.fingerprint(sp("disk/file"))
        subprocess.run(["umount", str(disk)], check=True)
        assert mounts.refresh_all(may_not_be_empty)["disk"] is False
        subprocess.run([*mount[:2], "loop,ro", str(image), str(disk)], check=True)
        assert mounts.refresh_all(may_not_be_empty)["disk"] is True
        assert mounts.fingerprint(sp("disk/file")) == before
    finally:
        subprocess.run(["umount", str(disk)], check=False)


# Left out ---------------------------------------------------------------------------------


def left(mounts: Mounts) -> dict[str, int]:
    skipped = Skipped()
    list(mounts.walk(skipped))
    return skipped.counts


def test_rules_of_the_folder_and_of_folders_in_it_are_kept(mounts: Mounts, place: Path) -> None:
    root = place / "root"
    for folder in ("build", "docs/build", "docs/keep"):
        (root / folder).mkdir(parents=True)
        (root / folder / "page.html").write_bytes(b"page")
        (root / folder / "page.tmp").write_bytes(b"draft")
    (root / ".panalignore").write_text("# rules\n/build/\n*.tmp\n")
    (root / "docs/.panalignore").write_text("!keep/*.tmp\n")
    assert paths(mounts) - ALL == {
        "docs/build/page.html",
        "docs/keep/page.html",
        "docs/keep/page.tmp",
    }
    assert left(mounts) == {"hidden": 2, "ignored": 2}
    (root / ".panalignore").unlink()
    assert "build/page.html" in paths(mounts)


def test_rules_of_a_further_root_are_its_own(mounts: Mounts, place: Path) -> None:
    (place / "music/.panalignore").write_text("/live\n")
    (place / "root/live").write_bytes(b"of the folder")
    assert paths(mounts) == {"own.txt", "live", "music/song.flac", "disk.iso"}


def test_rules_of_every_folder_that_paths_lie_in_are_read_each_once(
    mounts: Mounts, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "root/docs/new").mkdir(parents=True)
    (place / "root/.panalignore").write_text("*.tmp\n")
    (place / "root/docs/.panalignore").write_text("*.log\n")
    (place / "music/live/.panalignore").write_text("*.wav\n")
    entered: list[str] = []
    real = Ignoring.enter

    def enter(ignoring: Ignoring, folder: str, descriptor: int) -> None:
        entered.append(folder)
        real(ignoring, folder, descriptor)

    monkeypatch.setattr(Ignoring, "enter", enter)
    left_out = ["a.tmp", "docs/new/b.log", "docs/c.tmp", "music/live/d.wav"]
    shared = ["a.log", "docs/new/b.wav", "gone/c.log", "music/d.wav", "music/live/d.tmp"]
    mounts.read_rules([*left_out, *shared])
    assert sorted(entered) == ["", "", "docs", "docs/new", "live"]
    for path in left_out + shared:
        is_left_out = mounts.left_out(path, is_folder=False) is not None
        assert is_left_out == (path in left_out), path


@pytest.mark.parametrize("call", ["fingerprints", "read_rules"])
def test_a_root_may_go_while_it_is_looked_at(
    mounts: Mounts, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    real = getattr(Root, call)

    def going(root: Root, paths: Any) -> Any:
        mounts.unmount("music")  # as the event loop does, beside a thread
        return real(root, paths)

    monkeypatch.setattr(Root, call, going)
    getattr(mounts, call)([SafePath("docs/a"), SafePath("music/live/d.wav")])
    assert not mounts.further_names() & {"music"}


SECRETS = ["owner-token", "owner-secret", "guest-key", "members.sqlite", "members.sqlite-wal"]


@pytest.mark.parametrize("name", ["tls.key", "CERT.PEM", "id_ed25519", "Cookies", *SECRETS])
def test_usual_secrets_are_left_out_unless_a_rule_says_otherwise(
    mounts: Mounts, place: Path, name: str
) -> None:
    (place / "root" / name).write_bytes(b"secret")
    assert name not in paths(mounts)
    assert left(mounts) == {"a secret by its name": 1}
    (place / "root/.panalignore").write_text(f"!{name}\n")
    assert name in paths(mounts)


@pytest.mark.parametrize("folder", ["cookies", "Cookies", "web.key", "id_rsa", "logins.json"])
def test_a_folder_is_no_secret_by_its_name(mounts: Mounts, place: Path, folder: str) -> None:
    (place / "root/lib" / folder).mkdir(parents=True)
    (place / "root/lib" / folder / "index.js").write_bytes(b"code")
    (place / "root/lib/cookies.js").write_bytes(b"code")
    (place / "root/cookies").write_bytes(b"no browser writes it so")
    found = {f"lib/{folder}/index.js", "lib/cookies.js", "cookies"}
    assert paths(mounts) - ALL == found
    assert left(mounts) == {}


@pytest.mark.parametrize("root", ["root", "music"])
@pytest.mark.parametrize("sign", ["owner-token", "owner-secret", "network/owner-token"])
def test_a_folder_with_panals_state_is_left_out_with_all_in_it(
    mounts: Mounts, place: Path, root: str, sign: str
) -> None:
    state = place / root / "a/state"
    for name in (sign, "index.sqlite", "texts/one", "network/member.json"):
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_bytes(b"of another peer")
    (place / root / ".panalignore").write_text("!owner-token\n!a/state/index.sqlite\n")
    (place / root / "a/beside").write_bytes(b"shared")
    above = "" if root == "root" else "music/"
    for _ in range(2):
        assert paths(mounts) - ALL == {f"{above}a/beside"}
        skipped = Skipped()
        list(mounts.walk(skipped))
        assert skipped.folders == {"Panal's state": 1}
    for name in (sign, "index.sqlite", "texts/one", "more/new"):
        assert mounts.left_out_with(f"{above}a/state/{name}") is not None
    assert not mounts.leaves_out_none([sp(f"{above}a/state/index.sqlite")])
    for kept in (state / sign, state / "network/member.json"):
        kept.unlink()
    assert f"{above}a/state/index.sqlite" in paths(mounts)
    assert mounts.left_out_with(f"{above}a/state/more") is None


def test_one_rule_shares_every_certificate(mounts: Mounts, place: Path) -> None:
    (place / "root/etc/ssl").mkdir(parents=True)
    for name in ("ca.pem", "etc/ssl/site.pem", "etc/ssl/site.key"):
        (place / "root" / name).write_bytes(b"certificate")
    (place / "root/.panalignore").write_text("!*.pem\n")
    assert paths(mounts) - ALL == {"ca.pem", "etc/ssl/site.pem"}
    assert left(mounts) == {"a secret by its name": 1, "hidden": 1}


def test_folders_that_are_left_out_are_counted_apart_and_named_as_such(
    mounts: Mounts, place: Path
) -> None:
    for folder in ("root/.git", "root/build", "music/.cache"):
        (place / folder).mkdir()
        (place / folder / "file").write_bytes(b"not looked at")
    (place / "root/.panalignore").write_text("build/\n")
    skipped = Skipped()
    list(mounts.walk(skipped))
    assert skipped.counts == {"hidden": 3, "ignored": 1}
    assert skipped.folders == {"hidden": 2, "ignored": 1}
    assert skipped.examples["hidden"][-1] == "'music/.cache/'"
    assert skipped.examples["ignored"] == ["'build/'"]


def test_rules_that_cannot_be_read_share_nothing(mounts: Mounts, place: Path) -> None:
    (place / "root/.panalignore").symlink_to(place / "secret")
    with pytest.raises(PanalError, match=r"\.panalignore cannot be read"):
        list(mounts.walk(Skipped()))


@pytest.mark.parametrize(
    "name", [".hidden", "a/.b/c", "tls.key", "a/id_rsa", "../up", "a//b", "x\u202etxt", "music/new"]
)
def test_many_files_are_judged_together_only_where_all_are_usual(mounts: Mounts, name: str) -> None:
    usual = [f"many/{number}.bin" for number in range(3)]
    assert mounts.leaves_out_none(usual)
    assert not mounts.leaves_out_none([*usual, name])


def test_where_there_are_rules_each_file_is_judged_by_itself(mounts: Mounts, place: Path) -> None:
    mounts.leave_out(["many/1.bin"])
    assert not mounts.leaves_out_none(["many/1.bin"])
    mounts.leave_out([])
    assert mounts.leaves_out_none(["many/1.bin"])
    (place / "root/.panalignore").write_text("*.bin\n")
    paths(mounts)
    assert not mounts.leaves_out_none(["many/1.bin"])


def test_what_is_unshared_is_left_out_with_all_below(mounts: Mounts, place: Path) -> None:
    mounts.leave_out(["own.txt", "music/live"])
    assert paths(mounts) == {"music/song.flac", "disk.iso"}
    assert left(mounts) == {"unshared": 2}
    mounts.leave_out([])
    assert paths(mounts) == ALL


def test_a_fingerprint_outlives_another_device_number_but_not_another_device(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_bytes(b"bytes")
    status = (tmp_path / "file").stat()
    first, second = (
        os.stat_result([*status[:2], device, *status[3:]], {"st_mtime_ns": status.st_mtime_ns})
        for device in (41, 42)
    )
    before = Fingerprint.of(first, 41)
    assert Fingerprint.of(second, 42) == before
    assert Fingerprint.of(second, 41) != before
