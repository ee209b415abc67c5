"""Grants at the same moment: each is made once and ends once, and the bonus is what remains of them."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from dashboard import db
from dashboard.jobs import bonuses as job
from dashboard.models.bonus import OfferKind
from dashboard.models.wallet import ChangeType
from dashboard.services import bonus_endings, bonus_offers, bonuses
from dashboard.services.actors import SYSTEM
from dashboard.services.bonus_offers import Draft
from dashboard.services.bonus_terms import Gift
from dashboard.services.bonuses import Granted, Terms
from tests.builders import NOW, change, make_actor
from tests.concurrency.together import at_once, journal, make_players, prove

TERMS = Terms(name="Goodwill", wagering_multiplier=Decimal(10), validity_days=1)
LATER = NOW + dt.timedelta(days=1)


def give(player: int, key: str, amount: int = 10_00) -> Granted:
    return db.transact(
        lambda session: bonuses.grant(
            session,
            player_id=player,
            currency="USD",
            terms=TERMS,
            amount=amount,
            reason="Goodwill",
            actor=SYSTEM,
            idempotency_key=key,
            now=NOW,
        )
    )


def books(app: Flask, player: int) -> tuple[int, int]:
    """The balance's bonus, and what remains of the grants."""
    query = text("""
    SELECT b.bonus,
      (SELECT coalesce(sum(remaining), 0)::bigint FROM bonuses g WHERE g.player_id = b.player_id)
    FROM balances b WHERE b.player_id = :p
    """)
    with app.app_context(), db.reading() as session:
        row = session.execute(query, {"p": player}).one()
        return row[0], row[1]


@pytest.mark.parametrize("trial", range(10))
def test_one_form_sent_by_many_is_one_grant(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)

    results = at_once(app, [partial(give, player, "form")] * 8)

    granted = [result for result in results if isinstance(result, Granted)]
    assert len(granted) == 8
    assert [result.repeated for result in granted].count(False) == 1
    assert books(app, player) == (10_00, 10_00)
    prove(app, player)


def test_two_expiries_at_once_take_each_grant_once(app: Flask) -> None:
    players = make_players(app, 20)
    with app.app_context():
        job.expire(LATER)  # what other tests have left
        for player in players:
            for key in ("one", "two"):
                give(player, key)

    results = at_once(app, [partial(job.expire, LATER)] * 4)

    assert sum(result for result in results if isinstance(result, int)) == 40, results
    for player in players:
        assert books(app, player) == (0, 0)
        assert [entry["change_type"] for entry in journal(app, player)].count("bonus_expiry") == 2
        prove(app, player)


@pytest.mark.parametrize("trial", range(10))
def test_expiry_against_grants_leaves_what_was_granted(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    with app.app_context():
        give(player, "old")

    works: list[Callable[[], object]] = [partial(job.expire, LATER)] * 2
    works += [partial(give, player, f"new-{number}") for number in range(3)]
    at_once(app, works)

    remaining, bonus = books(app, player)
    assert remaining == bonus
    with app.app_context():
        job.expire(LATER)
    assert books(app, player) == (0, 0)
    assert len(journal(app, player)) == 8
    prove(app, player)


@pytest.mark.parametrize("trial", range(10))
def test_of_expiry_surrender_and_cancelling_one_stands(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    with app.app_context():
        granted = give(player, "form")
    named: dict[str, Any] = {
        "player_id": player,
        "bonus_id": granted.bonus_id,
        "reason": "Asked",
        "actor": SYSTEM,
        "now": LATER,
    }

    works: list[Callable[[], object]] = [
        partial(job.expire, LATER),
        partial(db.transact, partial(bonus_endings.surrender, **named)),
        partial(db.transact, partial(bonus_endings.cancel, **named)),
    ]
    at_once(app, works)

    assert books(app, player) == (0, 0)
    assert len(journal(app, player)) == 2
    prove(app, player)


@pytest.mark.parametrize("trial", range(10))
def test_one_deposit_earns_an_offer_once_whoever_asks(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    with app.app_context(), db.writing() as session:
        operator = session.scalars(text("SELECT operator_id FROM players WHERE id = :p"), {"p": player}).one()
        draft = Draft("USD", Gift(OfferKind.PERCENT, percent=100, cap=10_00), TERMS)
        actor = make_actor(session, operator_id=operator)
        offer = bonus_offers.make(session, draft=draft, actor=actor, now=NOW)
        deposit = change(session, player, 50_00, ChangeType.DEPOSIT).entry.sequence

    def ask(key: str) -> Granted:
        return db.transact(
            lambda session: bonuses.grant(
                session,
                player_id=player,
                currency="USD",
                offer_id=offer,
                deposit_sequence=deposit,
                reason="First deposit",
                actor=SYSTEM,
                idempotency_key=key,
                now=NOW,
            )
        )

    results = at_once(app, [partial(ask, f"form-{number}") for number in range(6)])

    assert [type(result).__name__ for result in results].count("Granted") == 1
    assert books(app, player) == (10_00, 10_00)
