"""The words for what a proof finds on members' points: entries, batches, months, tiers, conversions."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from dashboard import money
from dashboard.services.findings import Check, Finding

POINTS = "points"
"""Stands in the place of the currency, in findings and in anchors."""

Figures = Mapping[str, Any]
"""By name: points or counts, but for AMOUNTS, which are minor units of the home currency, and dates."""

_AMOUNTS = frozenset({"amount_paid", "amount_refunded", "payment_amount"})
_NAMES = {
    "version": "number of entries",
    "head": "hash of the last entry",
    "batches": "number of batches",
    "base_points": "base points",
    "bonus_points": "bonus points",
    "whole_units": "base points for the payment",
    "free_bonus": "bonus points without a tier",
    "payment_amount": "payment",
    "base_loaded": "base points loaded",
    "bonus_loaded": "bonus points loaded",
    "amount_paid": "amount paid",
    "amount_refunded": "amount given back",
    "expires_on": "last day",
    "tier_id": "tier",
    "discount_bp": "discount",
    "tier_valid_until": "last day",
}


def continuity(player_id: int, sequence: int, *, before: int, left: int) -> Finding:
    """An entry begins elsewhere than where the entry before it ended."""
    message = (
        f"Entry {sequence} of {_whose(player_id)} starts from {before:,} where the entry before it left"
        f" {left:,}."
    )
    return _of_entry(Check.CONTINUITY, player_id, sequence, message)


def no_wallet(player_id: int, entries: int) -> Finding:
    """There are entries, and the wallet they belong to is gone."""
    message = f"The loyalty wallet of player {player_id} is missing: its journal has {entries} entries."
    return _of_entry(Check.BALANCE, player_id, None, message)


def balance(player_id: int, stored: Figures, due: Figures) -> Finding:
    """A wallet does not stand where its last entry left it."""
    message = (
        f"The loyalty wallet of player {player_id} does not stand where its entries left it:"
        f" {_differences(stored, due, 'by the entries')}."
    )
    return _of_entry(Check.BALANCE, player_id, None, message)


def sums(player_id: int, currency: str, stored: Figures, due: Figures) -> Finding:
    """A wallet is not the sum of its batches, or of its entries."""
    message = (
        f"The loyalty wallet of player {player_id} is not the sum of its batches and entries:"
        f" {_differences(stored, due, 'by these', currency)}."
    )
    return _of_entry(Check.LIFETIME, player_id, None, message)


def entry(player_id: int, sequence: int, currency: str, stored: Figures, due: Figures) -> Finding:
    """An entry does not say what it did to the batches, or what its payment comes to."""
    message = (
        f"Entry {sequence} of {_whose(player_id)} is not what it did:"
        f" {_differences(stored, due, 'by its batches and terms', currency)}."
    )
    return _of_entry(Check.POINTS_ENTRY, player_id, sequence, message)


def taken(player_id: int, sequence: int) -> Finding:
    """An entry took points from other batches than it had to."""
    message = (
        f"Entry {sequence} of {_whose(player_id)} did not take its points from the batches whose turn it was."
    )
    return _of_entry(Check.POINTS_TAKEN, player_id, sequence, message)


def part(player_id: int, sequence: int, number: int, *, stored: int, due: int) -> Finding:
    """What an entry moved of a batch is not bonus points pro rata."""
    message = (
        f"Of what entry {sequence} of {_whose(player_id)} moved of batch {number}, {stored:,} are bonus"
        f" points, pro rata {due:,}."
    )
    return _of_entry(Check.POINTS_TAKEN, player_id, sequence, message)


def refunded(player_id: int, sequence: int, number: int, *, stored: int, due: int) -> Finding:
    """Of an allocation something else is noted as given back than refunds gave."""
    message = (
        f"Of what entry {sequence} of {_whose(player_id)} took from batch {number}, {stored:,} are noted as"
        f" given back, by the refunds {due:,}."
    )
    return _of_entry(Check.POINTS_REFUND, player_id, sequence, message)


def given_back(player_id: int, sequence: int, reverses: int) -> Finding:
    """A refund or a reversal does not give back what it names, as it had to."""
    message = (
        f"Entry {sequence} of {_whose(player_id)} does not give back what entry {reverses} did: the last"
        " taken first, to the batches they came from, and no more."
    )
    return _of_entry(Check.POINTS_REFUND, player_id, sequence, message)


def batch(
    player_id: int, number: int, currency: str, stored: Figures, due: Figures, *, is_placed: bool
) -> Finding:
    """A batch does not follow from the entries that loaded and moved it."""
    told = [_differences(stored, due, "by its entries", currency)]
    if not is_placed:
        told.append("the entry that it names did not load it then")
    message = (
        f"Batch {number} of {_whose(player_id)} is not what its entries made of it:"
        f" {'; '.join(filter(None, told))}."
    )
    return _of_entry(Check.POINTS_BATCH, player_id, None, message)


def month(operator_id: int, starts: dt.date, slot: int, stored: Figures, due: Figures) -> Finding:
    """The sums of an operator's month are not those of the batches that expire in it."""
    message = (
        f"The points of operator {operator_id} that expire in {starts:%B %Y} (row {slot}) are not those of"
        f" the batches: {_differences(stored, due, 'by these')}."
    )
    return Finding(Check.POINTS_MONTH, message, operator_id=operator_id, currency=POINTS)


def day(operator_id: int, on: dt.date, kind: str, *, currency: str, stored: Figures, due: Figures) -> Finding:
    """The sums of an operator's day are not those of the entries of one kind."""
    message = (
        f"What operator {operator_id} counts of {kind} on {on} (UTC) is not what the entries come to:"
        f" {_differences(stored, due, 'by these', currency)}."
    )
    return Finding(Check.POINTS_DAY, message, operator_id=operator_id, currency=POINTS)


def tier_members(operator_id: int, tier_id: int, stored: int, due: int) -> Finding:
    """The count of a tier's members is not that of the wallets."""
    where = f"in tier {tier_id}" if tier_id else "without a tier"
    message = f"Operator {operator_id} counts {stored:,} members {where}, and the wallets are {due:,}."
    return Finding(Check.TIER_MEMBERS, message, operator_id=operator_id, currency=POINTS)


def tier(player_id: int, stored: Figures, due: Figures) -> Finding:
    """A wallet has another tier, discount or last day than its last change of tier gave."""
    message = (
        f"The tier of player {player_id} is not what the entries made it:"
        f" {_differences(stored, due, 'by the entries')}."
    )
    return _of_entry(Check.TIER, player_id, None, message)


def tier_step(player_id: int, sequence: int) -> Finding:
    """The history of tiers and the journal differ at an entry."""
    message = f"The history of tiers of player {player_id} does not say what entry {sequence} says."
    return _of_entry(Check.TIER, player_id, sequence, message)


def conversion(player_id: int, sequence: int) -> Finding:
    """A conversion, or what undid it, is not what stands in the player's wallet."""
    message = f"Entry {sequence} of {_whose(player_id)} is not the conversion that the player's wallet knows."
    return _of_entry(Check.CONVERSION, player_id, sequence, message)


def credited(player_id: int, currency: str, sequence: int) -> Finding:
    """An entry of a wallet names points that never became it."""
    message = (
        f"Entry {sequence} of player {player_id} in {currency} names points that did not become money there."
    )
    return Finding(Check.CONVERSION, message, player_id=player_id, currency=currency, sequence=sequence)


def request(player_id: int, request_id: int, sequence: int) -> Finding:
    """A request says that it became an entry which is another one."""
    message = f"Entry {sequence} of {_whose(player_id)} is not what request {request_id} asked for."
    return _of_entry(Check.POINTS_REQUEST, player_id, sequence, message)


def _whose(player_id: int) -> str:
    return f"player {player_id} in points"


def _of_entry(check: Check, player_id: int, sequence: int | None, message: str) -> Finding:
    return Finding(check, message, player_id=player_id, currency=POINTS, sequence=sequence)


def _differences(stored: Figures, due: Figures, source: str, currency: str = "") -> str:
    parts = []
    for name, value in stored.items():
        right = due[name]
        if value == right:
            continue
        called = _NAMES.get(name, name)
        if name == "head":
            parts.append(f"{called} differs")
        else:
            parts.append(f"{called} {_told(name, value, currency)}, {source} {_told(name, right, currency)}")
    return "; ".join(parts)


def _told(name: str, value: object, currency: str) -> str:
    if isinstance(value, int):
        return money.show(value, currency) if name in _AMOUNTS else str(value)
    return "none" if value is None else str(value)
