"""One `panal` command in this process, beside a network that runs in the test's own loop."""

import asyncio
import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from panal.cli.main import main


@dataclass
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        (line,) = self.out.splitlines()
        return json.loads(line)


def said(*words: str) -> Said:
    """Run a command to its end."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(words))
        except SystemExit as ended:
            code = int(ended.code or 0)
    assert "Traceback" not in err.getvalue()
    return Said(code, out.getvalue(), err.getvalue())


async def panal(*words: str) -> Said:
    """Run a command in a thread, so that the network goes on meanwhile."""
    return await asyncio.to_thread(said, *words)
