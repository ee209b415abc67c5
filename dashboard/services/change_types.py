"""What each type of balance change means: its contra account, and which rules it answers to."""

from dataclasses import dataclass

from dashboard.models.wallet import ChangeType as T
from dashboard.models.wallet import ContraAccount as A


@dataclass(frozen=True, slots=True)
class Traits:
    """How the rules look at a change type."""

    contra: A | None
    """The house account on the other side; None: that of the entry it reverses."""
    direction: int = 0
    """1: always credits; −1: always debits; 0: either."""
    counts_to_limits: bool = False
    """Its absolute amount counts toward the daily and weekly limit, and is judged by them."""
    answers_to_range: bool = True
    """A debit may not go below the minimum balance, nor a credit above the maximum."""
    draws_withdrawable: bool = False
    """Takes withdrawable money only: never the credit line, never what is pending."""
    while_frozen: bool = False
    while_closed: bool = False


TRAITS: dict[T, Traits] = {
    T.DEPOSIT: Traits(A.CASH, 1, counts_to_limits=True),
    T.WITHDRAWAL: Traits(A.CASH, -1, counts_to_limits=True, draws_withdrawable=True),
    T.ADJUSTMENT: Traits(A.ADJUSTMENTS, counts_to_limits=True),
    T.FEE: Traits(A.FEES, -1),
    T.WAGER: Traits(A.GAMING, -1, draws_withdrawable=True),
    T.SETTLEMENT: Traits(A.GAMING, 1, answers_to_range=False, while_frozen=True),
    T.REFUND: Traits(A.GAMING, 1, answers_to_range=False, while_frozen=True),
    T.BONUS_GRANT: Traits(A.PROMOTIONS),
    T.BONUS_FORFEIT: Traits(A.PROMOTIONS, answers_to_range=False, while_frozen=True),
    T.BONUS_EXPIRY: Traits(A.PROMOTIONS, answers_to_range=False, while_frozen=True),
    T.BONUS_CONVERSION: Traits(A.PROMOTIONS, answers_to_range=False, while_frozen=True),
    T.TRANSFER: Traits(A.TRANSFERS, counts_to_limits=True),
    T.OPENING: Traits(A.OPENING, answers_to_range=False),
    T.POINTS_CONVERSION: Traits(A.PROMOTIONS, 1),
    T.REVERSAL: Traits(None, answers_to_range=False, while_frozen=True, while_closed=True),
}

LIMITED = tuple(sorted(change_type for change_type, traits in TRAITS.items() if traits.counts_to_limits))
"""The types whose amounts the daily and weekly sums add up."""

KEEPS_PENDING_WHOLE = (T.ADJUSTMENT, T.TRANSFER)
"""A debit of these types may use the credit line, but never takes real below what is pending."""

UNDONE_BY_ROUND = (T.WAGER, T.SETTLEMENT, T.REFUND)
"""These are undone only by voiding their round."""

UNDONE_WITH_POINTS = (
    "A conversion of points is undone where it was made, under Loyalty: its points come back."
)
"""Why a points_conversion is not undone by itself (`points_conversion.undo`)."""
