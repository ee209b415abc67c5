"""Loyalty without anybody waiting for it: points lapse, tiers are renewed or lost, notices are given.

Batches of their own transactions: a worker that was killed leaves whole batches, and the next one goes on.
Of two workers each point lapses once, and each notice is given by one.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from sqlalchemy.exc import DBAPIError

from dashboard import clock, db, live
from dashboard.jobs.application import application
from dashboard.services import loyalty_expiry, loyalty_notices, loyalty_sums

EVERY_SECONDS = 60.0
"""A day ends at another hour for each operator, and nothing is due for long after it has."""
NOTICE_EVERY_SECONDS = 3600.0
BATCH = 1_000
"""So many batches of points lapse in a transaction; an act of one of their members waits for it."""
REVIEWED_AT_ONCE = 50
NOTICED_AT_ONCE = 1_000

_log = logging.getLogger(__name__)


def expire(now: dt.datetime, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Let all lapse whose last day is over; how many batches of points there were."""
    count = 0
    while not should_stop():
        lapsed = db.transact(partial(loyalty_expiry.expire_due, now=now, limit=BATCH))
        if not lapsed:
            break
        _tell((each.operator_id, each.player_id) for each in lapsed)
        count += sum(each.batches for each in lapsed)
    return count


def review(now: dt.datetime, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Renew or take away every tier whose last day is over; how many members there were."""
    count = 0
    while not should_stop():
        reviewed = db.transact(partial(loyalty_expiry.review_due, now=now, limit=REVIEWED_AT_ONCE))
        if not reviewed:
            break
        _tell(reviewed)
        count += len(reviewed)
    return count


def give_notice(now: dt.datetime, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Give every notice that is due; how many there were."""
    count = 0
    while not should_stop():
        noticed = db.transact(partial(loyalty_notices.give, now=now, limit=NOTICED_AT_ONCE))
        if not noticed:
            break
        _tell(noticed)
        count += len(noticed)
    return count


def fold_sums() -> None:
    """Make one row of those that acts have added to each sum."""
    db.transact(loyalty_sums.fold)


def mend_sums() -> int:
    """Count what processes of an older release have written and not counted; how many sums were wrong."""
    mended = db.transact(loyalty_sums.mend)
    if mended:
        _log.warning("%s sums of loyalty were not those of the entries", mended)
    return mended


def keep_days(stop: threading.Event) -> None:
    """Do all of it until `stop` is set. A database that is away is asked again.

    A loop of its own: after weeks without a worker it is at it for long, and held changes do not wait.
    """
    noticed_at, pause, is_mended = float("-inf"), 0.0, False
    with application().app_context():
        while not stop.wait(pause):
            pause = EVERY_SECONDS
            try:
                if not is_mended:
                    mend_sums()
                    is_mended = True
                fold_sums()
                expire(clock.now(), should_stop=stop.is_set)
                review(clock.now(), should_stop=stop.is_set)
                if time.monotonic() >= noticed_at + NOTICE_EVERY_SECONDS:
                    give_notice(clock.now(), should_stop=stop.is_set)
                    noticed_at = time.monotonic()
            except DBAPIError:
                _log.exception("keeping days")


def _tell(players: Iterable[tuple[int, int]]) -> None:
    for operator_id, player_id in sorted(set(players)):
        live.tell_player(operator_id=operator_id, player_id=player_id)
