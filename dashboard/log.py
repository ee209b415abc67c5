"""The log: one JSON line per event on standard error, made of listed fields only.

A field that is not listed is left out and named in `dropped`: no secret, no session id, no typed text
and no e-mail address can slip in because somebody logged an object that holds one.
"""

import logging
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
        "error", "sqlstate", "frames", "reason",
        "job", "count", "balances", "entries", "anchor", "attempt", "wait_seconds",
    }
)  # fmt: skip


_PACKAGE = Path(__file__).resolve().parent


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
