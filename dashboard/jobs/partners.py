"""What partners earned is approved without anybody waiting, once the hold of their contract is over.

Batches of their own transactions, each under the locks of the accounts it concerns: a worker that was
killed leaves whole batches, and of two workers each earning is approved by one.
"""

import datetime as dt
from collections.abc import Callable
from functools import partial

from dashboard import db
from dashboard.services import partner_approvals

BATCH = 10_000
"""A settlement of the same partners waits no longer than this many rows take."""


def approve(now: dt.datetime, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Approve every earning whose hold is over; how many there were."""
    count = 0
    while not should_stop():
        approved = db.transact(partial(partner_approvals.approve_due, now=now, limit=BATCH))
        if not approved:
            break
        count += approved
    return count
