"""What the second proof of partners looks at: plain rows, read once as of one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

_PARTNERS = text("SELECT id, operator_id FROM partners")
_CONTRACTS = text("SELECT * FROM partner_contracts ORDER BY partner_id, version")
_REAL = text("SELECT * FROM partner_game_earnings ORDER BY id")
_SHOWN = text("SELECT * FROM partner_shown_earnings")
_ACCOUNTS = text("SELECT * FROM partner_accounts")
_STATEMENTS = text("SELECT * FROM partner_statements ORDER BY id")
_PAYOUTS = text("SELECT partner_id, currency, amount, state FROM partner_payouts")


@dataclass(frozen=True, slots=True)
class Books:
    """Earnings, real and shown, and what became of them."""

    operators: Mapping[int, int]
    """Of each partner."""
    contracts: Mapping[int, Row[Any]]
    """By id; those of a partner by version."""
    real: Sequence[Row[Any]]
    """In their order."""
    shown: Mapping[int, Row[Any]]
    """By id, which is that of the real one."""
    accounts: Mapping[tuple[int, str], Row[Any]]
    statements: Sequence[Row[Any]]
    """In their order."""
    payouts: Sequence[Row[Any]]


def read(session: Session) -> Books:
    """As they stand."""
    return Books(
        operators={row.id: row.operator_id for row in session.execute(_PARTNERS)},
        contracts={row.id: row for row in session.execute(_CONTRACTS)},
        real=session.execute(_REAL).all(),
        shown={row.id: row for row in session.execute(_SHOWN)},
        accounts={(row.partner_id, row.currency): row for row in session.execute(_ACCOUNTS)},
        statements=session.execute(_STATEMENTS).all(),
        payouts=session.execute(_PAYOUTS).all(),
    )
