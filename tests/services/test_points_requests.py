"""Adjustments of points beyond the threshold: one person asks, another decides."""

import datetime as dt
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound
from dashboard.models.login import Role
from dashboard.services import loyalty_wallets, points, points_requests
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.changes import KeyReused
from dashboard.services.points import Done
from tests.builders import NOW, make_actor
from tests.services.membership import Act, Membership, join


@pytest.fixture
def member(session: Session) -> Membership:
    """1,000 points, at an operator where more than 500 need a second person."""
    member = join(session)
    member.load(1_000_00)
    return member


@pytest.fixture
def decider(member: Membership) -> Actor:
    return make_actor(member.session, operator_id=member.operator_id, role=Role.MANAGER)


def submit(member: Membership, wanted: int, **given: Any) -> Act[Done | int]:
    return partial(points_requests.submit, **member.named(points=wanted, reason="Put right", **given))


def ask(member: Membership, wanted: int = 501) -> int:
    request_id = submit(member, wanted)(member.session)
    assert isinstance(request_id, int)
    return request_id


def decide(member: Membership, how: str, request_id: int, actor: Actor, **given: Any) -> Act[Any]:
    named = {"player_id": member.player_id, "request_id": request_id, "reason": "So it is", "actor": actor}
    return partial(getattr(points_requests, how), **{**named, "now": NOW, **given})


def state(member: Membership) -> str:
    return str(member.row("points_requests").state)


class TestTheThreshold:
    @pytest.mark.parametrize("wanted", [500, -500])
    def test_up_to_it_one_person_is_enough(self, member: Membership, wanted: int) -> None:
        assert isinstance(member.does(submit(member, wanted), kinds=["adjustment"]), Done)

    @pytest.mark.parametrize("wanted", [501, -501])
    def test_beyond_it_nothing_moves(self, member: Membership, wanted: int) -> None:
        ask(member, wanted)
        assert (state(member), member.row().balance) == ("waiting", 1_000)
        member.prove()

    def test_small_ones_of_a_day_count_together(self, member: Membership) -> None:
        for wanted in (300, -200):
            assert isinstance(submit(member, wanted)(member.session), Done)
        named: dict[str, Any] = {"player_id": member.player_id, "points": 1, "actor": member.manager}
        assert points_requests.needs_second_person(member.session, now=NOW, **named)
        ask(member, 1)
        # 11:00 later it is the next day in Malta.
        tomorrow = NOW + dt.timedelta(hours=11)
        assert not points_requests.needs_second_person(member.session, now=tomorrow, **named)
        assert isinstance(submit(member, 500, now=tomorrow)(member.session), Done)

    def test_each_person_and_each_player_has_their_own(self, member: Membership, decider: Actor) -> None:
        assert isinstance(submit(member, 500)(member.session), Done)
        assert isinstance(submit(member, 500, actor=decider)(member.session), Done)
        assert isinstance(submit(member, 1, actor=SYSTEM)(member.session), Done)
        other = join(member.session)
        assert isinstance(submit(other, 500)(member.session), Done)

    def test_it_is_the_programmes(self, member: Membership) -> None:
        member.run_by(approval_points=0)
        ask(member, 1)

    def test_a_player_without_wallet_may_be_given_points(self, session: Session) -> None:
        ask(join(session), 501)


class TestTheDecision:
    def test_approved_it_is_posted_in_the_askers_name(self, member: Membership, decider: Actor) -> None:
        request_id = ask(member)
        done = member.does(decide(member, "approve", request_id, decider), kinds=["adjustment"])
        assert (done.entry.points, state(member)) == (501, "approved")
        entry = member.row("loyalty_entries", "kind = 'adjustment'")
        assert entry.performed_by == member.manager.reference
        request = member.row("points_requests")
        assert (request.sequence, request.decided_by) == (entry.sequence, decider.id)
        assert entry.idempotency_key == request.idempotency_key

    def test_declined_nothing_moves(self, member: Membership, decider: Actor) -> None:
        member.does(decide(member, "decline", ask(member), decider), kinds=[])
        assert (state(member), member.row().balance) == ("declined", 1_000)

    def test_what_is_refused(self, member: Membership, decider: Actor) -> None:
        request_id = ask(member)
        agent = make_actor(member.session, operator_id=member.operator_id)
        stranger = join(member.session).manager
        for how in ("approve", "decline"):
            member.refuses(decide(member, how, request_id, member.manager), "their own request")
            member.refuses(decide(member, how, request_id, agent), "may not decide")
            member.refuses(decide(member, how, request_id, stranger), "no such request", kind=NotFound)
            member.refuses(decide(member, how, 99, decider), "no such request", kind=NotFound)
            member.refuses(decide(member, how, request_id, decider, reason=" "), "Say why", field="reason")
        member.does(decide(member, "approve", request_id, decider))
        for how in ("approve", "decline"):
            again = decide(member, how, request_id, decider)
            member.refuses(again, "Ana Reyes has already approved", kind=Conflict)

    def test_what_cannot_be_posted_any_more_goes_on_waiting(self, member: Membership, decider: Actor) -> None:
        request_id = ask(member, -900)
        member.redeem(200)
        approve = decide(member, "approve", request_id, decider)
        member.refuses(approve, "There are 800 points, and not 900", field="points")
        loyalty_wallets.close(member.session, **member.named(reason="Moved away"))
        member.refuses(approve, "wallet is closed")
        member.does(decide(member, "decline", request_id, decider))

    def test_after_a_week_it_lapses(self, member: Membership, decider: Actor) -> None:
        request_id = ask(member)
        late = NOW + points_requests.LAPSES_AFTER
        just = late - dt.timedelta(seconds=1)
        assert points_requests.lapse(member.session, now=just) == []
        points.rehearse(member.session, decide(member, "approve", request_id, decider, now=just))
        approve = decide(member, "approve", request_id, decider, now=late)
        member.refuses(approve, "has lapsed", kind=Conflict)
        assert points_requests.lapse(member.session, now=late) == [member.operator_id]
        assert state(member) == "lapsed"
        for how in ("approve", "decline"):
            decision = decide(member, how, request_id, decider, now=late)
            member.refuses(decision, "has lapsed", kind=Conflict)


class TestAsking:
    def test_it_is_refused_as_the_adjustment_would_be(self, member: Membership) -> None:
        member.refuses(submit(member, 0), "how many points", field="points")
        member.refuses(submit(member, 10**15 + 1), "how many points", field="points")
        member.refuses(submit(member, -1_001), "There are 1,000 points, and not 1,001", field="points")
        member.refuses(partial(submit(member, 501), reason=" "), "Say why", field="reason")
        member.refuses(partial(submit(member, 501), reason="x" * 501), "At most 500", field="reason")
        stranger = join(member.session).manager
        member.refuses(submit(member, 501, actor=stranger), "no such player", kind=NotFound)
        member.refuses(submit(join(member.session), -501), "no loyalty wallet yet", kind=NotFound)
        loyalty_wallets.close(member.session, **member.named(reason="Moved away"))
        member.refuses(submit(member, 501), "wallet is closed")

    def test_a_key_is_used_once(self, member: Membership, decider: Actor) -> None:
        act = submit(member, 501)
        request_id = act(member.session)
        assert act(member.session) == request_id
        assert state(member) == "waiting"
        member.refuses(partial(act, points=502), "another change", kind=KeyReused)
        assert isinstance(request_id, int)
        done = decide(member, "approve", request_id, decider)(member.session)
        again = act(member.session)
        assert isinstance(again, Done)
        assert again.repeated
        assert again.entry == done.entry
        small = submit(member, -5, actor=decider)
        first, again = small(member.session), small(member.session)
        assert isinstance(first, Done)
        assert isinstance(again, Done)
        assert again.entry == first.entry
        member.refuses(partial(small, points=-6), "another change", kind=KeyReused)

    def test_declined_the_same_form_does_not_ask_again(self, member: Membership, decider: Actor) -> None:
        act = submit(member, 501)
        request_id = act(member.session)
        assert isinstance(request_id, int)
        decide(member, "decline", request_id, decider)(member.session)
        assert act(member.session) == request_id
        assert state(member) == "declined"


def test_the_database_asks_for_a_second_person_too(member: Membership) -> None:
    ask(member)
    forged = text("""
    UPDATE points_requests SET state = 'declined', decided_by = requested_by, decided_at = :now,
      decision_reason = 'x', ended_at = :now
    """)
    with pytest.raises(IntegrityError, match="second_person"), member.session.begin_nested():
        member.session.execute(forged, {"now": NOW})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE points_requests SET points = 1",
        "UPDATE points_requests SET requested_by = requested_by",
        "INSERT INTO points_requests (state) VALUES ('approved')",
        "INSERT INTO points_requests (decided_by) VALUES (1)",
        "DELETE FROM points_requests",
    ],
)
def test_what_was_asked_for_stands(member: Membership, statement: str) -> None:
    ask(member)
    with pytest.raises(ProgrammingError, match="permission denied"), member.session.begin_nested():
        member.session.execute(text(statement))
