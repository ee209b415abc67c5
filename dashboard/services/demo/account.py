"""One player's money while a life is simulated, judged by the rules and scored as in earnest. Pure."""

import datetime as dt
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from dashboard.models.vip import Level
from dashboard.models.wallet import ChangeType, WalletStatus
from dashboard.services import risk, vip
from dashboard.services.change_types import TRAITS

_SCORED = (ChangeType.DEPOSIT, ChangeType.WITHDRAWAL, ChangeType.ADJUSTMENT, ChangeType.FEE)
"""Games post too often to be scored one by one."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the operator's, with 23, 24 or 25 hours."""

    on: dt.date
    start: dt.datetime
    end: dt.datetime

    def at(self, hour: float) -> dt.datetime:
        """So many hours after its beginning."""
        return self.start + dt.timedelta(seconds=round(hour * 3600))


@dataclass(frozen=True, slots=True)
class House:
    """What all players of the operator share."""

    currency: str
    timezone: str
    rules: Mapping[str, vip.Rule]
    """By level."""
    xp_from: Mapping[str, int]
    days: tuple[Day, ...]
    opened_at: dt.datetime
    """When the first round was played; at the latest when the first of these days begins."""
    now: dt.datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the journal to come; its sequence is its place in the life. Amounts in minor units."""

    at: dt.datetime
    change_type: ChangeType
    amount: int
    reason: str
    reference: str | None = None
    by_staff: bool = False
    """Posted by the agent in charge; otherwise by the system."""
    score: risk.Score | None = None
    reverses: int | None = None
    """Sequence of the entry that it reverses."""
    metadata: Mapping[str, int | str] | None = None
    """What else the entry says."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Xp gained up to a moment, since the gain before."""

    at: dt.datetime
    xp: int
    reason: str


class Account:
    """Keeps what the rules and the score ask of the past, as the database will."""

    def __init__(self, house: House) -> None:
        self.events: list[Event] = []
        self.gains: list[Gain] = []
        self.real = 0
        self.level: str = Level.DEFAULT
        self.total_xp = 0
        self._house = house
        self._zone = ZoneInfo(house.timezone)
        self._xp_since_gain = 0
        self._active_hours = 0
        self._used: defaultdict[object, int] = defaultdict(int)
        self._earlier: defaultdict[ChangeType, deque[int]] = defaultdict(lambda: deque(maxlen=risk.HISTORY))
        self._last_ten: deque[dt.datetime] = deque(maxlen=10)

    def post(
        self,
        at: dt.datetime,
        change_type: ChangeType,
        amount: int,
        reason: str,
        *,
        reference: str | None = None,
        by_staff: bool = False,
    ) -> bool:
        """Let it happen if the rules allow it; whether they did."""
        local = at.astimezone(self._zone)
        day, week = local.date(), local.isocalendar()[:2]
        if TRAITS[change_type].answers_to_range or TRAITS[change_type].counts_to_limits:
            standing = self._standing(self._used[day], self._used[week])
            rule = self._house.rules[self.level]
            if not vip.judge(standing, rule, change_type=change_type, real_delta=amount).is_valid:
                return False
        score = self._score(change_type, amount, at, local.hour, self._used[day])
        if TRAITS[change_type].counts_to_limits:
            self._used[day] += abs(amount)
            self._used[week] += abs(amount)
        self._append(Event(at, change_type, amount, reason, reference, by_staff, score), local.hour)
        return True

    def reverse(self, at: dt.datetime, sequence: int, reason: str) -> None:
        """Undo the entry with that sequence."""
        amount = -self.events[sequence - 1].amount
        event = Event(at, ChangeType.REVERSAL, amount, reason, by_staff=True, reverses=sequence)
        self._append(event, at.astimezone(self._zone).hour)

    def left_today(self, at: dt.datetime) -> int:
        """What still fits into the limits, in minor units."""
        local = at.astimezone(self._zone)
        rule = self._house.rules[self.level]
        day = rule.daily_limit - self._used[local.date()]
        return max(0, min(day, rule.weekly_limit - self._used[local.isocalendar()[:2]]))

    def count(self, change_type: ChangeType) -> int:
        """How many entries of that type there are, as far as the score looks back."""
        return len(self._earlier[change_type])

    def gain(self, at: dt.datetime, xp: int, reason: str) -> None:
        """Gain xp, and the level that they reach at once."""
        self.total_xp += xp
        self._xp_since_gain += xp
        reached = vip.level_for(self.total_xp, self._house.xp_from)
        if reached != self.level:
            self.level = reached
            self._keep_gain(at, reason)

    def finish(self) -> None:
        """Keep what was gained since the last rise."""
        if self._xp_since_gain:
            self._keep_gain(self.events[-1].at, "Stakes")

    def _keep_gain(self, at: dt.datetime, reason: str) -> None:
        self.gains.append(Gain(at, self._xp_since_gain, reason))
        self._xp_since_gain = 0

    def _append(self, event: Event, hour: int) -> None:
        self.real += event.amount
        self._active_hours |= 1 << hour
        self._earlier[event.change_type].append(abs(event.amount))
        self._last_ten.append(event.at)
        self.events.append(event)

    def _standing(self, used_today: int, used_this_week: int) -> vip.Standing:
        now = self._house.now
        return vip.Standing(
            status=WalletStatus.ACTIVE,
            currency=self._house.currency,
            real=self.real,
            bonus=0,
            pending=0,
            used_today=used_today,
            used_this_week=used_this_week,
            # Only messages tell these two, and nobody reads them here.
            day_ends_at=now,
            week_ends_at=now,
        )

    def _score(
        self, change_type: ChangeType, amount: int, at: dt.datetime, hour: int, used_today: int
    ) -> risk.Score | None:
        if change_type not in _SCORED:
            return None
        counts = TRAITS[change_type].counts_to_limits
        an_hour_ago = at - dt.timedelta(hours=1)
        return risk.score(
            risk.Circumstances(
                amount=abs(amount),
                earlier=list(self._earlier[change_type]),
                type_name=change_type,
                limit_used=used_today + abs(amount) if counts else 0,
                limit=self._house.rules[self.level].daily_limit,
                drop_percent=min(100, vip.drop_percent(self.real, amount)),
                changes_last_hour=sum(moment > an_hour_ago for moment in self._last_ten),
                hour=hour,
                active_hours=self._active_hours,
            )
        )
