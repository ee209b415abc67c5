"""Rule sets as the pages show them: the newest version of each, one version with its others, who plays it."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from dashboard.errors import NotFound
from dashboard.models import Game, RuleSet
from dashboard.models.game import GameState, RuleSetState
from dashboard.services import rule_sets
from dashboard.services.rule_sets import Rules

VERSIONS_MOST = 50


@dataclass(frozen=True, slots=True)
class RuleSetRow:
    """One version of a rule set."""

    id: int
    name: str
    version: int
    definition: str
    state: str
    made_by: str
    made_at: dt.datetime

    @property
    def rules(self) -> Rules:
        """What it says."""
        return rule_sets.read(self.definition)

    @property
    def is_active(self) -> bool:
        """Whether games may take it up."""
        return self.state == RuleSetState.ACTIVE


@dataclass(frozen=True, slots=True)
class NamedRuleSet:
    """The newest version of a name, and what there is beside it."""

    newest: RuleSetRow
    active_versions: tuple[int, ...]
    """Of that name, ascending."""
    games: int
    """That are played under any version of it, retired ones left out."""


def list_rule_sets(session: Session, *, operator_id: int) -> list[NamedRuleSet]:
    """Every name once, in the order of the names."""
    sibling, played = aliased(RuleSet), aliased(RuleSet)
    active_versions = (
        select(func.array_agg(sibling.version))
        .where(
            sibling.operator_id == operator_id,
            sibling.name == RuleSet.name,
            sibling.state == RuleSetState.ACTIVE,
        )
        .scalar_subquery()
    )
    games = (
        select(func.count())
        .select_from(Game)
        .join(played, played.id == Game.rule_set_id)
        .where(
            played.operator_id == operator_id,
            played.name == RuleSet.name,
            Game.state == GameState.ACTIVE,
        )
        .scalar_subquery()
    )
    rows = session.execute(
        _rows(operator_id)
        .add_columns(active_versions, games)
        .ext(distinct_on(RuleSet.name))
        .order_by(RuleSet.name, RuleSet.version.desc())
    )
    return [
        NamedRuleSet(RuleSetRow(*row), tuple(sorted(active or ())), played_by)
        for *row, active, played_by in rows
    ]


def get_rule_set(session: Session, *, operator_id: int, rule_set_id: int) -> RuleSetRow:
    """One version. Raises NotFound."""
    row = session.execute(_rows(operator_id).where(RuleSet.id == rule_set_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such rule set.")
    return RuleSetRow(*row)


def list_versions(session: Session, *, operator_id: int, name: str) -> list[RuleSetRow]:
    """The versions of that name, the newest first, at most VERSIONS_MOST of them."""
    rows = session.execute(
        _rows(operator_id).where(RuleSet.name == name).order_by(RuleSet.version.desc()).limit(VERSIONS_MOST)
    )
    return [RuleSetRow(*row) for row in rows]


def games_by_version(session: Session, *, operator_id: int, name: str) -> dict[int, list[tuple[int, str]]]:
    """Id and name of each game in play, by the version of that rule set under which it is played."""
    rows = session.execute(
        select(RuleSet.version, Game.id, Game.name)
        .join(Game, Game.rule_set_id == RuleSet.id)
        .where(RuleSet.operator_id == operator_id, RuleSet.name == name, Game.state == GameState.ACTIVE)
        .order_by(Game.name)
    )
    found: dict[int, list[tuple[int, str]]] = {}
    for row in rows:
        found.setdefault(row.version, []).append((row.id, row.name))
    return found


def _rows(operator_id: int) -> Select[*tuple[Any, ...]]:
    return select(
        RuleSet.id,
        RuleSet.name,
        RuleSet.version,
        RuleSet.definition,
        RuleSet.state,
        RuleSet.made_by,
        RuleSet.made_at,
    ).where(RuleSet.operator_id == operator_id)
