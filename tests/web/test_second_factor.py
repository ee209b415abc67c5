"""The second factor in the browser: setting up, signing in by code, above a page, required, removing."""

import datetime as dt
import json
import re

import pyotp
import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from werkzeug.test import TestResponse

from dashboard import clock, keys
from dashboard.models import Login, Operator, SecondFactor, SignInSession, StaffLog
from dashboard.models.login import Role
from tests.authenticator import Authenticator, set_up
from tests.builders import PASSWORD, make_login
from tests.pages import Page, PageClient, checked
from tests.web.desk import AT, Desk, fields
from tests.web.test_access import ROUTES, STRANGERS, requests_of

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost/players/1"}


@pytest.fixture
def person(desk: Desk) -> tuple[str, Authenticator]:
    """The e-mail address and the authenticator of an agent."""
    return add_person(desk)


def add_person(desk: Desk, role: Role = Role.AGENT) -> tuple[str, Authenticator]:
    def make(session):  # type: ignore[no-untyped-def]
        login = make_login(session, operator_id=desk.operator_id, role=role)
        return login.email, set_up(session, login, key=keys.second_factor_key())

    return desk.write(make)


def send(client: PageClient, email: str, path: str = "/sign-in", **more: str) -> TestResponse:
    form = fields(client.page(path), "sign-in")
    return client.post("/sign-in", data={**form, "email": email, "password": PASSWORD, **more})


def enter(client: PageClient, code: str, path: str = "/sign-in/code") -> TestResponse:
    return client.post("/sign-in/code", data={**fields(client.page(path), "code-form"), "code": code})


def require(desk: Desk) -> None:
    """Have the operator ask a second factor of everybody."""
    everybody = update(Operator).where(Operator.id == desk.operator_id).values(second_factor_required=True)
    desk.write(lambda session: session.execute(everybody))


def confirm(client: PageClient, page: Page) -> TestResponse:
    """Give the first code of the key that the page shows."""
    secret = page.by_id("secret").text.replace(" ", "")
    data = {**fields(page, "confirm-form"), "code": pyotp.TOTP(secret).at(AT)}
    return client.post("/account/second-factor/confirmation", data=data)


def test_the_code_follows_the_password_and_leads_where_one_was_going(
    client: PageClient, desk: Desk, person: tuple[str, Authenticator]
) -> None:
    email, authenticator = person
    asked = client.get("/account?x=1").location
    answer = send(client, email, asked)
    assert (answer.status_code, answer.location) == (303, "/sign-in/code?next=/account?x%3D1")
    before = client.get_cookie("purser")
    answer = enter(client, authenticator.code(AT), answer.location)
    assert (answer.status_code, answer.location) == (303, "/account?x=1")
    after = client.get_cookie("purser")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    assert client.page("/account").by_id("second-factor")
    client.set_cookie("purser", before.value)
    assert client.get("/account").location.startswith("/sign-in?")


def test_a_session_that_waits_opens_nothing_else(
    app: Flask, client: PageClient, desk: Desk, person: tuple[str, Authenticator]
) -> None:
    send(client, person[0])
    token = client.page("/sign-in/code").token()
    opened = set()
    for endpoint, method, path in requests_of(app):
        if endpoint == "auth.delete":
            continue
        answer = client.open(path, method=method, data={"csrf_token": token} if method == "POST" else None)
        if not (
            answer.status_code in {303, 401}
            and answer.headers.get("Location", "/sign-in/code").startswith("/sign-in/code")
        ):
            opened.add(endpoint)
    public = {endpoint for endpoint, roles in ROUTES.items() if roles is STRANGERS}
    assert opened - public == {"auth.show_code", "auth.create_code"}
    assert client.get("/events", headers={"Accept": "text/event-stream"}).status_code == 401
    assert "Ana Reyes" not in client.page("/nowhere", status=404).text


def test_a_wrong_code_says_so_and_opens_nothing(
    client: PageClient, desk: Desk, person: tuple[str, Authenticator]
) -> None:
    send(client, person[0])
    answer = enter(client, "000000")
    assert answer.status_code == 422
    assert "does not fit" in checked(answer).by_id("code-error").text
    answer = enter(client, "")
    assert (answer.status_code, checked(answer).by_id("code-error").text) == (
        422,
        "Enter the code that your authenticator shows.",
    )
    assert client.get("/account").location == "/sign-in/code?next=/account"


def test_a_recovery_code_says_how_many_are_left(
    client: PageClient, desk: Desk, person: tuple[str, Authenticator]
) -> None:
    send(client, person[0])
    assert enter(client, person[1].recovery_codes[0]).status_code == 303
    assert "That recovery code is used up; 9 left." in client.page("/account").text


def test_one_can_begin_again_as_somebody_else(
    client: PageClient, desk: Desk, person: tuple[str, Authenticator]
) -> None:
    send(client, person[0])
    other, authenticator = add_person(desk, Role.AUDITOR)
    send(client, other)
    assert "Enter your code" in client.page("/").text
    assert enter(client, authenticator.code(AT)).location == "/"
    assert client.get("/sign-in/code").location == "/"
    token = client.page("/account").token()
    assert client.post("/sign-in/code", data={"csrf_token": token}).location == "/"


def test_signing_out_ends_what_waits(
    client: PageClient, desk: Desk, person: tuple[str, Authenticator]
) -> None:
    send(client, person[0])
    token = client.page("/sign-in/code").token()
    assert client.post("/sign-out", data={"csrf_token": token}).location == "/sign-in"
    assert desk.read(lambda session: session.scalars(select(SignInSession)).all()) == []


def test_above_a_page_the_code_follows_the_password(
    client: PageClient, desk: Desk, person: tuple[str, Authenticator]
) -> None:
    email, authenticator = person
    send(client, email)
    enter(client, authenticator.code(AT))
    old = client.page("/account").token()
    desk.write(lambda session: session.execute(delete(SignInSession)))
    htmx = {**HTMX, "X-CSRFToken": old}
    refused = client.post("/account/ended-sessions", headers=htmx)
    assert refused.status_code == 401

    data = {"csrf_token": Page(refused).token(), "email": email, "password": PASSWORD}
    asked = client.post("/sign-in", data=data, headers=htmx)
    assert asked.status_code == 200
    assert asked.headers["HX-Retarget"] == "#sign-in-dialog"
    assert "HX-Trigger" not in asked.headers
    assert client.post("/account/ended-sessions", headers=HTMX).status_code == 401

    form = Page(asked)
    wrong = client.post("/sign-in/code", data={"csrf_token": form.token(), "code": "000000"}, headers=htmx)
    assert wrong.status_code == 422
    assert 'id="sign-in-again"' in wrong.text
    with clock.frozen(AT + dt.timedelta(seconds=60)):
        done = client.post(
            "/sign-in/code",
            data={"csrf_token": form.token(), "code": authenticator.code(clock.now())},
            headers=htmx,
        )
        assert done.status_code == 200
        fresh = json.loads(done.headers["HX-Trigger"])["signed-in"]["csrf_token"]
        again = {**HTMX, "X-CSRFToken": fresh}
        key = {"session_key": "0" * 64}
        assert client.post("/account/ended-sessions", data=key, headers=again).status_code == 404


def test_setting_one_up(client: PageClient, desk: Desk) -> None:
    browser = desk.sign_in()
    client = browser.client
    before = client.get_cookie("purser")
    page = browser.page("/account/second-factor")
    assert not page.all("svg", class_="qr")
    assert browser.post("/account/second-factor", {}).location == "/account/second-factor"
    page = browser.page("/account/second-factor")
    assert len(page.all("svg", class_="qr")) == 1
    wrong = browser.post("/account/second-factor/confirmation", {"code": "000000"})
    assert wrong.status_code == 422
    assert "That code does not fit" in checked(wrong).by_id("code-error").text
    answer = confirm(client, page)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    codes = [item.text for item in checked(answer).all("code")]
    assert len({code for code in codes if re.fullmatch(r"[0-9a-z]{4}(-[0-9a-z]{4}){3}", code)}) == 10
    after = client.get_cookie("purser")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    assert browser.get("/account/second-factor").location == "/account"
    assert "10 of 10 recovery codes" in browser.page("/account").text
    assert browser.post("/account/second-factor", {}).status_code == 409
    assert browser.post("/account/second-factor/confirmation", {"code": "000000"}).status_code == 404


def test_a_form_open_in_another_tab_survives_setting_one_up(desk: Desk) -> None:
    browser = desk.sign_in()
    browser.post("/account/second-factor", {})
    confirm(browser.client, browser.page("/account/second-factor"))
    assert browser.post("/account/ended-sessions", {"session_key": "0" * 64}, htmx=True).status_code == 404


def test_required_it_comes_before_everything(desk: Desk) -> None:
    browser = desk.sign_in()
    require(desk)
    answer = browser.get("/players?q=mira")
    assert answer.location == "/account/second-factor?next=/players?q%3Dmira"
    for path in ("/", "/account", "/account/second-factor/removal", "/alerts"):
        assert browser.get(path).location.startswith("/account/second-factor"), path
    refused = browser.post("/account/ended-sessions", {}, htmx=True)
    assert refused.status_code == 401
    assert "Set up a second factor" in refused.text
    assert browser.get("/events", htmx=True).status_code == 401
    page = browser.page(answer.location)
    assert "asks everybody" in page.text
    data = {"next": "/players?q=mira"}
    answer = browser.post("/account/second-factor", data)
    answer = confirm(browser.client, browser.page(answer.location))
    assert checked(answer).one("a", class_="is-primary")["href"] == "/players?q=mira"
    assert browser.get("/players?q=mira").status_code == 200
    assert browser.post("/account/ended-sessions", {"session_key": "0" * 64}, htmx=True).status_code == 404


def test_required_it_can_be_left_by_signing_out(desk: Desk) -> None:
    browser = desk.sign_in()
    require(desk)
    assert browser.post("/sign-out", {}).location == "/sign-in"
    assert browser.get("/").location == "/sign-in?next=/"


def test_partner_users_are_not_asked_for_one(desk: Desk) -> None:
    require(desk)
    assert desk.sign_in(Role.PARTNER).get("/earnings").status_code == 200


@pytest.mark.parametrize("path", ["/account/second-factor/removal", "/account/recovery-codes/renewal"])
def test_what_weakens_it_asks_for_the_password(desk: Desk, client: PageClient, path: str) -> None:
    email, authenticator = add_person(desk)
    send(client, email)
    enter(client, authenticator.code(AT))
    page = client.page(path)
    data = fields(page, "password-form")
    for typed, said in (("", "Enter your password."), ("not this one", "That is not your password.")):
        answer = client.post(path, data={**data, "password": typed})
        assert answer.status_code == 422
        assert said in checked(answer).by_id("password-error").text
    with desk.app.app_context():
        failures = desk.read(
            lambda session: session.scalars(select(Login.failures).where(Login.email == email)).one()
        )
    assert failures == 1
    answer = client.post(path, data={**data, "password": PASSWORD})
    left = desk.read(lambda session: session.scalars(select(SecondFactor.login_id)).all())
    if path.endswith("removal"):
        assert (answer.status_code, answer.location, left) == (303, "/account", [])
        assert client.page("/account").by_id("second-factor").text.startswith("Second factorOff")
    else:
        codes = {item.text for item in checked(answer).all("code")}
        assert len(codes) == 10
        assert not codes & set(authenticator.recovery_codes)


def test_ending_all_others(desk: Desk, client: PageClient, person: tuple[str, Authenticator]) -> None:
    email, authenticator = person
    send(client, email)
    elsewhere = desk.app.test_client()
    assert isinstance(elsewhere, PageClient)
    send(elsewhere, email)
    enter(client, authenticator.code(AT))
    page = client.page("/account")
    assert "Waits for its code" in page.text
    answer = client.post("/account/ended-sessions/others", data={"csrf_token": page.token()})
    assert answer.location == "/account"
    page = client.page("/account")
    assert "1 other session has ended." in page.text
    assert len(page.by_id("sessions").text.split("This one")) == 2
    assert elsewhere.get("/").location == "/sign-in?next=/"


def test_setting_up_is_logged_without_the_secret(desk: Desk) -> None:
    browser = desk.sign_in()
    browser.post("/account/second-factor", {})
    page = browser.page("/account/second-factor")
    confirm(browser.client, page)
    rows = desk.read(lambda session: session.execute(select(StaffLog.action, StaffLog.details)).all())
    assert ("second_factor.set_up", "{}") in [tuple(row) for row in rows]
