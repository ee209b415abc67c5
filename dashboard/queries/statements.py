"""Statements as the partner and the desk read them: shown figures, in columns that both may see.

Whoever reads names the partner. In a partner's own transaction row-level security says the same once more,
and leaves out the rounds that may not be seen by themselves.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, aliased

from dashboard.errors import NotFound
from dashboard.models import (
    Login,
    Partner,
    PartnerContract,
    PartnerShownEarning,
    PartnerStatement,
    PartnerStatementLine,
)
from dashboard.models.partner import Disclosure
from dashboard.queries.paging import Listing

_Closer, _Decider = aliased(Login), aliased(Login)


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A month's statement in one currency; amounts in its minor units."""

    id: int
    partner_id: int
    currency: str
    month: dt.date
    state: str
    rows: int
    bets: int
    payouts: int
    profit: int
    opening: int
    earned: int
    written_off: int
    closing: int
    minimum: int
    payable: int
    carried: int
    closed_at: dt.datetime
    decided_at: dt.datetime | None
    paid_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class LineRow:
    """What a statement holds of one contract version."""

    contract_version: int
    loss_policy: str
    rows: int
    bets: int
    payouts: int
    profit: int
    earned: int
    corrected: int
    """Of what was earned, by corrections of rounds that had been settled before."""
    written_off: int


@dataclass(frozen=True, slots=True)
class EarningRow:
    """What one round brought, or a correction of it took back."""

    id: int
    game_id: int
    round_number: int
    settlement_version: int
    day: dt.date
    settled_at: dt.datetime
    players: int
    bets: int
    payouts: int
    profit: int
    earned: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Sums:
    """Some of a statement's earnings, added up."""

    rows: int
    bets: int
    payouts: int
    profit: int
    earned: int


@dataclass(frozen=True, slots=True)
class DayRow:
    """The rounds of one day that may be seen by themselves, added up."""

    day: dt.date
    rows: int
    bets: int
    payouts: int
    profit: int
    earned: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and its lines, in the order of the contract's versions."""

    head: StatementRow
    lines: list[LineRow]


@dataclass(frozen=True, slots=True)
class Signatures:
    """Whose statement it is, and who closed and decided it. No partner reads this."""

    partner_id: int
    partner_name: str
    closed_by: str
    decided_by: str | None
    decision_reason: str | None


_HEAD = [getattr(PartnerStatement, name) for name in StatementRow.__slots__]
_LINE = [getattr(PartnerStatementLine, name) for name in LineRow.__slots__]
_EARNING = [getattr(PartnerShownEarning, name) for name in EarningRow.__slots__]


def get_statement(session: Session, *, statement_id: int, partner_id: int) -> Statement:
    """One of the partner's statements. Raises NotFound."""
    row = session.execute(_heads(partner_id).where(PartnerStatement.id == statement_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such statement.")
    lines = session.execute(
        select(*_LINE)
        .where(PartnerStatementLine.statement_id == statement_id)
        .order_by(PartnerStatementLine.contract_version)
    )
    return Statement(StatementRow(*row), [LineRow(*line) for line in lines])


def list_statements(session: Session, *, partner_id: int) -> list[StatementRow]:
    """All of a partner, the latest month first; one a month and currency, so that they are few."""
    wanted = _heads(partner_id).order_by(
        PartnerStatement.month.desc(), PartnerStatement.currency, PartnerStatement.id.desc()
    )
    return [StatementRow(*row) for row in session.execute(wanted)]


def all_statements(*, partner_id: int) -> Listing[StatementRow]:
    """All of a partner for a file, the earliest month first."""
    wanted = _heads(partner_id).order_by(
        PartnerStatement.currency, PartnerStatement.month, PartnerStatement.id
    )
    return Listing(wanted, lambda row: StatementRow(*row))


def rows_of_statement(*, statement_id: int, partner_id: int) -> Listing[EarningRow]:
    """The rounds of a statement that may be seen by themselves, in the order of their settlement."""
    wanted = (
        select(*_EARNING)
        .where(*_seen(statement_id, partner_id))
        .order_by(PartnerShownEarning.day, PartnerShownEarning.id)
    )
    return Listing(wanted, lambda row: EarningRow(*row))


def list_days(session: Session, *, statement_id: int, partner_id: int) -> list[DayRow]:
    """The same rounds by day, for one who has too many of them."""
    shown = PartnerShownEarning
    wanted = (
        select(shown.day, func.count(), *_sums())
        .where(*_seen(statement_id, partner_id))
        .group_by(shown.day)
        .order_by(shown.day)
    )
    return [DayRow(day, *map(int, sums)) for day, *sums in session.execute(wanted)]


def disclosed_terms(session: Session, *, partner_id: int) -> dict[int, tuple[int, int]]:
    """Share and rate, in hundredths of a percent, of the contract versions that name them. For the desk."""
    contract = PartnerContract
    rows = session.execute(
        select(contract.version, contract.share_bp, contract.rate_bp).where(
            contract.partner_id == partner_id, contract.disclosure == Disclosure.TERMS
        )
    )
    return {row.version: (row.share_bp, row.rate_bp) for row in rows}


def few_players(session: Session, head: StatementRow) -> Sums:
    """What a statement holds beside the rounds that may be seen by themselves."""
    seen = session.execute(select(func.count(), *_sums()).where(*_seen(head.id, head.partner_id))).one()
    whole = (head.rows, head.bets, head.payouts, head.profit, head.earned)
    return Sums(*(all_of_it - int(part) for all_of_it, part in zip(whole, seen, strict=True)))


def get_signatures(session: Session, *, statement_id: int, operator_id: int) -> Signatures:
    """Whose statement it is, for the desk: also the way to learn that the operator may see it.

    Raises NotFound.
    """
    row = session.execute(
        select(Partner.id, Partner.name, _Closer.name, _Decider.name, PartnerStatement.decision_reason)
        .join(Partner, Partner.id == PartnerStatement.partner_id)
        .join(_Closer, _Closer.id == PartnerStatement.closed_by)
        .outerjoin(_Decider, _Decider.id == PartnerStatement.decided_by)
        .where(PartnerStatement.id == statement_id, PartnerStatement.operator_id == operator_id)
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such statement.")
    return Signatures(*row)


def _heads(partner_id: int) -> Select[*tuple[Any, ...]]:
    return select(*_HEAD).where(PartnerStatement.partner_id == partner_id)


def _sums() -> list[ColumnElement[Any]]:
    shown = PartnerShownEarning
    figures = (shown.bets, shown.payouts, shown.profit, shown.earned)
    return [func.coalesce(func.sum(figure), 0) for figure in figures]


def _seen(statement_id: int, partner_id: int) -> tuple[ColumnElement[bool], ...]:
    shown = PartnerShownEarning
    return (shown.statement_id == statement_id, shown.partner_id == partner_id, shown.is_open.is_(True))
