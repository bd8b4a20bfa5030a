"""Run a peer: `python peer.py peer_1 5000 ./peer1_files`. All it does is find the package."""

import os
import sys
from pathlib import Path

try:
    from panal.cli.main import main
except ImportError:
    venv = Path(__file__).resolve().parent.parent / ".venv"
    if (venv / "bin" / "python").exists() and Path(sys.prefix).resolve() != venv.resolve():
        python = str(venv / "bin" / "python")
        os.execv(python, [python, *sys.argv])
    sys.exit(
        f"Panal is not installed. Run: "
        f"{sys.executable} -m venv {venv} && {venv}/bin/pip install {venv.parent}"
    )

words = sys.argv[1:]
if not words or words[0].startswith("--tracker"):
    words = ["peer_1", "5000", "./files", *words]
main(["peer", *words])
