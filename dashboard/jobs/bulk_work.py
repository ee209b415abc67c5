"""Lists of changes that are checked and posted without anybody waiting: to the end, or until cancelled.

A worker that was killed leaves a run as it was after its last row; the next one goes on from there.
"""

import time
from collections.abc import Callable
from functools import partial

from dashboard import clock, db, live
from dashboard.models.bulk import BulkMode
from dashboard.services import bulk, bulk_check, bulk_posting

LOCK_TIMEOUT_MS = 10_000
CHECKED_AT_A_TIME = 250
TELL_EVERY_SECONDS = 1.0


def take_up() -> None:
    """Put back into the queue whatever a worker left half-way."""
    db.transact(bulk.take_up)


def go_on(run_id: int, *, should_stop: Callable[[], bool]) -> None:
    """Check or post a list, whichever it is at; returns at the next row once it should stop."""
    bulk_check.check(
        db.transact,
        partial(db.rehearsing, lock_timeout_ms=LOCK_TIMEOUT_MS),
        run_id=run_id,
        now=clock.now,
        batch=CHECKED_AT_A_TIME,
        should_stop=should_stop,
    )
    match db.transact(partial(bulk_posting.mode_of, run_id=run_id)):
        case BulkMode.ALL_OR_NOTHING:
            _post_all(run_id, should_stop)
        case BulkMode.BEST_EFFORT:
            _post_each(run_id, should_stop)


def _post_each(run_id: int, should_stop: Callable[[], bool]) -> None:
    touched: set[int] = set()
    told_at = time.monotonic()
    while not should_stop():
        player_id = db.transact(partial(bulk_posting.post_next, run_id=run_id, now=clock.now()))
        if player_id is None:
            break
        touched.add(player_id)
        if time.monotonic() - told_at >= TELL_EVERY_SECONDS:
            _tell(run_id, touched)
            touched, told_at = set(), time.monotonic()
    _tell(run_id, touched)


def _post_all(run_id: int, should_stop: Callable[[], bool]) -> None:
    now = clock.now()
    try:
        players = db.transact(partial(bulk_posting.post_all, run_id=run_id, now=now, should_stop=should_stop))
    except bulk_posting.RowsRefused as refused:
        db.transact(partial(bulk_posting.put_back, run_id=run_id, refused=refused, now=now))
    except bulk_posting.Interrupted:
        return
    else:
        _tell(run_id, set(players))


def _tell(run_id: int, players: set[int]) -> None:
    """Let open pages look again."""
    with db.reading() as session:
        operator_id = bulk.look(session, run_id).operator_id
    for player_id in sorted(players):
        live.tell_player(operator_id=operator_id, player_id=player_id)
