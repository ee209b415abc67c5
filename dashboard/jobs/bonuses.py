"""Bonuses without anybody waiting for it: what is due expires, and queues move up where there is room.

Batches of their own transactions: a worker that was killed leaves whole batches, and the next one goes on.
Of two workers each grant is ended by one.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from functools import partial

from dashboard import db, live
from dashboard.services import bonus_endings, bonuses

BATCH = 500


def expire(now: dt.datetime, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """End every grant whose time is over; how many there were."""
    count = 0
    while not should_stop():
        ended = db.transact(partial(bonus_endings.expire_due, now=now, limit=BATCH))
        if not ended:
            break
        _tell((done.operator_id, done.player_id) for done in ended)
        count += len(ended)
    return count


def begin(now: dt.datetime) -> int:
    """Give queued grants their turn where there is room; how many began."""
    with db.reading() as session:
        found = bonuses.with_room(session, limit=BATCH)
    keys = [(player_id, currency) for _, player_id, currency in found]
    begun = db.transact(partial(bonuses.activate_queued, keys=keys, now=now)) if keys else []
    _tell((operator_id, player_id) for operator_id, player_id, _ in found)
    return len(begun)


def _tell(players: Iterable[tuple[int, int]]) -> None:
    for operator_id, player_id in sorted(set(players)):
        live.tell_player(operator_id=operator_id, player_id=player_id)
