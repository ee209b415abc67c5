"""Several workers at the same tables: each step once, each bet paid once."""

import datetime as dt
from functools import partial

from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.jobs import playing
from dashboard.jobs.playing import SETTLING, STEPPING, Player
from dashboard.services import bets
from dashboard.services.actors import SYSTEM
from tests.builders import NOW, make_game, make_operator, make_player
from tests.concurrency.together import at_once, prove

WORKERS, TABLES, PLAYERS, ROUNDS = 4, 3, 6, 3


def test_four_workers_play_each_round_once(app: Flask) -> None:
    def make(session: Session) -> tuple[list[int], list[int]]:
        operator_id = make_operator(session)
        rules = ("standard", "colour start", "three-stage")
        tables = [
            make_game(session, operator_id=operator_id, rules=name, is_running=True, pause_seconds=1)
            for name in rules
        ]
        made = [make_player(session, operator_id=operator_id, balance_minor=1_000_00) for _ in range(PLAYERS)]
        return tables, made

    with app.app_context():
        tables, players = db.transact(make)
    moment = [NOW]

    def work() -> int:
        done = Player(STEPPING).play(lambda: moment[0]) + Player(SETTLING).play(lambda: moment[0])
        playing.resume(moment[0])
        return done

    for _ in range(ROUNDS):
        moment[0] += dt.timedelta(seconds=1)
        at_once(app, [work] * WORKERS)
        with app.app_context():
            _bet(tables, players)
        while _live(app):
            with app.app_context():
                db.transact(_let_time_pass)
            results = at_once(app, [work] * WORKERS)
            assert not [result for result in results if isinstance(result, Exception)]

    with app.app_context(), db.reading() as session:
        counted = text("SELECT game_id, count(*), count(DISTINCT number), sum(bets) FROM rounds GROUP BY 1")
        assert sorted(session.execute(counted).all()) == [
            (table, ROUNDS, ROUNDS, ROUNDS * PLAYERS) for table in sorted(tables)
        ]
        assert session.scalar(text("SELECT count(*) FROM bets WHERE state = 'pending'")) == 0
        settlements = text("SELECT count(*) FROM wallet_entries WHERE change_type = 'settlement'")
        paid = text(
            "SELECT count(*) FROM (SELECT DISTINCT player_id, round_id FROM bets WHERE payout > 0) AS p"
        )
        assert session.scalar(settlements) == session.scalar(paid)
    for player in players:
        prove(app, player)


def _bet(tables: list[int], players: list[int]) -> None:
    with db.reading() as session:
        opened = session.execute(text("SELECT id FROM rounds WHERE state = 'betting'")).scalars().all()
    assert len(opened) == len(tables)
    for round_id in opened:
        for place, player in enumerate(players):
            selection = "andar" if place % 2 else "bahar"
            wager = bets.Wager(player, round_id, selection, 10_00, f"bet-{round_id}")
            db.transact(partial(bets.place, wager=wager, actor=SYSTEM, now=NOW))


def _live(app: Flask) -> int:
    with app.app_context(), db.reading() as session:
        query = text("SELECT count(*) FROM rounds WHERE state NOT IN ('settled', 'voided')")
        return int(session.execute(query).scalar_one())


def _let_time_pass(session: Session) -> None:
    session.execute(text("UPDATE rounds SET betting_ends_at = clock_timestamp() WHERE state = 'betting'"))
