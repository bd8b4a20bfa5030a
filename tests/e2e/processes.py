"""Real programs as a user starts them: words out as they come, waits that end in words."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_S

REPOSITORY = Path(__file__).resolve().parents[2]


class Program:
    """One running command and what it has printed so far."""

    def __init__(self, words: list[str], cwd: Path, environment: dict[str, str]) -> None:
        self.words = words
        self.process = subprocess.Popen(
            words,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.printed: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, text: str) -> str:
        """The next line that contains `text`."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline_s - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                pytest.fail(f"{self.words} never said {text!r}; it said:\n{''.join(self.printed)}")
            self.printed.append(line)
            if text in line:
                return line

    def wait_for_each(self, *texts: str) -> None:
        """Lines that contain these texts, in whatever order."""
        missing = set(texts)
        while missing:
            line = self.wait_for("")
            missing = {text for text in missing if text not in line}

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """The exit code, all words read."""
        code = self.process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        while (line := self._lines.get_nowait()) is not None:
            self.printed.append(line)
        self._lines.put(None)
        return code

    @property
    def text(self) -> str:
        """Everything read so far."""
        return "".join(self.printed)


class Machine:
    """A user's copy of the repository's two folders, and the programs started in it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.programs: list[Program] = []
        for folder in ("tracker", "peer"):
            wanted = shutil.ignore_patterns("*_pb2*", "*_files", "files", "__pycache__")
            shutil.copytree(REPOSITORY / folder, place / folder, ignore=wanted)
        (place / ".venv").symlink_to(sys.prefix)
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("PANAL_") and key != "PYTHONPATH"
        } | {"XDG_STATE_HOME": str(place / "state"), "XDG_CONFIG_HOME": str(place / "config")}

    def start(
        self, *words: str, cwd: str = ".", environment: dict[str, str] | None = None
    ) -> Program:
        """Start a command; it is killed when the test ends."""
        settings = self.environment | (environment or {})
        program = Program(list(words), self.place / cwd, settings)
        self.programs.append(program)
        return program

    def run(self, *words: str, cwd: str = ".", code: int = 0) -> str:
        """Run a command to its end; what it wrote to stdout."""
        done = subprocess.run(
            words,
            cwd=self.place / cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    def panal(self, *words: str, code: int = 0) -> str:
        """Run `panal …` to its end."""
        return self.run(str(Path(sys.prefix) / "bin" / "panal"), *words, code=code)

    def tracker(self, *words: str) -> Program:
        """`cd tracker && python tracker.py`, ready."""
        program = self.start(sys.executable, "tracker.py", *words, cwd="tracker")
        program.wait_for("The tracker listens on")
        return program

    def peer(self, name: str, port: int, folder: str, *words: str) -> Program:
        """`cd peer && python peer.py NAME PORT FOLDER`, registered."""
        program = self.start(sys.executable, "peer.py", name, str(port), folder, *words, cwd="peer")
        program.wait_for(f"Registered as {name}")
        return program

    def stop(self) -> None:
        """End what still runs."""
        for program in self.programs:
            if program.process.poll() is None:
                program.process.kill()
                program.process.wait()


def need(program: str) -> str:
    """A program's path; the test is skipped, saying why, where it is missing."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed (make programs, as root)")
    return path
