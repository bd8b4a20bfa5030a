"""What lies in a peer's own directories and is not its own stays, whatever it starts or ends."""

from pathlib import Path

import pytest

from panal.errors import Refused
from tests.peer.test_watching import write
from tests.support.network import Network

pytestmark = pytest.mark.p2
CONTENT, UPLOAD = "ab" * 32, "cd" * 16
OTHERS = ("notes.txt", "abcdef", "holiday.part", f"{UPLOAD}x", f"{CONTENT}.jpg", f"{UPLOAD}.tar")


def everything(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*")}


async def test_files_that_are_not_panals_stay_where_panal_keeps_its_own(network: Network) -> None:
    state, inside = network.place / "state", network.place / "ana/.panal"
    places = (state / "collections", inside / "uploads", inside / "resumable")
    for place in places:
        for name in OTHERS:
            write(place / name, b"mine")
        write(place / "folder/file", b"mine")
        (place / "link").symlink_to(place / "notes.txt")
    write(state / "collections" / CONTENT / "file", b"a folder of that name")
    write(inside / "uploads" / UPLOAD / "file", b"a folder of that name")
    before = [everything(place) for place in places]
    write(state / "collections" / f"{'ef' * 32}.part", b"of nobody")
    write(inside / "uploads" / ("ef" * 16), b"of nobody")
    write(inside / "resumable" / f"{'ef' * 16}.data", b"of nobody")
    ana = await network.peer("ana", state_dir=state)
    write(ana.folder / "sub/one", b"one")
    await ana.node.add([str(ana.folder / "sub")])
    await ana.upload("two", b"two")
    await network.stop_peer("ana")
    assert [everything(place) for place in places] == before


@pytest.mark.parametrize("own", ["uploads", "resumable", "collections"])
async def test_a_link_in_their_place_is_refused_and_leads_nowhere(
    network: Network, own: str
) -> None:
    elsewhere, inside = network.place / "elsewhere", network.place / "ana/.panal"
    for name in (UPLOAD, f"{UPLOAD}.data", CONTENT):
        write(elsewhere / name, b"mine")
    inside.mkdir(parents=True)
    (inside / own).symlink_to(elsewhere)
    with pytest.raises(Refused, match=f"{own}' is a link"):
        await network.peer("ana")
    assert everything(elsewhere) == {UPLOAD, f"{UPLOAD}.data", CONTENT}
