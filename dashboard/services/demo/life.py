"""What one player did in the days of the demo: sessions, deposits, withdrawals, corrections. Pure.

Every player has a random generator of their own, so that one life does not depend on another.
"""

import datetime as dt
from dataclasses import dataclass
from enum import Enum
from random import Random

from dashboard import money
from dashboard.models.vip import Level
from dashboard.models.wallet import ChangeType
from dashboard.services.demo.account import Account, Day, Event, Gain, House
from dashboard.services.demo.habits import Habits, Segment, around, as_people_say, invent

_USUAL_FROM = 6
"""With so many withdrawals a player has a usual one, and another stands out."""
_LATEST_HOUR = 25.5
_CARD = "Card deposit"
_GAMES = ("Silk Road", "Lotus Wheel", "River Cards", "Nine Lanterns", "Koi Pond")
# What a stake comes back as, in tenths, and how often: 96.6 % on average, so the house keeps 3.4 %.
_PAYOUTS = ((0, 0.5275), (19, 0.455), (50, 0.0155), (120, 0.002))
_DEPOSITED_BY = (_CARD, _CARD, "Bank transfer", "E-wallet deposit")
_WITHDRAWN_TO = ("Payout to card", "Payout by bank transfer", "Payout to e-wallet")
_CREDITS = (
    "Goodwill after a slow payout",
    "Compensation for an interrupted session",
    "Deposit credited late: difference made good",
    "Birthday courtesy agreed by phone",
    "Missing payout of a void round",
)
_DEBITS = (
    "Correction of a deposit credited twice",
    "Bonus of the system before, taken back",
    "Correction of a payout credited twice",
)
_MISTAKES = (
    "Posted to the wrong player",
    "Entered twice",
    "Wrong amount: a digit too many",
    "Ticket withdrawn by the player",
)
_IDLE_FEE_AFTER_DAYS = 30
_IDLE_FEE = 5
_EXPRESS_FEE = 3


class Ending(Enum):
    """How a life in the demo ends before its last day, if it does."""

    FREEZE = "freeze"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Life:
    """A player's journal to come, with xp and how it ended."""

    joined_at: dt.datetime
    segment: Segment
    events: list[Event]
    gains: list[Gain]
    real: int
    """At the end, in minor units."""
    level: str
    ending: Ending | None
    ended_at: dt.datetime | None
    is_guest: bool = False
    """Plays at the tables, and does nothing else; `evenings` tells what."""


def live(rng: Random, house: House, segment: Segment, *, ending: Ending | None, plays_now: bool) -> Life:
    """Simulate one life until the house's present moment.

    `ending` makes it stop some days before, and empties the account where it is to be closed if the
    limits allow; `plays_now` has the player in a session at this very moment.
    """
    return _Living(rng, house, invent(rng, segment), ending, plays_now).life()


def be_guest(rng: Random, house: House, segment: Segment) -> Life:
    """The life of somebody who comes for the tables alone."""
    joined_at = house.opened_at - dt.timedelta(days=rng.randrange(5, 330), hours=5)
    return Life(joined_at, segment, [], [], 0, Level.DEFAULT, None, None, is_guest=True)


class _Living:
    def __init__(
        self, rng: Random, house: House, habits: Habits, ending: Ending | None, plays_now: bool
    ) -> None:
        self.rng, self.house, self.habits = rng, house, habits
        self.account = Account(house)
        self.ending, self.plays_now = ending, plays_now
        self.idle_days = 0
        self.disputed: set[int] = set()

    def life(self) -> Life:
        first, days = self._first_day(), self.house.days
        joined_at = days[first].at(self.rng.uniform(9, 21))
        if first == 0 and self.rng.random() < 0.8:
            joined_at = days[0].start - dt.timedelta(days=self.rng.randrange(5, 700), hours=5)
            self._carry_over(joined_at)
        joined_at = min(joined_at, self.house.now - dt.timedelta(minutes=30))
        last = len(days) - (self.rng.randrange(2, max(3, len(days) // 4)) if self.ending else 0)
        # Some lose interest on the way.
        loses_interest = last if self.rng.random() < 0.85 else self.rng.randrange(first, len(days) + 1)
        for number in range(first, last):
            since = joined_at if number == first and joined_at > days[0].start else None
            self._day(days[number], plays=number < loses_interest, not_before=since)
        ended_at = self._end(days[last - 1]) if self.ending else None
        if self.plays_now and not self.ending:
            self._session(self.house.now - dt.timedelta(minutes=self.rng.uniform(6, 50)))
        self.account.finish()
        return Life(
            joined_at=joined_at,
            segment=self.habits.segment,
            events=self.account.events,
            gains=self.account.gains,
            real=self.account.real,
            level=self.account.level,
            ending=self.ending if ended_at else None,
            ended_at=ended_at,
        )

    def _first_day(self) -> int:
        """Two in three were there before; the others join on the way."""
        return 0 if self.rng.random() < 0.67 else self.rng.randrange(len(self.house.days))

    def _carry_over(self, joined_at: dt.datetime) -> None:
        """What the player brings from the system before: a balance, and xp for the stakes there."""
        start = self.house.days[0].start
        weeks = (start - joined_at).days / 7
        habits = self.habits
        xp = round(weeks * habits.segment.sessions_per_week * habits.rounds * habits.stake)
        opening = around(self.rng, habits.deposit * 1.5, 0.8)
        self.account.post(
            start + dt.timedelta(minutes=5),
            ChangeType.OPENING,
            self._minor(opening),
            "Balance carried over from the system before",
        )
        if xp:
            self.account.gain(start + dt.timedelta(minutes=5), xp, "Xp carried over from the system before")

    def _day(self, day: Day, *, plays: bool, not_before: dt.datetime | None) -> None:
        chance = self.habits.chance_on(day.on.weekday())
        sessions = 0
        if plays and (not_before is not None or self.rng.random() < chance):
            sessions = 2 if self.rng.random() < chance / 4 else 1
        self.idle_days = 0 if sessions else self.idle_days + 1
        if self.idle_days == _IDLE_FEE_AFTER_DAYS:
            self.idle_days = 0
            self._charge_idle_fee(day)
        self._perhaps_adjust(day)
        hours = sorted(self.rng.gauss(self.habits.peak_hour, 2.2) for _ in range(sessions))
        for hour in hours:
            at = day.at(min(max(hour, 0.5), _LATEST_HOUR))
            if not_before is not None and at < not_before:
                at = not_before + dt.timedelta(minutes=self.rng.uniform(2, 20))
            self._session(at)
        self._perhaps_dispute(day)
        if self.rng.random() < 0.02 and self.account.count(ChangeType.WITHDRAWAL) >= _USUAL_FROM:
            self._strange_night(day)

    def _later(self, at: dt.datetime) -> dt.datetime:
        """Not before what happened last."""
        events = self.account.events
        if events and at <= events[-1].at:
            return events[-1].at + dt.timedelta(seconds=self.rng.uniform(20, 90))
        return at

    def _post(
        self, at: dt.datetime, change_type: ChangeType, amount: int, reason: str, reference: str | None = None
    ) -> dt.datetime | None:
        """Post as soon as what happened before is done; when, or None if the rules or time forbid it."""
        at = self._later(at)
        if at >= self.house.now:
            return None
        posted = self.account.post(at, change_type, amount, reason, reference=reference)
        return at if posted else None

    def _session(self, at: dt.datetime) -> None:
        habits, rng = self.habits, self.rng
        if self.account.real < self._minor(habits.stake * 6) or rng.random() < 0.12:
            self._deposit(at - dt.timedelta(minutes=2))
        game = rng.choice(_GAMES)
        for _ in range(max(1, round(rng.gauss(habits.rounds, habits.rounds / 3)))):
            at += dt.timedelta(seconds=rng.uniform(70, 420))
            self._round(at, game)
        comfortable = self._minor(habits.deposit) * 2
        if self.account.real > comfortable and rng.random() < habits.cashes_out:
            self._withdraw(at + dt.timedelta(minutes=rng.uniform(2, 40)))

    def _round(self, at: dt.datetime, game: str) -> None:
        stake = self._minor(around(self.rng, self.habits.stake, 0.45))
        stake = min(stake, self.account.real)
        stake = self._whole_part(stake)
        if not stake:
            return
        number = self.rng.randrange(10_000, 99_999)
        reference = f"round-{number}"
        wagered_at = self._post(at, ChangeType.WAGER, -stake, game, reference)
        if wagered_at is None:
            return
        self.account.gain(wagered_at, stake // self._minor(1), "Stakes")
        tenths = self._payout()
        if tenths:
            settled_at = wagered_at + dt.timedelta(seconds=self.rng.uniform(15, 60))
            reason = f"{game} pays {tenths // 10}.{tenths % 10}×"
            self._post(settled_at, ChangeType.SETTLEMENT, stake * tenths // 10, reason, reference)

    def _payout(self) -> int:
        drawn = self.rng.random()
        for tenths, share in _PAYOUTS:
            drawn -= share
            if drawn < 0:
                return tenths
        return 0

    def _deposit(self, at: dt.datetime) -> None:
        amount = min(
            self._minor(around(self.rng, self.habits.deposit)), self._whole_part(self.account.left_today(at))
        )
        if amount:
            reference = f"pay-{self.rng.randrange(16**8):08x}"
            self._post(at, ChangeType.DEPOSIT, amount, self.rng.choice(_DEPOSITED_BY), reference)

    def _withdraw(self, at: dt.datetime, *, share: float | None = None) -> None:
        part = share if share is not None else min(0.95, self.rng.betavariate(2, 4))
        wanted = self._minor(as_people_say(self.account.real * part / self._minor(1)))
        amount = min(
            wanted, self._whole_part(self.account.real), self._whole_part(self.account.left_today(at))
        )
        if amount <= 0:
            return
        reference = f"out-{self.rng.randrange(16**8):08x}"
        paid_at = self._post(at, ChangeType.WITHDRAWAL, -amount, self.rng.choice(_WITHDRAWN_TO), reference)
        if paid_at and self.rng.random() < 0.2:
            fee = -self._minor(_EXPRESS_FEE)
            self._post(paid_at + dt.timedelta(seconds=1), ChangeType.FEE, fee, "Express payout", reference)

    def _charge_idle_fee(self, day: Day) -> None:
        if self.account.real > 0:
            reason = f"{_IDLE_FEE_AFTER_DAYS} days without a session"
            self._post(day.at(3.5), ChangeType.FEE, -self._minor(_IDLE_FEE), reason)

    def _perhaps_adjust(self, day: Day) -> None:
        """About once in half a year the agent in charge mends something by hand, and now and then errs."""
        if not self.account.events or self.rng.random() > 0.006:
            return
        credit = self.rng.random() < 0.75
        amount = self._minor(around(self.rng, self.habits.deposit * (0.15 if credit else 0.5)))
        reason = self.rng.choice(_CREDITS if credit else _DEBITS)
        at = self._later(day.at(self.rng.uniform(8.5, 17.5)))
        if at > self.house.now - dt.timedelta(hours=1):
            return
        posted = self.account.post(
            at,
            ChangeType.ADJUSTMENT,
            amount if credit else -amount,
            reason,
            reference=f"TICKET-{self.rng.randrange(10_000, 99_999)}",
            by_staff=True,
        )
        if posted and self.rng.random() < 0.12:
            later = at + dt.timedelta(minutes=self.rng.uniform(3, 50))
            self.account.reverse(later, len(self.account.events), self.rng.choice(_MISTAKES))

    def _perhaps_dispute(self, day: Day) -> None:
        """Now and then a bank takes a card payment back, often after the money is gone."""
        if self.rng.random() > 0.0006:
            return
        places = [
            place
            for place, event in enumerate(self.account.events, start=1)
            if event.change_type == ChangeType.DEPOSIT
            and event.reason == _CARD
            and place not in self.disputed
        ]
        at = self._later(day.at(self.rng.uniform(9, 16)))
        if places and at < self.house.now:
            self.disputed.add(places[-1])
            self.account.reverse(at, places[-1], "Card payment taken back by the bank")

    def _strange_night(self, day: Day) -> None:
        """As if somebody else had the password: a deposit at an odd hour, some rounds, nearly all out."""
        at = day.at(26.8)
        paid_in = min(
            self._minor(self.habits.deposit * 4), self._whole_part(self.account.left_today(at) // 3)
        )
        if paid_in:
            self._post(at, ChangeType.DEPOSIT, paid_in, _CARD, f"pay-{self.rng.randrange(16**8):08x}")
        for _ in range(4):
            at += dt.timedelta(seconds=self.rng.uniform(30, 90))
            self._round(at, _GAMES[0])
        self._withdraw(day.at(27 + self.rng.uniform(0.02, 0.4)), share=0.95)

    def _end(self, day: Day) -> dt.datetime | None:
        """The moment at which it ended; None where an account that is to be closed cannot be emptied."""
        if not self.account.events:
            return None
        at = self._later(day.at(self.rng.uniform(9, 17)))
        if self.ending == Ending.CLOSE and self.account.real:
            emptied = self.account.real > 0 and self._post(
                at, ChangeType.WITHDRAWAL, -self.account.real, "Payout of the whole balance before closing"
            )
            if not emptied:
                return None
            at = emptied
        return at + dt.timedelta(minutes=self.rng.uniform(10, 90))

    def _minor(self, whole: int) -> int:
        return money.from_whole(whole, self.house.currency)

    def _whole_part(self, minor: int) -> int:
        """Without what is less than one whole unit."""
        return max(0, minor - minor % self._minor(1))
