"""The demo's loyalty programme: who is a member, and what became of their points in a year and more. Pure.

Most members do as they like; the `loyalty_stories` see that nothing is missing. Points that become money are
an event of the player's life, too: its journal and the member's name each other.
"""

import datetime as dt
from bisect import bisect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.errors import Rejected
from dashboard.models.points import PointsKind
from dashboard.models.wallet import ChangeType
from dashboard.services import loyalty_cards, points_conversion
from dashboard.services.demo.account import Event, House
from dashboard.services.demo.habits import around, as_people_say
from dashboard.services.demo.life import Life
from dashboard.services.demo.office import Member
from dashboard.services.points_reckoning import Payment
from dashboard.services.points_replay import Replay

CONVERSION_POINTS, CONVERSION_UNITS = 100, 50
"""So many points become so many whole units of money."""
SHARE = 1 / 3
"""Of all players, who is a member."""

_SINCE_DAYS = (25, 560, 430)
"""Least, most and likeliest."""
_LAST = dt.timedelta(minutes=40)
"""Before now: what happens later is done by the services."""
_CARDS = 0.3
"""Of members with a tier."""
_PAID_BY = ("card", "card", "bank_transfer", "mobile", "cash")
_SERVICES = (
    ("Dinner at the Lantern Room", 95),
    ("Chauffeur to the airport", 150),
    ("Concert, two seats", 240),
    ("Spa day for two", 320),
    ("Suite, one night", 540),
    ("Suite, long weekend", 1_900),
    ("Private table for an evening", 2_400),
    ("Golf weekend", 3_200),
    ("Flights and hotel, Lisbon", 6_800),
    ("Villa on the lake, one week", 12_500),
    ("Tournament in Macau, all paid", 21_000),
    ("Yacht with crew, one week", 32_000),
)
_GIVEN = ("Birthday points", "Goodwill after a late check-in", "Points of a lost receipt")
_TAKEN = ("Loaded for a payment of somebody else", "Given twice for one receipt")
_CONVERTED = "Would rather play than dine"


@dataclass(frozen=True, slots=True)
class Habit:
    """How the players of a segment pay for points. Whole units."""

    joins: float
    """How much likelier than others somebody of the segment is a member."""
    payment: int
    spread: float
    days: float
    """Between two things that they do, on average."""


_HABITS = {
    "casual": Habit(0.4, 130, 0.6, 55),
    "regular": Habit(0.9, 700, 0.8, 45),
    "keen": Habit(2.2, 13_000, 0.6, 40),
    "high": Habit(4.0, 29_000, 0.5, 32),
    "whale": Habit(9.0, 56_000, 0.45, 24),
}


@dataclass(frozen=True, slots=True)
class Later:
    """What the services do once the history up to then is written."""

    at: dt.datetime
    do: Callable[[Session], object]


@dataclass(slots=True)
class Told:
    """A member's history while it is being told, in order of time."""

    rng: Random
    house: House
    member: Member
    life: Life
    replay: Replay
    later: list[Later] = field(default_factory=list)

    @property
    def balance(self) -> int:
        """In points."""
        return self.replay.member.balance

    @property
    def today(self) -> dt.date:
        """The operator's, at the end of the story."""
        return clock.local(self.house.now, self.house.timezone).date()

    def on(self, day: dt.date) -> dt.datetime:
        """Some moment of a day's business hours; before what must come last, and after all so far."""
        start = clock.between(day, day, self.house.timezone).start
        at = start + dt.timedelta(seconds=round(self.rng.uniform(9.5, 21) * 3600))
        at = min(at, self.house.now - _LAST * self.rng.uniform(1, 4))
        last = self.replay.entries[-1].posting.created_at if self.replay.entries else self.replay.began
        return max(at, last + dt.timedelta(seconds=self.rng.randrange(40, 400)))

    def ago(self, days: int) -> dt.datetime:
        """Some moment so many days before today."""
        return self.on(self.today - dt.timedelta(days=days))

    def load(self, at: dt.datetime, units: int) -> int:
        """Pay for points; the sequence of the entry."""
        self.replay.nights(at)
        self.replay.load(
            Payment(
                self.minor(units),
                reference=f"pay-{self.rng.randrange(16**8):08x}",
                mode=self.rng.choice(_PAID_BY),
                invoice=self.invoice(at),
            ),
            notes="Paid at the desk",
            key=self.key(),
            now=at,
            actor=self.member.agent,
        )
        return self._latest(PointsKind.LOAD)

    def use(self, at: dt.datetime, service: tuple[str, int] | None = None, *, share: float = 1) -> int | None:
        """Pay for a service, or that share of it, with points; the sequence. None where there are none."""
        self.replay.nights(at)
        name, units = service or self._affordable()
        price = self.minor(units) + self.rng.choice((0, 0, 0, 50, 90))
        self._try(
            self.replay.redeem,
            None if share == 1 else max(1, int(min(units, self.balance) * share)),
            notes=name,
            at=at,
            price=price,
            invoice=self.invoice(at),
        )
        latest = self.replay.entries[-1].posting
        return self.replay.member.version if latest.created_at == at else None

    def correct(self, at: dt.datetime) -> None:
        """Let the agent in charge give some points, or take some."""
        self.replay.nights(at)
        is_given = self.rng.random() < 0.7 or self.balance < 50
        amount = as_people_say(self.rng.uniform(20, 400))
        self._try(
            self.replay.adjust,
            amount if is_given else -min(amount, self.balance),
            reason=self.rng.choice(_GIVEN if is_given else _TAKEN),
            at=at,
        )

    def convert(self, at: dt.datetime) -> None:
        """Turn some points into money, in both journals, if there are any and the player's days allow it."""
        self.replay.nights(at)
        events = self.life.events
        most = min(self.balance, 2_000) // CONVERSION_POINTS
        if not most or self.life.ending or not events or not events[0].at < at:
            return
        place = bisect([event.at for event in events], at)
        if events[place - 1].at == at:
            return
        points = self.rng.randint(1, most) * CONVERSION_POINTS
        self.replay.convert(
            points,
            wallet_sequence=place + 1,
            reason=_CONVERTED,
            key=f"demo:{place + 1}",
            now=at,
            actor=self.member.agent,
        )
        event = Event(
            at,
            ChangeType.POINTS_CONVERSION,
            points_conversion.worth(self.replay.member, points),
            _CONVERTED,
            by_staff=True,
            metadata={"points": points, "points_sequence": self.replay.member.version},
        )
        self.life = _with(self.life, place, event)

    def then(self, at: dt.datetime, do: Callable[[Session], object]) -> None:
        """Leave it to the services; nothing is told of this member by itself after that."""
        self.later.append(Later(at, do))

    def minor(self, units: int) -> int:
        """Whole units as an amount."""
        return money.from_whole(units, self.house.currency)

    def invoice(self, at: dt.datetime) -> str:
        """Its number in the house's books."""
        return f"LH-{at:%y%m}-{self.rng.randrange(100_000):05}"

    def key(self) -> str:
        """A key for the next act."""
        return f"demo-points:{len(self.replay.entries)}"

    def _affordable(self) -> tuple[str, int]:
        dearest = max(200.0, self.balance * 1.2)
        return self.rng.choice([service for service in _SERVICES if service[1] <= dearest][-4:])

    def _try(self, act: Callable[..., None], *asked: object, at: dt.datetime, **named: object) -> None:
        try:
            act(*asked, **named, key=self.key(), now=at, actor=self.member.agent)
        except Rejected:
            return  # there were no points left: nothing happened

    def _latest(self, kind: PointsKind) -> int:
        entries = self.replay.entries
        return max(place for place, entry in enumerate(entries, 1) if entry.posting.kind == kind)


def choose(rng: Random, lives: Sequence[Life], *, certain: Collection[int]) -> list[int]:
    """Whose lives, by place, are those of members: some for certain, others if they play much."""
    able = [place for place, life in enumerate(lives) if not life.ending and place not in certain]
    able.sort(key=lambda place: rng.random() ** (1 / _HABITS[lives[place].segment.name].joins), reverse=True)
    wanted = max(round(len(lives) * SHARE) - len(certain), len(lives) // 10)
    return sorted([*certain, *able[:wanted]])


def began(rng: Random, life: Life, now: dt.datetime) -> dt.datetime:
    """When somebody became a member: not before they were a player."""
    wanted = now - dt.timedelta(days=rng.triangular(*_SINCE_DAYS))
    return min(
        max(wanted, life.joined_at + dt.timedelta(hours=rng.uniform(0.2, 200))),
        max(life.joined_at, now - dt.timedelta(hours=2)),
    )


def usual(told: Told) -> None:
    """Pay now and then, use points now and then, until now."""
    rng, habit = told.rng, _HABITS[told.life.segment.name]
    day = clock.local(told.replay.began, told.house.timezone).date()
    told.load(told.on(day), around(rng, habit.payment, habit.spread))
    while (day := day + dt.timedelta(days=1 + int(rng.expovariate(1 / habit.days)))) <= told.today:
        chance, at = rng.random(), told.on(day)
        if chance < 0.3:
            told.load(at, around(rng, habit.payment, habit.spread))
        elif chance < 0.90:
            told.use(at)
        elif chance < 0.94:
            told.correct(at)
        else:
            told.convert(at)
    told.replay.nights(told.house.now)


def card(told: Told) -> None:
    """Print a card for some of those who have a tier, once they have it, and for all in the highest."""
    steps = [entry.posting.created_at for entry in told.replay.entries if entry.step is not None]
    tier = told.replay.member.tier
    if tier is None or told.later or (tier is not told.replay.tiers[-1] and told.rng.random() > _CARDS):
        return
    digits = f"40{told.rng.randrange(10**12, 10**13)}"
    at = min(steps[-1] + dt.timedelta(hours=told.rng.uniform(1, 60)), told.house.now - _LAST)

    def issue(session: Session) -> None:
        loyalty_cards.issue(
            session,
            player_id=told.member.player_id,
            number=digits + loyalty_cards.check_digit(digits),
            actor=told.member.agent,
            now=at,
        )

    told.then(at, issue)


def _with(life: Life, place: int, event: Event) -> Life:
    """The life with one event more at that place; what names a later one names it by its new sequence."""
    behind = [
        replace(each, reverses=each.reverses + 1) if each.reverses and each.reverses > place else each
        for each in life.events[place:]
    ]
    return replace(life, events=[*life.events[:place], event, *behind], real=life.real + event.amount)
