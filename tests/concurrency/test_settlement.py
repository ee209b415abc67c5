"""One big round settled by many at once, and cut off half-way: everybody is paid once, to the minor unit."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from dashboard import clock, db
from dashboard.errors import Conflict
from dashboard.services import bets, rounds, settlement
from dashboard.services.actors import SYSTEM
from tests.builders import NOW
from tests.concurrency.big_round import ANOTHER_ACE, KING, check, deal, fill, open_round, settler
from tests.concurrency.together import at_once, kinds

PLAYERS = 500


def test_twenty_settle_at_once_and_some_are_cut_off(app: Flask, tmp_path: Path) -> None:
    round_id, players = open_round(app, players=PLAYERS)
    fill(app, round_id, players)
    deal(app, round_id, ANOTHER_ACE)
    cut = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
      AND query LIKE '%WITH outcome AS%'
    """)
    over = threading.Event()
    cuts: list[int] = []

    def cut_twice() -> None:
        with app.app_context():
            while len(cuts) < 2 and not over.wait(0.002):
                with db.reading() as session:
                    cuts.extend(session.scalars(cut).all())

    cutting = threading.Thread(target=cut_twice)
    cutting.start()
    results = at_once(app, [settler(round_id)] * 20)
    over.set()
    cutting.join()

    assert set(kinds(results)) <= {"NoneType", "Conflict"}
    assert cuts, "nobody was cut off"
    check(app, round_id, "andar", tmp_path)


@pytest.mark.parametrize("is_settled", [False, True])
def test_a_void_gives_everything_back_once(app: Flask, tmp_path: Path, is_settled: bool) -> None:
    round_id, players = open_round(app, players=50)
    fill(app, round_id, players)
    if is_settled:
        deal(app, round_id, KING, ANOTHER_ACE)
        with app.app_context():
            settler(round_id)()

    def void() -> None:
        settlement.void(db.transact, round_id=round_id, reason="Power", actor=SYSTEM, now=NOW)

    results = at_once(app, [void] * 8)

    assert kinds(results)["NoneType"] >= 1
    if not is_settled:
        assert set(kinds(results)) <= {"NoneType", "Conflict"}
    check(app, round_id, "nobody", tmp_path)


def test_no_bet_is_taken_after_the_close(app: Flask) -> None:
    round_id, players = open_round(app, players=100)
    went_on = threading.Event()
    placed: list[int] = []

    def bet(number: int) -> Callable[[], int]:
        def work() -> int:
            accepted = 0
            for turn in range(32):
                player = players[(number * 32 + turn) % len(players)]
                wager = bets.Wager(player, round_id, "andar", 1_00, f"{number}:{turn}")
                try:
                    db.transact(partial(bets.place, wager=wager, actor=SYSTEM, now=clock.now()))
                except Conflict:
                    continue
                accepted += 1
                placed.append(number)
                if len(placed) > 100:
                    went_on.set()
            return accepted

        return work

    def close() -> int:
        went_on.wait(60)
        rounds.close(db.transact, round_id=round_id, stage=1, actor=SYSTEM, now=clock.now())
        with db.reading() as session:
            return int(
                session.execute(text("SELECT bets FROM rounds WHERE id = :r"), {"r": round_id}).scalar_one()
            )

    results = at_once(app, [*(bet(number) for number in range(16)), close])

    assert not [result for result in results if isinstance(result, Exception)]
    *accepted, at_the_close = results
    assert 100 < sum(accepted) < 16 * 32, "the close fell before or behind all of them"  # type: ignore[arg-type]
    assert at_the_close == sum(accepted)  # type: ignore[arg-type]
    deal_after(app, round_id)
    with app.app_context(), db.reading() as session:
        left = text("SELECT count(*) FROM bets WHERE round_id = :r AND state = 'pending'")
        assert session.execute(left, {"r": round_id}).scalar_one() == 0


def deal_after(app: Flask, round_id: int) -> None:
    """The cards of a round that is closed already, and its settlement."""
    with app.app_context():
        put = partial(
            rounds.deal_card, round_id=round_id, position=1, card=ANOTHER_ACE, actor=SYSTEM, now=NOW
        )
        db.transact(put)
        settler(round_id)()
