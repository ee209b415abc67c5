"""Histories in bulk: members in memory, who take steps in time order and are written together.

A `Replay` judges and reckons by the very functions of `points_reckoning` and `member_tiers`,
so its entries are what those acts would have written one by one. `write` appends the n-th entry of all
members in one statement. For wallets that do not stand yet: imports and the demo.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import Conflict, Rejected
from dashboard.models.loyalty import LoyaltyStatus, TierChange
from dashboard.models.points import PointsKind
from dashboard.services import (
    loyalty_sums,
    member_tiers,
    points_conversion,
    points_journal,
    points_reckoning,
)
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.loyalty_tiers import Tier
from dashboard.services.points_journal import Making, Moving, Posting
from dashboard.services.points_reckoning import Asked, Payment
from dashboard.services.points_standing import Batch, Member, Programme


@dataclass(frozen=True, slots=True)
class Written:
    """An entry that waits to be written, with its batches, and the change of tier that it records."""

    posting: Posting
    making: tuple[Making, ...] = ()
    moving: tuple[Moving, ...] = ()
    step: member_tiers.Step | None = None
    previous: Tier | None = None


@dataclass(slots=True)
class Replay:
    """A member who has no loyalty wallet yet. Every step names its instant; they come in time order."""

    player_id: int
    programme: Programme
    tiers: tuple[Tier, ...]
    began: dt.datetime
    """When the wallet is made: not after the first step."""
    entries: list[Written] = field(default_factory=list)
    member: Member = field(init=False)
    """Where the history stands by now."""

    def __post_init__(self) -> None:
        self.member = Member(
            player_id=self.player_id,
            operator_id=self.programme.operator_id,
            status=LoyaltyStatus.ACTIVE,
            tier=None,
            discount_bp=0,
            tier_valid_until=None,
            balance=0,
            owed=0,
            batches=0,
            version=0,
            programme=self.programme,
            tiers=self.tiers,
            today=self._day(self.began),
            open=(),
        )

    def load(
        self, payment: Payment, *, notes: str, key: str, now: dt.datetime, actor: Actor = SYSTEM
    ) -> None:
        """As `points.load`. Raises Rejected."""
        fingerprint = points_reckoning.fingerprint_of(
            "load", self.player_id, payment.amount, payment.reference, payment.mode, payment.invoice, notes
        )
        points_reckoning.refuse_payment(payment, self.programme.currency)
        asked = _asked(points_reckoning.reasoned(notes, field="notes"), key, fingerprint, now, actor)
        self.settle(now)
        posting, batch, tier = points_reckoning.loading(self.member, payment, asked)
        self._append(Written(posting, (batch,)))
        if tier is not None and (self.member.tier is None or tier.id != self.member.tier.id):
            self.move(member_tiers.reaching(self.member, tier, self.member.version), actor=actor, now=now)

    def redeem(
        self,
        amount: int | None,
        *,
        notes: str,
        key: str,
        now: dt.datetime,
        actor: Actor = SYSTEM,
        price: int | None = None,
        invoice: str | None = None,
    ) -> None:
        """As `points.redeem`. Raises Rejected."""
        fingerprint = points_reckoning.fingerprint_of("redeem", self.player_id, amount, price, invoice, notes)
        asked = _asked(points_reckoning.reasoned(notes, field="notes"), key, fingerprint, now, actor)
        with self._whole_or_not_at_all():
            self.settle(now)
            posting, moving, _, _ = points_reckoning.redeeming(
                self.member, amount, asked, price=price, invoice=invoice
            )
            self._append(Written(posting, moving=tuple(moving)))

    def adjust(self, amount: int, *, reason: str, key: str, now: dt.datetime, actor: Actor = SYSTEM) -> None:
        """As `points.adjust`, of points. Raises Rejected."""
        fingerprint = points_reckoning.fingerprint_of("adjustment", self.player_id, amount, reason)
        asked = _asked(points_reckoning.reasoned(reason), key, fingerprint, now, actor)
        with self._whole_or_not_at_all():
            self.settle(now)
            if amount > 0:
                posting, batch = points_reckoning.giving(self.member, amount, asked)
                self._append(Written(posting, (batch,)))
            else:
                posting, moving, _ = points_reckoning.removing(self.member, -amount, asked)
                self._append(Written(posting, moving=tuple(moving)))

    def convert(
        self,
        amount: int,
        *,
        wallet_sequence: int,
        reason: str,
        key: str,
        now: dt.datetime,
        actor: Actor = SYSTEM,
    ) -> None:
        """As `points_conversion.convert`, but that others post the entry of the wallet. Raises Rejected."""
        fingerprint = points_reckoning.fingerprint_of("convert", self.player_id, amount, reason)
        asked = _asked(points_reckoning.reasoned(reason), key, fingerprint, now, actor)
        points_conversion.worth(self.member, amount)
        with self._whole_or_not_at_all():
            self.settle(now)
            moving, parts = points_reckoning.take(self.member, amount, "redeemed")
            posting = points_conversion.posting_of(self.member, parts, asked, wallet_sequence=wallet_sequence)
            self._append(Written(posting, moving=tuple(moving)))

    def settle(self, now: dt.datetime) -> None:
        """Bring the member to that instant, as every act does first: `points.settle_day`."""
        self._lapse(now)
        member = self.member
        while member.tier_valid_until is not None and member.tier_valid_until < member.today:
            step = member_tiers.following(member, self._paid_within(member.tier_valid_until))
            self.move(step, actor=SYSTEM, now=now)
            member = self.member

    def nights(self, until: dt.datetime, *, tiers: bool = True) -> None:
        """Let the nights up to that instant pass: what ends, ends at the midnight after its last day.

        Without `tiers` points alone lapse: where somebody else has said when tiers ended.
        """
        while (midnight := self._next_midnight(tiers=tiers)) is not None and midnight <= until:
            if tiers:
                self.settle(midnight)
            else:
                self._lapse(midnight)
        self.member = replace(self.member, today=self._day(until))

    def bring(
        self,
        asked: Asked,
        *,
        base: int,
        bonus: int,
        expires_on: dt.date,
        amount: int | None = None,
        payment: str | None = None,
        tier_id: int | None = None,
    ) -> None:
        """Points as they were given elsewhere, valid to their own day.

        A load, where it is known what was paid (`amount`, minor units, its whole units the base points); else
        an adjustment. Bonus points come with the tier that gave them.
        """
        self.nights(asked["now"], tiers=False)
        posting = points_reckoning.posting_of(
            self.member,
            PointsKind.ADJUSTMENT if amount is None else PointsKind.LOAD,
            (),
            **asked,
            base_points=base,
            bonus_points=bonus,
            payment=payment,
            payment_amount=amount,
            tier_id=tier_id,
            expires_on=expires_on,
            loaded=base + bonus,
            amount_paid=amount or 0,
            made=1,
        )
        batch = Making(
            player_id=self.player_id,
            ordinal=1,
            loaded_on=self.member.today,
            expires_on=expires_on,
            base_loaded=base,
            bonus_loaded=bonus,
            amount_paid=amount or 0,
        )
        self._append(Written(posting, (batch,)))

    def use(self, amount: int, asked: Asked, *, payment: str | None = None) -> None:
        """Points that were redeemed elsewhere, soonest expiry first. Raises Rejected."""
        self.nights(asked["now"], tiers=False)
        moving, parts = points_reckoning.take(self.member, amount, "redeemed")
        posting = points_reckoning.posting_of(
            self.member, PointsKind.REDEEM, parts, **asked, redeemed=amount, payment=payment
        )
        self._append(Written(posting, moving=tuple(moving)))

    def take_off(self, amount: int, asked: Asked) -> None:
        """Points that were taken off elsewhere, soonest expiry first. Raises Rejected."""
        self.nights(asked["now"], tiers=False)
        posting, moving, _ = points_reckoning.removing(self.member, amount, asked)
        self._append(Written(posting, moving=tuple(moving)))

    def move(self, step: member_tiers.Step, *, actor: Actor = SYSTEM, now: dt.datetime) -> None:
        """Change the tier, as `member_tiers.move`."""
        posting = member_tiers.posting_of(
            self.member,
            step.tier,
            change=step.change,
            valid_until=step.valid_until,
            reason=step.reason,
            actor=actor,
            now=now,
        )
        self._append(Written(posting, step=step, previous=self.member.tier))
        self.member = replace(
            self.member,
            tier=step.tier,
            discount_bp=step.tier.discount_bp if step.tier else 0,
            tier_valid_until=step.valid_until,
        )

    @contextmanager
    def _whole_or_not_at_all(self) -> Iterator[None]:
        """What lapsed before an act that is refused goes with it: its transaction would be rolled back."""
        member, entries = self.member, len(self.entries)
        try:
            yield
        except Rejected:
            self.member = member
            del self.entries[entries:]
            raise

    def _append(self, written: Written) -> None:
        member, posting = self.member, written.posting
        self.entries.append(written)
        open_ = [_moved(batch, written.moving) for batch in member.open]
        open_ += [_made(new, member.batches) for new in written.making]
        usable = sorted(
            (batch for batch in open_ if batch.remaining), key=lambda batch: (batch.expires_on, batch.number)
        )
        self.member = replace(
            member,
            balance=member.balance + posting.base_points + posting.bonus_points,
            batches=member.batches + posting.made,
            version=member.version + 1,
            open=tuple(usable),
        )

    def _lapse(self, now: dt.datetime) -> None:
        self.member = replace(self.member, today=self._day(now))
        for posting, moving in list(points_reckoning.lapsing(self.member, now)):
            self._append(Written(posting, moving=tuple(moving)))

    def _next_midnight(self, *, tiers: bool) -> dt.datetime | None:
        days = [batch.expires_on for batch in self.member.open[:1]]
        if tiers and self.member.tier_valid_until is not None:
            days.append(self.member.tier_valid_until)
        if not days:
            return None
        after = min(days) + dt.timedelta(days=1)
        return clock.between(after, after, self.programme.timezone).start

    def _paid_within(self, last: dt.date) -> int:
        """As `member_tiers.paid_within`, from the loads so far."""
        span = member_tiers.qualifying_span(last, self.programme.timezone)
        loads = (entry.posting for entry in self.entries if entry.posting.kind == PointsKind.LOAD)
        return sum(load.payment_amount or 0 for load in loads if span.start <= load.created_at < span.end)

    def _day(self, now: dt.datetime) -> dt.date:
        return clock.local(now, self.programme.timezone).date()


def write(session: Session, replays: Sequence[Replay]) -> None:
    """Make the loyalty wallets and append all entries, the n-th of every member in one statement.

    Some hundred members at a time keep the statements handy. Raises Conflict where a player has a loyalty
    wallet already.
    """
    began = {"players": [one.player_id for one in replays], "began": [one.began for one in replays]}
    if len(session.execute(_ENROL, began).all()) != len(replays):
        raise Conflict("Somebody else has made a loyalty wallet for one of these players.")
    for place in count():
        now = [one.entries[place] for one in replays if place < len(one.entries)]
        if not now:
            break
        points_journal.append(
            session,
            [written.posting for written in now],
            [new for written in now for new in written.making],
            [move for written in now for move in written.moving],
        )
    _write_tiers(session, replays)
    _count(session, replays)


def _count(session: Session, replays: Sequence[Replay]) -> None:
    """Count the new members in the tiers where they have ended up."""
    counted: dict[int, Counter[int | None]] = defaultdict(Counter)
    for one in replays:
        counted[one.programme.operator_id][one.member.tier.id if one.member.tier else None] += 1
    for operator_id, changes in counted.items():
        loyalty_sums.count_members(session, operator_id, changes)


def _write_tiers(session: Session, replays: Sequence[Replay]) -> None:
    """The history of tiers, and where it ended."""
    told = [
        {
            "player": one.player_id,
            "operator": one.programme.operator_id,
            "sequence": sequence,
            "previous": written.previous.id if written.previous else None,
            "tier": written.step.tier.id if written.step.tier else None,
            "change": TierChange(written.step.change),
            "until": written.step.valid_until,
            "reason": written.step.reason,
            "now": written.posting.created_at,
        }
        for one in replays
        for sequence, written in enumerate(one.entries, 1)
        if written.step is not None
    ]
    if not told:
        return
    session.execute(_TELL, {name: [row[name] for row in told] for name in told[0]})
    moved = [one.member for one in replays if one.member.tier is not None]
    session.execute(
        _SET,
        {
            "players": [member.player_id for member in moved],
            "tiers": [member.tier.id if member.tier else None for member in moved],
            "discounts": [member.discount_bp for member in moved],
            "untils": [member.tier_valid_until for member in moved],
        },
    )


_ENROL = text("""
INSERT INTO loyalty_wallets (player_id, operator_id, created_at, updated_at)
SELECT p.id, p.operator_id, n.began, n.began
FROM unnest(CAST(:players AS bigint[]), CAST(:began AS timestamptz[])) AS n(player_id, began)
JOIN players p ON p.id = n.player_id
ON CONFLICT DO NOTHING
RETURNING player_id
""")
_TELL = text("""
INSERT INTO tier_history (player_id, operator_id, sequence, previous_tier_id, tier_id, change, valid_until,
                          reason, changed_at)
SELECT * FROM unnest(
  CAST(:player AS bigint[]), CAST(:operator AS bigint[]), CAST(:sequence AS bigint[]),
  CAST(:previous AS bigint[]), CAST(:tier AS bigint[]), CAST(:change AS text[]), CAST(:until AS date[]),
  CAST(:reason AS text[]), CAST(:now AS timestamptz[])
)
""")
_SET = text("""
UPDATE loyalty_wallets w SET tier_id = m.tier_id, discount_bp = m.discount_bp, tier_valid_until = m.until
FROM unnest(CAST(:players AS bigint[]), CAST(:tiers AS bigint[]), CAST(:discounts AS smallint[]),
            CAST(:untils AS date[])) AS m(player_id, tier_id, discount_bp, until)
WHERE w.player_id = m.player_id
""")


def _asked(notes: str, key: str, fingerprint: bytes, now: dt.datetime, actor: Actor) -> Asked:
    return Asked(notes=notes, actor=actor, key=key, fingerprint=fingerprint, now=now)


def _moved(batch: Batch, moving: Sequence[Moving]) -> Batch:
    taken = sum(
        move.redeemed + move.expired + move.reversed for move in moving if move.number == batch.number
    )
    return replace(batch, remaining=batch.remaining - taken)


def _made(new: Making, before: int) -> Batch:
    loaded = new.base_loaded + new.bonus_loaded
    return Batch(
        before + new.ordinal, new.expires_on, new.base_loaded, new.bonus_loaded, loaded, new.amount_paid
    )
