"""The proof of statements a second way: their lines from earnings, their sums from lines, and what is paid.

Part of `partner_replay`.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.models.partner import LossPolicy
from dashboard.models.partner_money import EarningState, PayoutState, StatementState
from dashboard.services import partner_wording
from dashboard.services.findings import Found
from dashboard.services.partner_books import Books
from dashboard.services.partner_terms import DEFAULT_MINIMUM

_LINES = text("SELECT * FROM partner_statement_lines")
_MINIMUMS = text("SELECT * FROM partner_minimums")

_LINE_FIGURES = ("rows", "bets", "payouts", "earned", "corrected", "written_off")
_SUMMED = ("rows", "bets", "payouts", "earned", "written_off")
_FIGURES = (*_SUMMED, "opening", "minimum", "payable", "carried")
_OWED = {StatementState.PAYABLE, StatementState.PAID}

Lines = Mapping[tuple[int, int], Row[Any]]
"""By statement and contract version."""


def check(session: Session, books: Books, found: Found) -> None:
    """Everything that concerns statements."""
    lines = {(row.statement_id, row.contract_version): row for row in session.execute(_LINES)}
    minimums = {(row.contract_id, row.currency): row.amount for row in session.execute(_MINIMUMS)}
    _check_lines(books, lines, found)
    _check_sums(books, lines, minimums, found)
    _check_paid(books, found)


def _check_lines(books: Books, lines: Lines, found: Found) -> None:
    """Whether each line is what the earnings of its statement and contract come to, and none is missing."""
    standing = {row.id: row for row in _standing(books)}
    due: dict[tuple[int, int], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_LINE_FIGURES, 0))
    policies: dict[tuple[int, int], str] = {}
    for row in books.real:
        shown = books.shown.get(row.id)
        statement = standing.get(shown.statement_id) if shown and shown.statement_id else None
        if shown is None or statement is None or shown.day >= _following(statement.month):
            continue
        contract = books.contracts[row.contract_id]
        key = statement.id, contract.version
        policies[key] = contract.loss_policy
        sums = due[key]
        sums["rows"] += 1
        for name in ("bets", "payouts", "earned"):
            sums[name] += shown._mapping[name]
        if shown.settlement_version > 1:
            sums["corrected"] += shown.earned
    for key, sums in due.items():
        if policies[key] == LossPolicy.PERIOD:
            sums["written_off"] = max(-sums["earned"], 0)
    for key in sorted({key for key in lines if key[0] in standing} | due.keys()):
        line, statement = lines.get(key), standing[key[0]]
        kept = {name: line._mapping[name] if line else 0 for name in _LINE_FIGURES}
        if kept != due[key] or (line.loss_policy if line else None) != policies.get(key):
            found.add(
                partner_wording.statement_line(
                    *_whose(statement),
                    statement_id=statement.id,
                    month=statement.month,
                    version=key[1],
                    stored=kept,
                    due=due[key],
                )
            )


def _check_sums(books: Books, lines: Lines, minimums: Mapping[tuple[int, str], int], found: Found) -> None:
    """Whether a statement is its lines and what the one before carried, by the rule of its month."""
    openings: dict[int, int] = {}
    carried: dict[tuple[int, str], int] = defaultdict(int)
    for row in sorted(_standing(books), key=lambda row: row.month):
        openings[row.id] = carried[row.partner_id, row.currency]
        carried[row.partner_id, row.currency] = row.carried
    sums: dict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_SUMMED, 0))
    for (statement_id, _), line in lines.items():
        for name in _SUMMED:
            sums[statement_id][name] += line._mapping[name]
    for row in books.statements:
        due = sums[row.id]
        due["opening"] = openings.get(row.id, row.opening)
        due["minimum"] = _minimum(books, row, minimums)
        closing = due["opening"] + due["earned"] + due["written_off"]
        due["payable"] = closing if closing > 0 and closing >= due["minimum"] else 0
        due["carried"] = closing - due["payable"]
        kept = {name: row._mapping[name] for name in _FIGURES}
        if kept != due or (row.id in openings and _is_open(books, row)):
            found.add(
                partner_wording.statement(
                    *_whose(row), statement_id=row.id, month=row.month, stored=kept, due=due
                )
            )


def _minimum(books: Books, statement: Row[Any], minimums: Mapping[tuple[int, str], int]) -> int:
    valid = [
        row
        for row in books.contracts.values()
        if row.partner_id == statement.partner_id and row.valid_from < _following(statement.month)
    ]
    named = minimums.get((valid[-1].id, statement.currency)) if valid else None
    return money.from_whole(DEFAULT_MINIMUM, statement.currency) if named is None else named


def _is_open(books: Books, statement: Row[Any]) -> bool:
    account = books.accounts.get((statement.partner_id, statement.currency))
    return account is None or account.closed_through is None or account.closed_through < statement.month


def _check_paid(books: Books, found: Found) -> None:
    """Whether those statements and earnings are paid that the payouts cover, the oldest first."""
    left: dict[tuple[int, str], int] = defaultdict(int)
    for row in books.payouts:
        if row.state == PayoutState.PAID:
            left[row.partner_id, row.currency] += row.amount
    covered: set[int] = set()
    through: dict[tuple[int, str], dt.date] = {}
    for row in sorted(_standing(books), key=lambda row: row.month):
        if row.state not in _OWED:
            continue
        left[row.partner_id, row.currency] -= row.payable
        if left[row.partner_id, row.currency] >= 0:
            covered.add(row.id)
            through[row.partner_id, row.currency] = row.month
    held: dict[int, list[str]] = defaultdict(list)
    for row in books.shown.values():
        if row.statement_id is not None:
            held[row.statement_id].append(row.state)
    for row in _standing(books):
        last = through.get((row.partner_id, row.currency))
        goes = row.id in covered or row.state == StatementState.ROLLED_OVER
        due_rows = len(held[row.id]) if goes and last is not None and row.month <= last else 0
        paid_rows = held[row.id].count(EarningState.PAID)
        is_paid = row.state == StatementState.PAID
        if (is_paid, paid_rows) != (row.id in covered, due_rows):
            found.add(
                partner_wording.statement_paid(
                    *_whose(row),
                    statement_id=row.id,
                    month=row.month,
                    is_paid=is_paid,
                    paid_rows=paid_rows,
                    due_rows=due_rows,
                )
            )


def _standing(books: Books) -> Iterator[Row[Any]]:
    return (row for row in books.statements if row.state != StatementState.DECLINED)


def _whose(row: Row[Any]) -> tuple[int, int, str]:
    return row.operator_id, row.partner_id, row.currency


def _following(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=32)).replace(day=1)
