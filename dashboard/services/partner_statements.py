"""A partner's month in one currency: what its statement holds, closed by one person, decided by another.

A statement takes the approved earnings that no other has, up to the end of its month; what is pending by
then goes to the next one. Months are closed in their order, without gaps, and only once they are over.
"""

import datetime as dt
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row, insert, text
from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import PartnerStatement, PartnerStatementLine
from dashboard.models.partner import LossPolicy
from dashboard.models.partner_money import StatementState
from dashboard.services import partner_accounts, staff_log
from dashboard.services.actors import Actor
from dashboard.services.partner_accounts import Key
from dashboard.services.partner_terms import DEFAULT_MINIMUM
from dashboard.services.transact import Transact

REASON_MAX = 500

_LINES = text("""
SELECT k.version AS contract_version, k.loss_policy, count(*) AS rows, sum(s.bets)::bigint AS bets,
       sum(s.payouts)::bigint AS payouts, sum(s.profit)::bigint AS profit, sum(s.earned)::bigint AS earned,
       coalesce(sum(s.earned) FILTER (WHERE s.settlement_version > 1), 0)::bigint AS corrected
FROM partner_shown_earnings s
JOIN partner_game_earnings g ON g.id = s.id
JOIN partner_contracts k ON k.id = g.contract_id
WHERE s.partner_id = :p AND s.currency = :c AND s.state = 'approved' AND s.statement_id IS NULL
  AND s.day < :end
GROUP BY k.version, k.loss_policy ORDER BY k.version
""")
_TAKE = text("""
UPDATE partner_shown_earnings SET statement_id = :id
WHERE partner_id = :p AND currency = :c AND state = 'approved' AND statement_id IS NULL AND day < :end
""")
_FREE = text("UPDATE partner_shown_earnings SET statement_id = NULL WHERE statement_id = :id")
_OPENING = text("""
SELECT carried FROM partner_statements
WHERE partner_id = :p AND currency = :c AND month < :month AND state <> 'declined'
ORDER BY month DESC LIMIT 1
""")
_MINIMUM = text("""
SELECT m.amount FROM (
  SELECT id FROM partner_contracts WHERE partner_id = :p AND valid_from <= :on ORDER BY version DESC LIMIT 1
) AS newest JOIN partner_minimums m ON m.contract_id = newest.id AND m.currency = :c
""")
_CLOSED_THROUGH = text("SELECT closed_through FROM partner_accounts WHERE partner_id = :p AND currency = :c")
_FIRST_MONTH = text("""
SELECT min(starts) FROM partner_shown_periods WHERE partner_id = :p AND currency = :c AND kind = 'month'
""")
_MOVE_CLOSED_THROUGH = text("""
UPDATE partner_accounts SET closed_through = :month WHERE partner_id = :p AND currency = :c
""")
_ZONE = text("SELECT timezone FROM operators WHERE id = :id")
_ACCOUNTS = text("""
SELECT partner_id, currency FROM partner_accounts WHERE operator_id = :operator ORDER BY partner_id, currency
""")
_FIND = text("SELECT partner_id, currency, operator_id FROM partner_statements WHERE id = :id")
_LOCK = text("SELECT * FROM partner_statements WHERE id = :id FOR NO KEY UPDATE")
_UNDECIDED_BEFORE = text("""
SELECT min(month) FROM partner_statements
WHERE partner_id = :p AND currency = :c AND month < :month AND state = 'closed'
""")
_LAST = text("""
SELECT max(month) FROM partner_statements WHERE partner_id = :p AND currency = :c AND state <> 'declined'
""")
_DECIDE = text("""
UPDATE partner_statements SET state = :state, decided_by = :who, decided_at = :now, decision_reason = :reason
WHERE id = :id
""")


@dataclass(frozen=True, slots=True)
class Line:
    """What a statement holds of one contract version, in minor units."""

    contract_version: int
    loss_policy: str
    rows: int
    bets: int
    payouts: int
    profit: int
    earned: int
    corrected: int
    """Of that, by corrections of rounds that had been settled before."""
    written_off: int
    """What its loss is raised by, to zero."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a statement of that month holds, in minor units of its currency."""

    partner_id: int
    currency: str
    month: dt.date
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
    lines: tuple[Line, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to state: no earning, and nothing carried over."""
        return self.rows == 0 and self.opening == 0


def draft(session: Session, *, partner_id: int, currency: str, month: dt.date) -> Draft:
    """What closing a month, given by its first day, would hold now. Writes nothing, asks nobody's leave."""
    scope = {"p": partner_id, "c": currency, "month": month, "end": following(month)}
    lines = tuple(_line(row) for row in session.execute(_LINES, scope))
    opening = session.scalar(_OPENING, scope) or 0
    last_day = following(month) - dt.timedelta(days=1)
    least = minimum(session, partner_id=partner_id, currency=currency, on=last_day)
    earned = sum(line.earned for line in lines)
    written_off = sum(line.written_off for line in lines)
    closing = opening + earned + written_off
    payable = closing if closing > 0 and closing >= least else 0
    return Draft(
        partner_id=partner_id,
        currency=currency,
        month=month,
        rows=sum(line.rows for line in lines),
        bets=sum(line.bets for line in lines),
        payouts=sum(line.payouts for line in lines),
        profit=sum(line.profit for line in lines),
        opening=opening,
        earned=earned,
        written_off=written_off,
        closing=closing,
        minimum=least,
        payable=payable,
        carried=closing - payable,
        lines=lines,
    )


def close(
    session: Session, *, partner_id: int, currency: str, month: dt.date, actor: Actor, now: dt.datetime
) -> int | None:
    """Close a month, given by its first day; returns its statement, None where there is nothing to state.

    Raises NotFound; Rejected for a month that is not over, or not the next one; Conflict for one that is
    closed already.
    """
    partner = partner_accounts.partner(session, partner_id=partner_id, actor=actor)
    _is_a_person(actor)
    _is_over(month, partner.timezone, now)
    key = (partner_id, currency)
    due = _next_month(session, key)
    if due is None or month < due:
        raise Conflict(f"{named(month)} is closed already, or nothing was earned by then.")
    if month > due:
        raise Rejected(f"Close {named(due)} first.", field="month")
    return _close(session, key, month, partner.operator_id, actor=actor, now=now)


def close_month(
    session: Session, *, operator_id: int, month: dt.date, actor: Actor, now: dt.datetime
) -> list[int]:
    """Close a month for all partners and currencies, and before it what is open of months before.

    Returns the statements. Raises NotFound for another operator; Rejected for a month that is not over.
    """
    keys = _accounts(session, operator_id=operator_id, month=month, actor=actor, now=now)
    return [
        made for key in keys for made in _catch_up(session, key, month, operator_id, actor=actor, now=now)
    ]


def close_each(
    transact: Transact, *, operator_id: int, month: dt.date, actor: Actor, now: dt.datetime
) -> list[int]:
    """The same, each partner and currency in a transaction of its own.

    So a round that is being settled waits for one account and not for a month of all of them; what is
    left when this ends half-way is closed by the next call.
    """
    of_month = partial(_accounts, operator_id=operator_id, month=month, actor=actor, now=now)
    made: list[int] = []
    for key in transact(of_month):
        made += transact(
            partial(_catch_up, key=key, month=month, operator_id=operator_id, actor=actor, now=now)
        )
    return made


def approve(session: Session, *, statement_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Approve a closed statement that somebody else closed: payable, or rolled over to the next one.

    Raises NotFound; Rejected for its own closer, without a reason, or before those of months before;
    Conflict where it is decided.
    """
    reason = _said(reason)
    row = _lock(session, statement_id, actor)
    scope = {"p": row.partner_id, "c": row.currency, "month": row.month}
    before = session.scalar(_UNDECIDED_BEFORE, scope)
    if before is not None:
        raise Rejected(f"Decide on {named(before)} first: this statement goes on from it.")
    state = StatementState.PAYABLE if row.payable else StatementState.ROLLED_OVER
    _decide(session, row, state, reason, actor=actor, now=now)
    partner_accounts.move(session, {(row.partner_id, row.currency): {"approved": row.payable}})


def decline(session: Session, *, statement_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Decline a closed statement that somebody else closed: the month is open again, its earnings free.

    Raises NotFound; Rejected for its own closer, without a reason, or where a later month is closed;
    Conflict where it is decided.
    """
    reason = _said(reason)
    row = _lock(session, statement_id, actor)
    scope = {"p": row.partner_id, "c": row.currency}
    last = session.scalar(_LAST, scope)
    if last is not None and last > row.month:
        raise Rejected(f"Decline {named(last)} first: it goes on from this statement.")
    _decide(session, row, StatementState.DECLINED, reason, actor=actor, now=now)
    session.execute(_FREE, {"id": row.id})
    session.execute(_MOVE_CLOSED_THROUGH, {**scope, "month": preceding(row.month)})


def minimum(session: Session, *, partner_id: int, currency: str, on: dt.date) -> int:
    """What is paid at the least, in minor units, by the newest contract that is valid on that day."""
    agreed: int | None = session.scalar(_MINIMUM, {"p": partner_id, "c": currency, "on": on})
    return money.from_whole(DEFAULT_MINIMUM, currency) if agreed is None else agreed


def following(month: dt.date) -> dt.date:
    """The first day of the month after the one that begins on that day."""
    return (month + dt.timedelta(days=32)).replace(day=1)


def preceding(month: dt.date) -> dt.date:
    """The first day of the month before the one that begins on that day."""
    return (month - dt.timedelta(days=1)).replace(day=1)


def named(month: dt.date) -> str:
    """`March 2026`."""
    return f"{month:%B %Y}"


def next_open(session: Session, *, partner_id: int, currency: str) -> dt.date | None:
    """The first day of the month that is to be closed next; None where nothing was ever earned."""
    scope = {"p": partner_id, "c": currency}
    closed = session.scalar(_CLOSED_THROUGH, scope)
    return session.scalar(_FIRST_MONTH, scope) if closed is None else following(closed)


def _line(row: Row[Any]) -> Line:
    is_written_off = row.loss_policy == LossPolicy.PERIOD and row.earned < 0
    return Line(**row._mapping, written_off=-row.earned if is_written_off else 0)


def _accounts(
    session: Session, *, operator_id: int, month: dt.date, actor: Actor, now: dt.datetime
) -> list[Key]:
    """The accounts of an operator, in their order, for somebody who may close that month."""
    if not actor.serves(operator_id):
        raise NotFound("There is no such operator.")
    _is_a_person(actor)
    _is_over(month, session.scalars(_ZONE, {"id": operator_id}).one(), now)
    return [(row.partner_id, row.currency) for row in session.execute(_ACCOUNTS, {"operator": operator_id})]


def _catch_up(
    session: Session, key: Key, month: dt.date, operator_id: int, *, actor: Actor, now: dt.datetime
) -> list[int]:
    """Close what is open of an account up to that month; the statements that it made."""
    made = []
    while (due := _next_month(session, key)) is not None and due <= month:
        statement_id = _close(session, key, due, operator_id, actor=actor, now=now)
        if statement_id is not None:
            made.append(statement_id)
    return made


def _next_month(session: Session, key: Key) -> dt.date | None:
    """The month to close next, its account locked."""
    partner_id, currency = key
    partner_accounts.lock(session, key)
    return next_open(session, partner_id=partner_id, currency=currency)


def _close(
    session: Session, key: Key, month: dt.date, operator_id: int, *, actor: Actor, now: dt.datetime
) -> int | None:
    """Write the statement of the next month of a locked account, if there is something to state."""
    partner_id, currency = key
    scope = {"p": partner_id, "c": currency, "month": month, "end": following(month)}
    session.execute(_MOVE_CLOSED_THROUGH, scope)
    stated = draft(session, partner_id=partner_id, currency=currency, month=month)
    if stated.is_empty:
        return None
    header = {name: value for name, value in asdict(stated).items() if name != "lines"}
    statement_id: int = session.execute(
        insert(PartnerStatement)
        .values(**header, operator_id=operator_id, closed_by=actor.id, closed_at=now)
        .returning(PartnerStatement.id)
    ).scalar_one()
    of_lines = {"statement_id": statement_id, "partner_id": partner_id, "currency": currency}
    if stated.lines:
        session.execute(insert(PartnerStatementLine), [{**of_lines, **asdict(line)} for line in stated.lines])
    session.execute(_TAKE, {**scope, "id": statement_id})
    _log(
        session,
        actor,
        "partner.statement_closed",
        stated,
        statement_id=statement_id,
        operator_id=operator_id,
        now=now,
    )
    return statement_id


def _lock(session: Session, statement_id: int, actor: Actor) -> Row[Any]:
    """A closed statement for somebody who may decide on it, its account locked before it."""
    found = session.execute(_FIND, {"id": statement_id}).one_or_none()
    if found is None or not actor.serves(found.operator_id):
        raise NotFound("There is no such statement.")
    partner_accounts.lock(session, (found.partner_id, found.currency))
    row = session.execute(_LOCK, {"id": statement_id}).one()
    if row.state != StatementState.CLOSED:
        raise Conflict("This statement is decided already.")
    _is_a_person(actor)
    if row.closed_by == actor.id:
        raise Rejected("You closed this month: somebody else decides on its statement.")
    return row


def _decide(
    session: Session,
    row: Row[Any],
    state: StatementState,
    reason: str,
    *,
    actor: Actor,
    now: dt.datetime,
) -> None:
    session.execute(_DECIDE, {"id": row.id, "state": state, "who": actor.id, "now": now, "reason": reason})
    word = "declined" if state == StatementState.DECLINED else "approved"
    _log(
        session,
        actor,
        f"partner.statement_{word}",
        row,
        statement_id=row.id,
        operator_id=row.operator_id,
        now=now,
        reason=reason,
    )


def _is_over(month: dt.date, zone: str, now: dt.datetime) -> None:
    if clock.local(now, zone).date() < following(month):
        raise Rejected(f"{named(month)} is not over yet.", field="month")


def _is_a_person(actor: Actor) -> None:
    if actor.role is None:
        raise Rejected("Months are closed and statements decided by people.")


def _said(reason: str) -> str:
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_MAX:
        raise Rejected(f"Say why, in at most {REASON_MAX} characters.", field="reason")
    return reason


def _log(
    session: Session,
    actor: Actor,
    action: str,
    stated: Draft | Row[Any],
    *,
    statement_id: int,
    operator_id: int,
    now: dt.datetime,
    **said: str,
) -> None:
    details: staff_log.Details = {
        "partner": stated.partner_id,
        "statement": statement_id,
        "month": stated.month.isoformat(),
        "currency": stated.currency,
        "payable": stated.payable,
        **said,
    }
    staff_log.record(session, actor, action, details=details, operator_id=operator_id, now=now)
