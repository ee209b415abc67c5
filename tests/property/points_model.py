"""A member's points as the specification tells them, in plain Python: every point is moved by itself.

Nothing of the code under test is used. A batch is a row of points, some of them bonus; what is used goes from
the front, what comes back comes back to the front. Amounts in cents.
"""

import datetime as dt
from calendar import monthrange
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache


class Refused(Exception):
    """What the desk says no to, by words of what it says."""


@dataclass(frozen=True)
class Tier:
    code: str
    minimum: int
    points: int
    discount_bp: int
    months: int


TIERS = (
    Tier("silver", 20_00, 25, 200, 2),
    Tier("gold", 45_00, 50, 300, 6),
    Tier("platinum", 90_00, 98, 550, 9),
)
DEFAULT_MONTHS = 12


@dataclass(frozen=True)
class Programme:
    policy: str
    grace_days: int
    tier_loss: str
    approval_points: int
    conversion_points: int = 10
    conversion_amount: int = 1_51


@cache
def row_of_points(base: int, bonus: int) -> tuple[bool, ...]:
    """Which of them, from the front, are bonus: as evenly as whole points allow, base first."""
    full, row = 0, []
    for _ in range(base + bonus):
        full += bonus
        row.append(full >= base + bonus)
        full -= base + bonus if row[-1] else 0
    return tuple(row)


@dataclass
class Batch:
    number: int
    expires: dt.date
    base: int
    bonus: int
    paid: int = 0
    origin: "Batch | None" = None
    used: int = 0
    """So many from the front are gone."""
    redeemed: int = 0
    expired: int = 0
    reversed: int = 0
    given_back: int = 0
    """Of the payment."""
    owed: int = 0

    @property
    def remaining(self) -> int:
        return self.base + self.bonus - self.used

    def pop(self) -> bool:
        """Take the next point; whether it is bonus."""
        self.used += 1
        return row_of_points(self.base, self.bonus)[self.used - 1]

    def push(self) -> bool:
        """Put a point back; whether it is bonus."""
        self.used -= 1
        return row_of_points(self.base, self.bonus)[self.used]

    def root(self) -> "Batch":
        return self.origin.root() if self.origin else self


@dataclass
class Taking:
    """What a redemption took from one batch."""

    batch: Batch
    kinds: list[bool] = field(default_factory=list)
    back: int = 0


@dataclass
class Redemption:
    sequence: int
    money: int | None
    takings: list[Taking]
    converts: bool = False

    @property
    def points(self) -> int:
        return sum(len(taking.kinds) for taking in self.takings)

    @property
    def left(self) -> int:
        return self.points - sum(taking.back for taking in self.takings)


@dataclass
class Posted:
    """What the entry must say."""

    base: int
    bonus: int
    money: int | None = None


@dataclass
class Member:
    programme: Programme
    batches: list[Batch] = field(default_factory=list)
    redemptions: list[Redemption] = field(default_factory=list)
    loads: dict[int, Batch] = field(default_factory=dict)
    status: str = "active"
    tier: Tier | None = None
    until: dt.date | None = None
    refunded: int = 0
    real: int = 0
    paid: list[tuple[dt.date, int]] = field(default_factory=list)
    adjusted: dict[tuple[str, dt.date], int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    @property
    def balance(self) -> int:
        return sum(batch.remaining for batch in self.batches)

    @property
    def owed(self) -> int:
        return sum(batch.owed for batch in self.batches)

    # A new day

    def wake(self, today: dt.date) -> None:
        for batch in self.batches:
            if batch.expires < today and batch.remaining:
                self.seen.add("expired")
                self._lapse(batch)
        while self.tier is not None and self.until is not None and self.until < today:
            self._review(self.tier, self.until)

    def _lapse(self, batch: Batch) -> None:
        while batch.remaining:
            batch.pop()
            batch.expired += 1

    def _review(self, present: Tier, ended: dt.date) -> None:
        begun = months_on(ended, -12)
        paid = sum(amount for day, amount in self.paid if begun < day <= ended)
        lower = [tier for tier in TIERS if tier.minimum < present.minimum]
        if paid >= present.minimum:
            self.seen.add("renewed")
            self.tier = present
        elif self.programme.tier_loss == "qualifying":
            self.seen.add("lost to what qualifies")
            self.tier = max(
                (tier for tier in lower if tier.minimum <= paid), key=lambda tier: tier.minimum, default=None
            )
        else:
            self.seen.add("lost by one step")
            self.tier = lower[-1] if lower else None
        self.until = months_on(ended, self.tier.months) if self.tier else None

    # What staff do

    def load(self, today: dt.date, sequence: int, amount: int) -> Posted:
        self._refuse_closed()
        if amount < 1_00:
            raise Refused("Points are loaded for payments from")
        self.wake(today)
        reached = [tier for tier in TIERS if tier.minimum <= amount] + ([self.tier] if self.tier else [])
        tier = max(reached, key=lambda tier: tier.minimum, default=None)
        base = amount // 1_00
        bonus = int(base * Fraction(tier.points * 1_00, tier.minimum)) - base if tier else 0
        months = tier.months if tier else DEFAULT_MONTHS
        batch = self._new(months_on(today, months), base, bonus, paid=amount)
        self.loads[sequence] = batch
        self.paid.append((today, amount))
        if tier is not None and tier != self.tier:
            self.seen.add("upgraded" if self.tier else "new tier")
            self.tier, self.until = tier, months_on(today, tier.months)
        self._settle([batch], today)
        return Posted(base, bonus, amount)

    def redeem(self, today: dt.date, sequence: int, points: int | None, price: int | None) -> Posted:
        self._refuse_inactive()
        self.wake(today)
        most, due = None, None
        if price is not None:
            if price < 1:
                raise Refused("Enter what the service costs")
            due = price - round(Fraction(price * (self.tier.discount_bp if self.tier else 0), 10_000))
            most = due // 1_00
        if points is None:
            if most is None:
                raise Refused("Enter how many points")
            points = min(most, self.balance)
            if not points:
                raise Refused("There are no points to pay with")
        if points < 1:
            raise Refused("Enter at least one point")
        if most is not None and points > most:
            raise Refused("The service costs")
        takings = self._use(today, points)
        money = None if due is None else due - points * 1_00
        return self._redeemed(Redemption(sequence, money, takings))

    def convert(self, today: dt.date, sequence: int, points: int) -> Posted:
        self._refuse_inactive()
        if points < 1 or points % self.programme.conversion_points:
            raise Refused("Enter a multiple of")
        self.wake(today)
        takings = self._use(today, points)
        money = points // self.programme.conversion_points * self.programme.conversion_amount
        self.real += money
        self.seen.add("converted")
        return self._redeemed(Redemption(sequence, money, takings, converts=True))

    def refund(self, today: dt.date, original: Redemption, points: int | None) -> Posted:
        self._refuse_closed()
        if original.converts:
            raise Refused("undoing the conversion")
        if not original.left:
            raise Refused("have been given back already")
        points = original.left if points is None else points
        if points < 1:
            raise Refused("Enter at least one point")
        if points > original.left:
            raise Refused(f"Of this redemption {original.left:,} points are left")
        self.wake(today)
        return self._give_back(today, original, points)

    def undo(self, today: dt.date, original: Redemption) -> Posted:
        self._refuse_closed()
        if not original.converts:
            raise Refused("is no conversion")
        if not original.left:
            raise Refused("has been undone already")
        self.wake(today)
        self.real -= original.money or 0
        self.seen.add("conversion undone")
        return self._give_back(today, original, original.points)

    def reverse(self, today: dt.date, batch: Batch, amount: int | None) -> Posted:
        self._refuse_closed()
        left = batch.paid - batch.given_back
        if not left:
            raise Refused("payment has been given back already")
        amount = left if amount is None else amount
        if amount < 1:
            raise Refused("Enter how much of the payment")
        if amount > left:
            raise Refused("are left to give back")
        self.wake(today)
        loaded, posted = batch.base + batch.bonus, Posted(0, 0, amount)
        before = round(Fraction(loaded * batch.given_back, batch.paid))
        batch.given_back += amount
        self.paid.append((today, -amount))
        for _ in range(round(Fraction(loaded * batch.given_back, batch.paid)) - before):
            if batch.remaining:
                self._count(posted, batch.pop(), -1)
                batch.reversed += 1
            else:
                self.seen.add("owed")
                batch.owed += 1
        self.seen.add("load reversed")
        return posted

    def adjust(self, today: dt.date, who: str, points: int, *, approved: bool = False) -> Posted | None:
        """None where it waits for another person."""
        self._refuse_closed()
        if not points:
            raise Refused("Enter how many points to add or to take")
        before = self.adjusted.get((who, today), 0)
        if before + abs(points) > self.programme.approval_points and not approved:
            if -points > self._has(today):
                raise Refused(f"There are {self._has(today):,} points, and not {-points:,}")
            self.seen.add("waits for another person")
            return None
        self.wake(today)
        posted = Posted(points, 0)
        if points > 0:
            months = self.tier.months if self.tier else DEFAULT_MONTHS
            self._new(months_on(today, months), points, 0)
        else:
            posted = Posted(0, 0)
            for batch, kinds in self._pop(today, -points):
                batch.reversed += len(kinds)
                for kind in kinds:
                    self._count(posted, kind, -1)
        self.adjusted[who, today] = before + abs(points)
        return posted

    def suspend(self) -> None:
        if self.status != "active":
            raise Refused(f"is {self.status}")
        self.status = "suspended"

    def resume(self) -> None:
        if self.status != "suspended":
            raise Refused(f"is {self.status}")
        self.status = "active"

    def assign(self, today: dt.date, tier: Tier | None, until: dt.date | None) -> Posted:
        self._refuse_closed()
        self.wake(today)
        until = None if tier is None else until
        if until is not None and until < today:
            raise Refused("Choose a day")
        if (tier, until) == (self.tier, self.until):
            raise Refused("has already")
        self.tier, self.until = tier, until
        self.seen.add("tier by hand")
        return Posted(0, 0)

    def close(self, today: dt.date) -> Posted | None:
        """None where there is nothing to take."""
        if self.status == "closed":
            raise Refused("is closed")
        self.wake(today)
        if self.owed and self.balance:
            self.seen.add("closed in debt")
        self._settle(self.batches, today)
        worth: dict[int, Fraction] = {}
        posted = Posted(0, 0)
        for batch in self.batches:
            root, base = batch.root(), 0
            while batch.remaining:
                is_bonus = batch.pop()
                self._count(posted, is_bonus, -1)
                batch.expired += is_bonus
                batch.reversed += not is_bonus
                base += not is_bonus
            worth[root.number] = worth.get(root.number, Fraction(0)) + Fraction(base * root.paid, root.base)
        posted.money = round(
            sum(
                (
                    min(value, Fraction(root.paid - root.given_back))
                    for root, value in ((self.batches[number - 1], each) for number, each in worth.items())
                ),
                Fraction(0),
            )
        )
        self.status, self.tier, self.until = "closed", None, None
        self.seen.add("closed")
        return posted if posted.base or posted.bonus else None

    # How points move

    def _has(self, today: dt.date) -> int:
        return sum(batch.remaining for batch in self.batches if batch.expires >= today)

    def _pop(self, today: dt.date, points: int) -> list[tuple[Batch, list[bool]]]:
        """Take them one by one, always of the batch that expires first."""
        if points > self._has(today):
            raise Refused(f"There are {self._has(today):,} points, and not {points:,}")
        taken: list[tuple[Batch, list[bool]]] = []
        for _ in range(points):
            batch = min(
                (batch for batch in self.batches if batch.remaining and batch.expires >= today),
                key=lambda batch: (batch.expires, batch.number),
            )
            if any(older.remaining for older in self.batches[: batch.number - 1]):
                self.seen.add("sooner though loaded later")
            if not taken or taken[-1][0] is not batch:
                taken.append((batch, []))
            taken[-1][1].append(batch.pop())
        return taken

    def _use(self, today: dt.date, points: int) -> list[Taking]:
        taken = self._pop(today, points)
        for batch, kinds in taken:
            batch.redeemed += len(kinds)
        self.seen |= {"several batches"} if len(taken) > 1 else set()
        return [Taking(batch, kinds) for batch, kinds in taken]

    def _redeemed(self, redemption: Redemption) -> Posted:
        self.redemptions.append(redemption)
        kinds = [kind for taking in redemption.takings for kind in taking.kinds]
        return Posted(-kinds.count(False), -kinds.count(True), redemption.money)

    def _give_back(self, today: dt.date, original: Redemption, points: int) -> Posted:
        posted, whole = Posted(0, 0), original.points
        money_before = self._money(original, whole - original.left)
        touched: list[Batch] = []
        graces: dict[int, tuple[Taking, list[bool]]] = {}
        for _ in range(points):
            taking = next(taking for taking in reversed(original.takings) if taking.back < len(taking.kinds))
            batch = taking.batch
            batch.redeemed -= 1
            taking.back += 1
            if batch.expires < today and self.programme.policy == "grace":
                batch.reversed += 1
                graces.setdefault(batch.number, (taking, []))[1].append(self._kind_of_grace(taking))
                continue
            if batch.expires < today and self.programme.policy == "extend":
                self.seen.add("extended")
                batch.expires = today + dt.timedelta(days=self.programme.grace_days)
            self._count(posted, batch.push(), 1)
            touched += [] if batch in touched else [batch]
        for taking, kinds in graces.values():
            self.seen.add("grace of a grace" if taking.batch.origin else "grace")
            until = today + dt.timedelta(days=self.programme.grace_days)
            grace = self._new(until, kinds.count(False), kinds.count(True), origin=taking.batch)
            posted.base += grace.base
            posted.bonus += grace.bonus
            touched.append(grace)
        self.refunded += points
        for batch in touched:
            if batch.expires < today:
                self.seen.add("lapsed again")
                self._lapse(batch)
        self.seen.add("refunded" if not original.left else "refunded in part")
        if original.money is not None:
            posted.money = self._money(original, whole - original.left) - money_before
        self._settle(touched, today)
        return posted

    @staticmethod
    def _kind_of_grace(taking: Taking) -> bool:
        """Whether the point that has just come back is bonus: as evenly as it was taken, base first."""
        bonus = taking.kinds.count(True)
        return row_of_points(len(taking.kinds) - bonus, bonus)[taking.back - 1]

    @staticmethod
    def _money(original: Redemption, points: int) -> int:
        return round(Fraction((original.money or 0) * points, original.points))

    def _settle(self, sources: list[Batch], today: dt.date) -> None:
        """Let points of these batches pay the oldest debt, one by one."""
        for debtor in self.batches:
            while debtor.owed:
                payers = [batch for batch in sources if batch.remaining and batch.expires >= today]
                if not payers:
                    return
                payer = min(payers, key=lambda batch: (batch.expires, batch.number))
                payer.pop()
                payer.reversed += 1
                debtor.owed -= 1
                self.seen.add("debt paid")

    def _new(
        self, expires: dt.date, base: int, bonus: int, *, paid: int = 0, origin: Batch | None = None
    ) -> Batch:
        self.batches.append(Batch(len(self.batches) + 1, expires, base, bonus, paid, origin))
        return self.batches[-1]

    @staticmethod
    def _count(posted: Posted, is_bonus: bool, sign: int) -> None:
        posted.bonus += sign * is_bonus
        posted.base += sign * (not is_bonus)

    def _refuse_closed(self) -> None:
        if self.status == "closed":
            raise Refused("is closed")

    def _refuse_inactive(self) -> None:
        if self.status != "active":
            raise Refused(f"is {self.status}: its points cannot be used")


def months_on(day: dt.date, months: int) -> dt.date:
    """The same day of another month, or the last one of that month."""
    step = 1 if months > 0 else -1
    year, month = day.year, day.month
    for _ in range(abs(months)):
        month += step
        year, month = (year + 1, 1) if month == 13 else (year - 1, 12) if month == 0 else (year, month)
    return dt.date(year, month, min(day.day, monthrange(year, month)[1]))
