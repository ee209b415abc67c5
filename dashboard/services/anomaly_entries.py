"""Entries as the models of anomalies see them: the columns that are read, and what becomes of a row. Pure."""

from typing import Any

from dashboard.models.anomaly import Mark
from dashboard.services.anomaly_features import Entry

AMOUNT = "CASE WHEN abs(e.real_delta) >= abs(e.bonus_delta) THEN e.real_delta ELSE e.bonus_delta END"
"""Of the real and the bonus part the larger one, with its sign."""
KIND = f"e.change_type || CASE WHEN {AMOUNT} > 0 THEN ' in' ELSE ' out' END"
"""As `Entry.kind`."""
COLUMNS = f"""
e.player_id, e.currency, e.sequence, e.created_at, e.change_type, {AMOUNT} AS amount_minor,
e.real_before + e.bonus_before AS before_minor, nullif(e.performed_by, 'system') AS poster,
a.mark, a.marked_at
"""
"""Of `wallet_entries e`, joined to what was found of them by MARKS."""
MARKS = """
LEFT JOIN anomalies a ON a.player_id = e.player_id AND a.currency = e.currency AND a.sequence = e.sequence
"""
ORDER = "created_at, player_id, currency, sequence"
"""The order of time, the same whoever reads."""


def place(row: Any) -> tuple[Any, ...]:
    """Where a row stands in the order of time."""
    return row.created_at, row.player_id, row.currency, row.sequence


def entry(row: Any) -> Entry:
    """The entry of a row of COLUMNS. A mark `right` means that something was amiss with it."""
    return Entry(
        player_id=row.player_id,
        currency=row.currency,
        at=row.created_at,
        change_type=row.change_type,
        amount_minor=row.amount_minor,
        balance_before_minor=row.before_minor,
        poster=row.poster,
        is_amiss=None if row.mark is None else row.mark == Mark.RIGHT,
        marked_at=row.marked_at,
    )
