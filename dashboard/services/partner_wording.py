"""The words for what a proof finds on partners' earnings, accounts, shown figures, statements and payouts."""

import datetime as dt
from collections.abc import Mapping

from dashboard import money
from dashboard.services.findings import Check, Finding

_NAMES = {"written_off": "written off", "real_bets": "bets", "real_payouts": "payouts", "rows": "earnings"}
_COUNTS = frozenset({"rows", "rounds", "players"})

Figures = Mapping[str, int]
"""By name; what is no count is in minor units."""


def earning(operator_id: int, partner_id: int, currency: str, earning_id: int, round_id: int) -> Finding:
    """A row does not follow from its real figures, its contract, and the rows of the round before it."""
    message = (
        f"Earning {earning_id} of {_whose(partner_id, currency)} from round {round_id} is not what its real"
        " figures and its contract come to."
    )
    return Finding(Check.EARNING, message, operator_id=operator_id, currency=currency)


def round_earnings(
    operator_id: int,
    partner_id: int,
    currency: str,
    *,
    round_id: int,
    version: int,
    stored: Figures,
    due: Figures,
) -> Finding:
    """The rows of a round do not add up to what its bets say, or are somebody else's."""
    message = (
        f"The earnings of {_whose(partner_id, currency)} from round {round_id} under contract version"
        f" {version} are not those of the bets: {_differences(currency, stored, due, 'by the bets')}."
    )
    return Finding(Check.ROUND_EARNINGS, message, operator_id=operator_id, currency=currency)


def account(operator_id: int, partner_id: int, currency: str, stored: Figures, due: Figures) -> Finding:
    """An account is not the sums of its earnings, statements and payouts."""
    message = (
        f"The account of {_whose(partner_id, currency)} does not add up:"
        f" {_differences(currency, stored, due, 'by its rows')}."
    )
    return Finding(Check.PARTNER_ACCOUNT, message, operator_id=operator_id, currency=currency)


def period(
    operator_id: int,
    partner_id: int,
    currency: str,
    *,
    starts: dt.date,
    kind: str,
    game_id: int,
    stored: Figures,
    due: Figures,
) -> Finding:
    """Shown figures of a day, a month or a game's month are not the sums of the earnings."""
    when = f"the day {starts}" if kind == "day" else f"{starts:%B %Y}"
    where = f" at game {game_id}" if game_id else ""
    differences = _differences(currency, stored, due, "by the earnings")
    message = (
        f"The figures shown to {_whose(partner_id, currency)} for {when}{where} are not the earnings':"
        f" {differences or 'whether the terms are known differs'}."
    )
    return Finding(Check.SHOWN_PERIOD, message, operator_id=operator_id, currency=currency)


def statement(
    operator_id: int,
    partner_id: int,
    currency: str,
    *,
    statement_id: int,
    month: dt.date,
    stored: Figures,
    due: Figures,
) -> Finding:
    """A statement does not follow from its lines, the one before it, and the contract."""
    differences = _differences(currency, stored, due, "by its lines and the statement before")
    message = (
        f"{_statement(statement_id, partner_id, currency, month)} does not add up:"
        f" {differences or 'its month is open'}."
    )
    return Finding(Check.STATEMENT, message, operator_id=operator_id, currency=currency)


def statement_line(
    operator_id: int,
    partner_id: int,
    currency: str,
    *,
    statement_id: int,
    month: dt.date,
    version: int,
    stored: Figures,
    due: Figures,
) -> Finding:
    """A line is not the sum of the earnings that its statement holds, or there is none of them."""
    differences = _differences(currency, stored, due, "by the earnings")
    message = (
        f"{_statement(statement_id, partner_id, currency, month)} does not hold what its line of contract"
        f" version {version} says: {differences or 'the loss policy differs'}."
    )
    return Finding(Check.STATEMENT_LINE, message, operator_id=operator_id, currency=currency)


def statement_paid(
    operator_id: int,
    partner_id: int,
    currency: str,
    *,
    statement_id: int,
    month: dt.date,
    is_paid: bool,
    paid_rows: int,
    due_rows: int,
) -> Finding:
    """A statement is paid and the payouts do not cover it, or the other way round; or its earnings are."""
    message = (
        f"{_statement(statement_id, partner_id, currency, month)} is {'paid' if is_paid else 'not paid'} with"
        f" {paid_rows} paid earnings, which is not what the payouts cover: by these there are {due_rows}."
    )
    return Finding(Check.STATEMENT_PAID, message, operator_id=operator_id, currency=currency)


def _whose(partner_id: int, currency: str) -> str:
    return f"partner {partner_id} in {currency}"


def _statement(statement_id: int, partner_id: int, currency: str, month: dt.date) -> str:
    return f"Statement {statement_id} of {_whose(partner_id, currency)} for {month:%B %Y}"


def _differences(currency: str, stored: Figures, due: Figures, source: str) -> str:
    parts = []
    for name, value in stored.items():
        if value == due[name]:
            continue
        told = [str(each) if name in _COUNTS else money.show(each, currency) for each in (value, due[name])]
        parts.append(f"{_NAMES.get(name, name)} {told[0]}, {source} {told[1]}")
    return "; ".join(parts)
