"""What a partner earned, as the partner sees it: by round, by day, by month, by game. Shown figures alone.

Reads what the partners' database role may read; whoever asks names the partner, and in the partner's own
transaction row-level security says the same once more and leaves out what is too small to be shown.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, column, func, literal, select, table, tuple_
from sqlalchemy.orm import Session

from dashboard.models import PartnerShownEarning, PartnerShownPeriod
from dashboard.models.partner_money import PeriodKind
from dashboard.queries import paging
from dashboard.queries.paging import Listing, Page, Place

GAMES_MAX = 200
"""How many games a list of them shows, the best first."""

_GAMES: Any = table("partner_games", column("id"), column("name"), column("currency"))
"""The view of the operator's games that a partner may read."""


@dataclass(frozen=True, slots=True)
class EarningFilter:
    """Which earnings are wanted, of days from `first` to `last`, both included; None: whichever."""

    game_id: int | None = None
    currency: str | None = None
    first: dt.date | None = None
    last: dt.date | None = None
    state: str | None = None
    statement_id: int | None = None


@dataclass(frozen=True, slots=True)
class RoundRow:
    """What one round earned, or a correction of it (settlement version 2 and on) changed."""

    id: int
    round_number: int
    game_id: int
    game_name: str
    currency: str
    settlement_version: int
    day: dt.date
    settled_at: dt.datetime
    players: int
    bets: int
    payouts: int
    profit: int
    earned: int
    state: str
    approve_at: dt.datetime
    reason: str | None
    """Why it was rejected."""
    statement_id: int | None

    @property
    def is_correction(self) -> bool:
        """Whether the round had been settled before."""
        return self.settlement_version > 1


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """The sums of a day, a month, or a month of one game."""

    starts: dt.date
    currency: str
    rounds: int
    players: int
    bets: int
    payouts: int
    profit: int
    earned: int

    @property
    def ends(self) -> dt.date:
        """The last day of the month that begins with `starts`."""
        return (self.starts + dt.timedelta(days=32)).replace(day=1) - dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class GameRow:
    """The sums of one game over months. Players are not among them: the same ones play in many months."""

    game_id: int
    game_name: str
    currency: str
    months: int
    rounds: int
    bets: int
    payouts: int
    profit: int
    earned: int


_SHOWN = PartnerShownEarning
_ROUND: tuple[Any, ...] = (
    _SHOWN.id,
    _SHOWN.round_number,
    _SHOWN.game_id,
    _GAMES.c.name,
    _SHOWN.currency,
    _SHOWN.settlement_version,
    _SHOWN.day,
    _SHOWN.settled_at,
    _SHOWN.players,
    _SHOWN.bets,
    _SHOWN.payouts,
    _SHOWN.profit,
    _SHOWN.earned,
    _SHOWN.state,
    _SHOWN.approve_at,
    _SHOWN.reason,
    _SHOWN.statement_id,
)
_ROUND_KEY = (_SHOWN.day, _SHOWN.id)
_SUMS = PartnerShownPeriod
_PERIOD: tuple[Any, ...] = (
    _SUMS.starts,
    _SUMS.currency,
    _SUMS.rounds,
    _SUMS.players,
    _SUMS.bets,
    _SUMS.payouts,
    _SUMS.profit,
    _SUMS.earned,
)
_PERIOD_KEY = (_SUMS.starts, _SUMS.currency)


def page_of_rounds(
    session: Session, *, partner_id: int, wanted: EarningFilter, after: str = ""
) -> Page[RoundRow]:
    """The rounds that may be seen by themselves, the latest day first."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[RoundRow]:
        chosen = _rounds(partner_id, wanted).limit(limit)
        if after is not None:
            place = tuple_(literal(dt.date.fromordinal(after[0])), literal(after[1]))
            chosen = chosen.where(tuple_(*_ROUND_KEY) < place)
        return [RoundRow(*row) for row in session.execute(chosen)]

    return paging.gather(
        fetch, lambda row: paging.write(row.day.toordinal(), row.id), after=_place(after, int)
    )


def all_rounds(*, partner_id: int, wanted: EarningFilter) -> Listing[RoundRow]:
    """All of these, for a file."""
    return Listing(_rounds(partner_id, wanted), lambda row: RoundRow(*row))


def page_of_periods(
    session: Session, *, partner_id: int, kind: PeriodKind, wanted: EarningFilter, after: str = ""
) -> Page[PeriodRow]:
    """Days or months, the latest first; of one game, `wanted` names it. They have no state."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[PeriodRow]:
        chosen = _periods(partner_id, kind, wanted).limit(limit)
        if after is not None:
            place = tuple_(literal(dt.date.fromordinal(after[0])), literal(after[1]))
            chosen = chosen.where(tuple_(*_PERIOD_KEY) < place)
        return [PeriodRow(*row) for row in session.execute(chosen)]

    return paging.gather(
        fetch,
        lambda row: paging.write(row.starts.toordinal(), row.currency),
        after=_place(after, str),
    )


def all_periods(*, partner_id: int, kind: PeriodKind, wanted: EarningFilter) -> Listing[PeriodRow]:
    """All of these, for a file."""
    return Listing(_periods(partner_id, kind, wanted), lambda row: PeriodRow(*row))


def list_games(
    session: Session, *, partner_id: int, wanted: EarningFilter, limit: int = GAMES_MAX
) -> list[GameRow]:
    """The games over the months that begin in the wanted days: in each currency the best first."""
    return [GameRow(*row) for row in session.execute(_games(partner_id, wanted).limit(limit))]


def all_games(*, partner_id: int, wanted: EarningFilter) -> Listing[GameRow]:
    """All of these, for a file."""
    return Listing(_games(partner_id, wanted), lambda row: GameRow(*row))


def list_periods(
    session: Session, *, partner_id: int, kind: PeriodKind, currency: str, first: dt.date
) -> list[PeriodRow]:
    """Days or months of one currency from `first` on, the earliest first; none for those without a row."""
    wanted = EarningFilter(currency=currency, first=first)
    found = _periods(partner_id, kind, wanted).order_by(None).order_by(_SUMS.starts)
    return [PeriodRow(*row) for row in session.execute(found)]


def game_names(session: Session) -> dict[int, str]:
    """The operator's games by id, in the order of their names. For a partner's own transaction."""
    rows = session.execute(select(_GAMES.c.id, _GAMES.c.name).order_by(_GAMES.c.name, _GAMES.c.id))
    return {row.id: row.name for row in rows}


def _place(after: str, kind: type) -> Place | None:
    """A day by its number, and what tells rows of that day apart."""
    place = paging.read(after, int, kind)
    return place if place and dt.date.min.toordinal() <= place[0] <= dt.date.max.toordinal() else None


def _rounds(partner_id: int, wanted: EarningFilter) -> Select[*tuple[Any, ...]]:
    chosen = (
        select(*_ROUND)
        .join(_GAMES, _GAMES.c.id == _SHOWN.game_id)
        .where(_SHOWN.partner_id == partner_id, _SHOWN.is_open)
        .order_by(*(key.desc() for key in _ROUND_KEY))
    )
    if wanted.game_id is not None:
        chosen = chosen.where(_SHOWN.game_id == wanted.game_id)
    if wanted.currency is not None:
        chosen = chosen.where(_SHOWN.currency == wanted.currency)
    if wanted.first is not None:
        chosen = chosen.where(_SHOWN.day >= wanted.first)
    if wanted.last is not None:
        chosen = chosen.where(_SHOWN.day <= wanted.last)
    if wanted.state is not None:
        chosen = chosen.where(_SHOWN.state == wanted.state)
    if wanted.statement_id is not None:
        chosen = chosen.where(_SHOWN.statement_id == wanted.statement_id)
    return chosen


def _periods(partner_id: int, kind: PeriodKind, wanted: EarningFilter) -> Select[*tuple[Any, ...]]:
    chosen = (
        select(*_PERIOD)
        .where(_SUMS.partner_id == partner_id, _SUMS.kind == kind, _SUMS.game_id == (wanted.game_id or 0))
        .order_by(*(key.desc() for key in _PERIOD_KEY))
    )
    return _within(chosen, wanted)


def _games(partner_id: int, wanted: EarningFilter) -> Select[*tuple[Any, ...]]:
    sums: Sequence[Any] = [
        func.sum(figure).cast(_SUMS.earned.type)
        for figure in (_SUMS.rounds, _SUMS.bets, _SUMS.payouts, _SUMS.profit, _SUMS.earned)
    ]
    chosen = (
        select(_SUMS.game_id, _GAMES.c.name, _SUMS.currency, func.count(), *sums)
        .join(_GAMES, _GAMES.c.id == _SUMS.game_id)
        .where(_SUMS.partner_id == partner_id, _SUMS.kind == PeriodKind.GAME)
        .group_by(_SUMS.game_id, _GAMES.c.name, _SUMS.currency)
        .order_by(_SUMS.currency, sums[-1].desc(), _SUMS.game_id)
    )
    if wanted.game_id is not None:
        chosen = chosen.where(_SUMS.game_id == wanted.game_id)
    return _within(chosen, wanted)


def _within(chosen: Select[*tuple[Any, ...]], wanted: EarningFilter) -> Select[*tuple[Any, ...]]:
    if wanted.currency is not None:
        chosen = chosen.where(_SUMS.currency == wanted.currency)
    if wanted.first is not None:
        chosen = chosen.where(_SUMS.starts >= wanted.first)
    if wanted.last is not None:
        chosen = chosen.where(_SUMS.starts <= wanted.last)
    return chosen
