"""What a partner's players brought, real beside shown: by month and by round. Staff alone read this."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, select, text
from sqlalchemy.orm import Session

from dashboard.models import (
    Game,
    PartnerContract,
    PartnerGameEarning,
    PartnerShownEarning,
    PartnerStatement,
)
from dashboard.models.partner_money import StatementState
from dashboard.queries import paging
from dashboard.queries.paging import Listing, Page, Place

FEW_MONTHS, MANY_MONTHS = 2, 12
"""Real figures are added up round by round: of the many only for who asks for them."""


@dataclass(frozen=True, slots=True)
class MonthRow:
    """One month in one currency, without what was rejected. Minor units."""

    month: dt.date
    rounds: int
    players: int
    real_bets: int
    real_payouts: int
    bets: int
    payouts: int
    earned: int

    @property
    def real_profit(self) -> int:
        """What the house kept."""
        return self.real_bets - self.real_payouts

    @property
    def profit(self) -> int:
        """What of that the partner is shown."""
        return self.bets - self.payouts


@dataclass(frozen=True, slots=True)
class EarningFilter:
    """Which earnings are wanted; what is empty does not matter."""

    state: str = ""
    currency: str = ""
    game_id: int | None = None
    since: dt.date | None = None
    until: dt.date | None = None
    statement_id: int | None = None


@dataclass(frozen=True, slots=True)
class EarningRow:
    """What a round earned, or with a settlement version above 1 a correction of it. Minor units."""

    id: int
    currency: str
    game_id: int
    game: str
    round_id: int
    round_number: int
    settlement_version: int
    day: dt.date
    settled_at: dt.datetime
    players: int
    real_bets: int
    real_payouts: int
    real_profit: int
    bets: int
    payouts: int
    profit: int
    earned: int
    share_bp: int
    rate_bp: int
    loss_policy: str
    state: str
    approve_at: dt.datetime
    decided_by: str | None
    decided_at: dt.datetime | None
    reason: str | None
    statement_id: int | None
    contract_version: int


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits for its approval in one currency."""

    currency: str
    rows: int
    earned: int


@dataclass(frozen=True, slots=True)
class ClosedMonth:
    """A month that has a statement which was not declined."""

    statement_id: int
    month: dt.date
    currency: str

    @property
    def key(self) -> str:
        """How a form names it."""
        return f"{self.month:%Y-%m}-{self.currency}"


def list_months(
    session: Session, *, partner_id: int, currency: str, today: dt.date, count: int
) -> list[MonthRow]:
    """The month of `today` and those before, `count` in all, the latest first; none without a row."""
    first = today.replace(day=1)
    for _ in range(count - 1):
        first = (first - dt.timedelta(days=1)).replace(day=1)
    rows = session.execute(_MONTHS, {"p": partner_id, "c": currency, "first": first})
    return [MonthRow(*row) for row in rows]


def page_of_earnings(
    session: Session, *, partner_id: int, wanted: EarningFilter, after: str = ""
) -> Page[EarningRow]:
    """Round by round, the latest first."""
    rows = _earnings(partner_id, wanted)

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[EarningRow]:
        some = rows if after is None else rows.where(PartnerShownEarning.id < after[0])
        return [EarningRow(*row) for row in session.execute(some.limit(limit))]

    return paging.gather(fetch, lambda row: paging.write(row.id), after=paging.read(after, int))


def all_earnings(*, partner_id: int, wanted: EarningFilter) -> Listing[EarningRow]:
    """All of these, for a file."""
    return Listing(_earnings(partner_id, wanted), lambda row: EarningRow(*row))


def list_earnings(session: Session, *, partner_id: int, ids: Sequence[int]) -> list[EarningRow]:
    """These of the partner's, the latest first."""
    rows = _earnings(partner_id, EarningFilter()).where(PartnerShownEarning.id.in_(ids))
    return [EarningRow(*row) for row in session.execute(rows)]


def list_pending(session: Session, *, partner_id: int) -> list[Pending]:
    """How much waits for its approval, by currency."""
    return [Pending(*row) for row in session.execute(_PENDING, {"p": partner_id})]


def list_closed_months(session: Session, *, partner_id: int) -> list[ClosedMonth]:
    """Months with a statement, the latest first."""
    wanted = (
        select(PartnerStatement.id, PartnerStatement.month, PartnerStatement.currency)
        .where(PartnerStatement.partner_id == partner_id, PartnerStatement.state != StatementState.DECLINED)
        .order_by(PartnerStatement.month.desc(), PartnerStatement.currency)
    )
    return [ClosedMonth(*row) for row in session.execute(wanted)]


def list_games(session: Session, *, operator_id: int) -> dict[int, str]:
    """The operator's games by id, in the order of their names."""
    wanted = select(Game.id, Game.name).filter_by(operator_id=operator_id).order_by(Game.name)
    return {row.id: row.name for row in session.execute(wanted)}


# Added up once, whatever the planner thinks of how many months there are.
_MONTHS = text("""
WITH real AS MATERIALIZED (
  SELECT date_trunc('month', CAST(s.day AS timestamp))::date AS starts, sum(g.real_bets)::bigint AS bets,
         sum(g.real_payouts)::bigint AS payouts
  FROM partner_shown_earnings s JOIN partner_game_earnings g ON g.id = s.id
  WHERE s.partner_id = :p AND s.currency = :c AND s.day >= :first AND s.state <> 'rejected'
  GROUP BY 1
)
SELECT p.starts, p.rounds, p.players, coalesce(r.bets, 0), coalesce(r.payouts, 0), p.bets, p.payouts,
       p.earned
FROM partner_shown_periods p LEFT JOIN real r ON r.starts = p.starts
WHERE p.partner_id = :p AND p.currency = :c AND p.kind = 'month' AND p.starts >= :first
ORDER BY p.starts DESC
""")
_PENDING = text("""
SELECT currency, count(*), sum(earned)::bigint FROM partner_shown_earnings
WHERE partner_id = :p AND state = 'pending' AND statement_id IS NULL
GROUP BY currency ORDER BY currency
""")
_COLUMNS: tuple[Any, ...] = (
    PartnerShownEarning.id,
    PartnerShownEarning.currency,
    PartnerShownEarning.game_id,
    Game.name,
    PartnerShownEarning.round_id,
    PartnerShownEarning.round_number,
    PartnerShownEarning.settlement_version,
    PartnerShownEarning.day,
    PartnerShownEarning.settled_at,
    PartnerShownEarning.players,
    PartnerGameEarning.real_bets,
    PartnerGameEarning.real_payouts,
    PartnerGameEarning.real_profit,
    PartnerShownEarning.bets,
    PartnerShownEarning.payouts,
    PartnerShownEarning.profit,
    PartnerShownEarning.earned,
    PartnerGameEarning.share_bp,
    PartnerGameEarning.rate_bp,
    PartnerGameEarning.loss_policy,
    PartnerShownEarning.state,
    PartnerShownEarning.approve_at,
    PartnerShownEarning.decided_by,
    PartnerShownEarning.decided_at,
    PartnerShownEarning.reason,
    PartnerShownEarning.statement_id,
    PartnerContract.version,
)


def _earnings(partner_id: int, wanted: EarningFilter) -> Select[*tuple[Any, ...]]:
    rows = (
        select(*_COLUMNS)
        .join(
            PartnerGameEarning,
            and_(
                PartnerGameEarning.id == PartnerShownEarning.id,
                PartnerGameEarning.partner_id == PartnerShownEarning.partner_id,
            ),
        )
        .join(PartnerContract, PartnerContract.id == PartnerGameEarning.contract_id)
        .join(Game, Game.id == PartnerShownEarning.game_id)
        .where(PartnerShownEarning.partner_id == partner_id)
        .order_by(PartnerShownEarning.id.desc())
    )
    if wanted.state:
        rows = rows.where(PartnerShownEarning.state == wanted.state)
    if wanted.currency:
        rows = rows.where(PartnerShownEarning.currency == wanted.currency)
    if wanted.game_id is not None:
        rows = rows.where(PartnerShownEarning.game_id == wanted.game_id)
    if wanted.since is not None:
        rows = rows.where(PartnerShownEarning.day >= wanted.since)
    if wanted.until is not None:
        rows = rows.where(PartnerShownEarning.day <= wanted.until)
    if wanted.statement_id is not None:
        rows = rows.where(PartnerShownEarning.statement_id == wanted.statement_id)
    return rows
