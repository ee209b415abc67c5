"""The games of an operator, and what their months came to."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Game, GameStatistic, Round, RuleSet
from dashboard.models.game import LIVE_STATES, GameState, RuleSetState


@dataclass(frozen=True, slots=True)
class GameRow:
    """A game with its live round. Amounts in minor units of its currency."""

    id: int
    name: str
    currency: str
    rule_set_id: int
    dealing: str
    public_salt: str
    min_bet: int
    max_bet: int
    exposure_max: int | None
    betting_seconds: int
    pause_seconds: int
    is_running: bool
    state: str
    made_at: dt.datetime
    rules_name: str
    rules_version: int
    definition: str
    """Of the rule set; `rule_sets.read` reads it."""
    round_id: int | None
    """The live round, if there is one; so are the next two."""
    round_number: int | None
    round_state: str | None

    @property
    def is_retired(self) -> bool:
        """Whether no round can be opened any more."""
        return self.state == GameState.RETIRED

    @property
    def is_automatic(self) -> bool:
        """Whether a committed seed shuffles its decks."""
        return self.dealing == "automatic"


@dataclass(frozen=True, slots=True)
class MonthRow:
    """What a game's month came to. Amounts in minor units of its currency."""

    month: dt.date
    rounds: int
    voided: int
    bets: int
    wagered: int
    paid: int
    expected: int
    """What the exact edges say would be paid on what was wagered."""

    @property
    def profit(self) -> int:
        """What the house kept."""
        return self.wagered - self.paid


@dataclass(frozen=True, slots=True)
class RuleSetChoice:
    """A rule set that games may be played under."""

    id: int
    name: str
    version: int


def list_games(session: Session, *, operator_id: int) -> list[GameRow]:
    """Every game, those that are played first, by name."""
    rows = session.execute(
        _games().where(Game.operator_id == operator_id).order_by(Game.state, Game.name, Game.id)
    )
    return [GameRow(*row) for row in rows]


def get_game(session: Session, *, operator_id: int, game_id: int) -> GameRow:
    """One game. Raises NotFound."""
    row = session.execute(_games().where(Game.operator_id == operator_id, Game.id == game_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such game.")
    return GameRow(*row)


def names_by_id(session: Session, *, operator_id: int) -> dict[int, str]:
    """The names of all games, retired ones too, in their order."""
    rows = session.execute(
        select(Game.id, Game.name).where(Game.operator_id == operator_id).order_by(Game.name, Game.id)
    )
    return {row.id: row.name for row in rows}


def list_rule_sets(session: Session, *, operator_id: int, and_also: int | None = None) -> list[RuleSetChoice]:
    """The active rule sets by name, the newest version first; and one that a game has already."""
    is_offered = RuleSet.state == RuleSetState.ACTIVE
    if and_also is not None:
        is_offered = is_offered | (RuleSet.id == and_also)
    rows = session.execute(
        select(RuleSet.id, RuleSet.name, RuleSet.version)
        .where(RuleSet.operator_id == operator_id, is_offered)
        .order_by(RuleSet.name, RuleSet.version.desc())
    )
    return [RuleSetChoice(*row) for row in rows]


def list_months(session: Session, *, game_id: int) -> list[MonthRow]:
    """The months of a game that the caller may see, the latest first."""
    rows = session.execute(
        select(*_MONTH).where(GameStatistic.game_id == game_id).order_by(GameStatistic.month.desc())
    )
    return [MonthRow(*row) for row in rows]


def months_of_games(session: Session, *, operator_id: int, month: dt.date) -> dict[int, MonthRow]:
    """One month (its first day) of every game that was played in it, by game."""
    rows = session.execute(
        select(GameStatistic.game_id, *_MONTH)
        .join(Game, Game.id == GameStatistic.game_id)
        .where(Game.operator_id == operator_id, GameStatistic.month == month)
    )
    return {row[0]: MonthRow(*row[1:]) for row in rows}


_MONTH: tuple[Any, ...] = (
    GameStatistic.month,
    GameStatistic.rounds,
    GameStatistic.voided,
    GameStatistic.bets,
    GameStatistic.wagered,
    GameStatistic.paid,
    GameStatistic.expected,
)


def _games() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Game.id,
            Game.name,
            Game.currency,
            Game.rule_set_id,
            Game.dealing,
            Game.public_salt,
            Game.min_bet,
            Game.max_bet,
            Game.exposure_max,
            Game.betting_seconds,
            Game.pause_seconds,
            Game.is_running,
            Game.state,
            Game.made_at,
            RuleSet.name,
            RuleSet.version,
            RuleSet.definition,
            Round.id,
            Round.number,
            Round.state,
        )
        .join(RuleSet, RuleSet.id == Game.rule_set_id)
        .outerjoin(Round, and_(Round.game_id == Game.id, Round.state.in_(LIVE_STATES)))
    )
