"""What is done once a day: an anchor for the day that ended, and proof that nothing differs."""

from functools import cache

import procrastinate
from flask import Flask

import dashboard
from dashboard import clock, db, keys
from dashboard.config import settings

tasks = procrastinate.Blueprint()
# A job may take minutes where a request may take seconds.
_ENGINE = {
    "pool_size": 2,
    "hide_parameters": True,
    "connect_args": {
        "application_name": "purser-worker",
        "options": "-c statement_timeout=10min -c idle_in_transaction_session_timeout=10min",
    },
}
_RETRY = procrastinate.RetryStrategy(max_attempts=5, wait=300)


@cache
def _app() -> Flask:
    return dashboard.create_app(SQLALCHEMY_ENGINE_OPTIONS=_ENGINE)


@tasks.periodic(cron="5 0 * * *")
@tasks.task(name="anchor", queueing_lock="anchor", retry=_RETRY)
def anchor(timestamp: int) -> None:
    """Take the daily anchor, at 00:05 UTC."""
    from dashboard.services import audit  # noqa: PLC0415 - the queue is read by commands that need no services

    with _app().app_context():
        audit.take_anchor(
            db.reading, db.transact, key=keys.anchor_key(), folder=settings().anchor_folder, now=clock.now()
        )


@tasks.periodic(cron="10 3 * * *")
@tasks.task(name="verify", queueing_lock="verify", retry=_RETRY)
def verify(timestamp: int) -> None:
    """Verify everything and record the result, at 03:10 UTC."""
    from dashboard.services import audit  # noqa: PLC0415 - the queue is read by commands that need no services

    with _app().app_context():
        audit.verify_and_record(
            db.reading, db.transact, key=keys.anchor_key(), folder=settings().anchor_folder, now=clock.now()
        )
