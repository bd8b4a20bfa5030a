"""Generate src/panal/wire/tracker_pb2*.py from tracker/tracker.proto, or check them.

The compiler is run through the package path, so that the stubs import each other as
`panal.wire`; run in place it writes a bare `import tracker_pb2` (grpc/grpc#29390).

    python scripts/gen_stubs.py            write
    python scripts/gen_stubs.py --check    exit 1 where the committed files differ
"""

import shutil
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "tracker" / "tracker.proto"
STUBS = ROOT / "src" / "panal" / "wire"
NAMES = ("tracker_pb2.py", "tracker_pb2.pyi", "tracker_pb2_grpc.py")


def generate(into: Path) -> None:
    """Compile the schema; the stubs land in `into`/panal/wire."""
    proto = into / "panal" / "wire" / "tracker.proto"
    proto.parent.mkdir(parents=True)
    shutil.copyfile(SCHEMA, proto)
    include = Path(grpc_tools.__file__).parent / "_proto"
    outputs = [f"--python_out={into}", f"--pyi_out={into}", f"--grpc_python_out={into}"]
    code = protoc.main(["protoc", f"-I{into}", f"-I{include}", *outputs, str(proto)])
    if code != 0:
        raise SystemExit(f"protoc failed with code {code}.")


def main() -> None:
    """Write the stubs, or compare them."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = Path(folder) / "panal" / "wire"
        if "--check" not in sys.argv:
            for name in NAMES:
                shutil.copyfile(fresh / name, STUBS / name)
            return
        stale = [n for n in NAMES if (fresh / n).read_bytes() != (STUBS / n).read_bytes()]
    if stale:
        raise SystemExit(f"Stale stubs: {', '.join(stale)}. Run python scripts/gen_stubs.py.")


if __name__ == "__main__":
    main()
