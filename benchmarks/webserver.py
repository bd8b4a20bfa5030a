"""nginx on one port, serving one folder: what curl and aria2 fetch from."""

import contextlib
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.hosts import CannotRun
from benchmarks.processes import Program, poll

_CONFIGURATION = """\
daemon off; worker_processes auto; pid {state}/pid; error_log {state}/errors;
{user}
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; sendfile_max_chunk 2m;
  client_body_temp_path {state}/body; proxy_temp_path {state}/proxy;
  fastcgi_temp_path {state}/fastcgi; uwsgi_temp_path {state}/uwsgi; scgi_temp_path {state}/scgi;
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def need(*programs: str) -> None:
    """CannotRun, naming what is missing."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise CannotRun(f"not installed: {', '.join(missing)}")


@contextlib.contextmanager
def nginx(folder: Path, port: int) -> Iterator[str]:
    """The URL of a folder, for the time of a `with`."""
    need("nginx")
    with tempfile.TemporaryDirectory(prefix="panal-bench-nginx-") as state:
        configuration = Path(state, "nginx.conf")
        user = "user root;" if os.geteuid() == 0 else ""
        words = {"state": state, "folder": folder, "port": port, "user": user}
        configuration.write_text(_CONFIGURATION.format(**words))
        program = Program(["nginx", "-c", str(configuration)])
        try:
            url = f"http://127.0.0.1:{port}"
            poll(lambda: _answers(url), "nginx")
            yield url
        finally:
            program.stop()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url + "/").close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
