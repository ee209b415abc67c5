"""Voiding or correcting a settled round: one person asks, another decides, and nobody alone."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, PurserError, Rejected
from dashboard.models import Round, RoundRequest, RoundSettlement, StaffLog
from dashboard.models.login import Role
from dashboard.services import round_requests, settlement
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.settlement import Amendment
from tests.builders import NOW, make_actor, make_operator
from tests.services.table import ACE, ANOTHER_ACE, KING, QUEEN, Table, open_table

T = TypeVar("T")
VOID, CORRECTED = Amendment(), Amendment(ACE, [KING, ANOTHER_ACE])


@dataclass(frozen=True)
class Floor:
    """A settled round that Andar has won, who bet on it, and two who may deal and decide."""

    table: Table
    winner: int
    loser: int
    asker: Actor
    decider: Actor

    @property
    def session(self) -> Session:
        return self.table.session

    def ask(self, amendment: Amendment = VOID, *, reason: str = "Seen on the recording") -> int:
        return round_requests.ask(
            self.session,
            round_id=self.table.round_id,
            amendment=amendment,
            reason=reason,
            actor=self.asker,
            now=NOW,
        )

    def approve(self, request_id: int, actor: Actor | None = None, now: dt.datetime = NOW) -> None:
        round_requests.approve(
            self.table.transact,
            request_id=request_id,
            reason="So it is",
            actor=actor or self.decider,
            now=now,
        )

    def decline(self, request_id: int, actor: Actor | None = None) -> None:
        round_requests.decline(
            self.session, request_id=request_id, reason="No", actor=actor or self.decider, now=NOW
        )

    def money(self) -> tuple[int, int]:
        return self.table.real(self.winner), self.table.real(self.loser)


AS_SETTLED, AS_VOID, AS_CORRECTED = (1_009_00, 980_00), (1_000_00, 1_000_00), (990_00, 1_020_00)


@pytest.fixture
def floor(session: Session) -> Floor:
    table = open_table(session)
    winner, loser = table.player(), table.player()
    table.bet(winner, "andar", 10_00)
    table.bet(loser, "bahar", 20_00)
    table.deal(ANOTHER_ACE)
    table.settle()
    asker, decider = (
        make_actor(session, operator_id=table.operator_id, role=Role.MANAGER) for _each in range(2)
    )
    return Floor(table, winner, loser, asker, decider)


def state(session: Session) -> str:
    return session.scalars(select(RoundRequest.state).order_by(RoundRequest.id.desc()).limit(1)).one()


@pytest.mark.parametrize(("amendment", "money"), [(VOID, AS_VOID), (CORRECTED, AS_CORRECTED)])
def test_it_is_done_when_another_person_agrees(
    floor: Floor, amendment: Amendment, money: tuple[int, int]
) -> None:
    request_id = floor.ask(amendment)
    assert floor.money() == AS_SETTLED
    floor.approve(request_id)
    assert floor.money() == money
    last = floor.session.get_one(RoundSettlement, (floor.table.round_id, 2))
    assert (last.made_by, last.approved_by) == (floor.asker.reference, floor.decider.reference)
    assert last.reason == "Seen on the recording"
    assert last.done_at is not None
    assert state(floor.session) == "approved"


def test_declined_nothing_changes(floor: Floor) -> None:
    request_id = floor.ask()
    floor.decline(request_id)
    assert floor.money() == AS_SETTLED
    assert state(floor.session) == "declined"
    # Somebody may ask again.
    floor.approve(floor.ask())
    assert floor.money() == AS_VOID


def test_nobody_on_the_staff_does_it_alone(floor: Floor) -> None:
    named: dict[str, Any] = {
        "round_id": floor.table.round_id,
        "reason": "Mine",
        "actor": floor.asker,
        "now": NOW,
    }
    with pytest.raises(Conflict, match="another person has to agree"):
        settlement.void(floor.table.transact, **named)
    with pytest.raises(Conflict, match="another person has to agree"):
        settlement.correct(floor.table.transact, joker=ACE, cards=[KING, ANOTHER_ACE], **named)
    with pytest.raises(Conflict, match="another person has to agree"):
        settlement.amend(floor.session, amendment=VOID, approver=floor.asker, **named)
    assert floor.money() == AS_SETTLED


def test_a_round_that_is_played_is_voided_by_one(session: Session) -> None:
    table = open_table(session)
    dealer = make_actor(session, operator_id=table.operator_id, role=Role.MANAGER)
    with pytest.raises(Conflict, match="only a settled round"):
        round_requests.ask(
            session, round_id=table.round_id, amendment=VOID, reason="Early", actor=dealer, now=NOW
        )
    settlement.void(table.transact, round_id=table.round_id, reason="Power", actor=dealer, now=NOW)
    assert session.get_one(Round, table.round_id, populate_existing=True).state == "voided"


def test_nobody_decides_their_own(floor: Floor) -> None:
    request_id = floor.ask()
    for decide in (floor.approve, floor.decline):
        with pytest.raises(Rejected, match="their own request"):
            decide(request_id, floor.asker)
    with pytest.raises(IntegrityError, match="second_person"), floor.session.begin_nested():
        floor.session.execute(
            text("""
            UPDATE round_requests SET state = 'approved', decided_by = requested_by, decided_at = :now,
              decision_reason = 'x', ended_at = :now
            """),
            {"now": NOW},
        )


@pytest.mark.parametrize(
    ("made_by", "approved_by", "name"),
    [
        ("staff:1", "staff:1", "second_person"),
        ("staff:1", "system", "second_person"),
        ("staff:1", None, "approved_by"),
    ],
)
def test_the_database_asks_for_two_people_too(
    floor: Floor, made_by: str, approved_by: str | None, name: str
) -> None:
    forged = text("""
    INSERT INTO round_settlements (round_id, version, cards, reason, made_by, approved_by, claimed_at)
    VALUES (:r, 2, '{}', 'Mine', :made_by, :approved_by, :now)
    """)
    values = {"r": floor.table.round_id, "made_by": made_by, "approved_by": approved_by, "now": NOW}
    with pytest.raises(IntegrityError, match=f"ck_round_settlements_{name}"), floor.session.begin_nested():
        floor.session.execute(forged, values)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE round_requests SET cards = '{1}'",
        "UPDATE round_requests SET requested_by = requested_by",
        "INSERT INTO round_requests (state) VALUES ('approved')",
        "INSERT INTO round_requests (decided_by) VALUES (1)",
        "DELETE FROM round_requests",
        "UPDATE round_settlements SET approved_by = 'staff:1'",
    ],
)
def test_what_was_asked_and_agreed_stands(floor: Floor, statement: str) -> None:
    floor.ask()
    with pytest.raises(ProgrammingError, match="permission denied"), floor.session.begin_nested():
        floor.session.execute(text(statement))


def test_an_agent_decides_nothing_of_it(floor: Floor) -> None:
    request_id = floor.ask()
    agent = make_actor(floor.session, operator_id=floor.table.operator_id)
    with pytest.raises(Rejected, match="may not decide"):
        floor.approve(request_id, agent)


def test_another_operators_people_find_nothing(floor: Floor) -> None:
    request_id = floor.ask()
    elsewhere = make_operator(floor.session)
    stranger = make_actor(floor.session, operator_id=elsewhere, role=Role.ADMIN)
    with pytest.raises(NotFound):
        floor.approve(request_id, stranger)
    with pytest.raises(NotFound):
        round_requests.ask(
            floor.session,
            round_id=floor.table.round_id,
            amendment=VOID,
            reason="Ours",
            actor=stranger,
            now=NOW,
        )


def test_one_request_about_a_round_waits_at_a_time(floor: Floor) -> None:
    floor.ask()
    with pytest.raises(Conflict, match="already waits"):
        floor.ask(CORRECTED)


@pytest.mark.parametrize(
    ("amendment", "reason", "field", "words"),
    [
        (VOID, "  ", "reason", "Say why"),
        (Amendment(ACE, [KING, QUEEN]), "Misread", "cards", "not of the joker's rank"),
    ],
)
def test_what_could_not_be_done_is_said_before_it_waits(
    floor: Floor, amendment: Amendment, reason: str, field: str, words: str
) -> None:
    with pytest.raises(Rejected, match=words) as refused:
        floor.ask(amendment, reason=reason)
    assert refused.value.field == field
    assert floor.session.scalars(select(RoundRequest.id)).all() == []


def test_a_void_round_is_not_voided_again(floor: Floor) -> None:
    floor.approve(floor.ask())
    with pytest.raises(Conflict, match="already void"):
        floor.ask()
    # It may still be settled by what lay on the table.
    floor.approve(floor.ask(CORRECTED))
    assert floor.money() == AS_CORRECTED


def test_a_round_that_was_settled_anew_makes_it_stale(floor: Floor) -> None:
    request_id = floor.ask()
    settlement.correct(
        floor.table.transact,
        round_id=floor.table.round_id,
        joker=ACE,
        cards=[KING, ANOTHER_ACE],
        reason="By the system",
        actor=SYSTEM,
        now=NOW,
    )
    with pytest.raises(Conflict, match="settled anew in between"):
        floor.approve(request_id)
    assert floor.money() == AS_CORRECTED
    floor.decline(request_id)


def test_a_round_that_is_being_settled_anew_is_left_alone(floor: Floor) -> None:
    request_id = floor.ask()
    settlement.amend(
        floor.session,
        round_id=floor.table.round_id,
        amendment=CORRECTED,
        reason="Begun",
        actor=SYSTEM,
        now=NOW,
    )
    with pytest.raises(Conflict, match="is being settled"):
        floor.approve(request_id)


@pytest.mark.parametrize("steps", [1, 2])
def test_what_was_approved_is_resumed(floor: Floor, steps: int) -> None:
    request_id = floor.ask()
    done = 0

    def transact(work: Callable[[Session], T]) -> T:
        nonlocal done
        if done == steps:
            raise ConnectionError("killed")
        done += 1
        return work(floor.session)

    with pytest.raises(ConnectionError):
        round_requests.approve(transact, request_id=request_id, reason="Yes", actor=floor.decider, now=NOW)
    assert settlement.unfinished(floor.session) == [floor.table.round_id]
    settlement.resume(floor.table.transact, round_id=floor.table.round_id, now=NOW)
    assert settlement.unfinished(floor.session) == []
    assert floor.money() == AS_VOID
    with pytest.raises(Conflict, match="has already approved this request"):
        floor.approve(request_id)


@pytest.mark.parametrize("first", ["approve", "decline"])
def test_whoever_comes_second_is_told_who_was_first(floor: Floor, first: str) -> None:
    request_id = floor.ask()
    (floor.approve if first == "approve" else floor.decline)(request_id)
    third = make_actor(floor.session, operator_id=floor.table.operator_id, role=Role.ADMIN)
    for decide in (floor.approve, floor.decline):
        with pytest.raises(Conflict, match=f"has already {first}d this request"):
            decide(request_id, third)


def test_it_lapses_after_seven_days(floor: Floor) -> None:
    request_id = floor.ask()
    late = NOW + dt.timedelta(days=7)
    with pytest.raises(Conflict, match="lapsed"):
        floor.approve(request_id, now=late)
    assert round_requests.lapse(floor.session, now=late - dt.timedelta(seconds=1)) == []
    assert round_requests.lapse(floor.session, now=late) == [floor.table.operator_id]
    assert state(floor.session) == "lapsed"
    for decide in (floor.approve, floor.decline):
        with pytest.raises(PurserError, match="has lapsed"):
            decide(request_id)


def test_the_staff_log_names_both(floor: Floor) -> None:
    floor.approve(floor.ask(CORRECTED))
    floor.decline(floor.ask())
    found = select(StaffLog.action, StaffLog.performed_by).order_by(StaffLog.id)
    logged = [tuple(row) for row in floor.session.execute(found.where(StaffLog.action.contains("round")))]
    asker, decider = floor.asker.reference, floor.decider.reference
    assert [row for row in logged if row[1] != "system"] == [
        ("round_request.asked", asker),
        ("round.corrected", asker),
        ("round_request.approved", decider),
        ("round_request.asked", asker),
        ("round_request.declined", decider),
    ]
