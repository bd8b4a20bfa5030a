"""Build the page into src/panal/web/page, or with `--check` say whether what is there is current.

First the types of the peer's interface, page/src/openapi.d.ts, from docs/openapi.json.

Node builds it; where there is none, what is committed is used, and the check says so.
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "page"
BUILT = ROOT / "src" / "panal" / "web" / "page"
TYPES = SOURCES / "src" / "openapi.d.ts"
LEAST_NODE = (20, 19)


def missing() -> str:
    """Why the page cannot be built here; empty where it can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "Node and npm are not installed"
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2])
    if version < LEAST_NODE:
        return f"Node {'.'.join(map(str, LEAST_NODE))} or later is needed, this is {said.strip()}"
    return ""


def install() -> None:
    """The libraries of the lock file, once for each that it is."""
    lock, stamp = SOURCES / "package-lock.json", SOURCES / "node_modules" / ".installed"
    if stamp.is_file() and filecmp.cmp(lock, stamp, shallow=False):
        return
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=SOURCES, check=True)
    shutil.copyfile(lock, stamp)


def make_types(into: Path) -> None:
    """The interface's types, of its committed document."""
    command = ["npm", "run", "--silent", "api", "--", "--output", str(into)]
    subprocess.run(command, cwd=SOURCES, stdout=subprocess.DEVNULL, check=True)


def build(into: Path) -> None:
    """The page, type-checked and built."""
    environment = {**os.environ, "PANAL_PAGE_OUT": str(into)}
    subprocess.run(["npm", "run", "--silent", "build"], cwd=SOURCES, env=environment, check=True)


def differing(one: Path, other: Path) -> list[str]:
    """The files that are not the same in both, or in one only."""

    def found(place: Path) -> dict[str, bytes]:
        files = [path for path in place.rglob("*") if path.is_file()]
        return {path.relative_to(place).as_posix(): path.read_bytes() for path in files}

    here, there = found(one), found(other)
    return sorted(name for name in here | there if here.get(name) != there.get(name))


def main() -> int:
    """0, or 1 where the page is not current or cannot be built."""
    is_check = "--check" in sys.argv[1:]
    if lack := missing():
        print(f"The page was not {'checked' if is_check else 'built'}: {lack}.", file=sys.stderr)
        return 0 if is_check else 1
    try:
        install()
    except subprocess.CalledProcessError:
        print("The page's libraries could not be installed: npm says why above.", file=sys.stderr)
        # Without the network nothing can be built, and what is committed is what is used.
        return 0 if is_check else 1
    if not is_check:
        make_types(TYPES)
        build(BUILT)
        return 0
    with tempfile.TemporaryDirectory() as place:
        built, types = Path(place) / "page", Path(place) / TYPES.name
        make_types(types)
        build(built)
        stale = [f"src/panal/web/page/{name}" for name in differing(BUILT, built)]
        if not filecmp.cmp(TYPES, types, shallow=False):
            stale.append("page/src/openapi.d.ts")
    for name in stale:
        print(f"{name} is not what page/ and docs/openapi.json make: make page", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
