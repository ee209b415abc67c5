"""Rollups follow the journals without anybody waiting for it.

Batches of their own transactions: a worker that was killed leaves whole batches, and of two workers one
counts at a time.
"""

import datetime as dt
from collections.abc import Callable
from functools import partial

from dashboard import db
from dashboard.services import rollups


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
