"""`/metrics` for Prometheus: what was counted, and how things stand in this process and in the database.

There is no such page unless PURSER_METRICS_TOKEN is set.
"""

import hmac
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy import QueuePool
from sqlalchemy.exc import SQLAlchemyError

from dashboard import clock, db, metrics
from dashboard.config import settings
from dashboard.metrics import Gauge
from dashboard.queries import operations
from dashboard.queries.operations import State
from dashboard.views.access import public

bp = Blueprint("metrics", __name__)


def init_app(app: Flask) -> None:
    """Add the page if somebody may read it."""
    if settings().metrics_token is not None:
        app.register_blueprint(bp)


@bp.get("/metrics")
@public
def show() -> ResponseReturnValue:
    """Everything, in the text format; 401 without the token."""
    if not _may_read():
        return Response(status=401, headers={"WWW-Authenticate": "Bearer"})
    text, media_type = metrics.exposed([*_of_this_process(), *_of_the_database()])
    return Response(text, content_type=media_type)


def _may_read() -> bool:
    token = settings().metrics_token
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    return (
        token is not None
        and kind == "Bearer"
        and hmac.compare_digest(given.encode(), token.get_secret_value().encode())
    )


def _of_this_process() -> Iterator[Gauge]:
    pool = db.alchemy.engine.pool
    if isinstance(pool, QueuePool):
        yield Gauge("purser_pool_size", "Connections that the pool keeps open.", pool.size())
        yield Gauge("purser_pool_in_use", "Connections that requests hold.", pool.checkedout())
    streams = current_app.extensions["live"].count()
    yield Gauge("purser_live_streams", "Open pages that follow changes.", streams)


def _of_the_database() -> Iterator[Gauge]:
    state = _state()
    yield Gauge("purser_database_up", "1 if the database answers.", int(state is not None))
    if state is None:
        return
    by_state = {"waiting": state.jobs_waiting, "running": state.jobs_running, "failed": state.jobs_failed}
    for name, count in by_state.items():
        yield Gauge("purser_jobs", "Jobs in the queue, by state.", count, {"state": name})
    if state.worker_seen_at is not None:
        age = (clock.now() - state.worker_seen_at).total_seconds()
        yield Gauge("purser_worker_seen_seconds", "Since the worker's last sign of life.", age)


def _state() -> State | None:
    try:
        with db.reading() as session:
            return operations.get_state(session)
    except SQLAlchemyError:
        return None
