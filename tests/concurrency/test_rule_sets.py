"""Rule sets at the same moment: one next version, one activation, and no game under one that is retired."""

from fractions import Fraction
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import func, select

from dashboard import db
from dashboard.errors import Conflict, Rejected
from dashboard.models.game import Dealing, Game, RuleSet
from dashboard.models.login import Role
from dashboard.services import games, rule_set_rows
from dashboard.services.actors import Actor
from dashboard.services.rule_sets import First, Pays, PaysBy, Rules
from tests.builders import NOW, make_actor, make_operator
from tests.concurrency.together import at_once

THREADS = 8


def paying(andar: str) -> Rules:
    return Rules(First.ANDAR, (0,), PaysBy.SIDE, (Pays(1, 0, (Fraction(andar), Fraction(1))),))


@pytest.fixture(scope="module")
def actor(app: Flask) -> Actor:
    with app.app_context(), db.writing() as session:
        return make_actor(session, operator_id=make_operator(session), role=Role.MANAGER)


def make(app: Flask, actor: Actor, name: str) -> int:
    with app.app_context():
        return db.transact(partial(rule_set_rows.make, name=name, rules=paying("0.9"), actor=actor, now=NOW))


def edit(actor: Actor, rule_set_id: int, rules: Rules) -> int:
    return db.transact(
        partial(
            rule_set_rows.edit, rule_set_id=rule_set_id, rules=rules, seen_version=1, actor=actor, now=NOW
        )
    )


def test_of_several_next_versions_one_is_kept(app: Flask, actor: Actor) -> None:
    rule_set = make(app, actor, "evening")

    done = at_once(app, [partial(edit, actor, rule_set, paying(f"0.8{n}")) for n in range(THREADS)])

    refused = [result for result in done if isinstance(result, Exception)]
    assert all(isinstance(result, Conflict) for result in refused), refused
    assert len(refused) == THREADS - 1
    with app.app_context(), db.reading() as session:
        wanted = select(func.count()).select_from(RuleSet).filter_by(operator_id=actor.operator_id)
        assert session.scalar(wanted.filter_by(name="evening")) == 2


def test_of_several_of_one_name_one_is_made(app: Flask, actor: Actor) -> None:
    done = at_once(app, [partial(make, app, actor, "morning") for _ in range(THREADS)])

    refused = [result for result in done if isinstance(result, Exception)]
    assert all(isinstance(result, Conflict) for result in refused), refused
    assert len(refused) == THREADS - 1


def test_one_that_is_being_retired_is_taken_up_before_or_not_at_all(app: Flask, actor: Actor) -> None:
    for number in range(5):
        rule_set = make(app, actor, f"night {number}")
        with app.app_context():
            db.transact(partial(rule_set_rows.activate, rule_set_id=rule_set, actor=actor, now=NOW))
        settings = games.Settings(
            name=f"Night {number}",
            rule_set_id=rule_set,
            min_bet=100,
            max_bet=1000,
            exposure_max=None,
            betting_seconds=10,
            pause_seconds=5,
        )
        create = partial(
            games.create,
            settings=settings,
            currency="USD",
            dealing=Dealing.AUTOMATIC,
            actor=actor,
            now=NOW,
        )
        retire = partial(rule_set_rows.retire, rule_set_id=rule_set, actor=actor, now=NOW)

        created, retired = at_once(app, [partial(db.transact, create), partial(db.transact, retire)])

        assert isinstance(created, Rejected) != isinstance(retired, Conflict), (created, retired)
        with app.app_context(), db.reading() as session:
            state = session.scalars(select(RuleSet.state).filter_by(id=rule_set)).one()
            played = session.scalars(select(Game.id).filter_by(rule_set_id=rule_set)).all()
        assert (state, len(played)) in {("active", 1), ("retired", 0)}
