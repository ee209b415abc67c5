"""Limits, allowances, roles and settings: at once by a sole admin, by two as soon as there are two."""

import datetime as dt
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import Allowance, Login, Operator, SettingRequest, VipRule
from dashboard.models.login import Role
from dashboard.models.vip import Level
from dashboard.services import operators, settings_requests
from dashboard.services.actors import Actor
from dashboard.services.settings_requests import Change
from dashboard.services.vip_rules import Figures
from tests.builders import NOW, make_actor, make_operator

FIGURES = Figures(
    min_balance=-10_000_00,
    max_balance=1_000_000_00,
    daily_limit=60_000_00,
    weekly_limit=250_000_00,
    warning_threshold=1_000_00,
    critical_threshold=100_00,
    drop_percent=50,
    approval_threshold=500_00,
)
SETTINGS = operators.Settings(
    name="Harbour Games",
    timezone="Europe/Malta",
    money="play",
    undo_seconds=0,
    second_factor_required=False,
    stake_order="real_first",
    wagering_counts="bonus",
    active_bonuses_max=None,
    xp_per_unit=1,
)


@dataclass(frozen=True)
class House:
    """An operator with one admin and an agent; `second` comes where a test asks for them."""

    operator: int
    admin: Actor
    agent: Actor


@pytest.fixture
def house(session: Session) -> House:
    operator = make_operator(session)
    return House(
        operator,
        make_actor(session, operator_id=operator, role=Role.ADMIN),
        make_actor(session, operator_id=operator),
    )


@pytest.fixture
def second(session: Session, house: House) -> Actor:
    return make_actor(session, operator_id=house.operator, role=Role.ADMIN)


def changes(house: House) -> dict[str, Change]:
    """One of each kind."""
    return {
        "vip_rule": settings_requests.vip_rule(Level.BRONZE, "USD", seen_version=1, figures=FIGURES),
        "allowance": settings_requests.allowance(
            house.agent.id, "USD", before=(10**15, 10**15), per_change=100_00, per_day=500_00
        ),
        "role": settings_requests.role(house.agent.id, before=Role.AGENT, after=Role.MANAGER),
        "operator": settings_requests.operator(SETTINGS, replace(SETTINGS, undo_seconds=45)),
    }


KINDS = ["vip_rule", "allowance", "role", "operator"]


def holds(session: Session, house: House, kind: str) -> bool:
    """Whether the change of that kind is in force."""
    session.expire_all()
    match kind:
        case "vip_rule":
            rule = session.scalars(
                select(VipRule).filter_by(operator_id=house.operator, level="bronze", currency="USD")
            ).one()
            return rule.daily_limit == FIGURES.daily_limit
        case "allowance":
            found = session.scalars(select(Allowance).filter_by(login_id=house.agent.id)).one()
            return (found.per_change, found.per_day) == (100_00, 500_00)
        case "role":
            return session.scalars(select(Login.role).filter_by(id=house.agent.id)).one() == "manager"
        case _:
            return session.scalars(select(Operator.undo_seconds).filter_by(id=house.operator)).one() == 45


def propose(session: Session, house: House, kind: str, reason: str = "Agreed on Monday") -> int | None:
    return settings_requests.propose(
        session, change=changes(house)[kind], reason=reason, actor=house.admin, now=NOW
    )


def decide(session: Session, what: str, request_id: int | None, actor: Actor, now: dt.datetime = NOW) -> None:
    act = settings_requests.approve if what == "approve" else settings_requests.decline
    act(session, request_id=request_id or 0, reason="Right", actor=actor, now=now)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sole_admin_decides_alone(session: Session, house: House, kind: str) -> None:
    assert propose(session, house, kind, reason="") is None
    assert holds(session, house, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_with_two_the_other_one_decides(session: Session, house: House, second: Actor, kind: str) -> None:
    request_id = propose(session, house, kind)

    assert not holds(session, house, kind)
    decide(session, "approve", request_id, second)
    assert holds(session, house, kind)
    with pytest.raises(Conflict, match="has already approved"):
        decide(session, "decline", request_id, second)


@pytest.mark.parametrize("kind", KINDS)
def test_declined_nothing_changes(session: Session, house: House, second: Actor, kind: str) -> None:
    request_id = propose(session, house, kind)

    decide(session, "decline", request_id, second)

    assert not holds(session, house, kind)
    assert propose(session, house, kind) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_one_change_of_a_thing_waits_at_a_time(
    session: Session, house: House, second: Actor, kind: str
) -> None:
    propose(session, house, kind)

    with pytest.raises(Conflict, match="already waits"):
        propose(session, house, kind)


@pytest.mark.parametrize("what", ["approve", "decline"])
def test_nobody_decides_their_own(session: Session, house: House, second: Actor, what: str) -> None:
    request_id = propose(session, house, "operator")

    with pytest.raises(Rejected, match="their own request"):
        decide(session, what, request_id, house.admin)
    with pytest.raises(IntegrityError, match="second_person"), session.begin_nested():
        session.execute(
            text("""
            UPDATE setting_requests SET state = 'approved', decided_by = requested_by, decided_at = :now,
              decision_reason = 'x', ended_at = :now
            """),
            {"now": NOW},
        )
    with pytest.raises(ProgrammingError, match="permission denied"), session.begin_nested():
        session.execute(text("UPDATE setting_requests SET requested_by = 1"))


def test_nobody_decides_about_themselves(session: Session, house: House, second: Actor) -> None:
    change = settings_requests.allowance(second.id, "USD", before=(10**15, 10**15), per_change=1, per_day=1)
    request_id = settings_requests.propose(session, change=change, reason="Lower", actor=house.admin, now=NOW)

    with pytest.raises(Rejected, match="about themselves"):
        decide(session, "approve", request_id, second)


def test_nobody_sets_their_own_allowance(session: Session, house: House) -> None:
    change = settings_requests.allowance(
        house.admin.id, "USD", before=(10**15, 10**15), per_change=1, per_day=1
    )

    with pytest.raises(Rejected, match="their own allowance"):
        settings_requests.propose(session, change=change, reason="More", actor=house.admin, now=NOW)


def test_a_manager_decides_nothing_of_it(session: Session, house: House, second: Actor) -> None:
    request_id = propose(session, house, "operator")
    manager = make_actor(session, operator_id=house.operator, role=Role.MANAGER)

    with pytest.raises(Rejected, match="may not decide"):
        decide(session, "approve", request_id, manager)


def test_another_operators_admin_finds_nothing(session: Session, house: House, second: Actor) -> None:
    request_id = propose(session, house, "operator")
    stranger = make_actor(session, operator_id=make_operator(session), role=Role.ADMIN)

    with pytest.raises(NotFound):
        decide(session, "approve", request_id, stranger)


@pytest.mark.parametrize("kind", KINDS)
def test_what_changed_in_between_makes_it_stale(
    session: Session, house: House, second: Actor, kind: str
) -> None:
    request_id = propose(session, house, kind)
    session.execute(text("UPDATE vip_rules SET version = 2"))
    session.execute(text("UPDATE allowances SET per_change = 7"))
    session.execute(text("UPDATE logins SET role = 'auditor' WHERE id = :id"), {"id": house.agent.id})
    session.execute(text("UPDATE operators SET undo_seconds = 9"))

    with pytest.raises(Conflict, match="in between"):
        decide(session, "approve", request_id, second)


def test_a_reason_is_owed_to_the_other_one(session: Session, house: House, second: Actor) -> None:
    with pytest.raises(Rejected, match="Say why") as refused:
        propose(session, house, "operator", reason=" ")
    assert refused.value.field == "reason"


def test_what_is_out_of_range_is_said_before_it_waits(session: Session, house: House, second: Actor) -> None:
    change = settings_requests.operator(SETTINGS, replace(SETTINGS, undo_seconds=301))

    with pytest.raises(Rejected, match="300 seconds") as refused:
        settings_requests.propose(session, change=change, reason="Longer", actor=house.admin, now=NOW)
    assert refused.value.field == "undo_seconds"


def test_it_lapses_after_seven_days(session: Session, house: House, second: Actor) -> None:
    request_id = propose(session, house, "operator")
    late = NOW + dt.timedelta(days=7)

    with pytest.raises(Conflict, match="lapsed"):
        decide(session, "approve", request_id, second, late)
    assert settings_requests.lapse(session, now=late - dt.timedelta(seconds=1)) == []
    assert settings_requests.lapse(session, now=late) == [house.operator]
    assert session.scalars(select(SettingRequest.state)).one() == "lapsed"
