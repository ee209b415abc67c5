"""The words for what a proof finds of rollups: which day of whose, and what differs."""

import datetime as dt
from collections.abc import Mapping

from dashboard import money
from dashboard.services.findings import Check, Finding

FIGURES = ("entries", "real", "bonus", "credits")
"""What a rollup of an operator's entries holds of each kind."""
DAY_FIGURES = ("operator_id", "opening", "closing", "low", "high", "bonus_closing", "entries")
"""What the day of one balance holds."""
_TABLES = {
    Check.DAILY_TOTALS: "daily totals",
    Check.HOURLY_TOTALS: "hourly totals",
    Check.DAILY_ACTIVITY: "daily activity",
}
_NO_AMOUNTS = {"operator_id", "entries"}


def total(
    check: Check,
    operator_id: int,
    currency: str,
    when: dt.date | dt.datetime,
    kind: tuple[str | int, ...],
    *,
    stored: Mapping[str, int],
    due: Mapping[str, int],
) -> Finding:
    """A day or an hour of an operator is not what its entries come to.

    `kind` is what else the row is about: agent and level where it has them, change type, house account.
    """
    message = (
        f"The {_TABLES[check]} of operator {operator_id} in {currency} on {_when(when)}"
        f" ({', '.join(str(part) for part in kind)}) are not those of the entries:"
        f" {_differences(currency, stored, due)}."
    )
    return Finding(check, message, operator_id=operator_id, currency=currency)


def day(
    player_id: int, currency: str, on: dt.date, *, stored: Mapping[str, int], due: Mapping[str, int]
) -> Finding:
    """The day of a balance is not what its entries made it."""
    message = (
        f"The day {on.isoformat()} of player {player_id} in {currency} is not what the entries made it:"
        f" {_differences(currency, stored, due)}."
    )
    return Finding(Check.DAILY_BALANCES, message, player_id=player_id, currency=currency)


def _when(when: dt.date | dt.datetime) -> str:
    if isinstance(when, dt.datetime):
        return f"{when.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    return when.isoformat()


def _differences(currency: str, stored: Mapping[str, int], due: Mapping[str, int]) -> str:
    parts = []
    for name, value in stored.items():
        if value == due[name]:
            continue
        if name in _NO_AMOUNTS:
            shown, right = str(value), str(due[name])
        else:
            shown, right = money.show(value, currency), money.show(due[name], currency)
        parts.append(f"{name.replace('_', ' ')} {shown}, by the entries {right}")
    return "; ".join(parts)
