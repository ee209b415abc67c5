"""What entries come to, by the names that people use: deposits, stakes, net gaming revenue. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol

from dashboard.models.wallet import ChangeType as T
from dashboard.models.wallet import ContraAccount as A


class Summed(Protocol):
    """Entries of one kind, added up. Minor units."""

    @property
    def change_type(self) -> str:
        """Why they moved."""

    @property
    def contra_account(self) -> str:
        """The house's side of them."""

    @property
    def entries(self) -> int:
        """How many."""

    @property
    def real(self) -> int:
        """What they moved of real money."""

    @property
    def bonus(self) -> int:
        """What they moved of bonus money."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the entries of a stretch of time come to. Minor units; credits of players positive."""

    entries: int = 0
    deposits: int = 0
    withdrawals: int = 0
    """Not negative, as deposits. Neither knows reversals, which `cash` does."""
    cash: int = 0
    """What came in less what went out, reversals included."""
    stakes: int = 0
    """Wagers less what was refunded of them, real and bonus; not negative."""
    payouts: int = 0
    revenue: int = 0
    """Net gaming revenue: what games took from players less what they gave, real and bonus."""
    bonuses: int = 0
    """Bonus money granted."""
    promotions: int = 0
    """What promotions gave in all, real and bonus: grants less what expired or was forfeited, conversions."""
    adjustments: int = 0
    """Net, reversals included."""
    fees: int = 0
    """Not negative."""
    real: int = 0
    """By how much all real money changed."""
    bonus: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


def of(rows: Iterable[Summed]) -> Figures:
    """The figures of sums by change type and house account."""
    return sum(map(_of_one, rows), Figures())


def change_percent(now: int, before: int) -> float | None:
    """By how much a figure has changed, in percent of what it was; None where it was nothing."""
    return 100 * (now - before) / abs(before) if before else None


def closings(opening: int, changes: Sequence[int]) -> list[int]:
    """What was there at the end of each bucket, from what was there before the first."""
    found, stands = [], opening
    for change in changes:
        stands += change
        found.append(stands)
    return found


def _of_one(row: Summed) -> Figures:
    kind, account, both = row.change_type, row.contra_account, row.real + row.bonus
    return Figures(
        entries=row.entries,
        deposits=row.real if kind == T.DEPOSIT else 0,
        withdrawals=-row.real if kind == T.WITHDRAWAL else 0,
        cash=row.real if account == A.CASH else 0,
        stakes=-both if kind in {T.WAGER, T.REFUND} else 0,
        payouts=both if kind == T.SETTLEMENT else 0,
        revenue=-both if account == A.GAMING else 0,
        bonuses=row.bonus if kind == T.BONUS_GRANT else 0,
        promotions=both if account == A.PROMOTIONS else 0,
        adjustments=both if account == A.ADJUSTMENTS else 0,
        fees=-both if account == A.FEES else 0,
        real=row.real,
        bonus=row.bonus,
    )
