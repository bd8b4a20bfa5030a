"""A real PostgreSQL that tests start themselves, in a folder of its own, without a port."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

_OPTIONS = (
    "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=100"
    " -c shared_buffers=32MB -c autovacuum=off -c log_min_messages=fatal"
)
_USER = "panal"


def server_programs() -> Path | None:
    """Where the newest installed server's programs lie; None where there is none."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3])
    )
    named = shutil.which("pg_ctl")
    return found[-1].parent if found else Path(named).parent if named else None


class PostgresServer:
    """One cluster, from `start` to `remove`; it can be stopped and started between."""

    def __init__(
        self, programs: Path, like: "PostgresServer | None" = None, options: str = _OPTIONS
    ) -> None:
        """A new cluster, or one like another that was never started, which is made sooner.

        `options` are the server's; those of the tests keep nothing safe and gather no statistics.
        """
        self.programs = programs
        self._options = options
        # Short: the path of a socket has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="panal-pg-"))
        self._data = self.folder / "data"
        self._account = _account()
        self._watch: subprocess.Popen[bytes] | None = None
        if self._account is not None:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        if like is not None:
            subprocess.run(["cp", "-r", like._data, self._data], check=True, **self._as())
            return
        self.run(
            "initdb", "-D", str(self._data), "-U", _USER, "--auth=trust", "--no-sync",
            "--encoding=UTF8", "--locale=C.UTF-8",
        )  # fmt: skip

    def url(self, database: str = "postgres", user: str = _USER) -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def start(self) -> None:
        log = self.folder / "log"
        options = f"-k {self.folder} {self._options}"
        self.run("pg_ctl", "-D", str(self._data), "-w", "-l", str(log), "-o", options, "start")

        # Where the tests are killed, it ends with them.
        end = 'read _; kill -QUIT "$(head -n 1 "$0/postmaster.pid")"'
        self._watch = subprocess.Popen(
            ["sh", "-c", end, self._data],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **self._as(),
        )

    def stop(self, how: str = "fast") -> None:
        self.run("pg_ctl", "-D", str(self._data), "-w", "-m", how, "stop")
        self._end_watch()

    def start_as_standby(self) -> None:
        """As a primary that was demoted: it answers, and takes no writes until `promote`."""
        signal_file = self._data / "standby.signal"
        signal_file.touch()
        if self._account is not None:
            os.chown(signal_file, self._account.pw_uid, self._account.pw_gid)
        self.start()

    def demote(self) -> None:
        self.stop()
        self.start_as_standby()

    def promote(self) -> None:
        self.run("pg_ctl", "-D", str(self._data), "-w", "promote")

    def ask_for_passwords(self) -> None:
        """From now on nobody comes in without."""
        (self._data / "pg_hba.conf").write_text("local all all scram-sha-256\n")
        self.run("pg_ctl", "-D", str(self._data), "-w", "reload")

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql prints for a statement, bare."""
        url = self.url(database)
        return self.run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, url
        )

    def remove(self) -> None:
        with suppress(FileNotFoundError):
            self.go_on()
        subprocess.run(
            [self.programs / "pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop"],
            capture_output=True, check=False, cwd="/", **self._as(),
        )  # fmt: skip
        self._end_watch()
        shutil.rmtree(self.folder, ignore_errors=True)  # it may just remove its socket itself

    def hang(self) -> None:
        """From now on it takes connections and says nothing, until `go_on`."""
        os.kill(self.main_pid(), signal.SIGSTOP)  # first: it would start others
        for process in self._others():
            os.kill(process, signal.SIGSTOP)

    def go_on(self) -> None:
        for process in (*self._others(), self.main_pid()):
            with suppress(ProcessLookupError):  # one that has just ended
                os.kill(process, signal.SIGCONT)

    def _others(self) -> list[int]:
        main = self.main_pid()
        return [int(n) for n in Path(f"/proc/{main}/task/{main}/children").read_text().split()]

    def main_pid(self) -> int:
        """The process that starts all the others."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def _end_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.communicate()

    def run(self, program: str, *arguments: str) -> str:
        """One of its programs; what psql prints."""
        done = subprocess.run(
            [self.programs / program, *arguments],
            stdin=subprocess.DEVNULL,
            # A file, not a pipe: the server keeps it open.
            stdout=subprocess.PIPE if program == "psql" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if program == "psql" else subprocess.DEVNULL,
            text=True,
            check=False,
            cwd="/",
            **self._as(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} {arguments[-1]} failed: {done.stdout}")
        return (done.stdout or "").strip()

    def _as(self) -> dict[str, Any]:
        account = self._account
        if account is None:
            return {}
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _account() -> pwd.struct_passwd | None:
    """Whom to run as; None for ourselves. The server refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
