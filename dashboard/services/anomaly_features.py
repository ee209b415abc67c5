"""What an entry looks like beside its player's past: the figures that anomaly models are fitted on. Pure.

Entries come in the order of their time, and the figures of one follow from those before it alone, never from
what comes later. Nothing looks back further than LOOKBACK_DAYS (for marks: than these and the delay before
them), and at nothing but the entries of the same player and of the same poster: fed with these alone, a
stream gives the same figures. All sums are of integers, so that what has left a window leaves no trace.
"""

import datetime as dt
import math
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from zoneinfo import ZoneInfo

from dashboard.services.anomaly_wording import NEVER_HOURS

LOOKBACK_DAYS = 30
WINDOWS_DAYS = (1, 7, LOOKBACK_DAYS)
MARKING_DELAY_DAYS = 7
"""A mark counts from so many days after its entry on, however soon it was made: what is found at once and
what is found late would otherwise stand in the figures as if they were alike."""
HISTORY = 100
"""With how many earlier entries of its kind an amount is compared at most."""
HISTORY_LEAST = 3
"""With fewer there is no habit to compare with, and the figure is 0."""
NIGHT_ENDS = 6
"""Night is from midnight to this hour of the operator's day."""
FAR = 20.0
"""Spreads above the usual: further away is no more telling."""

_DAY = 86_400.0
_MAD_TO_SIGMA = 1.4826
_STALE_LEAST = 256
"""So many times are dropped from a list at once, as each dropping moves all that stay."""

Usual = Mapping[tuple[str, str], float]
"""The house's usual amount by currency and kind, in minor units."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the features ask of an entry."""

    player_id: int
    currency: str
    at: dt.datetime
    """Aware."""
    change_type: str
    amount_minor: int
    """Positive credits, negative debits: of the real and the bonus part the larger one."""
    balance_before_minor: int | None = None
    """Real and bonus together; None where nobody knows."""
    poster: str | None = None
    """Who posted it; None for what the system does by itself, as that is nobody's habit."""
    is_amiss: bool | None = None
    """A person looked and found it amiss, or in order. None: nobody has looked."""
    marked_at: dt.datetime | None = None
    """When that was said. None: within the marking delay."""

    @property
    def size(self) -> int:
        """The amount without its sign, in minor units."""
        return abs(self.amount_minor)

    @property
    def kind(self) -> str:
        """The change type and the direction, as some types go both ways."""
        return f"{self.change_type} {'in' if self.amount_minor > 0 else 'out'}"


def known_from(entry: Entry, *, delay_days: float = MARKING_DELAY_DAYS) -> dt.datetime:
    """The instant from which on the mark of an entry may be used, in features and for fitting."""
    ripe = entry.at + dt.timedelta(days=delay_days)
    return max(ripe, entry.marked_at) if entry.marked_at else ripe


def usual_amounts(entries: Iterable[Entry]) -> dict[tuple[str, str], float]:
    """The house's usual amounts: the median of each currency and kind, in minor units, at least 1."""
    sizes = defaultdict(list)
    for entry in entries:
        sizes[entry.currency, entry.kind].append(entry.size)
    return {key: max(1.0, float(median(found))) for key, found in sizes.items()}


@dataclass(frozen=True, slots=True)
class _Moment:
    """What a journal keeps of an entry: its time in seconds, and as the operator's wall showed it."""

    at: float
    hour: int
    is_weekend: bool
    kind: str
    poster: str | None

    @property
    def is_night(self) -> bool:
        return self.hour < NIGHT_ENDS


class Stream:
    """Reads entries in the order of their time and says of each how it differs from what came before."""

    def __init__(self, *, zone: str, usual: Usual, delay_days: float = MARKING_DELAY_DAYS) -> None:
        """`zone` is the operator's; `usual` is the model's, or of the entries that one is to be fitted on."""
        self._zone = ZoneInfo(zone)
        self._usual = usual
        self._delay_days = delay_days
        self._journals: defaultdict[tuple[int, str], _Journal] = defaultdict(_Journal)
        self._of_player: defaultdict[int, _Marks] = defaultdict(_Marks)
        self._of_poster: defaultdict[str, _Marks] = defaultdict(_Marks)
        self._at = -math.inf

    def features(self, entry: Entry) -> tuple[float, ...]:
        """The figures of an entry in the order of `anomaly_wording.FEATURES`; it is then part of the past.

        What each means stands there. Raises ValueError for an entry that is earlier than the one before.
        """
        moment = self._moment(entry)
        # A kind that the house has not seen yet is its own measure.
        usual = self._usual.get((entry.currency, entry.kind)) or max(1.0, float(entry.size))
        ripe = moment.at - self._delay_days * _DAY
        figures = (
            *self._journals[entry.player_id, entry.currency].figures(entry, moment, usual),
            *self._of_player[entry.player_id].shares(moment.at, ripe),
            *(self._of_poster[entry.poster].shares(moment.at, ripe) if entry.poster else _NO_SHARES),
        )
        self._keep(entry, moment)
        return figures

    def take_in(self, entry: Entry) -> None:
        """Make an entry part of the past without asking for its figures. Raises as `features` does."""
        self._keep(entry, self._moment(entry))

    def _moment(self, entry: Entry) -> _Moment:
        at = entry.at.timestamp()
        if at < self._at:
            raise ValueError("entries must come in the order of their time")
        self._at = at
        wall = entry.at.astimezone(self._zone)
        return _Moment(at, wall.hour, wall.weekday() >= 5, entry.kind, entry.poster)

    def _keep(self, entry: Entry, moment: _Moment) -> None:
        self._journals[entry.player_id, entry.currency].keep(moment, entry.size)
        since = moment.at - (LOOKBACK_DAYS + self._delay_days) * _DAY
        known = known_from(entry, delay_days=self._delay_days).timestamp() if entry.is_amiss else None
        self._of_player[entry.player_id].keep(moment.at, known, since)
        if entry.poster:
            self._of_poster[entry.poster].keep(moment.at, known, since)


@dataclass(slots=True)
class _Journal:
    """A player's entries in one currency. Every window ends at the entry asked about: (at − days, at]."""

    moments: deque[_Moment] = field(default_factory=deque)
    """Of LOOKBACK_DAYS; the counts below are over these."""
    hours: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    posters: Counter[str | None] = field(default_factory=Counter)
    nights: int = 0
    weekends: int = 0
    times: list[float] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)
    """Of the amounts up to each of `times`, and of whatever was before: only differences mean anything."""
    sizes: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)
    """Time and amount of the last entries of each kind."""

    def figures(self, entry: Entry, now: _Moment, usual: float) -> tuple[float, ...]:
        self._forget(now.at)
        return (
            *self._amount(entry, now, usual),
            *self._time(now),
            _rarity(self.kinds[now.kind], of=len(self.moments), alike=1 / 2),
            *self._pace(entry, now, usual),
            _share_of_balance(entry),
            float(now.poster is not None and self.posters[now.poster] == 0),
        )

    def keep(self, now: _Moment, size: int) -> None:
        self._forget(now.at)
        self.moments.append(now)
        self._count(now, 1)
        self.times.append(now.at)
        self.sums.append(size + (self.sums[-1] if self.sums else 0))
        if now.kind not in self.sizes:
            self.sizes[now.kind] = deque(maxlen=HISTORY)
        self.sizes[now.kind].append((now.at, size))

    def _forget(self, at: float) -> None:
        since = at - LOOKBACK_DAYS * _DAY
        while self.moments and self.moments[0].at <= since:
            self._count(self.moments.popleft(), -1)
        # The last that is forgotten stays in the lists: the sum before a window is asked for.
        stale = len(self.times) - len(self.moments) - 1
        if stale >= max(_STALE_LEAST, len(self.moments)):
            del self.times[:stale], self.sums[:stale]

    def _count(self, moment: _Moment, by: int) -> None:
        self.hours[moment.hour] += by
        self.kinds[moment.kind] += by
        self.posters[moment.poster] += by
        self.nights += by * moment.is_night
        self.weekends += by * moment.is_weekend

    def _amount(self, entry: Entry, now: _Moment, usual: float) -> tuple[float, ...]:
        to_house = _times_usual(entry.size, usual)
        earlier = self.sizes.get(now.kind, ())
        month = sorted([size for at, size in earlier if at > now.at - LOOKBACK_DAYS * _DAY])
        if len(month) < HISTORY_LEAST:
            return to_house, 0.0, 0.0, 0.0, 0.0
        week = sorted([size for at, size in earlier if at > now.at - 7 * _DAY])
        return (
            to_house,
            _times_usual(entry.size, _middle(month)),
            _times_usual(entry.size, month[-1]),
            _spreads_above(entry.size, week),
            _spreads_above(entry.size, month),
        )

    def _time(self, now: _Moment) -> tuple[float, ...]:
        count = len(self.moments)
        if not count:
            return math.log2(1 + NEVER_HOURS), 0.0, 0.0, 0.0, 0.0
        gap = now.at - self.moments[-1].at
        near = sum(self.hours[hour % 24] for hour in range(now.hour - 1, now.hour + 2))
        has_habit = count >= HISTORY_LEAST
        return (
            math.log2(1 + gap / 3600),
            self._gap_to_own(gap) if has_habit else 0.0,
            _rarity(near, of=count, alike=3 / 24),
            now.is_night - self.nights / count if has_habit else 0.0,
            now.is_weekend - self.weekends / count if has_habit else 0.0,
        )

    def _gap_to_own(self, gap: float) -> float:
        usual = (self.moments[-1].at - self.moments[0].at) / (len(self.moments) - 1)
        # A minute more on both sides: what comes at one instant would be endlessly nearer than all else.
        return math.log2((gap + 60) / (usual + 60))

    def _pace(self, entry: Entry, now: _Moment, usual: float) -> tuple[float, ...]:
        """Counts and sums of the windows, with this entry, and how much of the longest is in the shortest."""
        counts, sums = [], []
        for days in WINDOWS_DAYS:
            place = bisect_right(self.times, now.at - days * _DAY)
            counts.append(1 + len(self.times) - place)
            before = self.sums[place - 1] if place else 0
            sums.append(entry.size + (self.sums[-1] - before if place < len(self.times) else 0))
        has_habit = counts[-1] - counts[0] >= HISTORY_LEAST
        return (
            *(math.log2(count) for count in counts),
            *(math.log2(1 + total / usual) for total in sums),
            counts[0] / counts[-1] if has_habit else 0.0,
            sums[0] / sums[-1] if has_habit and sums[-1] else 0.0,
        )


@dataclass(slots=True)
class _Marks:
    """When the entries of a player, or of a poster, were made, and which of them were found amiss."""

    times: list[float] = field(default_factory=list)
    amiss: list[tuple[float, float]] = field(default_factory=list)
    """When the entry was made, and from when on it is known."""

    def shares(self, at: float, ripe: float) -> tuple[float, ...]:
        """Of the entries of each window (ripe − days, ripe] the share that is known at `at` to be amiss."""
        known = [made for made, known_at in self.amiss if known_at <= at]
        if not known:
            return _NO_SHARES
        end = bisect_right(self.times, ripe)
        found = []
        for days in WINDOWS_DAYS:
            since = ripe - days * _DAY
            entries = end - bisect_right(self.times, since)
            found.append(sum(since < made <= ripe for made in known) / entries if entries else 0.0)
        return tuple(found)

    def keep(self, at: float, known_at: float | None, since: float) -> None:
        """`since`: nobody will ask for what was made then or earlier."""
        self.times.append(at)
        if self.times[0] <= since and len(self.times) >= 2 * _STALE_LEAST:
            stale = bisect_right(self.times, since)
            if 2 * stale >= len(self.times):
                del self.times[:stale]
        if known_at is not None:
            self.amiss = [*(mark for mark in self.amiss if mark[0] > since), (at, known_at)]


_NO_SHARES = (0.0,) * len(WINDOWS_DAYS)


def _times_usual(size: float, usual: float) -> float:
    """How many times the usual an amount is, as a binary logarithm. Less than usual is as good as usual:
    what is small is not what people look for, and a forest would single it out all the same."""
    return math.log2(max(1.0, size / max(1.0, usual)))


def _spreads_above(size: int, ordered: Sequence[int]) -> float:
    """The robust z of `risk`, upwards alone, with a spread of at least a twentieth of the middle and a unit.

    Players whose amounts never differ have no spread, and a cent more would be endlessly far away.
    """
    if len(ordered) < HISTORY_LEAST:
        return 0.0
    middle = _middle(ordered)
    deviation = _middle(sorted([abs(each - middle) for each in ordered]))
    spread = max(_MAD_TO_SIGMA * deviation, middle / 20, 1.0)
    return min(FAR, max(0.0, (size - middle) / spread))


def _middle(ordered: Sequence[float]) -> float:
    half, is_odd = divmod(len(ordered), 2)
    return ordered[half] if is_odd else (ordered[half - 1] + ordered[half]) / 2


def _rarity(count: int, *, of: int, alike: float) -> float:
    """How rare that is, in bits, were one more entry than there is as usual as `alike` says of anybody's."""
    return -math.log2((count + 1) / (of + 1 / alike)) if of else 0.0


def _share_of_balance(entry: Entry) -> float:
    """How much of the balance a debit takes, at most 10 times all of it; credits take nothing."""
    if entry.amount_minor >= 0 or entry.balance_before_minor is None:
        return 0.0
    return min(10.0, entry.size / max(1, entry.balance_before_minor))
