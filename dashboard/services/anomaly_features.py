"""What an entry looks like beside its player's past: the figures that anomaly detection is fitted on. Pure.

Entries come in the order of their time, and the figures of one follow from those before it alone, never from
what comes later. Nothing looks back further than LOOKBACK_DAYS and the marking delay, and at nothing but the
entries of the same player and of the same poster: fed with these alone, a stream gives the same figures.
"""

import datetime as dt
import math
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from zoneinfo import ZoneInfo

LOOKBACK_DAYS = 30
"""The longest window; marks are looked for over as many days before the delay."""
WINDOWS_DAYS = (1, 7, LOOKBACK_DAYS)
MARKING_DELAY_DAYS = 7
"""A mark counts from so many days after its entry on, however soon it was made."""
HISTORY = 100
"""With how many earlier entries of its kind an amount is compared at most."""
HISTORY_LEAST = 3
"""With fewer the amount, or the gap, says nothing."""
NIGHT_ENDS = 6
"""Night is from midnight to this hour of the operator's day."""

_DAY = 86_400.0
_MAD_TO_SIGMA = 1.4826
_COMPACT_FROM = 256

Usual = Mapping[tuple[str, str], float]
"""The house's usual amount of a currency and a kind, in minor units."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the features ask of an entry."""

    player_id: int
    currency: str
    at: dt.datetime
    """Aware."""
    kind: str
    """The change type; with its direction where the type goes both ways."""
    amount: int
    """Absolute, in minor units: of the larger of the real and the bonus part."""
    balance_before: int | None = None
    """Real and bonus together, in minor units; None where nobody knows."""
    poster: str | None = None
    """Who posted it; None for what the system does by itself, which is nobody's habit."""
    is_confirmed: bool | None = None
    """A person found it amiss (true) or in order (false); None: nobody has looked."""
    marked_at: dt.datetime | None = None
    """When that was said; None: by the end of the marking delay."""


def known_from(entry: Entry, delay_days: float = MARKING_DELAY_DAYS) -> dt.datetime:
    """The instant from which on the mark of an entry may be used."""
    ripe = entry.at + dt.timedelta(days=delay_days)
    return max(ripe, entry.marked_at) if entry.marked_at else ripe


def usual_amounts(entries: Iterable[Entry]) -> dict[tuple[str, str], float]:
    """The median amount of each currency and kind, in minor units, at least 1."""
    amounts = defaultdict(list)
    for entry in entries:
        amounts[entry.currency, entry.kind].append(entry.amount)
    return {key: max(1.0, float(median(found))) for key, found in amounts.items()}


class Stream:
    """Reads entries in the order of their time and says of each how it differs from what came before."""

    def __init__(self, *, zone: str, usual: Usual, delay_days: float = MARKING_DELAY_DAYS) -> None:
        self._zone = ZoneInfo(zone)
        self._usual = usual
        self._delay_days = delay_days
        self._journals: defaultdict[tuple[int, str], _Journal] = defaultdict(_Journal)
        self._players: defaultdict[int, _Marks] = defaultdict(_Marks)
        self._posters: defaultdict[str, _Marks] = defaultdict(_Marks)
        self._at = -math.inf

    def features(self, entry: Entry) -> tuple[float, ...]:
        """The figures of an entry, in the order of FEATURES; it is then part of the past.

        Raises ValueError for an entry that is earlier than the one before.
        """
        moment = self._moment(entry)
        # What the house does not know yet is its own measure.
        usual = self._usual.get((entry.currency, entry.kind)) or max(1.0, float(entry.amount))
        own = self._journals[entry.player_id, entry.currency].features(moment, usual)
        ripe = moment.at - self._delay_days * _DAY
        of_player = self._players[entry.player_id].shares(moment.at, ripe)
        none = (0.0,) * len(WINDOWS_DAYS)
        of_poster = self._posters[entry.poster].shares(moment.at, ripe) if entry.poster else none
        self._keep(entry, moment)
        return (*own, *of_player, *of_poster)

    def take_in(self, entry: Entry) -> None:
        """Make an entry part of the past without asking for its figures. Raises ValueError as `features`."""
        self._keep(entry, self._moment(entry))

    def _moment(self, entry: Entry) -> "_Moment":
        at = entry.at.timestamp()
        if at < self._at:
            raise ValueError("entries must come in the order of their time")
        self._at = at
        wall = entry.at.astimezone(self._zone)
        return _Moment(entry, at, wall.hour, wall.weekday() >= 5)

    def _keep(self, entry: Entry, moment: "_Moment") -> None:
        self._journals[entry.player_id, entry.currency].keep(moment)
        since = moment.at - (LOOKBACK_DAYS + self._delay_days) * _DAY
        known = known_from(entry, self._delay_days).timestamp() if entry.is_confirmed else None
        self._players[entry.player_id].keep(moment.at, known, since)
        if entry.poster:
            self._posters[entry.poster].keep(moment.at, known, since)


@dataclass(frozen=True, slots=True)
class _Moment:
    """An entry with its time in seconds and as the operator's wall shows it."""

    entry: Entry
    at: float
    hour: int
    is_weekend: bool

    @property
    def is_night(self) -> bool:
        return self.hour < NIGHT_ENDS


@dataclass(slots=True)
class _Journal:
    """The last LOOKBACK_DAYS of a player's entries in one currency. Windows are (t − days, t)."""

    moments: deque[_Moment] = field(default_factory=deque)
    times: list[float] = field(default_factory=list)
    sums: list[int] = field(default_factory=lambda: [0])
    """Of the amounts before each entry, and of all: exact, as they are integers."""
    first: int = 0
    """Where in `times` the window begins; what is before it is dropped now and then."""
    hours: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    posters: Counter[str | None] = field(default_factory=Counter)
    nights: int = 0
    weekends: int = 0
    amounts: defaultdict[str, deque[tuple[float, int]]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=HISTORY))
    )

    def features(self, now: _Moment, usual: float) -> tuple[float, ...]:
        self._forget(now.at)
        return (
            *self._amount(now, usual),
            *self._time(now),
            _rarity(self.kinds[now.entry.kind], len(self.moments), 2),
            *self._pace(now, usual),
            _share_of_balance(now.entry),
            float(now.entry.poster is not None and not self.posters[now.entry.poster]),
        )

    def keep(self, now: _Moment) -> None:
        self._forget(now.at)
        self.moments.append(now)
        self.times.append(now.at)
        self.sums.append(self.sums[-1] + now.entry.amount)
        self._count(now, 1)
        self.amounts[now.entry.kind].append((now.at, now.entry.amount))

    def _forget(self, at: float) -> None:
        since = at - LOOKBACK_DAYS * _DAY
        while self.moments and self.moments[0].at <= since:
            self._count(self.moments.popleft(), -1)
            self.first += 1
        if self.first > _COMPACT_FROM and 2 * self.first > len(self.times):
            del self.times[: self.first], self.sums[: self.first]
            self.first = 0

    def _count(self, moment: _Moment, by: int) -> None:
        self.hours[moment.hour] += by
        self.kinds[moment.entry.kind] += by
        self.posters[moment.entry.poster] += by
        self.nights += by * moment.is_night
        self.weekends += by * moment.is_weekend

    def _amount(self, now: _Moment, usual: float) -> tuple[float, ...]:
        amount = now.entry.amount
        to_house = _times(amount, usual)
        month = self._earlier_amounts(now, LOOKBACK_DAYS)
        if len(month) < HISTORY_LEAST:
            return to_house, 0.0, 0.0, 0.0, 0.0
        week = self._earlier_amounts(now, 7)
        return (
            to_house,
            _times(amount, _middle(month)),
            _times(amount, month[-1]),
            _distance(amount, week) if len(week) >= HISTORY_LEAST else 0.0,
            _distance(amount, month),
        )

    def _earlier_amounts(self, now: _Moment, days: int) -> list[int]:
        """Sorted."""
        since = now.at - days * _DAY
        return sorted(amount for at, amount in self.amounts[now.entry.kind] if at > since)

    def _time(self, now: _Moment) -> tuple[float, ...]:
        count = len(self.moments)
        if not count:
            return math.log2(1 + LOOKBACK_DAYS * 24), 0.0, 0.0, 0.0, 0.0
        gap = now.at - self.moments[-1].at
        near = sum(self.hours[hour % 24] for hour in range(now.hour - 1, now.hour + 2))
        return (
            math.log2(1 + gap / 3600),
            self._gap_to_own(gap),
            _rarity(near, count, 8),
            now.is_night - self.nights / count if count >= HISTORY_LEAST else 0.0,
            now.is_weekend - self.weekends / count if count >= HISTORY_LEAST else 0.0,
        )

    def _gap_to_own(self, gap: float) -> float:
        gaps = len(self.moments) - 1
        if gaps < HISTORY_LEAST:
            return 0.0
        # A minute more on both sides, or entries of one instant would be endlessly far from others.
        return _times(gap + 60, (self.moments[-1].at - self.moments[0].at) / gaps + 60)

    def _pace(self, now: _Moment, usual: float) -> tuple[float, ...]:
        places = [bisect_right(self.times, now.at - days * _DAY) for days in WINDOWS_DAYS]
        counts = [1 + len(self.times) - place for place in places]
        sums = [now.entry.amount + self.sums[-1] - self.sums[place] for place in places]
        return (
            *(math.log2(count) for count in counts),
            *(math.log2(1 + total / usual) for total in sums),
            counts[0] / counts[-1],
            sums[0] / sums[-1] if sums[-1] else 0.0,
        )


@dataclass(slots=True)
class _Marks:
    """When entries of a player, or of a poster, were made, and which of them were confirmed."""

    times: list[float] = field(default_factory=list)
    confirmed: list[tuple[float, float]] = field(default_factory=list)
    """Time of the entry, and time from which its mark is known."""

    def shares(self, at: float, ripe: float) -> tuple[float, ...]:
        """Of the entries of each window (ripe − days, ripe], how many are known at `at` to be amiss."""
        end = bisect_right(self.times, ripe)
        confirmed = [made for made, known in self.confirmed if known <= at]
        found = []
        for days in WINDOWS_DAYS:
            since = ripe - days * _DAY
            entries = end - bisect_right(self.times, since)
            found.append(sum(since < made <= ripe for made in confirmed) / entries if entries else 0.0)
        return tuple(found)

    def keep(self, at: float, known: float | None, since: float) -> None:
        self.times.append(at)
        if known is not None:
            self.confirmed.append((at, known))


def _middle(ordered: list[int]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2

def _times(value, of):
    return math.log2(max(1.0,value)/max(1.0,of))

def _distance(amount, ordered):
    m=_middle(ordered)
    s=_MAD_TO_SIGMA*_middle(sorted(abs(a-m) for a in ordered))
    s=max(s,0.05*m,1.0)
    return max(-20.0,min(20.0,(amount-m)/s))

def _rarity(c,n,k):
    return -math.log2((c+1)/(n+k))

def _share_of_balance(e):
    if e.balance_before is None: return 0.0
    return min(10.0, e.amount/max(1,e.balance_before))
