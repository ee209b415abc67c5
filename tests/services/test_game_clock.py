"""Which step comes next at each table, for the worker to do."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.game import Dealing, RoundState
from dashboard.services import game_clock, rounds
from dashboard.services.actors import SYSTEM
from dashboard.services.game_clock import Due, Step
from tests.builders import NOW, make_game, make_operator, make_round

CARDS = [1, 2]


@pytest.fixture
def operator_id(session: Session) -> int:
    return make_operator(session)


def steps(session: Session, now: dt.datetime = NOW) -> list[Due]:
    return game_clock.due(session, now=now)


def running_game(session: Session, operator_id: int, **given: Any) -> int:
    return make_game(session, operator_id=operator_id, is_running=True, **given)


class TestOpening:
    def test_a_running_game_without_a_round_opens_one(self, session: Session, operator_id: int) -> None:
        make_game(session, operator_id=operator_id)
        running = running_game(session, operator_id)

        assert steps(session) == [Due(Step.OPEN, running, None)]

    def test_the_pause_comes_after_the_last_round(self, session: Session, operator_id: int) -> None:
        game = running_game(session, operator_id, pause_seconds=5)
        make_round(session, game_id=game, state=RoundState.SETTLED, ended_at=NOW)

        assert steps(session, NOW + dt.timedelta(seconds=4.9)) == []
        assert steps(session, NOW + dt.timedelta(seconds=5)) == [Due(Step.OPEN, game, None)]

    def test_one_that_was_scheduled_by_hand_is_opened(self, session: Session, operator_id: int) -> None:
        game = running_game(session, operator_id)
        round_id = rounds.schedule(session, game_id=game, actor=SYSTEM, now=NOW)

        assert steps(session) == [Due(Step.OPEN_BETTING, game, round_id)]


class TestARound:
    @pytest.mark.parametrize(
        ("standing", "expected"),
        [
            ({"state": RoundState.BETTING}, None),
            ({"state": RoundState.BETTING, "betting_ends_at": NOW}, Step.LOCK),
            ({"state": RoundState.LOCKED}, Step.DEAL),
            ({"state": RoundState.DEALING, "cards": CARDS}, Step.NEXT_STAGE),
            ({"state": RoundState.DEALING, "cards": CARDS, "winner": "andar"}, Step.SETTLE),
            # It is resumed by its settlement, if by anything.
            ({"state": RoundState.SETTLING, "cards": CARDS, "winner": "andar"}, None),
        ],
    )
    @pytest.mark.parametrize("by", ["running", "opened by the worker", "by hand"])
    def test_the_worker_plays_what_runs_and_what_it_began(
        self, session: Session, operator_id: int, standing: dict[str, Any], expected: Step | None, by: str
    ) -> None:
        game = make_game(session, operator_id=operator_id, is_running=by == "running")
        opened_by = "system" if by == "opened by the worker" else "staff:1"
        round_id = make_round(session, game_id=game, opened_by=opened_by, **standing)

        if by == "by hand" and expected is not Step.LOCK:
            expected = None
        assert steps(session) == ([Due(expected, game, round_id)] if expected else [])

    def test_what_was_announced_is_locked(self, session: Session, operator_id: int) -> None:
        game = make_game(session, operator_id=operator_id, dealing=Dealing.MANUAL)
        round_id = make_round(session, game_id=game, state=RoundState.BETTING, opened_by="staff:1")
        assert steps(session) == []

        rounds.announce_close(session, round_id=round_id, stage=1, actor=SYSTEM)

        assert steps(session) == [Due(Step.LOCK, game, round_id)]

    @pytest.mark.parametrize("standing", [{"state": RoundState.LOCKED}, {"state": RoundState.SCHEDULED}])
    def test_staff_deal_at_their_table(
        self, session: Session, operator_id: int, standing: dict[str, Any]
    ) -> None:
        game = make_game(session, operator_id=operator_id, dealing=Dealing.MANUAL)
        make_round(session, game_id=game, opened_by="system", **standing)

        assert steps(session) == []

    def test_each_game_has_its_own_step(self, session: Session, operator_id: int) -> None:
        opening, dealing, idle = (running_game(session, operator_id) for _ in range(3))
        locked = make_round(session, game_id=dealing, state=RoundState.LOCKED)
        make_round(session, game_id=idle, state=RoundState.BETTING)

        assert steps(session) == [Due(Step.OPEN, opening, None), Due(Step.DEAL, dealing, locked)]

    def test_an_ended_round_is_left_alone(self, session: Session, operator_id: int) -> None:
        game = make_game(session, operator_id=operator_id)
        make_round(session, game_id=game, state=RoundState.SETTLED)
        make_round(session, game_id=game, state=RoundState.VOIDED)
        session.execute(text("UPDATE rounds SET betting_ends_at = :now"), {"now": NOW})

        assert steps(session) == []


class TestBusy:
    def test_without_a_game_nothing_comes_due(self, session: Session, operator_id: int) -> None:
        make_game(session, operator_id=operator_id)

        assert not game_clock.is_busy(session)

    def test_a_running_game_keeps_it_busy(self, session: Session, operator_id: int) -> None:
        running_game(session, operator_id)

        assert game_clock.is_busy(session)

    @pytest.mark.parametrize(
        ("standing", "expected"),
        [
            ({"state": RoundState.BETTING, "opened_by": "staff:1"}, True),
            ({"state": RoundState.LOCKED, "opened_by": "staff:1"}, False),
            ({"state": RoundState.LOCKED, "opened_by": "system"}, True),
            ({"state": RoundState.SETTLED, "opened_by": "system"}, False),
        ],
    )
    def test_a_round_does_while_time_or_the_worker_moves_it(
        self, session: Session, operator_id: int, standing: dict[str, Any], expected: bool
    ) -> None:
        game = make_game(session, operator_id=operator_id)
        make_round(session, game_id=game, **standing)

        assert game_clock.is_busy(session) is expected
