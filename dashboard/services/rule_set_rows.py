"""Keeping rule sets: making one, its next version, putting it in force, retiring it, and those we ship.

What a definition means, and what it is worth to the house, stands in `rule_sets`, which is pure.
"""

import datetime as dt
from typing import Any

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.game import Game, GameState, RuleSet, RuleSetState
from dashboard.services import rule_sets, staff_log
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.rule_sets import Edge, Rules

NAME_LENGTH_MAX = 60

# A game that takes it up share-locks it, so that retiring sees every game that is played under it.
_LOCK = text("SELECT * FROM rule_sets WHERE id = :id FOR NO KEY UPDATE")
_LAST_VERSION = text("""
SELECT version, definition FROM rule_sets
WHERE operator_id = :operator_id AND name = :name
ORDER BY version DESC LIMIT 1
""")
_SHIPPED = [
    {
        "name": name,
        "version": 1,
        "definition": rule_sets.write(rules),
        "state": RuleSetState.DRAFT if rule_sets.losing(rules) else RuleSetState.ACTIVE,
        "made_by": SYSTEM.reference,
    }
    for name, rules in rule_sets.SHIPPED.items()
]


class Losing(Rejected):
    """The house would lose by it in the long run; `edges` are those below zero."""

    def __init__(self, edges: tuple[Edge, ...]) -> None:
        told = " and ".join(f"{edge.label} in stage {edge.stage} ({edge.percent})" for edge in edges)
        super().__init__(f"The house would lose on {told}. Lower what it pays there.")
        self.edges = edges


def make(session: Session, *, name: str, rules: Rules, actor: Actor, now: dt.datetime) -> int:
    """Keep new rules as a draft, version 1 of that name; returns its id.

    Raises Rejected for an empty or long name, Conflict for a name in use.
    """
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        raise Rejected(f"Give it a name of at most {NAME_LENGTH_MAX} characters.", field="name")
    try:
        return _keep(session, name, 1, rules=rules, actor=actor, now=now)
    except IntegrityError as error:
        raise Conflict(f"There is a rule set called {name} already.", field="name") from error


def edit(
    session: Session, *, rule_set_id: int, rules: Rules, seen_version: int, actor: Actor, now: dt.datetime
) -> int:
    """Keep other rules as the next version, a draft; returns its id. Earlier versions stay as they are.

    Raises NotFound, Rejected where nothing differs from the last version, Conflict when there is a
    version after `seen_version`.
    """
    name = _lock(session, rule_set_id, actor).name
    last = session.execute(_LAST_VERSION, {"operator_id": actor.operator_id, "name": name}).one()
    taken = Conflict(f"Somebody made version {max(last.version, seen_version + 1)} of {name} in between.")
    if last.version != seen_version:
        raise taken
    if rule_sets.read(last.definition) == rules:
        raise Rejected(f"Nothing differs from version {last.version}.")
    try:
        return _keep(session, name, seen_version + 1, rules=rules, actor=actor, now=now)
    except IntegrityError as error:
        raise taken from error


def activate(session: Session, *, rule_set_id: int, actor: Actor, now: dt.datetime) -> tuple[Edge, ...]:
    """Let games be played under it; returns the edges that are so high that somebody should know.

    Raises NotFound, Losing where any edge is below zero, Conflict where it is active already.
    """
    row = _lock(session, rule_set_id, actor)
    if row.state == RuleSetState.ACTIVE:
        raise Conflict(f"Version {row.version} of {row.name} is active already.")
    rules = rule_sets.read(row.definition)
    if losing := rule_sets.losing(rules):
        raise Losing(losing)
    _set_state(session, row, RuleSetState.ACTIVE, actor, now)
    return rule_sets.high(rules)


def retire(session: Session, *, rule_set_id: int, actor: Actor, now: dt.datetime) -> None:
    """Let no game take it up any more. Raises NotFound; Conflict where games are played under it."""
    row = _lock(session, rule_set_id, actor)
    if row.state == RuleSetState.RETIRED:
        raise Conflict(f"Version {row.version} of {row.name} is retired already.")
    playing = session.scalars(
        select(Game.name)
        .where(Game.rule_set_id == rule_set_id, Game.state == GameState.ACTIVE)
        .order_by(Game.name)
    ).all()
    if playing:
        raise Conflict(f"It is played by {', '.join(playing)}: give other rules there first.")
    _set_state(session, row, RuleSetState.RETIRED, actor, now)


def ship(session: Session, operator_id: int, now: dt.datetime) -> dict[str, int]:
    """Give a new operator the rule sets that every one starts with; their ids by name.

    One on which the house would lose stays a draft.
    """
    rows = [{**row, "operator_id": operator_id, "made_at": now} for row in _SHIPPED]
    made = session.execute(insert(RuleSet).returning(RuleSet.name, RuleSet.id), rows)
    return {row.name: row.id for row in made}


def _keep(session: Session, name: str, version: int, *, rules: Rules, actor: Actor, now: dt.datetime) -> int:
    row = {
        "operator_id": actor.operator_id,
        "name": name,
        "version": version,
        "definition": rule_sets.write(rules),
        "made_by": actor.reference,
        "made_at": now,
    }
    with session.begin_nested():
        rule_set_id = session.scalars(insert(RuleSet).values(row).returning(RuleSet.id)).one()
    details: staff_log.Details = {"rule_set": rule_set_id, "name": name, "version": version}
    staff_log.record(session, actor, "rule_set.made", details=details, now=now)
    return rule_set_id


def _lock(session: Session, rule_set_id: int, actor: Actor) -> Row[Any]:
    row = session.execute(_LOCK, {"id": rule_set_id}).one_or_none()
    if row is None or not actor.serves(row.operator_id):
        raise NotFound("There is no such rule set.")
    return row


def _set_state(session: Session, row: Row[Any], state: RuleSetState, actor: Actor, now: dt.datetime) -> None:
    session.execute(update(RuleSet).filter_by(id=row.id).values(state=state))
    details: staff_log.Details = {"rule_set": row.id, "name": row.name, "version": row.version}
    action = "rule_set.activated" if state == RuleSetState.ACTIVE else "rule_set.retired"
    staff_log.record(session, actor, action, details=details, operator_id=row.operator_id, now=now)
