"""Grants: made once, with terms that stay; queued, ended on one path; what remains is the balance's bonus."""

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Row, text, update
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import Operator
from dashboard.models.bonus import BonusSource, OfferKind, WageringBase
from dashboard.models.game import RoundState
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, bonus_endings, bonus_offers, bonuses, reversals, wallets
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.bonus_offers import Draft
from dashboard.services.bonus_terms import Gift
from dashboard.services.bonuses import Granted, Terms
from dashboard.services.changes import ChangeRefused, KeyReused
from tests.builders import (
    NOW,
    change,
    make_actor,
    make_bet,
    make_game,
    make_operator,
    make_player,
    make_round,
)

DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)
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


class TestOffers:
    def test_an_offer_gives_its_amount_on_its_terms(self, session: Session, world: World) -> None:
        offer = make_offer(session, world, source=BonusSource.WELCOME, max_bet=5_00, max_win=200_00)

        found = row(session, give(session, world, offer_id=offer))

        assert (found.name, found.source, found.amount, found.required) == (
            *("Goodwill", "welcome"),
            *(20_00, 200_00),
        )
        assert (found.max_bet, found.max_win, found.offer_id) == (5_00, 200_00, offer)

    def test_editing_an_offer_never_touches_what_was_granted(self, session: Session, world: World) -> None:
        offer = make_offer(session, world)
        granted = give(session, world, offer_id=offer)
        before = row(session, granted)

        dearer = replace(PLAIN, wagering_multiplier=Decimal(40), max_bet=1_00, name="Dearer")
        draft = Draft("USD", Gift(OfferKind.AMOUNT, 99_00), dearer)
        bonus_offers.edit(session, offer_id=offer, draft=draft, actor=world.agent, now=NOW)

        assert row(session, granted) == before
        assert row(session, give(session, world, offer_id=offer, number=2)).required == 99_00 * 40

    def test_the_same_key_after_an_edit_is_still_the_first_grant(
        self, session: Session, world: World
    ) -> None:
        offer = make_offer(session, world)
        first = give(session, world, offer_id=offer)
        bonus_offers.retire(session, offer_id=offer, actor=world.agent, now=NOW)

        assert give(session, world, offer_id=offer).bonus_id == first.bonus_id

    @pytest.mark.parametrize(
        ("offered", "message"),
        [
            ({"levels": ("gold",)}, "for gold alone"),
            ({"currency": "EUR"}, "in EUR"),
        ],
    )
    def test_who_may_not_get_it_is_told(
        self, session: Session, world: World, offered: dict[str, Any], message: str
    ) -> None:
        offer = make_offer(session, world, **offered)

        with pytest.raises(Rejected, match=message):
            give(session, world, offer_id=offer)

    def test_a_retired_offer_gives_nothing(self, session: Session, world: World) -> None:
        offer = make_offer(session, world)
        bonus_offers.retire(session, offer_id=offer, actor=world.agent, now=NOW)

        with pytest.raises(Rejected, match="retired"):
            give(session, world, offer_id=offer)
        with pytest.raises(Conflict):
            bonus_offers.retire(session, offer_id=offer, actor=world.agent, now=NOW)

    def test_another_operators_offer_is_not_found(self, session: Session, world: World) -> None:
        elsewhere = make_operator(session)
        stranger = replace(world, agent=make_actor(session, operator_id=elsewhere))
        offer = make_offer(session, stranger)

        with pytest.raises(NotFound):
            give(session, world, offer_id=offer)
        with pytest.raises(NotFound):
            bonus_offers.retire(session, offer_id=offer, actor=world.agent, now=NOW)

    def test_two_offers_have_two_names(self, session: Session, world: World) -> None:
        make_offer(session, world)

        with pytest.raises(Conflict, match="of this name"):
            make_offer(session, world)


class TestDeposits:
    HALF_UP_TO_30 = Gift(OfferKind.PERCENT, percent=50, cap=30_00)

    def deposit(self, session: Session, world: World, amount: int) -> int:
        return change(session, world.player, amount, ChangeType.DEPOSIT).entry.sequence

    @pytest.mark.parametrize(
        ("deposited", "given"), [(40_00, 20_00), (100_00, 30_00), (1, None), (3, 2), (5, 2)]
    )
    def test_a_percentage_up_to_the_cap(
        self, session: Session, world: World, deposited: int, given: int | None
    ) -> None:
        offer = make_offer(session, world, self.HALF_UP_TO_30)
        sequence = self.deposit(session, world, deposited)

        if given is None:
            with pytest.raises(Rejected, match="more than zero"):
                give(session, world, offer_id=offer, deposit_sequence=sequence)
        else:
            granted = give(session, world, offer_id=offer, deposit_sequence=sequence)
            assert row(session, granted).amount == given

    def test_deposit_and_bonus_are_wagered_where_the_offer_says_so(
        self, session: Session, world: World
    ) -> None:
        both = WageringBase.DEPOSIT_AND_BONUS
        offer = make_offer(session, world, self.HALF_UP_TO_30, wagering_base=both)
        sequence = self.deposit(session, world, 40_00)

        granted = give(session, world, offer_id=offer, deposit_sequence=sequence)

        assert row(session, granted).required == (40_00 + 20_00) * 10

    def test_one_deposit_never_earns_an_offer_twice(self, session: Session, world: World) -> None:
        offer = make_offer(session, world, self.HALF_UP_TO_30)
        sequence = self.deposit(session, world, 40_00)
        give(session, world, offer_id=offer, deposit_sequence=sequence)

        with pytest.raises(Rejected, match="already earned"):
            give(session, world, offer_id=offer, deposit_sequence=sequence, number=2)

    def test_a_deposit_that_was_reversed_earns_nothing(self, session: Session, world: World) -> None:
        offer = make_offer(session, world, self.HALF_UP_TO_30)
        sequence = self.deposit(session, world, 40_00)
        balances.reverse(
            session,
            player_id=world.player,
            currency="USD",
            sequence=sequence,
            reason="Charged back",
            actor=SYSTEM,
            idempotency_key="back",
            now=NOW,
        )

        with pytest.raises(Rejected, match="reversed"):
            give(session, world, offer_id=offer, deposit_sequence=sequence)

    @pytest.mark.parametrize("extent", reversals.Extent)
    def test_a_deposit_is_not_undone_while_its_bonus_is_open(
        self, session: Session, world: World, extent: reversals.Extent
    ) -> None:
        offer = make_offer(session, world, self.HALF_UP_TO_30)
        sequence = self.deposit(session, world, 40_00)
        granted = give(session, world, offer_id=offer, deposit_sequence=sequence)
        named: dict[str, Any] = {
            "player_id": world.player,
            "currency": "USD",
            "sequence": sequence,
            "extent": extent,
            "reason": "Charged back",
            "actor": world.agent,
            "now": NOW,
        }

        with pytest.raises(Rejected, match="cancel the bonus first"):
            reversals.undo(session, **named, idempotency_key="first")
        bonus_endings.cancel(
            session,
            player_id=world.player,
            bonus_id=granted.bonus_id,
            reason="Charged back",
            actor=world.agent,
            now=NOW,
        )
        reversals.undo(session, **named, idempotency_key="second")

        assert books(session, world) == (100_00, 0, 0)

    def test_only_a_deposit_of_the_player_counts(self, session: Session, world: World) -> None:
        offer = make_offer(session, world, self.HALF_UP_TO_30)

        for sequence in (1, 77, None):  # the opening, nothing, none named
            with pytest.raises(Rejected):
                give(session, world, offer_id=offer, deposit_sequence=sequence)


class TestEnding:
    def test_expiry_takes_what_remains_by_one_entry(self, session: Session, world: World) -> None:
        granted = give(session, world)

        assert bonus_endings.expire_due(session, now=NOW + 7 * DAY - SECOND, limit=10) == []
        (ended,) = bonus_endings.expire_due(session, now=NOW + 7 * DAY, limit=10)
        assert bonus_endings.expire_due(session, now=NOW + 8 * DAY, limit=10) == []

        assert (ended.bonus_id, ended.taken) == (granted.bonus_id, 50_00)
        assert books(session, world) == (100_00, 0, 0)
        assert entries(session, world)[1:] == [("bonus_expiry", 0, -50_00, "system")]
        found = row(session, granted)
        assert (found.state, found.forfeited, found.ended_at) == ("expired", 50_00, NOW + 7 * DAY)

    def test_several_of_one_balance_expire_together(self, session: Session, world: World) -> None:
        for amount in (1_00, 2_00, 3_00):
            give(session, world, amount)

        ended = bonus_endings.expire_due(session, now=NOW + 9 * DAY, limit=10)

        assert [done.taken for done in ended] == [1_00, 2_00, 3_00]
        assert books(session, world) == (100_00, 0, 0)

    def test_it_goes_on_where_it_stopped(self, session: Session, world: World) -> None:
        for amount in (1_00, 2_00, 3_00):
            give(session, world, amount)

        parts = [bonus_endings.expire_due(session, now=NOW + 9 * DAY, limit=2) for _ in range(3)]

        assert [len(part) for part in parts] == [2, 1, 0]
        assert books(session, world) == (100_00, 0, 0)

    def test_what_ends_lets_the_queue_move_up(self, session: Session, world: World) -> None:
        allow_active(session, world, 1)
        give(session, world, 50_00)
        second = give(session, world, 30_00)

        bonus_endings.expire_due(session, now=NOW + 7 * DAY, limit=10)

        assert row(session, second).state == "active"
        assert books(session, world) == (100_00, 30_00, 30_00)

    @pytest.mark.parametrize(
        ("end", "state"), [(bonus_endings.surrender, "forfeited"), (bonus_endings.cancel, "cancelled")]
    )
    def test_a_player_or_staff_can_end_it_once(
        self, session: Session, world: World, end: Any, state: str
    ) -> None:
        granted = give(session, world)
        named = {
            "player_id": world.player,
            "bonus_id": granted.bonus_id,
            "reason": "Asked by phone",
            "actor": world.agent,
            "now": NOW,
        }

        end(session, **named)

        found = row(session, granted)
        assert (found.state, found.remaining, found.forfeited) == (state, 0, 50_00)
        assert (found.ended_by, found.end_reason) == (world.agent.reference, "Asked by phone")
        assert books(session, world) == (100_00, 0, 0)
        with pytest.raises(Conflict, match="already ended"):
            end(session, **named)
        assert [entry[0] for entry in entries(session, world)] == ["bonus_grant", "bonus_forfeit"]

    def test_a_queued_grant_ends_without_an_entry(self, session: Session, world: World) -> None:
        allow_active(session, world, 1)
        give(session, world, 50_00)
        second = give(session, world, 30_00)

        bonus_endings.cancel(
            session,
            player_id=world.player,
            bonus_id=second.bonus_id,
            reason="Wrong player",
            actor=world.agent,
            now=NOW,
        )

        assert row(session, second).state == "cancelled"
        assert books(session, world) == (100_00, 50_00, 50_00)
        assert len(entries(session, world)) == 1

    def test_another_operators_grant_is_not_found(self, session: Session, world: World) -> None:
        granted = give(session, world)
        stranger = make_actor(session, operator_id=make_operator(session))

        with pytest.raises(NotFound):
            bonus_endings.cancel(
                session,
                player_id=world.player,
                bonus_id=granted.bonus_id,
                reason="Mine",
                actor=stranger,
                now=NOW,
            )

    def test_closing_a_wallet_forfeits_every_grant(self, session: Session, world: World) -> None:
        allow_active(session, world, 2)
        grants = [give(session, world, amount) for amount in (1_00, 2_00, 3_00)]
        change(session, world.player, -100_00)

        wallets.close(session, player_id=world.player, reason="Asked", actor=world.agent, now=NOW)

        assert books(session, world) == (0, 0, 0)
        assert {row(session, grant).state for grant in grants} == {"forfeited"}
        assert [entry[0] for entry in entries(session, world)].count("bonus_forfeit") == 2

    def test_a_wallet_is_not_closed_while_a_bet_is_pending(self, session: Session, world: World) -> None:
        game = make_game(session, operator_id=world.operator)
        round_id = make_round(session, game_id=game, state=RoundState.BETTING)
        make_bet(session, round_id=round_id, player_id=world.player, amount=100_00)

        with pytest.raises(Rejected, match="not settled yet"):
            wallets.close(session, player_id=world.player, reason="Asked", actor=world.agent, now=NOW)

    def test_a_wallet_that_cannot_be_closed_keeps_its_bonus(self, session: Session, world: World) -> None:
        give(session, world)

        with pytest.raises(Rejected, match="still holds"):
            wallets.close(session, player_id=world.player, reason="Asked", actor=world.agent, now=NOW)
        assert books(session, world) == (100_00, 50_00, 50_00)


class TestReversing:
    def test_bonus_money_is_never_reversed_behind_its_grants(self, session: Session, world: World) -> None:
        granted = give(session, world)
        assert granted.sequence

        with pytest.raises(Rejected, match="cancel the bonus"):
            balances.reverse(
                session,
                player_id=world.player,
                currency="USD",
                sequence=granted.sequence,
                reason="By mistake",
                actor=SYSTEM,
                idempotency_key="back",
                now=NOW,
            )
        assert books(session, world) == (100_00, 50_00, 50_00)


class TestRoom:
    def test_a_spent_grant_keeps_nobody_waiting(self, session: Session, world: World) -> None:
        allow_active(session, world, 1)
        give(session, world, 50_00)
        second = give(session, world, 30_00)
        session.execute(text("UPDATE balances SET bonus = 0 WHERE player_id = :p"), {"p": world.player})
        session.execute(text("UPDATE bonuses SET remaining = 0 WHERE player_id = :p"), {"p": world.player})

        assert bonuses.with_room(session, limit=10) == [(world.operator, world.player, "USD")]
        assert bonuses.activate_queued(session, [(world.player, "USD")], NOW) == [
            (world.player, second.bonus_id)
        ]


class TestTaking:
    def take(self, session: Session, world: World, amount: int) -> None:
        bonus_endings.take(
            session,
            player_id=world.player,
            currency="USD",
            amount=amount,
            reason="Given by mistake",
            actor=SYSTEM,
            idempotency_key="take",
            now=NOW,
        )

    def test_the_oldest_grant_pays_first(self, session: Session, world: World) -> None:
        first, second, third = (give(session, world, amount) for amount in (1_00, 2_00, 3_00))

        self.take(session, world, 2_50)
        self.take(session, world, 2_50)

        assert [row(session, grant).remaining for grant in (first, second, third)] == [0, 50, 3_00]
        assert [row(session, grant).forfeited for grant in (first, second, third)] == [1_00, 1_50, 0]
        assert books(session, world) == (100_00, 3_50, 3_50)

    def test_never_more_than_there_is(self, session: Session, world: World) -> None:
        give(session, world, 1_00)

        with pytest.raises(ChangeRefused, match=r"More than the bonus balance: 1\.01 of 1\.00"):
            self.take(session, world, 1_01)
        assert books(session, world) == (100_00, 1_00, 1_00)
