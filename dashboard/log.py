"""The log: one JSON line per event on standard error, made of listed fields only.

A field that is not listed is left out and named in `dropped`: no secret, no session id, no typed text
and no e-mail address can slip in because somebody logged an object that holds one.
"""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

FIELDS = frozenset(
    {
        "event", "level", "at",
        "request_id", "user_id", "operator_id", "address",
        "method", "path", "endpoint", "status", "duration_ms",
        "error", "sqlstate", "frames", "reason", "logger", "action",
        "job", "count", "balances", "entries", "anchor", "attempt", "wait_seconds",
    }
)  # fmt: skip


_PACKAGE = Path(__file__).resolve().parent
_OURS = "dashboard."
_SEGMENT = re.compile(r"[A-Za-z0-9._-]{0,32}")
_HIDDEN = "…"


class _StandardError:
    """Looks standard error up at each line, so that whoever replaces it gets the lines."""

    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")

    info = warning = error = msg


def _listed_only(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    dropped = sorted(set(fields) - FIELDS)
    kept = {name: value for name, value in fields.items() if name in FIELDS and value is not None}
    return {**kept, "dropped": dropped} if dropped else kept


structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _listed_only,
        structlog.processors.JSONRenderer(),
    ],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    logger_factory=lambda *_: _StandardError(),
    cache_logger_on_first_use=False,
)
_logger = structlog.get_logger()


class _FromLibraries(logging.Handler):
    """What libraries log, and we by `logging`: who, where and what kind of error.

    Their messages are left out, since they quote whatever they were working on; of ours, which are
    constant, the arguments.
    """

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            "logger": record.name,
            "action": getattr(record, "action", None),
            "reason": str(record.msg) if record.name.startswith(_OURS) else None,
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            failure("logged", error, **fields)
        else:
            at = f"{record.filename}:{record.lineno} {record.funcName}"
            _logger.log(record.levelno, "logged", frames=[at], **fields)


logging.getLogger().addHandler(_FromLibraries(logging.WARNING))


def shown(path: str) -> str:
    """A path as it may be logged: parts that are no short plain word, such as a token, are hidden."""
    return "/".join(part if _SEGMENT.fullmatch(part) else _HIDDEN for part in path.split("/"))


def event(name: str, **fields: object) -> None:
    """Log that something happened; `fields` are of those in FIELDS."""
    _logger.info(name, **fields)


def failure(name: str, error: BaseException, **fields: object) -> None:
    """Log an error by its kind and where it rose. Its message is left out: it may quote what was typed."""
    rose = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in rose[:-1] if Path(frame.filename).is_relative_to(_PACKAGE)]
    frames = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in [*ours, *rose[-1:]]]
    _logger.error(
        name,
        error=type(error).__name__,
        sqlstate=getattr(getattr(error, "orig", None), "sqlstate", None),
        frames=frames,
        **fields,
    )
