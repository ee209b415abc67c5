"""Rollups follow the journals without anybody waiting for it.

Batches of their own transactions: a worker that was killed leaves whole batches, and of two workers one
counts at a time.
"""

import datetime as dt
import logging
import threading
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import DBAPIError

from dashboard import clock, db
from dashboard.jobs.application import application
from dashboard.services import rollups

EVERY_SECONDS = 30.0
"""Pages add what is younger by themselves; the fewer entries that are, the less they have to."""

_log = logging.getLogger(__name__)


def roll(now: dt.datetime, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Count all that is behind; how many entries. Notes when everything is."""
    count = 0
    db.transact(rollups.begin)
    while not should_stop():
        counted = db.transact(rollups.roll)
        if counted is None:
            break
        count += counted
        if not counted:
            db.transact(partial(rollups.passed, at=now))
            break
    return count


def keep_rolling(stop: threading.Event) -> None:
    """Count until `stop` is set. A database that is away is asked again.

    A loop of its own: a whole journal takes long to count, and held changes do not wait.
    """
    pause = 0.0
    with application().app_context():
        while not stop.wait(pause):
            pause = EVERY_SECONDS
            try:
                roll(clock.now(), should_stop=stop.is_set)
            except DBAPIError:
                _log.exception("rolling up")
