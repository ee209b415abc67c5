"""Grants: made once, with terms that stay; queued, ended on one path; what remains is the balance's bonus."""

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Row, text, update
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Operator
from dashboard.models.bonus import OfferKind
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, bonus_offers, bonuses, wallets
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.bonus_offers import Draft
from dashboard.services.bonus_terms import Gift
from dashboard.services.bonuses import Granted, Terms
from dashboard.services.changes import ChangeRefused, KeyReused
from tests.builders import NOW, make_actor, make_operator, make_player

DAY = dt.timedelta(days=1)
PLAIN = Terms(name="Goodwill", wagering_multiplier=Decimal(10), validity_days=7)


@dataclass(frozen=True)
class World:
    """A player with 100.00 of real money, and somebody of staff who may give much."""

    operator: int
    player: int
    agent: Actor


@pytest.fixture
def world(session: Session) -> World:
    operator = make_operator(session)
    player = make_player(session, operator_id=operator, balance_minor=100_00)
    return World(operator, player, make_actor(session, operator_id=operator))


def give(session: Session, world: World, amount: int = 50_00, **more: Any) -> Granted:
    wanted = {
        "player_id": world.player,
        "currency": "USD",
        "reason": "Goodwill",
        "actor": SYSTEM,
        "idempotency_key": f"give-{amount}-{more.pop('number', 1)}",
        "now": NOW,
        "terms": PLAIN,
        "amount": amount,
    }
    if "offer_id" in more:
        wanted |= {"terms": None, "amount": None}
    return bonuses.grant(session, **{**wanted, **more})


def row(session: Session, granted: Granted) -> Row[Any]:
    return session.execute(text("SELECT * FROM bonuses WHERE id = :id"), {"id": granted.bonus_id}).one()


def books(session: Session, world: World, currency: str = "USD") -> tuple[int, int, int]:
    """Real, bonus, and what remains of the open grants."""
    return tuple(
        session.execute(
            text("""
            SELECT b.real, b.bonus,
              (SELECT coalesce(sum(remaining), 0)::bigint FROM bonuses g
               WHERE g.player_id = b.player_id AND g.currency = b.currency)
            FROM balances b WHERE b.player_id = :p AND b.currency = :c
            """),
            {"p": world.player, "c": currency},
        ).one()
    )


def entries(session: Session, world: World) -> list[tuple[str, int, int, str]]:
    return [
        tuple(found)
        for found in session.execute(
            text("""
            SELECT change_type, real_delta, bonus_delta, performed_by FROM wallet_entries
            WHERE player_id = :p AND change_type <> 'opening' ORDER BY sequence
            """),
            {"p": world.player},
        )
    ]


def make_offer(session: Session, world: World, gift: Gift | None = None, **more: Any) -> int:
    levels = more.pop("levels", ())
    currency = more.pop("currency", "USD")
    draft = Draft(currency, gift or Gift(OfferKind.AMOUNT, 20_00), replace(PLAIN, **more), levels)
    return bonus_offers.make(session, draft=draft, actor=world.agent, now=NOW)


def allow_active(session: Session, world: World, at_most: int) -> None:
    session.execute(update(Operator).filter_by(id=world.operator).values(active_bonuses_max=at_most))


class TestGranting:
    def test_a_grant_by_hand_is_active_with_its_entry(self, session: Session, world: World) -> None:
        granted = give(session, world, 50_00, actor=world.agent)

        assert books(session, world) == (100_00, 50_00, 50_00)
        assert entries(session, world) == [("bonus_grant", 0, 50_00, world.agent.reference)]
        found = row(session, granted)
        assert (found.state, found.source, found.required) == ("active", "manual", 500_00)
        assert (found.expires_at, found.grant_sequence) == (NOW + 7 * DAY, granted.sequence)

    def test_the_same_key_grants_once(self, session: Session, world: World) -> None:
        first = give(session, world)
        second = give(session, world)

        assert second == replace(first, entry=None, repeated=True)
        assert books(session, world) == (100_00, 50_00, 50_00)

    def test_the_same_key_for_another_amount_is_refused(self, session: Session, world: World) -> None:
        give(session, world, idempotency_key="one")

        with pytest.raises(KeyReused):
            give(session, world, 60_00, idempotency_key="one")

    def test_a_key_of_another_change_is_refused(self, session: Session, world: World) -> None:
        request = balances.Request(world.player, "USD", ChangeType.ADJUSTMENT, 1, "Coin found", "one")
        balances.change(session, request=request, actor=SYSTEM, now=NOW)

        with pytest.raises(KeyReused):
            give(session, world, idempotency_key="one")

    def test_a_frozen_wallet_takes_no_grant(self, session: Session, world: World) -> None:
        wallets.freeze(session, player_id=world.player, reason="Asked", actor=world.agent, now=NOW)

        with pytest.raises(ChangeRefused, match="frozen"):
            give(session, world)

    def test_another_operators_player_is_not_found(self, session: Session, world: World) -> None:
        stranger = make_actor(session, operator_id=make_operator(session))

        with pytest.raises(NotFound):
            give(session, world, actor=stranger)

    def test_required_is_rounded_half_to_even_once(self, session: Session, world: World) -> None:
        half = replace(PLAIN, wagering_multiplier=Decimal("0.5"))

        first, second = give(session, world, 5, terms=half), give(session, world, 7, terms=half)

        assert (row(session, first).required, row(session, second).required) == (2, 4)


class TestQueue:
    def test_what_queues_holds_no_money_until_its_turn(self, session: Session, world: World) -> None:
        allow_active(session, world, 1)
        give(session, world, 50_00)
        second = give(session, world, 30_00, actor=world.agent)

        assert (second.state, second.sequence) == ("queued", None)
        assert books(session, world) == (100_00, 50_00, 50_00)
        assert bonuses.activate_queued(session, [(world.player, "USD")], NOW) == []

    def test_the_oldest_comes_first(self, session: Session, world: World) -> None:
        allow_active(session, world, 1)
        first, second, third = (give(session, world, amount) for amount in (1_00, 2_00, 3_00))
        session.execute(text("UPDATE operators SET active_bonuses_max = 2"))

        begun = bonuses.activate_queued(session, [(world.player, "USD")], NOW + DAY)

        assert begun == [(world.player, second.bonus_id)]
        assert row(session, second).expires_at == NOW + 8 * DAY
        assert [row(session, grant).state for grant in (first, third)] == ["active", "queued"]
        assert books(session, world) == (100_00, 3_00, 3_00)
        assert entries(session, world)[-1] == ("bonus_grant", 0, 2_00, "system")

    def test_several_begin_at_once_where_there_is_room(self, session: Session, world: World) -> None:
        allow_active(session, world, 1)
        for amount in (1_00, 2_00, 3_00):
            give(session, world, amount)
        session.execute(text("UPDATE operators SET active_bonuses_max = NULL"))

        begun = bonuses.activate_queued(session, [(world.player, "USD")], NOW)

        assert len(begun) == 2
        assert books(session, world) == (100_00, 6_00, 6_00)

    def test_a_frozen_wallet_keeps_its_queue(self, session: Session, world: World) -> None:
        allow_active(session, world, 1)
        give(session, world, 1_00)
        give(session, world, 2_00)
        session.execute(text("UPDATE operators SET active_bonuses_max = NULL"))
        wallets.freeze(session, player_id=world.player, reason="Asked", actor=world.agent, now=NOW)

        assert bonuses.activate_queued(session, [(world.player, "USD")], NOW) == []
