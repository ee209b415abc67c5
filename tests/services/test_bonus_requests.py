"""Bonuses granted by hand: within the allowance, and by two people above the threshold."""

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, Rejected
from dashboard.models import Balance, Bonus, ChangeRequest
from dashboard.models.bonus import OfferKind
from dashboard.models.login import Role
from dashboard.services import bonus_offers, change_requests, submissions
from dashboard.services.actors import Actor
from dashboard.services.bonus_offers import Draft
from dashboard.services.bonus_terms import GameTerm, Gift
from dashboard.services.bonuses import Terms, Wish
from dashboard.services.changes import ChangeRefused, KeyReused
from dashboard.services.submissions import Submitted
from tests.builders import NOW, allow, make_actor, make_operator, make_player

TERMS = Terms(name="Goodwill", wagering_multiplier=Decimal("12.50"), max_bet=5_00, validity_days=7)


@dataclass(frozen=True)
class Floor:
    """Somebody who grants, somebody who decides; above 500.00 a second person is needed."""

    operator: int
    player: int
    agent: Actor
    manager: Actor


@pytest.fixture
def floor(session: Session) -> Floor:
    operator = make_operator(session, approval_threshold=500_00)
    return Floor(
        operator,
        make_player(session, operator_id=operator),
        make_actor(session, operator_id=operator),
        make_actor(session, operator_id=operator, role=Role.MANAGER),
    )


def ask(session: Session, floor: Floor, amount: int, *, key: str = "form", terms: Terms = TERMS) -> Submitted:
    wish = Wish(floor.player, "USD", "Goodwill", key, terms=terms, amount=amount)
    return submissions.submit_grant(session, wish=wish, actor=floor.agent, now=NOW, amount_again=amount)


def approve(session: Session, floor: Floor, asked: Submitted) -> None:
    assert asked.request_id
    change_requests.approve(
        session,
        player_id=floor.player,
        request_id=asked.request_id,
        reason="Seen",
        actor=floor.manager,
        now=NOW + dt.timedelta(hours=1),
    )


def bonus(session: Session, floor: Floor) -> int:
    return session.scalars(select(Balance.bonus).filter_by(player_id=floor.player)).one()


def grants(session: Session, floor: Floor) -> list[Bonus]:
    return list(session.scalars(select(Bonus).filter_by(player_id=floor.player).order_by(Bonus.id)))


def test_a_small_one_is_granted_at_once(session: Session, floor: Floor) -> None:
    done = ask(session, floor, 500_00)

    assert done.grant is not None
    assert bonus(session, floor) == 500_00


def test_what_is_more_than_the_allowance_is_refused(session: Session, floor: Floor) -> None:
    allow(session, floor.agent.id, per_change=100_00, per_day=150_00)

    with pytest.raises(ChangeRefused, match=r"allowance per change: 100\.01 of 100\.00"):
        ask(session, floor, 100_01)
    ask(session, floor, 100_00)
    with pytest.raises(ChangeRefused, match="allowance today"):
        ask(session, floor, 50_01, key="second")


def test_what_queues_uses_the_allowance_like_what_is_active(session: Session, floor: Floor) -> None:
    allow(session, floor.agent.id, per_change=100_00, per_day=150_00)
    session.execute(text("UPDATE operators SET active_bonuses_max = 1"))
    ask(session, floor, 1_00, key="first")
    assert ask(session, floor, 99_00, key="second").grant.state == "queued"  # type: ignore[union-attr]

    with pytest.raises(ChangeRefused, match="allowance today"):
        ask(session, floor, 50_01, key="third")


def test_a_large_one_waits_and_is_granted_just_as_it_was_asked_for(session: Session, floor: Floor) -> None:
    asked = ask(session, floor, 500_01)
    assert (asked.state, asked.grant, bonus(session, floor)) == ("waiting", None, 0)

    approve(session, floor, asked)

    (granted,) = grants(session, floor)
    assert (granted.amount, granted.required, granted.max_bet) == (500_01, 625_012, 5_00)
    assert (granted.granted_by, granted.state) == (floor.agent.reference, "active")
    request = session.scalars(select(ChangeRequest).filter_by(id=asked.request_id)).one()
    assert (request.state, request.sequence) == ("approved", granted.grant_sequence)
    assert bonus(session, floor) == 500_01


def test_in_sum_of_the_day_two_small_ones_are_a_large_one(session: Session, floor: Floor) -> None:
    ask(session, floor, 300_00)

    assert ask(session, floor, 300_00, key="second").state == "waiting"


def test_nobody_approves_their_own(session: Session, floor: Floor) -> None:
    own = replace(floor, agent=floor.manager)
    asked = ask(session, own, 600_00)

    with pytest.raises(Rejected, match="own request"):
        approve(session, own, asked)
    assert grants(session, floor) == []


def test_the_same_form_sent_again_is_the_same_request(session: Session, floor: Floor) -> None:
    first, second = ask(session, floor, 600_00), ask(session, floor, 600_00)

    assert (second.request_id, second.repeated) == (first.request_id, True)
    with pytest.raises(KeyReused):
        ask(session, floor, 601_00)
    approve(session, floor, first)
    third = ask(session, floor, 600_00)
    assert third.grant is not None
    assert third.repeated
    assert bonus(session, floor) == 600_00


def test_an_approved_one_can_queue(session: Session, floor: Floor) -> None:
    session.execute(text("UPDATE operators SET active_bonuses_max = 1"))
    ask(session, floor, 1_00, key="first")
    asked = ask(session, floor, 600_00)

    approve(session, floor, asked)

    assert [grant.state for grant in grants(session, floor)] == ["active", "queued"]
    request = session.scalars(select(ChangeRequest).filter_by(id=asked.request_id)).one()
    assert (request.state, request.sequence) == ("approved", None)
    assert bonus(session, floor) == 1_00


def test_an_offer_that_was_edited_meanwhile_is_not_approved_unseen(session: Session, floor: Floor) -> None:
    draft = Draft("USD", Gift(OfferKind.AMOUNT, 600_00), TERMS)
    offer = bonus_offers.make(session, draft=draft, actor=floor.manager, now=NOW)
    wish = Wish(floor.player, "USD", "Welcome", "form", offer_id=offer)
    asked = submissions.submit_grant(session, wish=wish, actor=floor.agent, now=NOW)
    cheaper = replace(draft, terms=replace(TERMS, wagering_multiplier=Decimal(0)))
    bonus_offers.edit(session, offer_id=offer, draft=cheaper, actor=floor.manager, now=NOW)

    with pytest.raises(Conflict, match="says something else"):
        approve(session, floor, asked)
    assert grants(session, floor) == []


def test_an_unusually_large_one_is_typed_twice(session: Session, floor: Floor) -> None:
    ask(session, floor, 1_00, key="first")
    wish = Wish(floor.player, "USD", "Goodwill", "form", terms=TERMS, amount=10_01)

    with pytest.raises(submissions.TypeAgain):
        submissions.submit_grant(session, wish=wish, actor=floor.agent, now=NOW)


def test_a_plan_survives_being_written(session: Session, floor: Floor) -> None:
    terms = replace(TERMS, games=(GameTerm(1, "", 50), GameTerm(1, "red", 0), GameTerm(2, "", 100, True)))

    assert Terms.from_values(terms.as_values()) == terms
