"""What a partner's contract makes of real figures: pure arithmetic, rounded once.

A shown figure is the real one times the share; what is earned is the real profit times share and rate,
from the exact figure and not from the rounded shown one. Half to even, in minor units.
"""

from dataclasses import dataclass
from fractions import Fraction

from dashboard import money
from dashboard.models.partner import Disclosure, LossPolicy, StakesCounted

WHOLE_BP = 10_000
"""A whole, in hundredths of a percent."""
DEFAULT_MINIMUM = 50
"""Whole units of a currency for which the contract says nothing else."""
PLAYERS_MIN = 5
"""Fewer of a partner's players than this are not shown by themselves: one known bet would tell the share."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed, but for dates and minimums."""

    share_bp: int
    rate_bp: int
    loss_policy: LossPolicy = LossPolicy.PERIOD
    counts: StakesCounted = StakesCounted.REAL
    disclosure: Disclosure = Disclosure.BASIS
    hold_days: int = 7


@dataclass(frozen=True, slots=True)
class Shown:
    """Figures as the partner sees them, in minor units; `profit` is `bets - payouts` to the unit."""

    bets: int
    payouts: int
    profit: int
    earned: int

    def minus(self, other: "Shown") -> "Shown":
        """The difference, figure by figure."""
        return Shown(
            self.bets - other.bets,
            self.payouts - other.payouts,
            self.profit - other.profit,
            self.earned - other.earned,
        )


NOTHING = Shown(0, 0, 0, 0)


def shown(real_bets: int, real_payouts: int, *, share_bp: int, rate_bp: int, loss_policy: str) -> Shown:
    """What of a round's real figures is shown and earned.

    Bets and profit are rounded, payouts are their difference, so that the three always add up.
    """
    profit = real_bets - real_payouts
    bets_shown, profit_shown = _part(real_bets, share_bp), _part(profit, share_bp)
    return Shown(
        bets_shown,
        bets_shown - profit_shown,
        profit_shown,
        earned(profit, share_bp=share_bp, rate_bp=rate_bp, loss_policy=loss_policy),
    )


def earned(real_profit: int, *, share_bp: int, rate_bp: int, loss_policy: str) -> int:
    """What a round with that real profit earns; below zero it takes, unless rounds stand by themselves."""
    if loss_policy == LossPolicy.PER_ROUND and real_profit <= 0:
        return 0
    return money.rounded(Fraction(real_profit * share_bp * rate_bp, WHOLE_BP * WHOLE_BP))


def _part(real: int, share_bp: int) -> int:
    return money.rounded(Fraction(real * share_bp, WHOLE_BP))
