"""Old bonuses as grants: what each was worth, how far its wagering is, and what remains of it. Pure.

The old tables know what a player's bonus balance is, but not which bonus it comes from. Stakes took the
oldest bonus first, so what remains is in the newest ones; what is more than all of them ever gave are
winnings, which belong to the oldest that is still open.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from dashboard.models.bonus import BonusSource, BonusState
from dashboard.services.imports import legacy_values as values
from dashboard.services.imports.legacy_files import Row

MOVED_IN = "Moved in"
"""The name of the grant that a bonus balance without any bonus becomes."""
OPEN_DAYS = 3650
"""So long a grant lasts whose bonus named no end: the longest that an offer may give."""
_MULTIPLIER_MAX = Decimal("99999.99")
_NAME_LENGTH = 60

_STATES: dict[str, BonusState] = {
    "active": BonusState.ACTIVE,
    "in_progress": BonusState.ACTIVE,
    "queued": BonusState.QUEUED,
    "pending": BonusState.QUEUED,
    "completed": BonusState.COMPLETED,
    "finished": BonusState.COMPLETED,
    "expired": BonusState.EXPIRED,
    "forfeited": BonusState.FORFEITED,
    "lost": BonusState.FORFEITED,
    "cancelled": BonusState.CANCELLED,
    "canceled": BonusState.CANCELLED,
}
_SOURCES: dict[str, BonusSource] = {source.replace("_", ""): source for source in BonusSource} | {
    "welcomebonus": BonusSource.WELCOME,
    "smsbonus": BonusSource.SMS,
    "tournaments": BonusSource.TOURNAMENT,
    "happyhours": BonusSource.HAPPY_HOUR,
    "refund": BonusSource.CASHBACK,
    "refunds": BonusSource.CASHBACK,
    "dailyentries": BonusSource.DAILY_ENTRY,
    "wheelfortune": BonusSource.WHEEL_OF_FORTUNE,
    "balance": BonusSource.DEPOSIT,
}
"""What an old bonus was for, without underscores; the count columns of the old balances among them."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the old table of bonuses says about one of them."""

    name: str
    source: BonusSource


@dataclass(slots=True)
class Grant:
    """A grant as it will be made. Amounts in minor units."""

    line: int | None
    """Of the old row; None where there is none."""
    old_id: str | None
    currency: str
    name: str
    source: BonusSource
    state: BonusState
    amount: int
    required: int
    wagered: int
    granted_at: dt.datetime
    expires_at: dt.datetime | None
    """Of one that is open; None: none was named."""
    changed_at: dt.datetime
    remaining: int = 0
    end_reason: str | None = None

    @property
    def multiplier(self) -> Decimal:
        """How many times its amount must be wagered, to two decimals; `required` is the exact figure."""
        return (Decimal(self.required) / self.amount).quantize(Decimal("0.01"), ROUND_HALF_EVEN)

    @property
    def ends_at(self) -> dt.datetime:
        """When what is left of it expires."""
        return self.expires_at or self.granted_at + dt.timedelta(days=OPEN_DAYS)

    @property
    def validity_days(self) -> int:
        """From grant to end, in days begun."""
        return max(1, -((self.granted_at - self.ends_at) // dt.timedelta(days=1)))


def kinds(rows: Sequence[Row]) -> dict[str, Kind]:
    """The old table of bonuses by id; what cannot be told apart is `manual`."""
    return {
        row["id"]: Kind(
            (row["name"] or f"Bonus {row['id']}")[:_NAME_LENGTH],
            _SOURCES.get(row["type"].replace("_", "").replace(" ", "").lower(), BonusSource.MANUAL),
        )
        for row in rows
    }


def read(row: Row, currency: str, kind: Kind | None, *, minor_units: bool, now: dt.datetime) -> Grant:
    """One old bonus. Raises ValueError that says what is wrong with the row."""
    state = _STATES.get(row["status"].replace(" ", "_").lower())
    if state is None:
        raise ValueError(f"status: “{row['status']}” is none of {', '.join(_STATES)}")
    amount, required, wagered = (
        values.not_negative(
            values.amount(row[column], currency, what=column, minor_units=minor_units), what=column
        )
        for column in ("amount", "goal_amount", "process_amount")
    )
    if amount == 0:
        raise ValueError("amount is zero")
    expires_at = values.moment(row["expires_at"], what="expires_at")
    granted_at = values.past_moment(row["created_at"], what="created_at", now=now)
    if granted_at is None:
        granted_at = now if expires_at is None else min(now, expires_at - dt.timedelta(days=1))
    changed_at = values.past_moment(row["updated_at"], what="updated_at", now=now) or granted_at
    if expires_at is not None and expires_at <= granted_at:
        raise ValueError("expires_at is not after created_at")
    grant = Grant(
        line=row.line,
        old_id=row.old_id,
        currency=currency,
        name=kind.name if kind else f"Bonus {row['bonus_id'] or row.old_id}"[:_NAME_LENGTH],
        source=kind.source if kind else BonusSource.MANUAL,
        state=state,
        amount=amount,
        required=required,
        wagered=wagered,
        granted_at=granted_at,
        expires_at=expires_at,
        changed_at=max(changed_at, granted_at),
    )
    if grant.multiplier > _MULTIPLIER_MAX:
        raise ValueError("goal_amount is more than 99,999 times the amount")
    if state not in (BonusState.ACTIVE, BonusState.QUEUED):
        grant.end_reason = f"{state.capitalize()} before it moved in."
    return grant


def spread(grants: Sequence[Grant], bonus: int) -> None:
    """Say what remains of each of one balance's grants, so that the active ones hold `bonus` together.

    From the newest back, each at most its amount; what is left over are winnings, of the oldest. One of
    which nothing remains has ended. There must be an active one where `bonus` is not 0.
    """
    active = [grant for grant in grants if grant.state == BonusState.ACTIVE]
    left = bonus
    for grant in reversed(active):
        grant.remaining = min(grant.amount, left)
        left -= grant.remaining
    if left:
        active[0].remaining += left
    for grant in active:
        if grant.remaining == 0:
            grant.state = BonusState.FORFEITED
            grant.end_reason = "Nothing was left of it when it moved in."


def moved_in(currency: str, bonus: int, *, now: dt.datetime) -> Grant:
    """The grant of a bonus balance that no old bonus explains: to be wagered once, so that nobody
    is paid for moving."""
    return Grant(
        line=None,
        old_id=None,
        currency=currency,
        name=MOVED_IN,
        source=BonusSource.MANUAL,
        state=BonusState.ACTIVE,
        amount=bonus,
        required=bonus,
        wagered=0,
        granted_at=now,
        expires_at=None,
        changed_at=now,
        remaining=bonus,
    )
