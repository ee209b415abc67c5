"""What is due to the second: held changes are posted when their time comes; what waited too long lapses,
bonuses that were not cleared in time expire, and what partners earned is approved after its hold.

A loop of its own beside the queue, which counts in minutes. Every step is one transaction that begins
with the lock of one request: a worker that was killed, or two of them, post each change once.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from dashboard import clock, db, live
from dashboard.errors import Conflict, Rejected
from dashboard.jobs import bonuses, partners
from dashboard.jobs.application import application
from dashboard.services import change_requests, points_requests, round_requests, settings_requests
from dashboard.services.actors import SYSTEM

EVERY_SECONDS = 1.0
LAPSE_EVERY_SECONDS = 60.0

_log = logging.getLogger(__name__)


def post_due(now: dt.datetime) -> int:
    """Post every held change whose time has come; how many ended, posted or refused."""
    with db.reading() as session:
        due = change_requests.due(session, now=now)
    return sum(_end(operator_id, player_id, request_id, now) for operator_id, player_id, request_id in due)


def lapse(now: dt.datetime) -> int:
    """End what has waited too long; how many there were."""
    ended = db.transact(partial(change_requests.lapse, now=now))
    for operator_id, player_id in set(ended):
        live.tell_request(operator_id=operator_id, player_id=player_id)
    others = db.transact(partial(settings_requests.lapse, now=now))
    others += db.transact(partial(round_requests.lapse, now=now))
    others += db.transact(partial(points_requests.lapse, now=now))
    for operator_id in set(others):
        live.tell(live.approvals_of(operator_id))
    return len(ended) + len(others)


def keep_ticking(stop: threading.Event) -> None:
    """Do all of it until `stop` is set. A database that is away is asked again."""
    lapsed_at = float("-inf")
    with application().app_context():
        while not stop.wait(EVERY_SECONDS):
            try:
                post_due(clock.now())
                if time.monotonic() >= lapsed_at + LAPSE_EVERY_SECONDS:
                    lapsed_at = time.monotonic()
                    lapse(clock.now())
                    bonuses.expire(clock.now(), should_stop=stop.is_set)
                    bonuses.begin(clock.now())
                    partners.approve(clock.now(), should_stop=stop.is_set)
            except DBAPIError:
                _log.exception("ticking")


def _end(operator_id: int, player_id: int, request_id: int, now: dt.datetime) -> bool:
    """Post one, or end it as refused; False where somebody else ended it meanwhile."""
    try:
        db.transact(_poster(player_id, request_id, now))
    except Conflict:
        return False
    except Rejected as refused:
        db.transact(
            partial(
                change_requests.refuse_held,
                player_id=player_id,
                request_id=request_id,
                refused=refused,
                now=now,
            )
        )
    live.tell_player(operator_id=operator_id, player_id=player_id)
    return True


def _poster(player_id: int, request_id: int, now: dt.datetime) -> Callable[[Session], object]:
    return lambda session: change_requests.post_held(
        session, player_id=player_id, request_id=request_id, actor=SYSTEM, now=now
    )
