"""An operator's figures over a period: by bucket, in all, and beside the period before."""

from dataclasses import dataclass
from itertools import groupby

from sqlalchemy.orm import Session

from dashboard.queries import rollups
from dashboard.queries.rollups import BucketSum, Scope
from dashboard.services import figures
from dashboard.services.figures import Figures
from dashboard.services.periods import Period


@dataclass(frozen=True, slots=True)
class Overview:
    """What a scope's entries come to over a period. Minor units of its currency."""

    period: Period
    buckets: tuple[Figures, ...]
    """Of each bucket of the period, in its order."""
    by_type: tuple[tuple[BucketSum, ...], ...]
    """The sums behind them."""
    before: Figures
    """Of the period before, which is as long."""
    opening_real: int
    """What all balances held when the period began."""
    opening_bonus: int

    @property
    def whole(self) -> Figures:
        """Of the whole period."""
        return sum(self.buckets, Figures())

    @property
    def real_closings(self) -> list[int]:
        """What all balances held of real money at the end of each bucket."""
        return figures.closings(self.opening_real, [bucket.real for bucket in self.buckets])

    @property
    def bonus_closings(self) -> list[int]:
        """As `real_closings`, of bonus money."""
        return figures.closings(self.opening_bonus, [bucket.bonus for bucket in self.buckets])


def read(session: Session, scope: Scope, period: Period) -> Overview:
    """The overview of a scope. Three statements, whatever the period."""
    rows = rollups.sums(session, scope, (period.before, *period.buckets), period.unit)
    by_bucket = {bucket: tuple(sums) for bucket, sums in groupby(rows, lambda row: row.bucket)}
    by_type = tuple(by_bucket.get(at, ()) for at in range(1, len(period.buckets) + 1))
    start = period.span.start
    opening = rollups.opening(session, scope, start)
    return Overview(
        period=period,
        buckets=tuple(figures.of(sums) for sums in by_type),
        by_type=by_type,
        before=figures.of(by_bucket.get(0, ())),
        opening_real=opening.real,
        opening_bonus=opening.bonus,
    )
