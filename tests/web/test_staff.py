"""The staff pages, and the one-time links that come of them."""

import datetime as dt
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from dashboard import clock, keys
from dashboard.models import Login, Operator, StaffLog
from dashboard.models.login import Role
from tests.authenticator import set_up
from tests.builders import make_login, make_operator
from tests.pages import PageClient, checked
from tests.web.desk import AT, Browser, Desk, fields

FRESH = "a quiet harbour at dawn"
ACTS = ["link", "deactivation", "ended-sessions"]


@pytest.fixture
def admin(desk: Desk) -> Browser:
    """An admin's browser."""
    return desk.sign_in(Role.ADMIN, name="Ada Quist")


def add(desk: Desk, role: Role = Role.AGENT, *, factor: bool = False, **given: object) -> int:
    """A member of staff; their id."""

    def make(session):  # type: ignore[no-untyped-def]
        login = make_login(session, operator_id=desk.operator_id, role=role, name="Ben Ito", **given)
        if factor:
            set_up(session, login, key=keys.second_factor_key())
        return login.id

    return desk.write(make)


def me(desk: Desk) -> int:
    wanted = select(Login.id).where(Login.name == "Ada Quist")
    return desk.read(lambda session: session.scalars(wanted).one())


def login_of(desk: Desk, login_id: int) -> Login:
    return desk.read(lambda session: session.scalars(select(Login).where(Login.id == login_id)).one())


def last_action(desk: Desk) -> tuple[str, str]:
    wanted = select(StaffLog.action, StaffLog.details).order_by(StaffLog.id.desc()).limit(1)
    action, details = desk.read(lambda session: session.execute(wanted).one())
    return action, details


def invite(admin: Browser, **given: str) -> TestResponse:
    form = fields(admin.page("/staff/new"), "invitation-form")
    data = {**form, "name": "Cleo Marsh", "email": "cleo@harbour.test", "role": "manager", **given}
    return admin.post("/staff", data)


def link_in(answer: TestResponse) -> str:
    """Path and query of the link that the page shows."""
    url = urlsplit(checked(answer).by_id("link")["value"])
    assert (url.scheme, url.netloc) == ("http", "localhost")
    return f"{url.path}?{url.query}"


def follow(desk: Desk, link: str, password: str = FRESH, again: str | None = None) -> TestResponse:
    """What a stranger's browser gets who opens the link and sends a password."""
    client = desk.app.test_client()
    assert isinstance(client, PageClient)
    data = fields(client.page(link), "password-form")
    return client.post("/one-time-link", data={**data, "password": password, "again": again or password})


def test_the_list_shows_everybody_and_how_they_stand(desk: Desk, admin: Browser) -> None:
    add(desk, factor=True)
    add(desk, active=False, email="gone@harbour.test")
    add(desk, Role.PARTNER, email="partner@harbour.test")
    page = admin.page("/staff")
    rows = [row.text for row in page.all("tr") if row.get("id")]
    assert len(rows) == 3
    assert "3 active" not in page.text
    assert re.search("Ada Quist.*Admin.*Active", rows[0])
    assert re.search("Ben Ito.*Agent.*On.*never.*Active", rows[1])
    assert re.search("gone@.*Inactive", rows[2])
    assert "partner@harbour.test" not in page.text
    required = update(Operator).where(Operator.id == desk.operator_id).values(second_factor_required=True)
    desk.write(lambda session: session.execute(required))
    assert admin.get("/staff").location.startswith("/account/second-factor")


def test_the_list_costs_the_same_for_many(desk: Desk, admin: Browser) -> None:
    few = desk.count_queries(lambda: admin.get("/staff"))
    for _ in range(12):
        add(desk)
    assert desk.count_queries(lambda: admin.get("/staff")) == few
    assert few <= 6


def test_an_invitation_becomes_somebody_who_signs_in(desk: Desk, admin: Browser) -> None:
    answer = invite(admin)
    assert answer.status_code == 200
    link = link_in(answer)
    assert "Invited" in admin.page("/staff").text
    done = follow(desk, link)
    assert (done.status_code, done.location) == (303, "/sign-in")
    client = desk.app.test_client()
    assert isinstance(client, PageClient)
    data = {
        "csrf_token": client.page("/sign-in").token(),
        "email": "cleo@harbour.test",
        "password": FRESH,
    }
    assert client.post("/sign-in", data=data).location == "/"
    assert "Invited" not in admin.page("/staff").text


def test_the_sign_in_says_that_the_password_is_set(desk: Desk, admin: Browser) -> None:
    link = link_in(invite(admin))
    client = desk.app.test_client()
    assert isinstance(client, PageClient)
    data = fields(client.page(link), "password-form")
    client.post("/one-time-link", data={**data, "password": FRESH, "again": FRESH})
    assert "The password is set. Sign in as cleo@harbour.test." in client.page("/sign-in").text


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"name": ""}, "name", "Enter a name."),
        ({"email": "cleo at harbour"}, "email", "Enter an e-mail address such as"),
        ({"email": "taken@harbour.test"}, "email", "There is a login with that e-mail address already."),
        ({"role": "partner"}, "role", "Not a valid choice"),
        ({"role": ""}, "role", ""),
    ],
)
def test_what_is_wrong_with_an_invitation_is_said_and_what_was_typed_stays(
    desk: Desk, admin: Browser, given: dict[str, str], field: str, message: str
) -> None:
    add(desk, email="taken@harbour.test")
    before = desk.read(lambda session: session.scalar(select(func.count()).select_from(Login)))
    answer = invite(admin, **given)
    assert answer.status_code == 422
    page = checked(answer)
    assert message in page.by_id(f"{field}-error").text
    if field != "name":
        assert page.by_id("name")["value"] == "Cleo Marsh"
    assert desk.read(lambda session: session.scalar(select(func.count()).select_from(Login))) == before


def test_a_link_is_over_once_it_is_used_and_when_a_newer_one_is_made(desk: Desk, admin: Browser) -> None:
    ben = add(desk)
    first = link_in(admin.post(f"/staff/{ben}/link", {}))
    client = desk.app.test_client()
    assert isinstance(client, PageClient)
    open_form = fields(client.page(first), "password-form")
    second = link_in(admin.post(f"/staff/{ben}/link", {}))
    with clock.frozen(AT + dt.timedelta(seconds=1)):
        for answer in (
            client.get(first),
            client.post("/one-time-link", data={**open_form, "password": FRESH, "again": FRESH}),
        ):
            assert answer.status_code == 410
            assert "a newer one was made" in checked(answer).text
    assert follow(desk, second).status_code == 303
    assert "used already" in client.page(second, status=410).text
    assert "no such link" in client.page("/one-time-link?token=nothing", status=410).text
    assert client.page("/one-time-link", status=400)


def test_a_password_that_will_not_do_is_named_and_the_link_stays(desk: Desk, admin: Browser) -> None:
    link = link_in(admin.post(f"/staff/{add(desk)}/link", {}))
    for password, again, field, message in (
        ("short", "short", "password", "at least 15"),
        (FRESH, "something else", "again", "not the same"),
    ):
        answer = follow(desk, link, password, again)
        assert answer.status_code == 422
        assert message in checked(answer).by_id(f"{field}-error").text
    assert follow(desk, link).status_code == 303


def test_the_token_stands_in_no_path_and_no_log(
    desk: Desk, admin: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    link = link_in(admin.post(f"/staff/{add(desk)}/link", {}))
    follow(desk, link)
    (token,) = parse_qs(urlsplit(link).query)["token"]
    printed = capsys.readouterr()
    assert '"path": "/one-time-link"' in printed.out + printed.err
    assert token not in printed.out + printed.err
    details = desk.read(lambda session: session.scalars(select(StaffLog.details)).all())
    assert token not in "".join(details)


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize("act", [*ACTS, "activation", "second-factor-removal"])
def test_each_act_asks_first(desk: Desk, admin: Browser, act: str, htmx: bool) -> None:
    ben = add(desk, factor=True)
    path = f"/staff/{ben}/{act}"
    answer = admin.get(path, htmx=htmx)
    assert answer.status_code == 200
    assert "Ben Ito" in answer.text
    assert ("<html" in answer.text) is not htmx
    if not htmx:
        checked(answer)


def test_letting_go_and_taking_back(desk: Desk, admin: Browser) -> None:
    ben = add(desk)
    answer = admin.post(f"/staff/{ben}/deactivation", {})
    assert answer.location == f"/staff/{ben}"
    page = admin.page(answer.location)
    assert "The login is deactivated; no sessions ended." in page.text
    assert not login_of(desk, ben).active
    assert last_action(desk) == ("login.deactivated", f'{{"login": {ben}, "sessions_ended": 0}}')
    again = admin.post(f"/staff/{ben}/deactivation", {})
    assert again.status_code == 422
    assert "is not active already" in checked(again).text
    admin.post(f"/staff/{ben}/activation", {})
    assert login_of(desk, ben).active


def test_signing_somebody_out_everywhere(desk: Desk, admin: Browser) -> None:
    other = desk.sign_in(name="Ben Ito")
    ben = desk.read(lambda session: session.scalars(select(Login.id).where(Login.name == "Ben Ito")).one())
    answer = admin.post(f"/staff/{ben}/ended-sessions", {})
    assert "Signed out everywhere: 1 session ended." in admin.page(answer.location).text
    assert other.get("/").location == "/sign-in?next=/"


def test_removing_somebodys_second_factor(desk: Desk, admin: Browser) -> None:
    ben = add(desk, factor=True)
    assert "10 recovery codes left" in admin.page(f"/staff/{ben}").text
    admin.post(f"/staff/{ben}/second-factor-removal", {})
    assert "10 recovery codes left" not in admin.page(f"/staff/{ben}").text
    assert last_action(desk)[0] == "second_factor.removed"
    assert admin.post(f"/staff/{ben}/second-factor-removal", {}).status_code == 404


def test_another_role(desk: Desk, admin: Browser) -> None:
    ben = add(desk)
    form = fields(admin.page(f"/staff/{ben}"), "role-form")
    assert form["role"] == "agent"
    answer = admin.post(f"/staff/{ben}/role", {**form, "role": "manager"})
    assert answer.location == f"/staff/{ben}"
    assert "The role is manager now" in admin.page(answer.location).text
    for role, said in (("manager", "is manager already"), ("partner", "Not a valid choice")):
        refused = admin.post(f"/staff/{ben}/role", {"role": role})
        assert refused.status_code == 422
        assert said in checked(refused).text
    assert login_of(desk, ben).role == Role.MANAGER


def test_nobody_does_it_to_themselves(desk: Desk, admin: Browser) -> None:
    mine = me(desk)
    page = admin.page(f"/staff/{mine}")
    assert not page.all("form", id="role-form")
    assert not page.all("a", href=f"/staff/{mine}/deactivation")
    for path, data in (
        (f"/staff/{mine}/deactivation", {}),
        (f"/staff/{mine}/second-factor-removal", {}),
        (f"/staff/{mine}/role", {"role": "agent"}),
    ):
        assert admin.post(path, data).status_code == 422
    login = login_of(desk, mine)
    assert (login.active, login.role) == (True, Role.ADMIN)


def test_an_auditor_reads_and_cannot_touch(desk: Desk) -> None:
    ben = add(desk)
    auditor = desk.sign_in(Role.AUDITOR)
    assert not auditor.page("/staff").all("a", href="/staff/new")
    page = auditor.page(f"/staff/{ben}")
    assert not page.all("form", id="role-form")
    for act in ACTS:
        assert not page.all("a", href=f"/staff/{ben}/{act}")
        assert auditor.post(f"/staff/{ben}/{act}", {}).status_code == 403


@pytest.mark.parametrize("path", ["", *(f"/{act}" for act in ACTS)])
def test_other_operators_staff_is_not_found(desk: Desk, admin: Browser, path: str) -> None:
    stranger = desk.write(lambda session: make_login(session, operator_id=make_operator(session)).id)
    partner = add(desk, Role.PARTNER)
    for who in (stranger, partner):
        assert admin.get(f"/staff/{who}{path}").status_code == 404
        if path:
            assert admin.post(f"/staff/{who}{path}", {}).status_code == 404
    assert admin.get(f"/staff/{add(desk)}/anything").status_code == 404


def test_a_link_signs_out_who_is_signed_in_at_that_browser(desk: Desk, admin: Browser) -> None:
    link = link_in(admin.post(f"/staff/{add(desk)}/link", {}))
    data = fields(admin.page(link), "password-form")
    assert (
        admin.client.post("/one-time-link", data={**data, "password": FRESH, "again": FRESH}).status_code
        == 303
    )
    assert admin.get("/staff").location == "/sign-in?next=/staff"
