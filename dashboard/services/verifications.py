"""Asking the worker for a proof of everything: it takes longer than a request should."""

import datetime as dt

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy.orm import Session

from dashboard.services import staff_log
from dashboard.services.actors import Actor

TASK = "nightly:verify"
"""As `jobs/nightly.py` calls it; jobs are asked for by name, because services know no jobs."""
QUEUEING_LOCK = "verify"

_queue = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


def ask(session: Session, *, actor: Actor, now: dt.datetime) -> bool:
    """Put a proof into the queue; False where one waits there already. It exists once this is committed."""
    try:
        with session.begin_nested():  # being second is an error of the statement, not of the caller's work
            connection = session.connection().connection.driver_connection
            _queue.configure_task(TASK, queueing_lock=QUEUEING_LOCK, connection=connection).defer(
                timestamp=int(now.timestamp())
            )
    except AlreadyEnqueued:
        return False
    staff_log.record(session, actor, "verification.requested", now=now)
    return True
