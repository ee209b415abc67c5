"""Where a member stands: the wallet, locked, with its programme, its day, and the batches that have points.

Every act begins here. The wallet is locked before any balance; whoever holds it has the member's batches
and journal to itself.
"""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import NotFound
from dashboard.models.loyalty import LoyaltyStatus
from dashboard.services import lots, loyalty_sums, loyalty_tiers
from dashboard.services.actors import Actor
from dashboard.services.loyalty_tiers import Tier


@dataclass(frozen=True, slots=True)
class Programme:
    """What an operator's programme is run by."""

    operator_id: int
    currency: str
    timezone: str
    conversion_points: int | None
    conversion_amount: int | None
    refund_policy: str
    grace_days: int
    tier_loss: str
    approval_points: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of points as it stands."""

    number: int
    expires_on: dt.date
    base_loaded: int
    bonus_loaded: int
    remaining: int
    amount_paid: int

    def part(self, points: int) -> tuple[int, int]:
        """The base and the bonus points in the next `points` that are used; negative: that come back."""
        loaded = self.base_loaded + self.bonus_loaded
        used = loaded - self.remaining
        before = lots.part_of_use(used, self.bonus_loaded, loaded)
        bonus = lots.part_of_use(used + points, self.bonus_loaded, loaded) - before
        return points - bonus, bonus

    @property
    def base_remaining(self) -> int:
        """What remains of the base points."""
        return self.part(self.remaining)[0]


@dataclass(frozen=True, slots=True)
class Member:
    """A locked loyalty wallet, the day it is for its operator, and what it has. Points."""

    player_id: int
    operator_id: int
    status: str
    tier: Tier | None
    discount_bp: int
    tier_valid_until: dt.date | None
    balance: int
    owed: int
    batches: int
    version: int
    programme: Programme
    tiers: tuple[Tier, ...]
    today: dt.date
    open: tuple[Batch, ...]
    """Batches with points, in the order of use: those that have expired, which come first, too."""

    @property
    def usable(self) -> tuple[Batch, ...]:
        """What can be used today, soonest expiry first."""
        return tuple(batch for batch in self.open if batch.expires_on >= self.today)

    @property
    def lapsed(self) -> tuple[Batch, ...]:
        """What has expired without anybody having said so yet."""
        return tuple(batch for batch in self.open if batch.expires_on < self.today)


_ENROL = text("""
INSERT INTO loyalty_wallets (player_id, operator_id, created_at, updated_at)
SELECT id, operator_id, :now, :now FROM players WHERE id = :p
ON CONFLICT DO NOTHING
RETURNING operator_id
""")
_LOCK = text("""
SELECT w.*, o.currency AS home_currency, o.timezone, p.conversion_points, p.conversion_amount,
       p.refund_policy, p.grace_days, p.tier_loss, p.approval_points
FROM loyalty_wallets w
JOIN operators o ON o.id = w.operator_id
JOIN loyalty_programmes p ON p.operator_id = w.operator_id
WHERE w.player_id = :p AND w.operator_id = coalesce(CAST(:served AS bigint), w.operator_id) FOR UPDATE OF w
""")
_PROGRAMME = text("""
SELECT p.*, o.currency AS home_currency, o.timezone
FROM loyalty_programmes p JOIN operators o ON o.id = p.operator_id
WHERE p.operator_id = :operator
""")
_OPEN = text("""
SELECT number, expires_on, base_loaded, bonus_loaded, remaining, amount_paid FROM points_batches
WHERE player_id = :p AND remaining > 0 ORDER BY expires_on, number
""")
_SERVED = text("SELECT operator_id FROM players WHERE id = :p")


def lock(session: Session, *, player_id: int, actor: Actor, now: dt.datetime, enrol: bool = False) -> Member:
    """The member, locked until the transaction ends; `enrol` makes a wallet for whoever has none.

    Raises NotFound where the actor does not serve the player, or where there is no loyalty wallet.
    """
    named = {"p": player_id, "served": None if actor.role is None else actor.operator_id}
    row = session.execute(_LOCK, named).one_or_none()
    if row is None:
        operator_id = session.scalar(_SERVED, {"p": player_id})
        if operator_id is None or not actor.serves(operator_id):
            raise NotFound("There is no such player.")
        if enrol:
            if session.scalar(_ENROL, {"p": player_id, "now": now}) is not None:
                loyalty_sums.count_members(session, operator_id, {None: 1})
            row = session.execute(_LOCK, named).one_or_none()
    if row is None:
        raise NotFound("This player has no loyalty wallet yet.")
    tiers = tuple(loyalty_tiers.tiers_of(session, row.operator_id))
    return Member(
        player_id=player_id,
        operator_id=row.operator_id,
        status=LoyaltyStatus(row.status),
        tier=next((tier for tier in tiers if tier.id == row.tier_id), None),
        discount_bp=row.discount_bp,
        tier_valid_until=row.tier_valid_until,
        balance=row.balance,
        owed=row.owed,
        batches=row.batches,
        version=row.version,
        programme=_programme(row),
        tiers=tiers,
        today=clock.local(now, row.timezone).date(),
        open=_open(session, player_id),
    )


def again(session: Session, member: Member) -> Member:
    """The same member after something was written within this transaction."""
    row = session.execute(_LOCK, {"p": member.player_id, "served": member.operator_id}).one()
    return replace(
        member,
        status=LoyaltyStatus(row.status),
        tier=next((tier for tier in member.tiers if tier.id == row.tier_id), None),
        discount_bp=row.discount_bp,
        tier_valid_until=row.tier_valid_until,
        balance=row.balance,
        owed=row.owed,
        batches=row.batches,
        version=row.version,
        open=_open(session, member.player_id),
    )


def programme_of(session: Session, operator_id: int) -> Programme:
    """What an operator's programme is run by, without any lock."""
    return _programme(session.execute(_PROGRAMME, {"operator": operator_id}).one())


def _programme(row: Row[Any]) -> Programme:
    return Programme(
        row.operator_id,
        row.home_currency,
        row.timezone,
        row.conversion_points,
        row.conversion_amount,
        row.refund_policy,
        row.grace_days,
        row.tier_loss,
        row.approval_points,
    )


def _open(session: Session, player_id: int) -> tuple[Batch, ...]:
    return tuple(Batch(*row) for row in session.execute(_OPEN, {"p": player_id}))
