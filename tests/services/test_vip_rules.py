"""Editing rules with their versions, and how players come to their levels."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.login import Role
from dashboard.models.vip import Level
from dashboard.services import balances, vip_rules
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.vip_rules import Figures
from tests.builders import NOW, change, make_actor, make_operator, make_player

STARTING = Figures(
    min_balance=-10_000_00,
    max_balance=1_000_000_00,
    daily_limit=50_000_00,
    weekly_limit=200_000_00,
    warning_threshold=1_000_00,
    critical_threshold=100_00,
    drop_percent=50,
    approval_threshold=500_00,
)
"""Of the bronze level in USD."""
EDITED = replace(STARTING, daily_limit=60_000_00, weekly_limit=250_000_00, drop_percent=40)


@pytest.fixture
def admin(session: Session) -> Actor:
    return make_actor(session, operator_id=make_operator(session, approval_threshold=None), role=Role.ADMIN)


def edit(session: Session, actor: Actor, figures: Figures, *, seen_version: int = 1, **named: Any) -> int:
    key = {"level": Level.BRONZE, "currency": "USD", **named}
    return vip_rules.edit_rule(
        session, figures=figures, seen_version=seen_version, actor=actor, now=NOW, **key
    )


def rule(session: Session, operator_id: int, table: str = "vip_rules") -> list[Row[Any]]:
    query = text(f"""
        SELECT * FROM {table}
        WHERE operator_id = :o AND level = 'bronze' AND currency = 'USD' ORDER BY version
    """)
    return list(session.execute(query, {"o": operator_id}))


def figures_of(row: Row[Any]) -> Figures:
    return Figures(**{name: getattr(row, name) for name in asdict(STARTING)})


class TestEditing:
    def test_it_is_in_force_and_kept_as_the_next_version(self, session: Session, admin: Actor) -> None:
        version = edit(session, admin, EDITED)

        (now,) = rule(session, admin.operator_id)
        first, second = rule(session, admin.operator_id, "vip_rule_versions")
        assert (version, now.version, figures_of(now)) == (2, 2, EDITED)
        assert (first.version, figures_of(first), first.changed_by) == (1, STARTING, "system")
        assert (second.version, figures_of(second)) == (2, EDITED)
        assert (second.changed_by, second.changed_at) == (f"staff:{admin.id}", NOW)

    def test_the_staff_log_has_what_changed_and_nothing_else(self, session: Session, admin: Actor) -> None:
        edit(session, admin, EDITED)

        logged = session.execute(text("SELECT * FROM staff_log WHERE action = 'vip_rule.edited'")).one()
        assert (logged.performed_by, logged.operator_id) == (f"staff:{admin.id}", admin.operator_id)
        assert json.loads(logged.details) == {
            "level": "bronze",
            "currency": "USD",
            "version": 2,
            "daily_limit": "5000000 → 6000000",
            "weekly_limit": "20000000 → 25000000",
            "drop_percent": "50 → 40",
        }

    def test_the_next_change_is_judged_by_it(self, session: Session, admin: Actor) -> None:
        player = make_player(session, operator_id=admin.operator_id)
        session.execute(text("UPDATE wallets SET vip_level = 'bronze' WHERE player_id = :p"), {"p": player})
        with pytest.raises(balances.ChangeRefused):
            change(session, player, 60_000_00)

        edit(session, admin, EDITED)

        judgement = change(session, player, 60_000_00).judgement
        assert judgement is not None
        assert judgement.rule is not None
        assert (judgement.rule.version, judgement.rule.level) == (2, "bronze")
        with pytest.raises(balances.ChangeRefused):
            change(session, player, 1)

    def test_no_other_rule_moves(self, session: Session, admin: Actor) -> None:
        query = text(
            "SELECT * FROM vip_rules WHERE NOT (operator_id = :o AND level = 'bronze') ORDER BY 1, 2, 3"
        )
        make_operator(session)
        before = session.execute(query, {"o": admin.operator_id}).all()

        edit(session, admin, EDITED)

        assert session.execute(query, {"o": admin.operator_id}).all() == before

    def test_a_stale_version_is_a_conflict(self, session: Session, admin: Actor) -> None:
        edit(session, admin, EDITED)

        with pytest.raises(Conflict, match="it is at version 2 now"):
            edit(session, admin, replace(EDITED, drop_percent=30))

        assert figures_of(rule(session, admin.operator_id)[0]) == EDITED
        assert len(rule(session, admin.operator_id, "vip_rule_versions")) == 2
        assert edit(session, admin, STARTING, seen_version=2) == 3

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"min_balance": 1}, "min_balance"),
            ({"max_balance": 0}, "max_balance"),
            ({"daily_limit": 0}, "daily_limit"),
            ({"weekly_limit": 49_999_99}, "weekly_limit"),
            ({"critical_threshold": -1}, "critical_threshold"),
            ({"warning_threshold": 99_99}, "warning_threshold"),
            ({"drop_percent": 0}, "drop_percent"),
            ({"drop_percent": 101}, "drop_percent"),
        ],
    )
    def test_a_figure_out_of_range_is_refused_at_its_field(
        self, session: Session, admin: Actor, wrong: dict[str, int], field: str
    ) -> None:
        with pytest.raises(Rejected) as refused:
            edit(session, admin, replace(STARTING, **wrong))

        assert refused.value.field == field
        assert rule(session, admin.operator_id)[0].version == 1

    @pytest.mark.parametrize(
        "extreme",
        [
            {"min_balance": 0},
            {"max_balance": 1},
            {"daily_limit": 1},
            {"weekly_limit": 50_000_00},
            {"critical_threshold": 0},
            {"warning_threshold": 100_00},
            {"drop_percent": 1},
            {"drop_percent": 100},
        ],
    )
    def test_the_last_figure_in_range_is_taken(
        self, session: Session, admin: Actor, extreme: dict[str, int]
    ) -> None:
        assert edit(session, admin, replace(STARTING, **extreme)) == 2

    def test_there_must_be_such_a_rule_of_ones_own_operator(self, session: Session, admin: Actor) -> None:
        make_operator(session, currency="EUR")

        with pytest.raises(NotFound):
            edit(session, admin, EDITED, currency="EUR")


def wallet(session: Session, player_id: int) -> tuple[str, int, int]:
    row = session.execute(
        text("SELECT vip_level, xp, total_xp FROM wallets WHERE player_id = :p"), {"p": player_id}
    ).one()
    return row.vip_level, row.xp, row.total_xp


def history(session: Session, player_id: int) -> list[tuple[str, str, int, str, str]]:
    rows = session.execute(
        text("SELECT * FROM vip_level_changes WHERE player_id = :p ORDER BY id"), {"p": player_id}
    ).all()
    assert {row.changed_at for row in rows} <= {NOW}
    return [(row.from_level, row.to_level, row.total_xp, row.reason, row.changed_by) for row in rows]


class TestXp:
    @pytest.fixture
    def player(self, session: Session) -> int:
        return make_player(session, operator_id=make_operator(session))

    @staticmethod
    def add(session: Session, player: int, xp: int, actor: Actor = SYSTEM) -> str:
        return vip_rules.add_xp(session, player_id=player, xp=xp, reason="Stakes", actor=actor, now=NOW)

    def test_the_first_xp_make_a_level(self, session: Session, player: int) -> None:
        assert wallet(session, player) == ("default", 0, 0)

        assert self.add(session, player, 1) == "bronze"

        assert wallet(session, player) == ("bronze", 0, 1)
        assert history(session, player) == [("default", "bronze", 1, "Stakes", "system")]

    @pytest.mark.parametrize(
        ("from_xp", "level", "before"),
        [
            (1_000, "silver", "bronze"),
            (10_000, "gold", "silver"),
            (50_000, "platinum", "gold"),
            (250_000, "diamond", "platinum"),
        ],
    )
    def test_a_level_rises_at_once_where_its_xp_are_reached(
        self, session: Session, player: int, from_xp: int, level: str, before: str
    ) -> None:
        assert self.add(session, player, from_xp - 1) == before
        assert self.add(session, player, 1) == level

        assert wallet(session, player) == (level, 0, from_xp)
        assert history(session, player)[-1] == (before, level, from_xp, "Stakes", "system")

    def test_xp_of_a_level_are_counted_from_its_beginning(self, session: Session, player: int) -> None:
        for xp in (10, 900, 89, 1, 500):
            self.add(session, player, xp)

        assert wallet(session, player) == ("silver", 500, 1_500)
        assert [(before, after) for before, after, *_ in history(session, player)] == [
            ("default", "bronze"),
            ("bronze", "silver"),
        ]

    def test_one_gain_may_pass_several_levels_in_one_step(self, session: Session, player: int) -> None:
        self.add(session, player, 60_000)

        assert history(session, player) == [("default", "platinum", 60_000, "Stakes", "system")]

    def test_the_xp_are_the_operators_own(self, session: Session, player: int) -> None:
        session.execute(text("UPDATE vip_levels SET xp_from = 5 WHERE level = 'diamond'"))

        assert self.add(session, player, 5) == "diamond"

    def test_another_operators_player_does_not_exist(
        self, session: Session, player: int, admin: Actor
    ) -> None:
        with pytest.raises(NotFound):
            self.add(session, player, 1, admin)


class TestLevelsByHand:
    @pytest.fixture
    def player(self, session: Session, admin: Actor) -> int:
        return make_player(session, operator_id=admin.operator_id)

    @staticmethod
    def set_level(session: Session, player: int, level: Level, actor: Actor) -> None:
        vip_rules.set_level(
            session, player_id=player, level=level, reason="Owner's friend", actor=actor, now=NOW
        )

    def test_it_is_kept_with_who_and_why(self, session: Session, admin: Actor, player: int) -> None:
        self.set_level(session, player, Level.GOLD, admin)

        assert wallet(session, player) == ("gold", 0, 0)
        assert history(session, player) == [("default", "gold", 0, "Owner's friend", f"staff:{admin.id}")]
        logged = session.execute(text("SELECT * FROM staff_log WHERE action = 'vip_level.set'")).one()
        assert (logged.player_id, logged.operator_id) == (player, admin.operator_id)
        assert json.loads(logged.details) == {"from": "default", "to": "gold", "reason": "Owner's friend"}

    def test_it_may_be_lowered_and_total_xp_stay(self, session: Session, admin: Actor, player: int) -> None:
        vip_rules.add_xp(session, player_id=player, xp=12_000, reason="Stakes", actor=SYSTEM, now=NOW)

        self.set_level(session, player, Level.DEFAULT, admin)

        assert wallet(session, player) == ("default", 0, 12_000)

    def test_xp_never_lower_it(self, session: Session, admin: Actor, player: int) -> None:
        self.set_level(session, player, Level.GOLD, admin)

        assert (
            vip_rules.add_xp(session, player_id=player, xp=1, reason="Stakes", actor=SYSTEM, now=NOW)
            == "gold"
        )

        assert wallet(session, player) == ("gold", 1, 1)
        assert len(history(session, player)) == 1

    def test_enough_xp_raise_it_further(self, session: Session, admin: Actor, player: int) -> None:
        self.set_level(session, player, Level.GOLD, admin)

        vip_rules.add_xp(session, player_id=player, xp=50_000, reason="Stakes", actor=SYSTEM, now=NOW)

        assert wallet(session, player) == ("platinum", 0, 50_000)

    def test_the_rules_of_the_new_level_hold_at_once(
        self, session: Session, admin: Actor, player: int
    ) -> None:
        with pytest.raises(balances.ChangeRefused):
            change(session, player, 25_000_01)

        self.set_level(session, player, Level.BRONZE, admin)

        change(session, player, 25_000_01)

    def test_the_level_they_have_is_a_conflict(self, session: Session, admin: Actor, player: int) -> None:
        with pytest.raises(Conflict, match="already default"):
            self.set_level(session, player, Level.DEFAULT, admin)

        assert history(session, player) == []

    def test_another_operators_player_does_not_exist(self, session: Session, player: int) -> None:
        stranger = make_actor(session, operator_id=make_operator(session), role=Role.ADMIN)

        with pytest.raises(NotFound):
            self.set_level(session, player, Level.GOLD, stranger)

        assert wallet(session, player)[0] == "default"
