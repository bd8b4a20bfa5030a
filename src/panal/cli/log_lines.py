"""What happens in a running program, a line an event: words on a terminal, JSON for a machine."""

import logging
import sys
from datetime import UTC, datetime

import click
import msgspec

from panal import request_ids


def log_to_stderr(level: int, log_format: str = "text") -> None:
    """Write the log to standard error: `text`, `json`, or `auto` by what stands there."""
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    logging.basicConfig(level=level, handlers=[handler])
    # It prints a traceback for each malformed request that anybody sends.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    logging.getLogger("grpc").setLevel(logging.CRITICAL)


def last_word(text: str) -> None:
    """Why this process ends: a line of its log where that is for machines, else for its user."""
    if any(isinstance(handler.formatter, JsonLines) for handler in logging.root.handlers):
        logging.getLogger("panal").error("%s", text)
    else:
        click.echo(f"panal: {text}", err=True)


class TextLines(logging.Formatter):
    """For people: the time of day and what happened; of a trouble also which request it met."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        """The line before any traceback."""
        line = super().formatMessage(record)
        request_id = request_ids.current()
        is_new = bool(request_id) and request_id not in line
        return (
            f"{line} (request {request_id})" if is_new and record.levelno > logging.INFO else line
        )


class LogLine(msgspec.Struct, omit_defaults=True):
    """One line of the log in JSON."""

    time: str
    """RFC 3339, UTC."""
    level: str
    """debug, info, warning, error or critical."""
    logger: str
    """Which part says it."""
    message: str
    """What happened."""
    request_id: str = ""
    """For which request or download, where it is for one; the same at a peer and its tracker."""
    exception: str = ""
    """The traceback of a fault of Panal's."""


class JsonLines(logging.Formatter):
    """For machines: one JSON document a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, which has no line break."""
        at = datetime.fromtimestamp(record.created, UTC)
        line = LogLine(
            time=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            level=record.levelname.lower(),
            logger=record.name,
            message=_encodable(record.getMessage()),
            request_id=request_ids.current(),
            exception=_encodable(self.formatException(record.exc_info)) if record.exc_info else "",
        )
        return msgspec.json.encode(line).decode("utf-8")


def _encodable(text: str) -> str:
    # A file's name may hold what is no character.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
