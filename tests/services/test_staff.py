"""The staff: inviting, one-time links, letting go, roles; who may do it to whom."""

import datetime as dt
import re
from collections.abc import Callable

import pytest
from sqlalchemy import NullPool, create_engine, select, update
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import Conflict, Forbidden, NotFound, PurserError, Rejected
from dashboard.models import Login, OneTimeLink, SignInSession, StaffLog
from dashboard.models.login import LinkPurpose, Role
from dashboard.queries import staff as queries
from dashboard.services import links, passwords, second_factor, sessions, staff
from dashboard.services.actors import Actor
from dashboard.services.links import LinkOver
from tests.authenticator import set_up
from tests.builders import NOW, actor_of, make_login, make_operator, make_partner
from tests.conftest import Finished, database_url

FRESH = "a quiet harbour at dawn"
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def admin(session: Session) -> Login:
    """The admin who acts; another one is there too, unless a test lets them go."""
    return make_login(session, role=Role.ADMIN, name="Ada Quist")


@pytest.fixture
def actor(admin: Login) -> Actor:
    """The same as services get them."""
    return actor_of(admin)


def colleague(session: Session, admin: Login, role: Role = Role.AGENT) -> Login:
    return make_login(session, operator_id=admin.operator_id, role=role, name="Ben Ito")


def sign_in_somewhere(session: Session, login: Login) -> None:
    sessions.start(
        session, login_id=login.id, address=None, user_agent="", awaits_second_factor=False, now=NOW
    )


def accept(session: Session, token: str, password: str = FRESH, now: dt.datetime = NOW) -> links.Link:
    return staff.set_password_by_link(
        session, token=token, password=password, address=None, request_id="r1", now=now
    )


def invite(session: Session, actor: Actor, email: str = "new@harbour.test") -> staff.Invited:
    return staff.invite(session, email=email, name="Cleo Marsh", role=Role.MANAGER, actor=actor, now=NOW)


def actions(session: Session) -> list[str]:
    return list(session.scalars(select(StaffLog.action).order_by(StaffLog.id)))


def password_of(session: Session, login_id: int) -> str:
    return session.scalars(select(Login.password_hash).where(Login.id == login_id)).one()


def test_who_is_invited_sets_the_password(session: Session, actor: Actor) -> None:
    invited = invite(session, actor)
    person = queries.get_person(session, operator_id=actor.operator_id, login_id=invited.login_id, now=NOW)
    assert (person.is_invited, person.link_until) == (True, NOW + dt.timedelta(days=7))
    link = accept(session, invited.token)
    assert (link.purpose, link.email) == (LinkPurpose.INVITATION, "new@harbour.test")
    assert passwords.fits(password_of(session, invited.login_id), FRESH)
    person = queries.get_person(session, operator_id=actor.operator_id, login_id=invited.login_id, now=NOW)
    assert (person.is_invited, person.link_until, person.role) == (False, None, "manager")
    assert actions(session) == ["login.invited", "login.password_set"]


def test_of_a_link_only_a_hash_is_kept_and_none_is_logged(session: Session, actor: Actor) -> None:
    token = invite(session, actor).token
    kept = session.scalars(select(OneTimeLink)).one()
    assert len(kept.token_hash) == 32
    assert token.encode() not in bytes(kept.token_hash)
    accept(session, token)
    assert token not in "".join(session.scalars(select(StaffLog.details)))


def test_a_link_works_once(session: Session, actor: Actor) -> None:
    token = invite(session, actor).token
    accept(session, token)
    with pytest.raises(LinkOver, match="used already"):
        accept(session, token, "another quiet harbour")
    with pytest.raises(LinkOver, match="used already"):
        links.get(session, token=token, now=NOW)


@pytest.mark.parametrize("token", ["", "nothing", "x" * 5000])
def test_what_is_no_link_opens_nothing(session: Session, token: str) -> None:
    with pytest.raises(LinkOver, match="no such link"):
        links.get(session, token=token, now=NOW)


@pytest.mark.parametrize("purpose", list(LinkPurpose))
def test_a_link_ends(session: Session, admin: Login, actor: Actor, purpose: LinkPurpose) -> None:
    login = colleague(session, admin)
    token = links.make(session, login_id=login.id, purpose=purpose, actor=actor, now=NOW)
    end = NOW + links.LIFETIME[purpose]
    assert links.get(session, token=token, now=end - SECOND).login_id == login.id
    with pytest.raises(LinkOver, match="time of this link"):
        accept(session, token, now=end)


def test_links_last_seven_days_and_one() -> None:
    assert [lasts.days for lasts in links.LIFETIME.values()] == [7, 1]


def test_a_new_link_ends_the_ones_before(session: Session, actor: Actor) -> None:
    invited = invite(session, actor)
    purpose, token = staff.make_link(session, login_id=invited.login_id, actor=actor, now=NOW)
    assert purpose is LinkPurpose.INVITATION
    with pytest.raises(LinkOver, match="a newer one"):
        links.get(session, token=invited.token, now=NOW + SECOND)
    accept(session, token, now=NOW + SECOND)
    purpose, _token = staff.make_link(session, login_id=invited.login_id, actor=actor, now=NOW)
    assert purpose is LinkPurpose.RESET


def test_a_reset_unlocks_and_ends_sessions_and_leaves_the_second_factor(
    session: Session, admin: Login, actor: Actor
) -> None:
    login = colleague(session, admin)
    set_up(session, login)
    sign_in_somewhere(session, login)
    login.failures, login.locked_until = 10, NOW + dt.timedelta(minutes=30)
    session.flush()
    _purpose, token = staff.make_link(session, login_id=login.id, actor=actor, now=NOW)
    assert session.scalars(select(SignInSession)).all() != []
    accept(session, token)
    session.refresh(login)
    assert (login.failures, login.locked_until) == (0, None)
    assert session.scalars(select(SignInSession)).all() == []
    assert second_factor.status(session, login_id=login.id).confirmed_at is not None


def test_a_password_that_will_not_do_leaves_the_link(session: Session, actor: Actor) -> None:
    invited = invite(session, actor)
    for bad in ("short", "cleo marsh is my name"):
        with pytest.raises(passwords.PasswordRefused), session.begin_nested():
            accept(session, invited.token, bad)
    accept(session, invited.token)


def test_an_address_has_one_login(session: Session, admin: Login, actor: Actor) -> None:
    with pytest.raises(Conflict) as refused:
        invite(session, actor, email=f" {admin.email.upper()} ")
    assert refused.value.field == "email"


def test_nobody_is_invited_as_a_partner(session: Session, actor: Actor) -> None:
    with pytest.raises(Rejected):
        staff.invite(session, email="p@harbour.test", name="Pia", role=Role.PARTNER, actor=actor, now=NOW)


def test_who_is_let_go_is_out_at_once_and_can_come_back(session: Session, admin: Login, actor: Actor) -> None:
    login = colleague(session, admin)
    sign_in_somewhere(session, login)
    _purpose, token = staff.make_link(session, login_id=login.id, actor=actor, now=NOW)
    assert staff.deactivate(session, login_id=login.id, actor=actor, now=NOW) == 1
    assert session.scalars(select(SignInSession)).all() == []
    with pytest.raises(LinkOver):
        accept(session, token)
    with pytest.raises(Conflict):
        staff.deactivate(session, login_id=login.id, actor=actor, now=NOW)
    with pytest.raises(Rejected, match="not active"):
        staff.make_link(session, login_id=login.id, actor=actor, now=NOW)
    staff.activate(session, login_id=login.id, actor=actor, now=NOW)
    with pytest.raises(Conflict):
        staff.activate(session, login_id=login.id, actor=actor, now=NOW)
    with pytest.raises(LinkOver):
        accept(session, token, now=NOW + SECOND)
    assert actions(session) == ["login.link_made", "login.deactivated", "login.activated"]


def test_sessions_and_second_factor_of_somebody_are_ended(
    session: Session, admin: Login, actor: Actor
) -> None:
    login = colleague(session, admin)
    set_up(session, login)
    sign_in_somewhere(session, login)
    assert staff.end_sessions(session, login_id=login.id, actor=actor, now=NOW) == 1
    sign_in_somewhere(session, login)
    assert staff.remove_second_factor(session, login_id=login.id, actor=actor, now=NOW) == 1
    assert second_factor.status(session, login_id=login.id) == second_factor.Status(None, 0)
    with pytest.raises(NotFound):
        staff.remove_second_factor(session, login_id=login.id, actor=actor, now=NOW)
    assert actions(session)[-2:] == ["login.sessions_ended", "second_factor.removed"]


def test_a_role_is_changed_and_both_are_logged(session: Session, admin: Login, actor: Actor) -> None:
    login = colleague(session, admin)
    staff.change_role(session, login_id=login.id, role=Role.MANAGER, actor=actor, now=NOW)
    session.refresh(login)
    assert login.role == Role.MANAGER
    logged = session.scalars(select(StaffLog)).one()
    assert '"role": "manager", "role_before": "agent"' in logged.details
    with pytest.raises(Conflict):
        staff.change_role(session, login_id=login.id, role=Role.MANAGER, actor=actor, now=NOW)
    with pytest.raises(Rejected):
        staff.change_role(session, login_id=login.id, role=Role.PARTNER, actor=actor, now=NOW)


Deed = Callable[[Session, int, Actor], object]
DEEDS: dict[str, Deed] = {
    "deactivate": lambda session, who, actor: staff.deactivate(session, login_id=who, actor=actor, now=NOW),
    "change_role": lambda session, who, actor: staff.change_role(
        session, login_id=who, role=Role.AGENT, actor=actor, now=NOW
    ),
    "remove_second_factor": lambda session, who, actor: staff.remove_second_factor(
        session, login_id=who, actor=actor, now=NOW
    ),
    "activate": lambda session, who, actor: staff.activate(session, login_id=who, actor=actor, now=NOW),
    "make_link": lambda session, who, actor: staff.make_link(session, login_id=who, actor=actor, now=NOW),
    "end_sessions": lambda session, who, actor: staff.end_sessions(
        session, login_id=who, actor=actor, now=NOW
    ),
}


@pytest.mark.parametrize("deed", ["deactivate", "change_role", "remove_second_factor"])
def test_nobody_does_it_to_themselves(session: Session, admin: Login, actor: Actor, deed: str) -> None:
    colleague(session, admin, Role.ADMIN)
    set_up(session, admin)
    with pytest.raises(Rejected):
        DEEDS[deed](session, admin.id, actor)
    session.refresh(admin)
    assert (admin.active, admin.role) == (True, Role.ADMIN)


@pytest.mark.parametrize("deed", list(DEEDS))
def test_other_operators_staff_and_partner_users_are_not_found(
    session: Session, admin: Login, actor: Actor, deed: str
) -> None:
    stranger = make_login(session, operator_id=make_operator(session))
    partner = colleague(session, admin, Role.PARTNER)
    for who in (stranger.id, partner.id, 987654321):
        with pytest.raises(NotFound):
            DEEDS[deed](session, who, actor)


@pytest.mark.parametrize("deed", ["deactivate", "change_role"])
def test_the_last_active_admin_stays(session: Session, admin: Login, deed: str) -> None:
    colleague(session, admin, Role.ADMIN).active = False
    session.flush()
    system = Actor(id=0, operator_id=admin.operator_id, role=None, name="System")
    with pytest.raises(Rejected, match="last active admin"):
        DEEDS[deed](session, admin.id, system)
    colleague(session, admin, Role.ADMIN)
    DEEDS[deed](session, admin.id, system)


def test_who_was_let_go_meanwhile_changes_nothing(session: Session, admin: Login, actor: Actor) -> None:
    other = colleague(session, admin, Role.ADMIN)
    third = colleague(session, admin, Role.ADMIN)
    session.execute(update(Login).where(Login.id == admin.id).values(active=False))
    with pytest.raises(Forbidden):
        staff.deactivate(session, login_id=other.id, actor=actor, now=NOW)
    assert staff.has_other_admin(session, actor=actor_of(third))
    session.execute(update(Login).where(Login.id == other.id).values(role=Role.AGENT))
    assert not staff.has_other_admin(session, actor=actor_of(third))


def test_the_list_tells_each_persons_state(session: Session, admin: Login, actor: Actor) -> None:
    login = colleague(session, admin)
    set_up(session, login)
    sign_in_somewhere(session, login)
    gone = make_login(session, operator_id=admin.operator_id, name="Abe Lund", active=False)
    make_login(session, operator_id=admin.operator_id, role=Role.PARTNER)
    make_login(session)
    invite(session, actor)
    people = {row.name: row for row in queries.list_people(session, operator_id=admin.operator_id, now=NOW)}
    assert list(people) == ["Ada Quist", "Ben Ito", "Cleo Marsh", gone.name]
    ben = people["Ben Ito"]
    assert (ben.sessions, ben.recovery_codes_left, ben.second_factor_at is not None) == (1, 10, True)
    assert [row.is_invited for row in people.values()] == [False, False, True, False]
    with pytest.raises(PurserError):
        queries.get_person(session, operator_id=make_operator(session), login_id=login.id, now=NOW)


def test_on_the_command_line_a_link_is_shown_once(command: Callable[..., Finished], database: str) -> None:
    created = command(
        *("operator", "create", "--slug", "lotus", "--name", "Lotus", "--currency", "USD"),
        *("--timezone", "Europe/Prague"),
    )
    assert created.code == 0, created.err
    whose = ("--operator", "lotus", "--email", "ana@harbour.test")
    command("staff", "create", *whose, "--name", "Ana Reyes", "--role", "admin", "--generate")
    shown = command("staff", "reset-password", *whose, "--link")
    assert shown.code == 0, shown.err
    assert "it works for 24 hours" in shown.out
    (token,) = re.findall(r"/one-time-link\?token=(\S+)", shown.out)
    engine = create_engine(database_url("app", database), poolclass=NullPool)
    with Session(engine) as session:
        assert links.get(session, token=token, now=clock.now()).purpose is LinkPurpose.RESET
    assert command("staff", "reset-password", *whose, "--link", "--generate").code == 2


def test_on_the_command_line_a_partner_user_has_a_partner(
    command: Callable[..., Finished], database: str
) -> None:
    command(
        *("operator", "create", "--slug", "lotus", "--name", "Lotus", "--currency", "USD"),
        *("--timezone", "Europe/Prague"),
    )
    engine = create_engine(database_url("app", database), poolclass=NullPool)
    with Session(engine) as session, session.begin():
        operator_id = staff.get_operator_id(session, slug="lotus")
        partner_id = make_partner(session, operator_id=operator_id, code="harbour")
    whose = ("--operator", "lotus", "--email", "pia@harbour.test", "--name", "Pia Lund", "--generate")
    assert command("staff", "create", *whose, "--role", "partner").code == 2
    assert command("staff", "create", *whose, "--role", "agent", "--partner", "harbour").code == 2
    unknown = command("staff", "create", *whose, "--role", "partner", "--partner", "nobody")
    assert unknown.code == 1
    assert "no partner “nobody”" in unknown.err
    made = command("staff", "create", *whose, "--role", "partner", "--partner", "harbour")
    assert made.code == 0, made.err
    with Session(engine) as session:
        login = session.scalars(select(Login).filter_by(email="pia@harbour.test")).one()
        assert (login.role, login.partner_id) == ("partner", partner_id)
