"""What terms come to on rounds that anybody can follow: for people who are about to agree them.

Pure arithmetic, by the same functions that settlements use.
"""

from dataclasses import dataclass
from decimal import Decimal

from dashboard import money
from dashboard.models.partner import LossPolicy
from dashboard.services import partner_terms
from dashboard.services.partner_terms import Shown, Terms

WON_BY_HOUSE = (5_000, 4_000)
"""Bets and payouts of a round, in whole units."""
WON_BY_PLAYERS = (2_000, 2_400)


@dataclass(frozen=True, slots=True)
class ExampleRound:
    """A round in real figures, and what the partner is shown of it. Minor units."""

    real_bets: int
    real_payouts: int
    shown: Shown

    @property
    def real_profit(self) -> int:
        """What the house won, or with a minus lost."""
        return self.real_bets - self.real_payouts


@dataclass(frozen=True, slots=True)
class Example:
    """The two rounds, and what a statement makes of them. Minor units."""

    won: ExampleRound
    lost: ExampleRound
    both: int
    """What a month with both earns."""
    agreed: int
    """What the agreed rate makes of the profit of both."""
    carried: int
    """What a month with the lost one alone takes to the next one."""
    of_profit: str
    """What is earned of the real profit, in percent: share times rate."""


def example(terms: Terms, currency: str) -> Example:
    """Both rounds under these terms, in that currency."""
    won, lost = (_round(terms, currency, *figures) for figures in (WON_BY_HOUSE, WON_BY_PLAYERS))
    below = min(0, lost.shown.earned)
    return Example(
        won=won,
        lost=lost,
        both=won.shown.earned + lost.shown.earned,
        agreed=partner_terms.earned(
            won.real_profit + lost.real_profit,
            share_bp=terms.share_bp,
            rate_bp=terms.rate_bp,
            loss_policy=LossPolicy.CARRY,
        ),
        carried=below if terms.loss_policy == LossPolicy.CARRY else 0,
        of_profit=of_profit(terms.share_bp, terms.rate_bp),
    )


def of_profit(share_bp: int, rate_bp: int) -> str:
    """Share times rate in percent, exactly: `5`, `0.0001`."""
    exact = (Decimal(share_bp) * rate_bp).scaleb(-6)
    return f"{exact.normalize():f}"


def _round(terms: Terms, currency: str, bets: int, payouts: int) -> ExampleRound:
    real = [money.from_whole(units, currency) for units in (bets, payouts)]
    shown = partner_terms.shown(
        *real, share_bp=terms.share_bp, rate_bp=terms.rate_bp, loss_policy=terms.loss_policy
    )
    return ExampleRound(real[0], real[1], shown)
