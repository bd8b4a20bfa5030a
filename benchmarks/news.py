"""How long until somebody else finds what changed in a shared folder, alone and beside much else.

    .venv/bin/python -m benchmarks.news [--tree /usr/share] [--place DIR] [--seconds 60]

A tracker, a peer that shares a copy of --tree, and a second peer that is asked again and again
whether it finds a name; so each figure is from the change until a search over both shows it, on
one machine. Then 20,000 and 100,000 files are made, and these and the tree renamed, with a
single new file beside each. To read: polls every 50 ms; `beside` is one file made at once after
the rename.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.local import LocalPanal, LocalPeer, local_panal

POLL_S = 0.05
PATIENCE_S = 300.0
MARKERS = 40
FOLDERS = 500
CALM_S = 4.0


class News:
    """A shared folder, and who looks for what is new in it."""

    def __init__(self, folder: Path, panal: LocalPanal, onlooker: LocalPeer) -> None:
        self._folder = folder
        self._panal = panal
        self._onlooker = onlooker
        self._chance = Random(7)
        self._made = 0

    def quiet(self, duration_s: float) -> None:
        """One file after the other comes and goes."""
        came_s, gone_s = [], []
        ends_s = time.monotonic() + duration_s
        while time.monotonic() < ends_s:
            path = self._one_more()
            came_s.append(self._until(partial(self.finds, path)))
            path.unlink()
            gone_s.append(self._until(partial(self._misses, path)))
            time.sleep(self._chance.random())
        for words, spent_s in (("a new file", came_s), ("a deleted one", gone_s)):
            ranked = sorted(spent_s)
            print(
                f"{words:28} {len(ranked):5} times  median {statistics.median(ranked):5.2f} s  "
                f"95 of 100 {ranked[int(0.95 * len(ranked))]:5.2f} s  worst {ranked[-1]:5.2f} s",
                flush=True,
            )

    def made(self, name: str, count: int) -> list[Path]:
        """Many small files at once; some of them, by which the rest is judged."""
        paths = [self._folder / name / f"{n % FOLDERS:03}" / f"{name}{n:06}" for n in range(count)]
        for parent in {path.parent for path in paths}:
            parent.mkdir(parents=True, exist_ok=True)
        began_cpu_s = self._panal.program.cpu_s()
        for number, path in enumerate(paths):
            path.write_text(f"{name} {number}\n" * 10)
        markers = paths[:: count // MARKERS]
        spent_s = self._until(lambda: all(map(self.finds, [paths[-1], *markers])))
        self._say(f"{count:,} files made", spent_s, began_cpu_s)
        return markers

    def renamed(self, words: str, old: Path, new: Path, markers: list[Path]) -> None:
        """A folder is renamed, and one file made elsewhere."""
        self._calm()
        began_cpu_s = self._panal.program.cpu_s()
        old.rename(new)
        began_s = time.monotonic()
        beside = self._one_more()
        beside_s = self._until(partial(self.finds, beside))
        moved = [new / path.relative_to(old) for path in markers]
        self._until(lambda: all(map(self.finds, moved)))
        self._say(words, time.monotonic() - began_s, began_cpu_s, f"  beside {beside_s:5.2f} s")

    def _say(self, words: str, spent_s: float, began_cpu_s: float, more: str = "") -> None:
        cpu_s = self._panal.program.cpu_s() - began_cpu_s
        print(f"{words:28} {spent_s:6.1f} s  CPU {cpu_s:5.1f} s{more}", flush=True)

    def _one_more(self) -> Path:
        self._made += 1
        path = self._folder / f"news{self._made:05}{self._chance.randrange(16**6):06x}"
        path.write_text(path.name)
        return path

    def finds(self, path: Path) -> bool:
        """Whether the onlooker finds a path."""
        wanted = str(path.relative_to(self._folder))
        hits = self._onlooker.call("GET", f"/api/v1/search?q={path.name}")["hits"]
        return any(name["path"] == wanted for hit in hits for name in hit["names"])

    def _misses(self, path: Path) -> bool:
        return not self.finds(path)

    def _until(self, condition: Callable[[], bool]) -> float:
        began_s = time.monotonic()
        while not condition():
            if time.monotonic() - began_s > PATIENCE_S:
                raise SystemExit(f"It did not come within {PATIENCE_S:.0f} s.")
            time.sleep(POLL_S)
        return time.monotonic() - began_s

    def _calm(self) -> None:
        """Until the peer does nothing any more."""
        calm_s, known_s = 0.0, -1.0
        while calm_s < CALM_S:
            time.sleep(1.0)
            spent_s = self._panal.program.cpu_s()
            calm_s = calm_s + 1.0 if spent_s - known_s < 0.1 else 0.0
            known_s = spent_s


def measure(place: Path, tree: Path, duration_s: float) -> None:
    """Everything, one after the other."""
    folder = place / "shared"
    shutil.copytree(tree, folder / "tree", symlinks=True)
    (place / "onlooker").mkdir()
    with local_panal(folder, place) as panal:
        onlooker = panal.beside("onlooker", place / "onlooker")
        news = News(folder, panal, onlooker)
        count = sum(len(names) for _, _, names in os.walk(folder))
        news.quiet(duration_s)
        for name, many in (("twenty", 20_000), ("hundred", 100_000)):
            markers = news.made(name, many)
            words = f"{many:,} renamed together"
            news.renamed(words, folder / name, folder / f"{name} moved", markers)
        files = sorted(path for path in (folder / "tree").rglob("*") if path.is_file())
        some = files[:: max(1, len(files) // (2 * MARKERS))]  # not all of them are shared
        shared = [path for path in some if news.finds(path)]
        news.renamed(f"a tree of {count:,} renamed", folder / "tree", folder / "moved", shared)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, default=Path("/usr/share"), help="what is copied")
    parser.add_argument("--place", type=Path, help="where everything is made")
    parser.add_argument("--seconds", type=float, default=60.0, help="of quiet news")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.place, prefix="panal-news-") as place:
        measure(Path(place), asked.tree, asked.seconds)


if __name__ == "__main__":
    main()
