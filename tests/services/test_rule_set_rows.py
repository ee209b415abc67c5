"""Keeping rule sets: versions, what may be played under, and what every operator starts with."""

from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import StaffLog
from dashboard.models.game import Dealing, RuleSet
from dashboard.models.login import Role
from dashboard.models.operator import MoneyMode, Operator
from dashboard.services import games, rule_set_rows, rule_sets
from dashboard.services.actors import Actor
from dashboard.services.rule_sets import SHIPPED, First, Pays, PaysBy, Rules
from tests.builders import NOW, make_actor, make_operator


def paying(andar: Fraction = Fraction(9, 10), bahar: Fraction = Fraction(1)) -> Rules:
    return Rules(First.ANDAR, (0,), PaysBy.SIDE, (Pays(1, 0, (andar, bahar)),))


OTHER, LOSING, HIGH = paying(Fraction(4, 5)), paying(Fraction(1)), paying(bahar=Fraction(7, 10))


@pytest.fixture
def actor(session: Session) -> Actor:
    return make_actor(session, operator_id=make_operator(session), role=Role.MANAGER)


def rows(session: Session, operator_id: int, name: str) -> list[tuple[Any, ...]]:
    found = session.execute(
        select(RuleSet.version, RuleSet.definition, RuleSet.state, RuleSet.made_by)
        .filter_by(operator_id=operator_id, name=name)
        .order_by(RuleSet.version)
    )
    return [tuple(row) for row in found]


def logged(session: Session, actor: Actor) -> list[tuple[str, str]]:
    found = session.execute(
        select(StaffLog.action, StaffLog.details)
        .filter_by(performed_by=actor.reference)
        .order_by(StaffLog.id)
    )
    return [(row.action, row.details) for row in found]


def make(session: Session, actor: Actor, rules: Rules = OTHER, name: str = "evening") -> int:
    return rule_set_rows.make(session, name=name, rules=rules, actor=actor, now=NOW)


def activate(session: Session, actor: Actor, rule_set_id: int) -> tuple[rule_sets.Edge, ...]:
    return rule_set_rows.activate(session, rule_set_id=rule_set_id, actor=actor, now=NOW)


def test_every_operator_starts_with_the_shipped_ones_and_even_is_no_more_than_a_draft(
    session: Session,
) -> None:
    operator_id = make_operator(session)

    found = {name: rows(session, operator_id, name) for name in SHIPPED}

    assert found == {
        name: [(1, rule_sets.write(rules), "draft" if name == "even" else "active", "system")]
        for name, rules in SHIPPED.items()
    }


def test_shipping_tells_the_ids_by_name(session: Session) -> None:
    bare = Operator(
        slug="bare", name="Bare", currency="USD", timezone="UTC", money=MoneyMode.PLAY, created_at=NOW
    )
    session.add(bare)
    session.flush()

    shipped = rule_set_rows.ship(session, bare.id, NOW)

    assert set(shipped) == set(SHIPPED)
    for name, rule_set_id in shipped.items():
        assert session.get_one(RuleSet, rule_set_id).definition == rule_sets.write(SHIPPED[name])


def test_new_rules_are_a_draft_and_written_down(session: Session, actor: Actor) -> None:
    rule_set_id = make(session, actor, LOSING, name="  evening ")

    assert rows(session, actor.operator_id, "evening") == [
        (1, rule_sets.write(LOSING), "draft", actor.reference)
    ]
    ((action, details),) = logged(session, actor)
    assert action == "rule_set.made"
    assert f'"rule_set": {rule_set_id}' in details


@pytest.mark.parametrize("name", ["", "   ", "x" * 61])
def test_a_rule_set_has_a_name(session: Session, actor: Actor, name: str) -> None:
    with pytest.raises(Rejected, match="at most 60") as refused:
        make(session, actor, name=name)

    assert refused.value.field == "name"
    make(session, actor, name="x" * 60)


def test_a_name_is_taken_once_by_an_operator(session: Session, actor: Actor) -> None:
    with pytest.raises(Conflict, match="called standard already") as refused:
        make(session, actor, name="standard")
    assert refused.value.field == "name"

    elsewhere = make_actor(session, operator_id=make_operator(session), role=Role.MANAGER)
    make(session, actor)
    make(session, elsewhere)


def test_an_edit_is_the_next_version_and_leaves_the_last_one_as_it_was(
    session: Session, actor: Actor
) -> None:
    first = make(session, actor)
    activate(session, actor, first)

    second = rule_set_rows.edit(session, rule_set_id=first, rules=HIGH, seen_version=1, actor=actor, now=NOW)

    assert second != first
    assert rows(session, actor.operator_id, "evening") == [
        (1, rule_sets.write(OTHER), "active", actor.reference),
        (2, rule_sets.write(HIGH), "draft", actor.reference),
    ]
    # From the first again, having seen the second: the third.
    rule_set_rows.edit(session, rule_set_id=first, rules=LOSING, seen_version=2, actor=actor, now=NOW)
    assert [row[0] for row in rows(session, actor.operator_id, "evening")] == [1, 2, 3]


def test_who_has_not_seen_the_last_version_makes_none(session: Session, actor: Actor) -> None:
    first = make(session, actor)
    rule_set_rows.edit(session, rule_set_id=first, rules=HIGH, seen_version=1, actor=actor, now=NOW)

    for seen_version in (0, 1, 3):
        with pytest.raises(Conflict, match="in between"):
            rule_set_rows.edit(
                session, rule_set_id=first, rules=LOSING, seen_version=seen_version, actor=actor, now=NOW
            )
    assert len(rows(session, actor.operator_id, "evening")) == 2


def test_a_version_in_which_nothing_differs_is_refused(session: Session, actor: Actor) -> None:
    first = make(session, actor)

    with pytest.raises(Rejected, match="Nothing differs from version 1"):
        rule_set_rows.edit(session, rule_set_id=first, rules=OTHER, seen_version=1, actor=actor, now=NOW)
    assert len(rows(session, actor.operator_id, "evening")) == 1


def test_one_on_which_the_house_loses_is_not_activated(session: Session, actor: Actor) -> None:
    rule_set_id = make(session, actor, LOSING)

    with pytest.raises(rule_set_rows.Losing, match=r"Andar in stage 1 \(−3\.001 %\)") as refused:
        activate(session, actor, rule_set_id)

    assert [edge.selection for edge in refused.value.edges] == ["andar"]
    assert rows(session, actor.operator_id, "evening")[0][2] == "draft"


def test_even_and_three_stages_from_andar_are_not_activated(session: Session, actor: Actor) -> None:
    shipped = SHIPPED["three-stage"]
    from_andar = Rules(First.ANDAR, shipped.stages, shipped.pays_by, shipped.pays)
    even = session.scalars(select(RuleSet.id).filter_by(operator_id=actor.operator_id, name="even")).one()

    for rule_set_id in (even, make(session, actor, from_andar)):
        with pytest.raises(rule_set_rows.Losing):
            activate(session, actor, rule_set_id)


def test_an_edge_above_a_tenth_is_activated_with_a_warning(session: Session, actor: Actor) -> None:
    assert activate(session, actor, make(session, actor)) == ()

    (warning,) = activate(session, actor, make(session, actor, HIGH, name="dear"))

    assert (warning.selection, warning.percent) == ("bahar", "17.551 %")
    assert [action for action, _details in logged(session, actor)][-1] == "rule_set.activated"


def test_what_is_active_or_retired_already_is_told(session: Session, actor: Actor) -> None:
    rule_set_id = make(session, actor)
    activate(session, actor, rule_set_id)
    with pytest.raises(Conflict, match="active already"):
        activate(session, actor, rule_set_id)

    rule_set_rows.retire(session, rule_set_id=rule_set_id, actor=actor, now=NOW)
    with pytest.raises(Conflict, match="retired already"):
        rule_set_rows.retire(session, rule_set_id=rule_set_id, actor=actor, now=NOW)

    activate(session, actor, rule_set_id)
    assert rows(session, actor.operator_id, "evening")[0][2] == "active"
    assert [action for action, _details in logged(session, actor)] == [
        "rule_set.made",
        "rule_set.activated",
        "rule_set.retired",
        "rule_set.activated",
    ]


def test_what_games_are_played_under_is_not_retired(session: Session, actor: Actor) -> None:
    rule_set_id = make(session, actor)
    activate(session, actor, rule_set_id)
    settings = games.Settings(
        name="Harbour table",
        rule_set_id=rule_set_id,
        min_bet=100,
        max_bet=10_000,
        exposure_max=None,
        betting_seconds=15,
        pause_seconds=5,
    )
    game_id = games.create(
        session, settings=settings, currency="USD", dealing=Dealing.AUTOMATIC, actor=actor, now=NOW
    )

    with pytest.raises(Conflict, match="played by Harbour table"):
        rule_set_rows.retire(session, rule_set_id=rule_set_id, actor=actor, now=NOW)

    games.retire(session, game_id=game_id, actor=actor, now=NOW)
    rule_set_rows.retire(session, rule_set_id=rule_set_id, actor=actor, now=NOW)


def test_the_rules_of_another_operator_are_not_there(session: Session, actor: Actor) -> None:
    rule_set_id = make(session, actor)
    stranger = make_actor(session, operator_id=make_operator(session), role=Role.ADMIN)

    for act in (
        lambda: activate(session, stranger, rule_set_id),
        lambda: rule_set_rows.retire(session, rule_set_id=rule_set_id, actor=stranger, now=NOW),
        lambda: rule_set_rows.edit(
            session, rule_set_id=rule_set_id, rules=HIGH, seen_version=1, actor=stranger, now=NOW
        ),
        lambda: activate(session, actor, 10**9),
    ):
        with pytest.raises(NotFound, match="no such rule set"):
            act()
