"""Statements and payouts of all partners, as the desk goes through them. Amounts in minor units."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, literal, select, text, tuple_
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Login, Partner, PartnerPayout, PartnerStatement
from dashboard.models.partner_money import PayoutState
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place

WAITING_MAX = 100
"""Counting stops here: the navigation shows 99+."""
OPEN_PAYOUTS = (PayoutState.REQUESTED, PayoutState.APPROVED)


@dataclass(frozen=True, slots=True)
class MoneyFilter:
    """Which statements or payouts are wanted; what is empty does not matter."""

    states: Sequence[str] = ()
    currency: str = ""
    month: dt.date | None = None
    """Its first day; of statements alone."""
    partner_id: int | None = None


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A month's statement in one currency."""

    id: int
    partner_id: int
    partner_name: str
    currency: str
    month: dt.date
    state: str
    rows: int
    opening: int
    earned: int
    written_off: int
    closing: int
    payable: int
    carried: int
    closed_by: int
    closed_at: dt.datetime
    decided_by: int | None
    decided_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class PayoutRow:
    """What a partner wants to be paid."""

    id: int
    partner_id: int
    partner_name: str
    partner_status: str
    currency: str
    amount: int
    payout_details: str
    state: str
    requested_by: int
    requester: str
    """Name of the partner's user."""
    requested_at: dt.datetime
    approved_by: int | None
    approved_at: dt.datetime | None
    ended_by: int | None
    ended_at: dt.datetime | None
    reference: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class RealLine:
    """What stands behind a line of a statement, in real figures."""

    contract_version: int
    bets: int
    payouts: int
    share_bp: int
    rate_bp: int

    @property
    def profit(self) -> int:
        """What the house kept."""
        return self.bets - self.payouts


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for whoever asks, each up to WAITING_MAX."""

    statements: int
    payouts: int


def page_of_statements(
    session: Session, *, operator_id: int, wanted: MoneyFilter, after: str = ""
) -> Page[StatementRow]:
    """The latest month first."""
    rows = _statements(operator_id, wanted)

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[StatementRow]:
        some = rows
        if after is not None:
            month = dt.date.fromordinal(after[0])
            some = rows.where(tuple_(literal(month), literal(after[1])) > _MONTH_KEY)
        return [StatementRow(*row) for row in session.execute(some.limit(limit))]

    return paging.gather(
        fetch, lambda row: paging.write(row.month.toordinal(), row.id), after=_read_month(after)
    )


def page_of_payouts(
    session: Session, *, operator_id: int, wanted: MoneyFilter, after: str = ""
) -> Page[PayoutRow]:
    """Who waits longest first while only open ones are wanted, else the latest first."""
    waits = bool(wanted.states) and set(wanted.states) <= set(OPEN_PAYOUTS)
    rows = _payouts(operator_id, wanted)
    rows = rows.order_by(*(column.asc() if waits else column.desc() for column in _PAYOUT_KEY))

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[PayoutRow]:
        some = rows
        if after is not None:
            key, place = tuple_(*_PAYOUT_KEY), tuple_(*map(literal, after))
            some = rows.where(key > place if waits else key < place)
        return [PayoutRow(*row) for row in session.execute(some.limit(limit))]

    return paging.gather(
        fetch,
        lambda row: paging.write(row.requested_at, row.id),
        after=paging.read(after, dt.datetime, int),
    )


def list_of_ids(session: Session, *, operator_id: int, ids: Sequence[int]) -> list[StatementRow]:
    """These statements, by partner, currency and month."""
    rows = _statements(operator_id, MoneyFilter()).where(PartnerStatement.id.in_(ids))
    found = [StatementRow(*row) for row in session.execute(rows)]
    return sorted(found, key=lambda row: (row.partner_name.lower(), row.currency, row.month))


def get_payout(session: Session, *, operator_id: int, payout_id: int) -> PayoutRow:
    """One payout. Raises NotFound."""
    wanted = _payouts(operator_id, MoneyFilter()).where(PartnerPayout.id == payout_id)
    row = session.execute(wanted).one_or_none()
    if row is None:
        raise NotFound("There is no such payout.")
    return PayoutRow(*row)


def find_next_statement(session: Session, *, operator_id: int, login_id: int) -> int | None:
    """The statement that waits longest for this person's decision, if one does."""
    found: int | None = session.scalar(_NEXT_STATEMENT, {"operator": operator_id, "me": login_id})
    return found


def list_real_lines(session: Session, *, statement_id: int) -> dict[int, RealLine]:
    """The real figures behind a statement's lines, by contract version."""
    rows = session.execute(_REAL_LINES, {"statement": statement_id})
    return {row.version: RealLine(*row) for row in rows}


def has_open_month(session: Session, *, operator_id: int, month: dt.date) -> bool:
    """Whether that month, or one before it, is still open for anybody who earned by then."""
    return bool(session.scalar(_HAS_OPEN_MONTH, {"operator": operator_id, "month": month}))


def count_waiting(session: Session, *, operator_id: int, login_id: int) -> Waiting:
    """What this person may decide: nobody decides what they closed, or pays what they approved."""
    scope = {"operator": operator_id, "me": login_id, "most": WAITING_MAX}
    return Waiting(*session.execute(_WAITING, scope).one())


_MONTH_KEY = tuple_(PartnerStatement.month, PartnerStatement.id)
_PAYOUT_KEY: tuple[Any, ...] = (PartnerPayout.requested_at, PartnerPayout.id)
_WAITING = text("""
SELECT (SELECT count(*) FROM (
          SELECT FROM partner_statements
          WHERE operator_id = :operator AND state = 'closed' AND closed_by <> :me LIMIT :most) AS s),
       (SELECT count(*) FROM (
          SELECT FROM partner_payouts
          WHERE operator_id = :operator AND state IN ('requested', 'approved')
            AND (approved_by IS NULL OR approved_by <> :me) LIMIT :most) AS p)
""")
_NEXT_STATEMENT = text("""
SELECT id FROM partner_statements
WHERE operator_id = :operator AND state = 'closed' AND closed_by <> :me ORDER BY month, id LIMIT 1
""")
_REAL_LINES = text("""
SELECT k.version, sum(g.real_bets)::bigint, sum(g.real_payouts)::bigint, k.share_bp, k.rate_bp
FROM partner_shown_earnings s
JOIN partner_game_earnings g ON g.id = s.id
JOIN partner_contracts k ON k.id = g.contract_id
WHERE s.statement_id = :statement GROUP BY k.id ORDER BY k.version
""")
_HAS_OPEN_MONTH = text("""
SELECT EXISTS (
  SELECT FROM partner_accounts a
  WHERE a.operator_id = :operator AND (
    a.closed_through < :month
    OR a.closed_through IS NULL AND EXISTS (
      SELECT FROM partner_shown_periods p
      WHERE p.partner_id = a.partner_id AND p.currency = a.currency AND p.kind = 'month'
        AND p.starts <= :month)))
""")


def _statements(operator_id: int, wanted: MoneyFilter) -> Select[*tuple[Any, ...]]:
    rows = (
        select(
            PartnerStatement.id,
            PartnerStatement.partner_id,
            Partner.name,
            PartnerStatement.currency,
            PartnerStatement.month,
            PartnerStatement.state,
            PartnerStatement.rows,
            PartnerStatement.opening,
            PartnerStatement.earned,
            PartnerStatement.written_off,
            PartnerStatement.closing,
            PartnerStatement.payable,
            PartnerStatement.carried,
            PartnerStatement.closed_by,
            PartnerStatement.closed_at,
            PartnerStatement.decided_by,
            PartnerStatement.decided_at,
        )
        .join(Partner, Partner.id == PartnerStatement.partner_id)
        .where(PartnerStatement.operator_id == operator_id, *_fits(PartnerStatement, wanted))
        .order_by(PartnerStatement.month.desc(), PartnerStatement.id.desc())
    )
    if wanted.month is not None:
        rows = rows.where(PartnerStatement.month == wanted.month)
    return rows


def _payouts(operator_id: int, wanted: MoneyFilter) -> Select[*tuple[Any, ...]]:
    return (
        select(
            PartnerPayout.id,
            PartnerPayout.partner_id,
            Partner.name,
            Partner.status,
            PartnerPayout.currency,
            PartnerPayout.amount,
            PartnerPayout.payout_details,
            PartnerPayout.state,
            PartnerPayout.requested_by,
            Login.name,
            PartnerPayout.requested_at,
            PartnerPayout.approved_by,
            PartnerPayout.approved_at,
            PartnerPayout.ended_by,
            PartnerPayout.ended_at,
            PartnerPayout.reference,
            PartnerPayout.reason,
        )
        .join(Partner, Partner.id == PartnerPayout.partner_id)
        .join(Login, Login.id == PartnerPayout.requested_by)
        .where(PartnerPayout.operator_id == operator_id, *_fits(PartnerPayout, wanted))
    )


def _fits(
    table: type[PartnerStatement] | type[PartnerPayout], wanted: MoneyFilter
) -> Iterable[ColumnElement[bool]]:
    if wanted.states:
        yield table.state.in_(wanted.states)
    if wanted.currency:
        yield table.currency == wanted.currency
    if wanted.partner_id is not None:
        yield table.partner_id == wanted.partner_id


def _read_month(after: str) -> Place | None:
    place = paging.read(after, int, int)
    return place if place is not None and 1 <= place[0] <= dt.date.max.toordinal() else None
