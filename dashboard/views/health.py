"""For whoever watches over the process: is it there, and can it work?"""

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate

from flask import Blueprint, Flask, Response, current_app, g, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from dashboard import clock, db, log, migrate
from dashboard.queries import operations
from dashboard.queries.operations import State
from dashboard.views.access import public
from dashboard.views.errors import RETRY_AFTER_SECONDS

bp = Blueprint("health", __name__)

PATIENCE_SECONDS = 1.0
_ASKING = "readiness"


class _Asking:
    """The question to the database that is under way: however many ask us, it is asked once at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: Future[State] | None = None

    def ask(self, app: Flask) -> State:
        """The answer within PATIENCE_SECONDS, or raises. A database that hangs holds one thread."""
        with self._lock:
            if self._pending is None or self._pending.done():
                self._pending = Future()
                threading.Thread(target=_fill, args=(app, self._pending), daemon=True).start()
            pending = self._pending
        return pending.result(PATIENCE_SECONDS)


@bp.record_once
def _remember(state: object) -> None:
    state.app.extensions[_ASKING] = _Asking()  # type: ignore[attr-defined]


@bp.get("/healthz")
@public
def live() -> ResponseReturnValue:
    """The process answers; asks nothing of the database."""
    return {"ok": True}


@bp.get("/readyz")
@public
def ready() -> ResponseReturnValue:
    """Whether work can be sent here: the database answers within a second, its schema is ours or newer.

    503 otherwise. When the worker was last seen is told, and decides nothing: without it the desk works.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    try:
        state = app.extensions[_ASKING].ask(app)
    except ProgrammingError as error:  # what is asked for is not there yet, or not ours to read
        log.failure("not ready", error, request_id=g.request_id)
        return _not_ready({"ok": False, "database": "ok", "schema": "behind"})
    except (SQLAlchemyError, TooLate) as error:
        log.failure("not ready", error, request_id=g.request_id)
        return _not_ready({"ok": False, "database": "unreachable"})
    if state.revision != migrate.head() and migrate.knows(state.revision or ""):
        return _not_ready({"ok": False, "database": "ok", "schema": "behind"})
    seen = (clock.now() - state.worker_seen_at).total_seconds() if state.worker_seen_at else None
    return {
        "ok": True,
        "database": "ok",
        "schema": "ok",
        "worker_seen_seconds_ago": None if seen is None else max(0, round(seen)),
    }


def _not_ready(why: dict[str, object]) -> Response:
    response = jsonify(why)
    response.status_code = 503
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _fill(app: Flask, future: "Future[State]") -> None:
    try:
        with app.app_context(), db.reading() as session:
            state = operations.get_state(session)
        future.set_result(state)  # when the connection is given back
    except Exception as error:  # carried to whoever waits for it
        future.set_exception(error)
