"""Closing while sixteen people bet: nothing is taken afterwards, nothing is left over, nobody waits long."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from threading import Semaphore

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.errors import Conflict
from dashboard.services import bets, rounds, settlement
from dashboard.services.actors import SYSTEM
from tests.builders import NOW, make_game, make_operator, make_player
from tests.concurrency.together import at_once, prove

BETTORS, BETS_BEFORE = 16, 25
MEDIAN_SECONDS, MOST_SECONDS = 0.1, 0.5
_COUNTED = text("""
SELECT r.state, r.bets, (SELECT count(*) FROM bets WHERE round_id = r.id) AS found,
       (SELECT count(*) FROM bets WHERE round_id = r.id AND state = 'pending') AS pending
FROM rounds r WHERE r.id = :r
""")


def make(session: Session, *, tables: int, betting_seconds: int) -> tuple[list[int], list[int]]:
    """Tables to be closed one after the other, and a player for everybody who bets."""
    operator_id = make_operator(session)
    made = [
        make_game(session, operator_id=operator_id, betting_seconds=betting_seconds) for _ in range(tables)
    ]
    players = [
        make_player(session, operator_id=operator_id, balance_minor=100_000_00) for _ in range(BETTORS)
    ]
    return made, players


def bettor(round_id: int, player: int, placed: Semaphore) -> Callable[[], int]:
    """Bets until nothing is taken any more; how many were."""

    def work() -> int:
        for accepted in count():
            wager = bets.Wager(player, round_id, "andar", 1_00, f"{round_id}:{accepted}")
            try:
                db.transact(partial(bets.place, wager=wager, actor=SYSTEM, now=clock.now()))
            except Conflict:
                return accepted
            placed.release()
        raise AssertionError("unreachable")

    return work


def by_hand(round_id: int) -> float:
    """How many seconds it takes."""
    begun = time.perf_counter()
    rounds.close(db.transact, round_id=round_id, stage=1, actor=SYSTEM, now=clock.now())
    return time.perf_counter() - begun


def by_the_clock(round_id: int) -> float:
    """As the worker does it as soon as the time is over: nobody has kept the bettors off before."""
    is_due = False
    while not is_due:
        with db.reading() as session:
            is_due = round_id in rounds.due_to_lock(session)
    begun = time.perf_counter()
    db.transact(partial(rounds.lock, round_id=round_id, actor=SYSTEM, now=clock.now()))
    return time.perf_counter() - begun


@pytest.mark.parametrize(
    ("close", "closings", "betting_seconds"), [(by_hand, 20, 3600), (by_the_clock, 3, 1)]
)
def test_the_close_waits_for_what_has_begun_and_no_longer(
    app: Flask, close: Callable[[int], float], closings: int, betting_seconds: int
) -> None:
    with app.app_context():
        tables, players = db.transact(partial(make, tables=closings, betting_seconds=betting_seconds))
    took = []
    for table in tables:
        with app.app_context():
            round_id = db.transact(partial(rounds.open, game_id=table, actor=SYSTEM, now=NOW))
        placed = Semaphore(0)

        def closer(round_id: int = round_id, placed: Semaphore = placed) -> float:
            for _ in range(BETS_BEFORE):
                placed.acquire()
            return close(round_id)

        betting = [bettor(round_id, player, placed) for player in players]
        *accepted, seconds = at_once(app, [*betting, closer])

        assert isinstance(seconds, float), seconds
        took.append(seconds)
        with app.app_context():
            db.transact(partial(rounds.deal, round_id=round_id, actor=SYSTEM, now=NOW))
            settlement.settle(db.transact, round_id=round_id, actor=SYSTEM, now=NOW)
            with db.reading() as session:
                row = session.execute(_COUNTED, {"r": round_id}).one()
        total = sum(each for each in accepted if isinstance(each, int))
        assert (row.state, row.bets, row.found, row.pending) == ("settled", total, total, 0)
    assert statistics.median(took) < MEDIAN_SECONDS
    assert max(took) < MOST_SECONDS
    prove(app, players[0])
