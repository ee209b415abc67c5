"""The proof of points a second way: plain columns, judged and added up in Python, member by member.

What becomes of entries and batches is told in `points_story`; tiers, conversions, requests and sums here.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from dashboard.models.points import PointsKind
from dashboard.services import points_books, points_journal, points_wording
from dashboard.services.findings import Found
from dashboard.services.points_books import Book
from dashboard.services.points_story import Story

_MONTH_FIGURES = ("loaded", "remaining", "redeemed", "expired", "reversed")

_DAY_FIGURES = ("entries", "points", "amount")

_Month = tuple[int, dt.date, int]
_Day = tuple[int, dt.date, str]


def check(session: Session, found: Found) -> tuple[int, int]:
    """Everything that concerns points; how many entries and loyalty wallets there are."""
    entries = wallets = 0
    currencies = points_books.currencies(session)
    due: dict[_Month, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_MONTH_FIGURES, 0))
    days: dict[_Day, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_DAY_FIGURES, 0))
    in_tiers: dict[tuple[int, int], int] = defaultdict(int)
    for book in points_books.members(session):
        _check_links(book, found)
        if book.wallet is None and not book.entries and not book.batches:
            continue
        entries += len(book.entries)
        wallets += book.wallet is not None
        story = Story(book, currencies[book.operator_id], found)
        for entry in book.entries:
            story.read(entry)
            day = days[entry.operator_id, entry.created_at.astimezone(dt.UTC).date(), entry.kind]
            day["entries"] += 1
            day["points"] += entry.points
            day["amount"] += entry.payment_amount or 0
        if book.wallet is not None:
            in_tiers[book.wallet.operator_id, book.wallet.tier_id or 0] += 1
        story.conclude()
        _check_tiers(book, found)
        _check_requests(book, found)
        for row in book.batches.values():
            month = (row.operator_id, row.expires_on.replace(day=1), book.player_id % points_journal.SLOTS)
            for name in _MONTH_FIGURES:
                due[month][name] += row._mapping[name]
    _check_months(points_books.months(session), due, found)
    _check_days(points_books.days(session), days, currencies, found)
    _check_tier_members(points_books.tier_members(session), in_tiers, found)
    return entries, wallets


def _check_tiers(book: Book, found: Found) -> None:
    """Whether wallet and history are what the changes of tier made them."""
    steps = {row.sequence: row for row in book.entries if row.kind == PointsKind.TRANSFER_TIER}
    history = {row.sequence: row for row in book.history}
    previous: dict[int, int | None] = {}
    last = None
    for sequence, step in steps.items():
        previous[sequence] = last.tier_id if last is not None else None
        last = step
    for sequence in sorted(steps.keys() | history.keys()):
        entry, line = steps.get(sequence), history.get(sequence)
        if (
            entry is None
            or line is None
            or _line(line)
            != (*(previous[sequence], entry.tier_id, entry.expires_on, entry.notes, entry.created_at),)
        ):
            found.add(points_wording.tier_step(book.player_id, sequence))
    if book.wallet is None:
        return
    names = ("tier_id", "discount_bp", "tier_valid_until")
    now = (last.tier_id, last.discount_bp or 0, last.expires_on) if last is not None else (None, 0, None)
    stored, due = {name: book.wallet._mapping[name] for name in names}, dict(zip(names, now, strict=True))
    if stored != due:
        found.add(points_wording.tier(book.player_id, stored, due))


def _line(row: Row[Any]) -> tuple[Any, ...]:
    return row.previous_tier_id, row.tier_id, row.valid_until, row.reason, row.changed_at


def _check_links(book: Book, found: Found) -> None:
    """Whether conversions stand in both journals, and each names the other."""
    entries = {entry.sequence: entry for entry in book.entries}
    by_name = {str(sequence): entry for sequence, entry in entries.items()}
    known: dict[tuple[str, int], tuple[Row[Any] | None, str | None]] = defaultdict(lambda: (None, None))
    for row in book.wallet_entries:
        metadata = json.loads(row.metadata)
        if "points_sequence" not in metadata:
            continue
        entry = by_name.get(str(metadata["points_sequence"]))
        if entry is None or not _became(row, entry, entries):
            found.add(points_wording.credited(book.player_id, row.currency, row.sequence))
        if entry is not None:
            known[row.currency, entry.sequence] = row, str(metadata.get("points"))
    for entry in book.entries:
        original = entries.get(entry.reverses) if entry.kind == PointsKind.REFUND_SERVICE else None
        if entry.kind == PointsKind.CONVERT:
            is_known = _is_credited(entry, *known[entry.currency, entry.sequence])
        elif original is not None and original.kind == PointsKind.CONVERT:
            is_known = _is_undone(original, entry, *known[original.currency, entry.sequence])
        else:
            continue
        if not is_known:
            found.add(points_wording.conversion(book.player_id, entry.sequence))


def _is_credited(entry: Row[Any], row: Row[Any] | None, points: str | None) -> bool:
    """Whether an entry of the wallet is what the conversion gave."""
    return row is not None and (
        *(row.change_type, row.sequence, row.real_delta, row.bonus_delta, points),
    ) == ("points_conversion", entry.wallet_sequence, entry.payment_amount, 0, str(-entry.points))


def _is_undone(original: Row[Any], entry: Row[Any], row: Row[Any] | None, points: str | None) -> bool:
    """Whether an entry of the wallet took back what the conversion gave, when its points came back."""
    return row is not None and (*(row.change_type, row.reverses, row.real_delta, points, entry.points),) == (
        *("reversal", original.wallet_sequence, -original.payment_amount),
        *(str(entry.points), -original.points),
    )


def _became(row: Row[Any], entry: Row[Any], entries: Mapping[int, Row[Any]]) -> bool:
    """Whether that entry of points is the one which this entry of the wallet comes from."""
    if row.change_type == "points_conversion":
        return bool((entry.currency, entry.wallet_sequence) == (row.currency, row.sequence))
    original = entries.get(entry.reverses) if entry.kind == PointsKind.REFUND_SERVICE else None
    return (
        original is not None
        and original.kind == PointsKind.CONVERT
        and (original.currency, original.wallet_sequence) == (row.currency, row.reverses)
    )


def _check_requests(book: Book, found: Found) -> None:
    """Whether what was approved is the adjustment that it names."""
    entries = {entry.sequence: entry for entry in book.entries}
    for row in book.requests:
        entry = entries.get(row.sequence)
        asked = (row.points, row.reason, row.idempotency_key, f"staff:{row.requested_by}")
        if entry is None or (
            entry.kind != PointsKind.ADJUSTMENT
            or asked != (entry.points, entry.notes, entry.idempotency_key, entry.performed_by)
        ):
            found.add(points_wording.request(book.player_id, row.id, row.sequence))


def _check_months(rows: Sequence[Row[Any]], due: Mapping[_Month, dict[str, int]], found: Found) -> None:
    stored = {
        (row.operator_id, row.month, row.slot): {name: row._mapping[name] for name in _MONTH_FIGURES}
        for row in rows
    }
    nothing = dict.fromkeys(_MONTH_FIGURES, 0)
    for key in sorted(stored.keys() | due.keys()):
        operator_id, month, slot = key
        kept, right = stored.get(key, nothing), due.get(key, nothing)
        if kept != right:
            found.add(points_wording.month(operator_id, month, slot, kept, right))


def _check_days(
    rows: Iterator[Row[Any]],
    due: Mapping[_Day, dict[str, int]],
    currencies: Mapping[int, str],
    found: Found,
) -> None:
    nothing = dict.fromkeys(_DAY_FIGURES, 0)
    stored: dict[_Day, dict[str, int]] = defaultdict(lambda: dict(nothing))
    for row in rows:
        counted = stored[row.operator_id, row.day, row.kind]
        for name in _DAY_FIGURES:
            counted[name] += row._mapping[name]
    for key in sorted(stored.keys() | due.keys()):
        kept, right = stored.get(key, nothing), due.get(key, nothing)
        if kept != right:
            found.add(points_wording.day(*key, currency=currencies[key[0]], stored=kept, due=right))


def _check_tier_members(rows: Iterator[Row[Any]], due: Mapping[tuple[int, int], int], found: Found) -> None:
    stored: dict[tuple[int, int], int] = defaultdict(int)
    for row in rows:
        stored[row.operator_id, row.tier_id] += row.members
    for key in sorted(stored.keys() | due.keys()):
        kept, right = stored.get(key, 0), due.get(key, 0)
        if kept != right:
            found.add(points_wording.tier_members(*key, kept, right))
