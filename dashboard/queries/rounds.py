"""Rounds: the history over all games, one round as it is or was, and how it was settled."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Game, Round, RoundSettlement, RuleSet
from dashboard.models.game import LIVE_STATES, RoundState
from dashboard.queries import paging
from dashboard.queries.paging import Listing, Page, Place


@dataclass(frozen=True, slots=True)
class RoundFilter:
    """Which rounds of the history are wanted; None: whichever. Opened from `start` to before `end`."""

    game_id: int | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    winner: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class RoundRow:
    """A round. Amounts in minor units of its currency; the seed as soon as it may be known."""

    id: int
    game_id: int
    game_name: str
    number: int
    currency: str
    dealing: str
    state: str
    stage: int
    opened_at: dt.datetime
    opened_by: str
    betting_ends_at: dt.datetime | None
    public_salt: str
    commitment: bytes | None
    seed: bytes | None
    joker: int | None
    cards: list[int]
    winner: str | None
    version: int
    bets: int
    players: int
    staked: int
    staked_andar: int
    staked_bahar: int
    paid: int
    ended_at: dt.datetime | None
    void_reason: str | None
    rule_set_id: int
    rules_name: str
    rules_version: int
    definition: str
    """Of the rule set that it is played under; `rule_sets.read` reads it."""
    is_void: bool
    """Whether every stake was given back: before there was a result, or by a later settlement."""

    @property
    def profit(self) -> int:
        """What the house kept; of a round that is settled."""
        return self.staked - self.paid

    @property
    def is_live(self) -> bool:
        """Whether it has not ended."""
        return self.state in LIVE_STATES

    @property
    def is_manual(self) -> bool:
        """Whether staff deal its cards."""
        return self.dealing == "manual"


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """One settlement of a round. Amounts in minor units of the round's currency."""

    version: int
    joker: int | None
    cards: list[int]
    winner: str | None
    """None: every bet was void."""
    reason: str | None
    made_by: str
    approved_by: str | None
    """Who agreed, where staff have amended a settled round."""
    claimed_at: dt.datetime
    paid_at: dt.datetime | None
    done_at: dt.datetime | None
    bets: int
    players: int
    staked: int
    paid: int


def page_of_rounds(
    session: Session, *, operator_id: int, wanted: RoundFilter, after: str = "", through: str = ""
) -> Page[RoundRow]:
    """The history, the latest round first."""

    def fetch(after: Place | None, through: Place | None, limit: int) -> list[RoundRow]:
        chosen = _filtered(operator_id, wanted).order_by(Round.id.desc()).limit(limit)
        if after is not None:
            chosen = chosen.where(Round.id < after[0])
        if through is not None:
            chosen = chosen.where(Round.id >= through[0])
        return [RoundRow(*row) for row in session.execute(chosen)]

    return paging.gather(
        fetch,
        lambda row: paging.write(row.id),
        after=paging.read(after, int),
        through=paging.read(through, int),
    )


def all_rounds(*, operator_id: int, wanted: RoundFilter) -> Listing[RoundRow]:
    """Every round of the history, for a file."""
    return Listing(_filtered(operator_id, wanted).order_by(Round.id.desc()), lambda row: RoundRow(*row))


def list_latest(session: Session, *, operator_id: int, game_id: int, limit: int) -> list[RoundRow]:
    """The last rounds of a game, the latest first; the live one among them."""
    wanted = _filtered(operator_id, RoundFilter(game_id=game_id)).order_by(Round.id.desc()).limit(limit)
    return [RoundRow(*row) for row in session.execute(wanted)]


def get_round(session: Session, *, operator_id: int, round_id: int) -> RoundRow:
    """One round. Raises NotFound."""
    row = session.execute(_rounds(operator_id).where(Round.id == round_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such round.")
    return RoundRow(*row)


def database_clock(session: Session) -> dt.datetime:
    """What the clock says by which betting closes."""
    now: dt.datetime = session.scalars(select(func.clock_timestamp())).one()
    return now


def list_settlements(session: Session, *, round_id: int) -> list[SettlementRow]:
    """How a round that the caller may see was settled, the last version first."""
    rows = session.execute(
        select(*_SETTLEMENT)
        .where(RoundSettlement.round_id == round_id)
        .order_by(RoundSettlement.version.desc())
    )
    return [SettlementRow(*row) for row in rows]


_SETTLEMENT: tuple[Any, ...] = (
    RoundSettlement.version,
    RoundSettlement.joker,
    RoundSettlement.cards,
    RoundSettlement.winner,
    RoundSettlement.reason,
    RoundSettlement.made_by,
    RoundSettlement.approved_by,
    RoundSettlement.claimed_at,
    RoundSettlement.paid_at,
    RoundSettlement.done_at,
    RoundSettlement.bets,
    RoundSettlement.players,
    RoundSettlement.staked,
    RoundSettlement.paid,
)


# A round that is voided after it was settled stays settled, by a version without a winner.
_IS_VOID = or_(
    Round.state == RoundState.VOIDED,
    and_(RoundSettlement.version.is_not(None), RoundSettlement.winner.is_(None)),
)


def _filtered(operator_id: int, wanted: RoundFilter) -> Select[*tuple[Any, ...]]:
    chosen = _rounds(operator_id)
    if wanted.game_id is not None:
        chosen = chosen.where(Round.game_id == wanted.game_id)
    if wanted.start is not None:
        chosen = chosen.where(Round.opened_at >= wanted.start)
    if wanted.end is not None:
        chosen = chosen.where(Round.opened_at < wanted.end)
    if wanted.winner is not None:
        chosen = chosen.where(Round.winner == wanted.winner, ~_IS_VOID)
    if wanted.state == RoundState.VOIDED:
        chosen = chosen.where(_IS_VOID)
    elif wanted.state is not None:
        chosen = chosen.where(Round.state == wanted.state, ~_IS_VOID)
    return chosen


def _rounds(operator_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Round.id,
            Round.game_id,
            Game.name,
            Round.number,
            Round.currency,
            Round.dealing,
            Round.state,
            Round.stage,
            Round.opened_at,
            Round.opened_by,
            Round.betting_ends_at,
            Round.public_salt,
            Round.commitment,
            Round.seed,
            Round.joker,
            Round.cards,
            Round.winner,
            Round.version,
            Round.bets,
            Round.players,
            Round.staked,
            Round.staked_andar,
            Round.staked_bahar,
            Round.paid,
            Round.ended_at,
            Round.void_reason,
            Round.rule_set_id,
            RuleSet.name,
            RuleSet.version,
            RuleSet.definition,
            _IS_VOID,
        )
        .join(Game, Game.id == Round.game_id)
        .join(RuleSet, RuleSet.id == Round.rule_set_id)
        .outerjoin(
            RoundSettlement,
            and_(RoundSettlement.round_id == Round.id, RoundSettlement.version == Round.version),
        )
        .where(Round.operator_id == operator_id)
    )
