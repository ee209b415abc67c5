"""Games: what they are made with, what can be changed, and what the worker may run."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.game import Dealing
from dashboard.models.login import Role
from dashboard.services import games, rounds
from dashboard.services.actors import SYSTEM, Actor
from tests.builders import NOW, make_actor, make_game, make_operator, make_rule_set


@pytest.fixture
def manager(session: Session) -> Actor:
    return make_actor(session, operator_id=make_operator(session), role=Role.MANAGER)


@pytest.fixture
def settings(session: Session, manager: Actor) -> games.Settings:
    return games.Settings(
        name="Blue table",
        rule_set_id=make_rule_set(session, operator_id=manager.operator_id),
        min_bet=1_00,
        max_bet=500_00,
        exposure_max=10_000_00,
        betting_seconds=20,
        pause_seconds=5,
    )


def create(session: Session, settings: games.Settings, actor: Actor, **named: Any) -> int:
    given = {"currency": "USD", "dealing": Dealing.AUTOMATIC, **named}
    return games.create(session, settings=settings, actor=actor, now=NOW, **given)


def look(session: Session, game_id: int) -> Row[Any]:
    return session.execute(text("SELECT * FROM games WHERE id = :id"), {"id": game_id}).one()


def logged(session: Session, action: str) -> list[dict[str, Any]]:
    rows = session.scalars(
        text("SELECT details FROM staff_log WHERE action = :a ORDER BY id DESC"), {"a": action}
    )
    return [json.loads(row) for row in rows]


class TestCreating:
    def test_it_stands_with_its_settings_and_does_not_run(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        game = look(session, create(session, settings, manager))

        assert (game.operator_id, game.name, game.currency) == (manager.operator_id, "Blue table", "USD")
        assert (game.min_bet, game.max_bet, game.exposure_max) == (1_00, 500_00, 10_000_00)
        assert (game.state, game.is_running, game.dealing) == ("active", False, "automatic")
        assert logged(session, "game.created")[0]["game"] == game.id

    def test_each_has_a_salt_of_its_own(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        made = [create(session, replace(settings, name=name), manager) for name in ("One", "Two")]

        salts = {look(session, game_id).public_salt for game_id in made}
        assert len(salts) == 2
        assert all(len(salt) == 16 for salt in salts)

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"name": " "}, "name"),
            ({"name": "x" * 61}, "name"),
            ({"min_bet": 0}, "min_bet"),
            ({"max_bet": 99}, "max_bet"),
            ({"exposure_max": 0}, "exposure_max"),
            ({"betting_seconds": 0}, "betting_seconds"),
            ({"betting_seconds": 3601}, "betting_seconds"),
            ({"pause_seconds": -1}, "pause_seconds"),
            ({"pause_seconds": 3601}, "pause_seconds"),
        ],
    )
    def test_what_is_out_of_range_is_refused_at_its_field(
        self, session: Session, manager: Actor, settings: games.Settings, wrong: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(Rejected) as refused:
            create(session, replace(settings, **wrong), manager)

        assert refused.value.field == field

    @pytest.mark.parametrize(
        "extreme",
        [
            {"name": "x" * 60},
            {"min_bet": 1, "max_bet": 1},
            {"exposure_max": None},
            {"betting_seconds": 1, "pause_seconds": 0},
            {"betting_seconds": 3600, "pause_seconds": 3600},
        ],
    )
    def test_what_is_just_in_range_is_taken(
        self, session: Session, manager: Actor, settings: games.Settings, extreme: dict[str, Any]
    ) -> None:
        game = look(session, create(session, replace(settings, **extreme), manager))

        assert {name: getattr(game, name) for name in extreme} == extreme

    def test_the_rule_set_must_be_active_and_ones_own(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        draft = make_rule_set(session, operator_id=manager.operator_id, name="three-stage")
        session.execute(text("UPDATE rule_sets SET state = 'draft' WHERE id = :id"), {"id": draft})
        others = make_rule_set(session, operator_id=make_operator(session))

        for rule_set_id in (draft, others, 10**9):
            with pytest.raises(Rejected) as refused:
                create(session, replace(settings, rule_set_id=rule_set_id), manager)
            assert refused.value.field == "rule_set_id"

    def test_a_currency_that_nobody_has_is_refused(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        with pytest.raises(Rejected, match="no balances in JPY"):
            create(session, settings, manager, currency="JPY")

    def test_a_name_is_given_once(self, session: Session, manager: Actor, settings: games.Settings) -> None:
        create(session, settings, manager)

        with pytest.raises(Conflict, match="already a game called Blue table"):
            create(session, settings, manager)


class TestEditing:
    def test_it_is_in_force_and_the_log_says_what_changed(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        game_id = create(session, settings, manager)

        edited = replace(settings, name="Green table", exposure_max=None, max_bet=600_00)
        games.edit(session, game_id=game_id, settings=edited, actor=manager, now=NOW)

        game = look(session, game_id)
        assert (game.name, game.exposure_max, game.max_bet, game.min_bet) == (
            "Green table",
            None,
            600_00,
            1_00,
        )
        assert logged(session, "game.edited") == [
            {
                "game": game_id,
                "name": "Blue table → Green table",
                "exposure_max": "1000000 → none",
                "max_bet": "50000 → 60000",
            }
        ]

    def test_the_rule_set_that_it_has_may_stay_though_it_is_retired(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        game_id = create(session, settings, manager)
        session.execute(text("UPDATE rule_sets SET state = 'retired'"))

        games.edit(
            session, game_id=game_id, settings=replace(settings, max_bet=700_00), actor=manager, now=NOW
        )

        assert look(session, game_id).max_bet == 700_00

    def test_another_ones_game_is_not_there(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        others = make_game(session, operator_id=make_operator(session))

        with pytest.raises(NotFound):
            games.edit(session, game_id=others, settings=settings, actor=manager, now=NOW)
        with pytest.raises(NotFound):
            games.retire(session, game_id=others, actor=manager, now=NOW)
        with pytest.raises(NotFound):
            games.set_running(session, game_id=others, running=True, actor=manager, now=NOW)

    def test_a_name_in_use_is_a_conflict(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        create(session, settings, manager)
        other = create(session, replace(settings, name="Other"), manager)

        with pytest.raises(Conflict):
            games.edit(session, game_id=other, settings=settings, actor=manager, now=NOW)
        assert look(session, other).name == "Other"


class TestRunning:
    def test_it_is_started_and_stopped_once(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        game_id = create(session, settings, manager)

        for running, action in ((True, "game.started"), (False, "game.stopped")):
            games.set_running(session, game_id=game_id, running=running, actor=manager, now=NOW)
            assert look(session, game_id).is_running is running
            assert logged(session, action) == [{"game": game_id}]
            with pytest.raises(Conflict):
                games.set_running(session, game_id=game_id, running=running, actor=manager, now=NOW)

    def test_a_table_that_staff_deal_does_not_run_by_itself(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        game_id = create(session, settings, manager, dealing=Dealing.MANUAL)

        with pytest.raises(Rejected, match="Staff deal"):
            games.set_running(session, game_id=game_id, running=True, actor=manager, now=NOW)


class TestRetiring:
    def test_it_stops_and_has_no_more_rounds(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        game_id = create(session, settings, manager)
        games.set_running(session, game_id=game_id, running=True, actor=manager, now=NOW)

        games.retire(session, game_id=game_id, actor=manager, now=NOW)

        game = look(session, game_id)
        assert (game.state, game.is_running) == ("retired", False)
        for late in (
            lambda: rounds.schedule(session, game_id=game_id, actor=SYSTEM, now=NOW),
            lambda: games.edit(session, game_id=game_id, settings=settings, actor=manager, now=NOW),
            lambda: games.set_running(session, game_id=game_id, running=True, actor=manager, now=NOW),
            lambda: games.retire(session, game_id=game_id, actor=manager, now=NOW),
        ):
            with pytest.raises(Conflict, match="retired"):
                late()

    def test_not_while_a_round_is_being_played(
        self, session: Session, manager: Actor, settings: games.Settings
    ) -> None:
        game_id = create(session, settings, manager)
        rounds.open(session, game_id=game_id, actor=SYSTEM, now=NOW)

        with pytest.raises(Conflict, match="Round 1 is being played"):
            games.retire(session, game_id=game_id, actor=manager, now=NOW)
        assert look(session, game_id).state == "active"
