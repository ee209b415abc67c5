"""The words for what a proof finds: whose journal, which entry, what differs."""

from collections.abc import Mapping
from typing import Any

from dashboard import money
from dashboard.services.findings import Check, Finding

_NAMES = {
    "real": "real balance",
    "bonus": "bonus balance",
    "version": "number of entries",
    "head": "hash of the last entry",
    "deposited": "sum of deposits",
    "withdrawn": "sum of withdrawals",
    "wagered": "sum of wagers",
    "turnover": "turnover",
    "won": "sum of winnings",
    "real_losses": "real losses",
    "bonus_losses": "bonus losses",
    "largest": "largest amount",
}
_NO_AMOUNTS = {"version", "head"}


def gap(player_id: int, currency: str, sequence: int, before: int) -> Finding:
    """Entries are missing before this one; `before` is the sequence of the entry found before it, or 0."""
    whose = _journal(player_id, currency)
    if sequence <= before:  # only where the primary key has been dropped
        message = f"Entry {sequence} of {whose} stands there twice."
    elif sequence == before + 2:
        message = f"Entry {before + 1} of {whose} is missing: it was deleted, or entries were renumbered."
    else:
        message = (
            f"Entries {before + 1} to {sequence - 1} of {whose} are missing:"
            " they were deleted, or entries were renumbered."
        )
    return Finding(Check.SEQUENCE, message, player_id=player_id, currency=currency, sequence=sequence)


def content(player_id: int, currency: str, sequence: int) -> Finding:
    """An entry's hash is not that of its content after the hash before."""
    message = (
        f"Entry {sequence} of {_journal(player_id, currency)} does not have the hash of its content:"
        " something in it was changed, or it does not belong there."
    )
    return Finding(Check.HASH, message, player_id=player_id, currency=currency, sequence=sequence)


def continuity(
    player_id: int, currency: str, sequence: int, *, before: tuple[int, int], left: tuple[int, int]
) -> Finding:
    """An entry begins elsewhere than where the entry before it ended; (real, bonus) of both."""
    parts = [
        f"from {money.show(begins, currency)} {name} where the entry before it left"
        f" {money.show(ended, currency)}"
        for name, begins, ended in zip(("real", "bonus"), before, left, strict=True)
        if begins != ended
    ]
    message = f"Entry {sequence} of {_journal(player_id, currency)} starts {', and '.join(parts)}."
    return Finding(Check.CONTINUITY, message, player_id=player_id, currency=currency, sequence=sequence)


def reversal(player_id: int, currency: str, sequence: int, reverses: int) -> Finding:
    """A reversal is not the opposite of what it names."""
    message = (
        f"Entry {sequence} of {_journal(player_id, currency)} is not the exact opposite of entry {reverses},"
        " which it reverses."
    )
    return Finding(Check.REVERSAL, message, player_id=player_id, currency=currency, sequence=sequence)


def no_balance(player_id: int, currency: str, entries: int) -> Finding:
    """There are entries, and the balance they belong to is gone."""
    message = (
        f"The balance of player {player_id} in {currency} is missing: its journal has {entries} entries."
    )
    return Finding(Check.BALANCE, message, player_id=player_id, currency=currency)


def balance(player_id: int, currency: str, stored: Mapping[str, Any], due: Mapping[str, Any]) -> Finding:
    """A balance does not stand where its last entry left it."""
    message = (
        f"The balance of player {player_id} in {currency} does not stand where its entries left it:"
        f" {_differences(currency, stored, due)}."
    )
    if stored["version"] > due["version"]:
        missing = stored["version"] - due["version"]
        message += f" The last {'entry is' if missing == 1 else f'{missing} entries are'} missing."
    return Finding(Check.BALANCE, message, player_id=player_id, currency=currency)


def lifetime(player_id: int, currency: str, stored: Mapping[str, Any], due: Mapping[str, Any]) -> Finding:
    """A sum that a balance keeps is not that of its entries."""
    message = (
        f"The lifetime sums of player {player_id} in {currency} are not those of the entries:"
        f" {_differences(currency, stored, due)}."
    )
    return Finding(Check.LIFETIME, message, player_id=player_id, currency=currency)


def pending(player_id: int, currency: str, stored: int, due: int) -> Finding:
    """What is pending is not what is set aside."""
    shown, right = (money.show(amount, currency) for amount in (stored, due))
    message = f"Pending of player {player_id} in {currency} is {shown}, by what is set aside {right}."
    return Finding(Check.PENDING, message, player_id=player_id, currency=currency)


def request(player_id: int, currency: str, sequence: int, kind: str, request_id: int) -> Finding:
    """A request says that it became an entry which is another one."""
    message = (
        f"Entry {sequence} of player {player_id} in {currency} is not what {kind} {request_id} asked for."
    )
    return Finding(Check.REQUEST, message, player_id=player_id, currency=currency, sequence=sequence)


def trial_balance(operator_id: int, currency: str, held: int, moved: int) -> Finding:
    """What players hold is not what the house accounts gave them."""
    message = (
        f"Players of operator {operator_id} hold {money.show(held, currency)} {currency}, and the house"
        f" accounts stand at {money.show(-moved, currency)}: together"
        f" {money.show(held - moved, currency)}, not zero."
    )
    return Finding(Check.TRIAL_BALANCE, message, operator_id=operator_id, currency=currency)


def head_changed(player_id: int, currency: str, version: int, anchor_id: int) -> Finding:
    """An entry whose hash an anchor holds has another one now."""
    message = (
        f"Entry {version} of {_journal(player_id, currency)} does not have the hash that anchor {anchor_id}"
        " holds: the journal was rewritten."
    )
    return Finding(Check.ANCHORED, message, player_id=player_id, currency=currency, sequence=version)


def head_missing(player_id: int, currency: str, version: int, anchor_id: int, entries: int) -> Finding:
    """A journal is shorter than an anchor says, or has lost the entry that the anchor holds."""
    message = (
        f"Anchor {anchor_id} holds entry {version} of {_journal(player_id, currency)}, which is not there:"
        f" the journal has {entries} entries, so its end was cut off."
        if entries < version
        else f"Anchor {anchor_id} holds entry {version} of {_journal(player_id, currency)}, which is missing."
    )
    return Finding(Check.ANCHORED, message, player_id=player_id, currency=currency, sequence=version)


def anchor(message: str) -> Finding:
    """Something about an anchor itself."""
    return Finding(Check.ANCHOR, message)


def _journal(player_id: int, currency: str) -> str:
    return f"player {player_id} in {currency}"


def _differences(currency: str, stored: Mapping[str, Any], due: Mapping[str, Any]) -> str:
    parts = []
    for name, value in stored.items():
        if value == due[name]:
            continue
        if name == "head":
            parts.append(f"{_NAMES[name]} differs")
        elif name in _NO_AMOUNTS:
            parts.append(f"{_NAMES[name]} {value}, by the entries {due[name]}")
        else:
            shown, right = (money.show(int(amount), currency) for amount in (value, due[name]))
            parts.append(f"{_NAMES[name]} {shown}, by the entries {right}")
    return "; ".join(parts)
