"""The balance as of any moment is the replay of the entries up to it."""

import datetime as dt
import random

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.wallet import ChangeType as T
from dashboard.queries import past
from dashboard.queries.past import Moment
from tests.builders import NOW, change, make_operator, make_player

MOMENTS = 1_000
PLAYERS = 12
CHANGES = 25
CURRENCIES = ("USD", "EUR")

# Of the code under test nothing: the entries alone are added up, in plain Python.
_ENTRIES = text("SELECT player_id, currency, created_at, real_delta, bonus_delta FROM wallet_entries")


def live(session: Session, rng: random.Random) -> tuple[int, list[int]]:
    """Players who move money at odd moments of two weeks; some of their changes fall on one instant."""
    operator_id = make_operator(session, currencies=CURRENCIES[1:])
    players = [make_player(session, operator_id=operator_id) for _ in range(PLAYERS)]
    for player_id in players:
        for currency in CURRENCIES:
            at = NOW
            for _ in range(rng.randrange(1, CHANGES)):
                at += dt.timedelta(
                    microseconds=rng.choice((0, 1, rng.randrange(10**6), rng.randrange(10**11)))
                )
                kind, sign = rng.choice(((T.DEPOSIT, 1), (T.SETTLEMENT, 1), (T.ADJUSTMENT, -1), (T.FEE, -1)))
                change(session, player_id, sign * rng.randrange(1, 5_000), kind, currency=currency, now=at)
    return operator_id, players


def test_as_of_any_moment_is_the_replay_of_the_entries(session: Session) -> None:
    rng = random.Random(20261121)
    operator_id, players = live(session, rng)
    entries = session.execute(_ENTRIES).all()
    instants = [entry.created_at for entry in entries]
    first, last = min(instants), max(instants)
    seen = set()
    for _ in range(MOMENTS):
        player_id, currency = rng.choice(players), rng.choice(CURRENCIES)
        at = rng.choice(
            (
                first + rng.random() * (last - first),
                rng.choice(instants) + dt.timedelta(microseconds=rng.choice((-1, 0, 1))),
            )
        )
        expected = [0, 0, 0]
        for entry in entries:
            if (entry.player_id, entry.currency) == (player_id, currency) and entry.created_at <= at:
                expected[0] += entry.real_delta
                expected[1] += entry.bonus_delta
                expected[2] += 1
        page = past.get_page(
            session,
            player_id=player_id,
            currency=currency,
            moment=Moment(at),
            operator_id=operator_id,
            timezone="Europe/Malta",
        )
        assert [page.balance.real, page.balance.bonus, page.balance.sequence] == expected, (player_id, at)
        shown = past.page_of_entries(session, player_id=player_id, balance=page.balance).rows
        assert sum(row.real_delta for row in shown) == expected[0]
        assert all(row.created_at <= at for row in shown)
        seen.add((player_id, currency, *expected))
    assert len(seen) > MOMENTS / 10
