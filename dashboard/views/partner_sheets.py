"""What lists about partners hold as files: what a partner may take, and what the desk may.

The desk's files of earnings and statements are what `dashboard/verifier/verify_statement.py` reads: it goes
by these headers.
"""

from collections.abc import Sequence
from typing import Any

from dashboard.services.exports import Amount, Column

CORRECTION = "Correction"
FEW_PLAYERS = "Rounds with few players"


def _amount(label: str, field: str) -> Column:
    return Column(label, "amount", lambda row: Amount(getattr(row, field), row.currency))


def _day(label: str, field: str) -> Column:
    return Column(label, "text", lambda row: getattr(row, field).isoformat())


def _month(row: Any) -> str:
    return f"{row.month:%Y-%m}"


_SHOWN = (
    _amount("Bets", "bets"),
    _amount("Payouts", "payouts"),
    _amount("Profit", "profit"),
    _amount("Earned", "earned"),
)
_REAL = (
    _amount("Real bets", "real_bets"),
    _amount("Real payouts", "real_payouts"),
    _amount("Real profit", "real_profit"),
)


def earned_rounds() -> Sequence[Column]:
    """Of the rounds that a partner may see by themselves."""
    return [
        _day("Day", "day"),
        Column("Settled", "time", lambda row: row.settled_at),
        Column("Game", "text", lambda row: row.game_name),
        Column("Round", "number", lambda row: row.round_number),
        Column("Kind", "text", lambda row: CORRECTION if row.is_correction else "Round"),
        Column("Players", "number", lambda row: row.players),
        Column("Currency", "text", lambda row: row.currency),
        *_SHOWN,
        Column("State", "text", lambda row: row.state),
        Column("Approved from", "time", lambda row: row.approve_at),
        Column("Reason", "text", lambda row: row.reason),
        Column("Statement", "number", lambda row: row.statement_id),
    ]


def periods(label: str) -> Sequence[Column]:
    """Of days or months, whichever `label` names."""
    return [
        _day(label, "starts"),
        Column("Rounds", "number", lambda row: row.rounds),
        Column("Players", "number", lambda row: row.players),
        Column("Currency", "text", lambda row: row.currency),
        *_SHOWN,
    ]


def games() -> Sequence[Column]:
    """Of games over months."""
    return [
        Column("Game", "text", lambda row: row.game_name),
        Column("Months", "number", lambda row: row.months),
        Column("Rounds", "number", lambda row: row.rounds),
        Column("Currency", "text", lambda row: row.currency),
        *_SHOWN,
    ]


def stated_rounds() -> Sequence[Column]:
    """Of the rounds of a statement; `StatedRow`s. Those of few players are its last row, as one."""
    return [
        Column("Day", "text", lambda row: row.day.isoformat() if row.day else ""),
        Column("Settled", "time", lambda row: row.settled_at),
        Column("Game", "text", lambda row: row.game),
        Column("Round", "number", lambda row: row.round_number),
        Column("Kind", "text", lambda row: row.kind),
        Column("Rows", "number", lambda row: row.rows),
        Column("Players", "number", lambda row: row.players),
        Column("Currency", "text", lambda row: row.currency),
        *_SHOWN,
    ]


def statements() -> Sequence[Column]:
    """Of a partner's statements."""
    return [
        Column("Statement", "number", lambda row: row.id),
        Column("Partner id", "number", lambda row: row.partner_id),
        Column("Currency", "text", lambda row: row.currency),
        Column("Month", "text", _month),
        Column("State", "text", lambda row: row.state),
        Column("Rows", "number", lambda row: row.rows),
        _amount("Bets", "bets"),
        _amount("Payouts", "payouts"),
        _amount("Profit", "profit"),
        _amount("Opening", "opening"),
        _amount("Earned", "earned"),
        _amount("Written off", "written_off"),
        _amount("Closing", "closing"),
        _amount("Minimum", "minimum"),
        _amount("Payable", "payable"),
        _amount("Carried over", "carried"),
        Column("Closed", "time", lambda row: row.closed_at),
        Column("Decided", "time", lambda row: row.decided_at),
        Column("Paid", "time", lambda row: row.paid_at),
    ]


def earnings(partner_id: int) -> Sequence[Column]:
    """Of one partner's earnings as the desk sees them: real figures and terms beside the shown ones."""
    return [
        Column("Earning", "number", lambda row: row.id),
        Column("Partner id", "number", lambda _row: partner_id),
        Column("Currency", "text", lambda row: row.currency),
        Column("Game", "text", lambda row: row.game),
        Column("Round id", "number", lambda row: row.round_id),
        Column("Round", "number", lambda row: row.round_number),
        Column("Settlement version", "number", lambda row: row.settlement_version),
        _day("Day", "day"),
        Column("Settled", "time", lambda row: row.settled_at),
        Column("Players", "number", lambda row: row.players),
        *_REAL,
        Column("Contract version", "number", lambda row: row.contract_version),
        Column("Share %", "text", lambda row: _percent(row.share_bp)),
        Column("Rate %", "text", lambda row: _percent(row.rate_bp)),
        Column("Loss policy", "text", lambda row: row.loss_policy),
        *_SHOWN,
        Column("State", "text", lambda row: row.state),
        Column("Approved from", "time", lambda row: row.approve_at),
        Column("Decided at", "time", lambda row: row.decided_at),
        Column("Decided by", "text", lambda row: row.decided_by),
        Column("Reason", "text", lambda row: row.reason),
        Column("Statement", "number", lambda row: row.statement_id),
    ]


def _percent(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}"
