"""The worker plays by itself: from opening to settlement, and on from wherever another one left off."""

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import db, live
from dashboard.jobs import playing
from dashboard.jobs.playing import SETTLING, STEPPING, Player
from dashboard.models.game import Dealing
from dashboard.services import bets, rounds, settlement
from dashboard.services.actors import SYSTEM
from tests.builders import NOW, make_game, make_operator, make_player


@pytest.fixture
def app(app: Flask) -> Iterator[Flask]:
    """The application, in its context, as the worker has it."""
    with app.app_context():
        yield app


@pytest.fixture
def operator_id(app: Flask) -> int:
    return db.transact(make_operator)


def committed_game(operator_id: int, **given: Any) -> int:
    values = {"is_running": True, **given}
    return db.transact(lambda session: make_game(session, operator_id=operator_id, **values))


def committed_player(operator_id: int, balance_minor: int = 1_000_00) -> int:
    make = partial(make_player, operator_id=operator_id, balance_minor=balance_minor)
    return db.transact(make)


def play(now: dt.datetime = NOW, *, times: int = 1) -> int:
    """Both loops' work at that moment, by a worker that has just started."""
    return sum(Player(steps).play(lambda: now) for _ in range(times) for steps in (STEPPING, SETTLING))


def last_round(game_id: int) -> Row[Any]:
    query = text("SELECT * FROM rounds WHERE game_id = :g ORDER BY number DESC LIMIT 1")
    with db.reading() as session:
        return session.execute(query, {"g": game_id}).one()


def bet(round_id: int, player_id: int, selection: str = "andar", amount: int = 10_00) -> None:
    wager = bets.Wager(player_id, round_id, selection, amount, f"{selection}-{round_id}")
    db.transact(partial(bets.place, wager=wager, actor=SYSTEM, now=NOW))


def let_time_pass() -> None:
    """Betting is over everywhere, by the database's clock."""

    def end(session: Session) -> None:
        session.execute(text("UPDATE rounds SET betting_ends_at = clock_timestamp() WHERE state = 'betting'"))

    db.transact(end)


def paid(player_id: int) -> list[tuple[str, int]]:
    """The kinds and amounts of a player's entries after the opening."""
    query = text("""
    SELECT change_type, real_delta FROM wallet_entries WHERE player_id = :p AND sequence > 1 ORDER BY sequence
    """)
    with db.reading() as session:
        return [tuple(row) for row in session.execute(query, {"p": player_id})]


def test_a_running_game_is_played_from_opening_to_opening(app: Flask, operator_id: int) -> None:
    game_id = committed_game(operator_id, pause_seconds=5)
    player = committed_player(operator_id)

    assert play() == 1
    first = last_round(game_id)
    assert (first.state, first.number, first.opened_by) == ("betting", 1, "system")
    assert play() == 0
    bet(first.id, player, "andar")
    bet(first.id, player, "bahar")
    let_time_pass()
    assert play() == 3

    settled = last_round(game_id)
    assert (settled.id, settled.state, settled.bets, settled.staked) == (first.id, "settled", 2, 20_00)
    won = 19_00 if settled.winner == "andar" else 20_00
    assert paid(player) == [("wager", -10_00), ("wager", -10_00), ("settlement", won)]
    assert play(NOW + dt.timedelta(seconds=4)) == 0
    assert play(NOW + dt.timedelta(seconds=5)) == 1
    assert last_round(game_id).number == 2


def test_stages_are_opened_one_after_the_other(app: Flask, operator_id: int) -> None:
    game_id = committed_game(operator_id, rules="three-stage", pause_seconds=0)
    stages = set()
    for _ in range(40):
        play()
        stages.add((last_round(game_id).state, last_round(game_id).stage))
        if ("betting", 2) in stages:
            break
        let_time_pass()
    assert ("betting", 2) in stages


def test_it_is_stopped_after_the_round_that_is_played(app: Flask, operator_id: int) -> None:
    game_id = committed_game(operator_id, pause_seconds=0)
    play()

    def stop(session: Session) -> None:
        session.execute(text("UPDATE games SET is_running = false"))

    db.transact(stop)
    let_time_pass()
    play(times=2)

    assert (last_round(game_id).number, last_round(game_id).state) == (1, "settled")


class TestLeftHalfWay:
    """A worker was killed behind each of its steps; the next one goes on."""

    @pytest.fixture
    def game_id(self, operator_id: int) -> int:
        return committed_game(operator_id, pause_seconds=3600)

    @pytest.fixture
    def player(self, operator_id: int) -> int:
        return committed_player(operator_id)

    @pytest.fixture
    def round_id(self, game_id: int, player: int) -> int:
        """A round that is open, with two bets on it."""
        opened = db.transact(partial(rounds.open, game_id=game_id, actor=SYSTEM, now=NOW))
        bet(opened, player, "andar")
        bet(opened, player, "bahar")
        return opened

    @pytest.mark.parametrize("steps_done", range(6))
    def test_it_is_played_to_its_end_and_paid_once(
        self, game_id: int, round_id: int, player: int, steps_done: int
    ) -> None:
        step = {"round_id": round_id, "actor": SYSTEM, "now": NOW}
        steps = [
            lambda: db.transact(partial(rounds.lock, **step)),
            lambda: db.transact(partial(rounds.deal, **step)),
            lambda: db.transact(partial(settlement.claim, **step)),
            lambda: self._killed_behind_the_money(round_id),
            lambda: settlement.settle(db.transact, **step),
        ]
        let_time_pass()
        for each in steps[:steps_done]:
            each()

        play()
        playing.resume(NOW)
        play()
        playing.resume(NOW)

        row = last_round(game_id)
        assert (row.id, row.state) == (round_id, "settled")
        won = 19_00 if row.winner == "andar" else 20_00
        assert paid(player) == [("wager", -10_00), ("wager", -10_00), ("settlement", won)]
        with db.reading() as session:
            assert settlement.unfinished(session) == []

    def _killed_behind_the_money(self, round_id: int) -> None:
        class Killed(Exception):
            pass

        done = 0

        def transact(work: Any) -> Any:
            nonlocal done
            done += 1
            if done > 2:
                raise Killed
            return db.transact(work)

        with pytest.raises(Killed):
            settlement.settle(transact, round_id=round_id, actor=SYSTEM, now=NOW)


def test_a_table_that_staff_deal_is_closed_in_time_and_no_more(app: Flask, operator_id: int) -> None:
    game_id = committed_game(operator_id, is_running=False, dealing=Dealing.MANUAL)
    round_id = db.transact(partial(rounds.open, game_id=game_id, actor=SYSTEM, now=NOW))
    db.transact(partial(rounds.enter_joker, round_id=round_id, card=3, actor=SYSTEM, now=NOW))
    db.transact(partial(rounds.open_betting, round_id=round_id, actor=SYSTEM, now=NOW))
    assert play() == 0

    let_time_pass()

    assert play(times=2) == 1
    assert last_round(game_id).state == "locked"


def test_one_tables_fault_is_told_once_and_stops_no_other(
    app: Flask, operator_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    committed_game(operator_id, rules="three-stage", name="Broken")
    sound = committed_game(operator_id)

    def retire_rules(session: Session) -> None:
        session.execute(text("UPDATE rule_sets SET state = 'retired' WHERE name = 'three-stage'"))

    db.transact(retire_rules)
    player = Player(STEPPING)
    for _ in range(3):
        player.play(lambda: NOW)

    assert last_round(sound).state == "betting"
    told = [record.getMessage() for record in caplog.records if "cannot open" in record.getMessage()]
    assert len(told) == 1
    assert "The rule set three-stage is not active" in told[0]


def test_open_pages_are_told(app: Flask, operator_id: int) -> None:
    game_id = committed_game(operator_id)
    player = committed_player(operator_id)
    followed = frozenset({live.game(game_id), live.player(player), live.operator_of(operator_id)})
    with app.extensions["live"].subscribed(followed) as page:
        page.wait(20)  # the listener's first word is everything
        play()
        assert page.wait(0) == {live.game(game_id)}
        bet(last_round(game_id).id, player)
        let_time_pass()
        play()

        assert page.wait(0) == followed
