"""Who sat at the tables on which evening, and what they staked. Pure; only the cards decide the rest.

Every guest keeps to one table, so that nobody's entries overtake each other.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from dashboard.models.game import Dealing
from dashboard.services.demo.account import Day
from dashboard.services.demo.habits import around

BETTING_SECONDS = 25
_ROUND_SECONDS = 70
_OPENING = 6_000
_DEPOSIT = 250
_DEPOSITS_PER_WEEK = 1.5
_COMES = 0.65
"""How many of those who sit there bet on a round,"""
_HEDGES = 0.08
"""and how many of these on both sides."""
_GALA_SEATS = (12, 16)
_GALA_ROUNDS = 2
_GALA_STAKES = 6
_BOTH = ("andar", "bahar")


@dataclass(frozen=True, slots=True)
class TableKind:
    """A table of the demo. Bets in whole units."""

    name: str
    rules: str
    dealing: Dealing
    share: float
    """Of all rounds."""
    hours: tuple[float, ...]
    """Around which people sit down."""
    seats: tuple[int, int]
    """At least and at most so many come to an evening."""
    max_bet: int
    exposure_max: int | None = None


LONG_TABLE = 2
TABLES = (
    TableKind("Lotus Andar Bahar", "standard", Dealing.AUTOMATIC, 0.65, (14.5, 18.0, 21.0), (2, 6), 1_000),
    TableKind("Three Rivers", "three-stage", Dealing.AUTOMATIC, 0.27, (16.5, 20.5), (2, 6), 500),
    TableKind("The Long Table", "colour start", Dealing.MANUAL, 0.08, (20.0, 22.0), (8, 12), 2_000, 40_000),
)


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who plays at one of the tables. Amounts in whole units."""

    player_id: int
    table: int
    opening: int
    stake: int
    deposit: int


@dataclass(frozen=True, slots=True)
class Stake:
    """A bet to come, so many seconds after its stage has opened; `amount` in whole units."""

    player_id: int
    selection: str
    amount: int
    after_seconds: float


@dataclass(frozen=True, slots=True)
class Round:
    """A round to come, with the bets of each stage that may be reached."""

    at: dt.datetime
    table: int
    stakes: tuple[tuple[Stake, ...], ...]


def guests(rng: Random, player_ids: Sequence[int]) -> list[Guest]:
    """What those who play at the tables bring and stake."""
    return [
        Guest(
            player_id=player_id,
            table=number % len(TABLES),
            opening=around(rng, _OPENING, 0.3),
            stake=around(rng, 15, 0.7),
            deposit=around(rng, _DEPOSIT, 0.4),
        )
        for number, player_id in enumerate(player_ids)
    ]


def deposits(rng: Random, day: Day, invited: Sequence[Guest]) -> Iterator[tuple[dt.datetime, Guest, int]]:
    """Who pays in on a day, in the morning, before the tables open."""
    for guest in invited:
        if rng.random() < _DEPOSITS_PER_WEEK / 7:
            yield day.at(rng.uniform(9, 11.5)), guest, around(rng, guest.deposit, 0.4)


def rounds(rng: Random, day: Day, invited: Sequence[Guest], count: float) -> list[Round]:
    """About `count` rounds of a day at all tables together, in order of time."""
    planned: list[Round] = []
    for number, table in enumerate(TABLES):
        seated = [guest for guest in invited if guest.table == number]
        wanted = count * table.share * rng.uniform(0.6, 1.4)
        # A fraction of a round is a round on some days.
        left = int(wanted) + (rng.random() < wanted % 1)
        for hour in table.hours:
            here = -(-left // (len(table.hours) - table.hours.index(hour)))
            left -= here
            planned += _sitting(rng, day.at(hour + rng.uniform(0, 1)), number, seated, here)
    return sorted(planned, key=lambda planned_round: planned_round.at)


def round_at(rng: Random, at: dt.datetime, table: int, invited: Sequence[Guest]) -> Round:
    """One round with everybody who sits at that table."""
    seated = [guest for guest in invited if guest.table == table]
    return Round(at, table, tuple(tuple(_stakes(rng, seated, table)) for _stage in range(2)))


def gala(rng: Random, day: Day, invited: Sequence[Guest]) -> Iterator[Round]:
    """The rounds of an evening on which all guests are asked to the long table, and play for more there."""
    at = day.at(20 + rng.uniform(0, 1))
    here = [
        replace(guest, table=LONG_TABLE, stake=guest.stake * _GALA_STAKES)
        for guest in rng.sample(invited, min(len(invited) // 2, rng.randint(*_GALA_SEATS)))
    ]
    for _ in range(_GALA_ROUNDS):
        yield round_at(rng, at, LONG_TABLE, here)
        at += dt.timedelta(seconds=2 * _ROUND_SECONDS + rng.uniform(0, 60))


def _sitting(
    rng: Random, at: dt.datetime, table: int, seated: Sequence[Guest], count: int
) -> Iterator[Round]:
    here = rng.sample(seated, min(len(seated), rng.randint(*TABLES[table].seats)))
    for _ in range(count):
        yield round_at(rng, at, table, here)
        at += dt.timedelta(seconds=_ROUND_SECONDS + rng.uniform(0, 60))


def _stakes(rng: Random, seated: Sequence[Guest], table: int) -> Iterator[Stake]:
    for guest in seated:
        if rng.random() > _COMES:
            continue
        sides = _BOTH if rng.random() < _HEDGES else (rng.choice(_BOTH),)
        for side in sides:
            amount = min(around(rng, guest.stake, 0.5), TABLES[table].max_bet)
            yield Stake(guest.player_id, side, amount, rng.uniform(1, BETTING_SECONDS - 2))
