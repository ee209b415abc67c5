"""GET and POST /sign-in, POST /sign-out, GET /account and POST /account/ended-sessions."""

import json

import pytest
from flask import Flask
from sqlalchemy import event, select
from werkzeug.test import TestResponse

from dashboard import clock, db
from dashboard.models import SignInSession, StaffLog
from dashboard.models.login import Role
from dashboard.services.sessions import IDLE
from dashboard.views.auth import safe_path
from tests.builders import PASSWORD, make_login
from tests.pages import Page, PageClient, checked


@pytest.fixture
def email(app: Flask) -> str:
    """Somebody who can sign in."""
    return add_login(app)


def add_login(app: Flask, role: Role = Role.AGENT) -> str:
    with app.app_context(), db.writing() as session:
        return make_login(session, role=role).email


def send(client: PageClient, email: str, password: str = PASSWORD, **more: str) -> TestResponse:
    token = client.page("/sign-in").token()
    return client.post("/sign-in", data={"csrf_token": token, "email": email, "password": password, **more})


def actions(app: Flask) -> list[str]:
    with app.app_context(), db.reading() as session:
        return list(session.scalars(select(StaffLog.action).order_by(StaffLog.id)))


def test_signing_in_opens_the_page_that_was_asked_for(client: PageClient, email: str) -> None:
    asked = client.get("/account?x=1")
    assert asked.status_code == 303
    assert asked.location == "/sign-in?next=/account?x%3D1"
    form = client.page(asked.location)
    answer = client.post(
        "/sign-in",
        data={
            "csrf_token": form.token(),
            "email": email,
            "password": PASSWORD,
            "next": form.one("input", name="next")["value"],
        },
    )
    assert (answer.status_code, answer.location) == (303, "/account?x=1")
    page = client.page("/account")
    assert "This one" in page.text


@pytest.mark.parametrize(
    ("role", "home"), [(Role.AGENT, "/"), (Role.AUDITOR, "/"), (Role.PARTNER, "/earnings")]
)
def test_each_role_begins_at_its_home(app: Flask, client: PageClient, role: Role, home: str) -> None:
    email = add_login(app, role)
    assert send(client, email).location == home
    assert client.get("/sign-in").location == home


def test_what_was_typed_stays_and_the_password_does_not(client: PageClient, email: str) -> None:
    answer = send(client, email, "not this one")
    assert answer.status_code == 422
    page = checked(answer)
    assert page.one("input", name="email")["value"] == email
    assert page.one("input", name="password").get("value", "") == ""
    assert "do not fit" in page.text


def test_unknown_wrong_and_locked_are_answered_alike(app: Flask, client: PageClient, email: str) -> None:
    def words(answer: TestResponse, typed: str) -> tuple[int, str]:
        return answer.status_code, Page(answer).text.replace(typed, "")

    wrong = words(send(client, email, "not this one"), email)
    unknown = words(send(client, "nobody@harbour.test", "not this one"), "nobody@harbour.test")
    for _ in range(9):
        send(client, email, "not this one")
    locked = words(send(client, email), email)
    assert wrong == unknown == locked
    assert "login.locked" in actions(app)


def test_empty_fields_are_named(client: PageClient) -> None:
    answer = send(client, "", "")
    page = checked(answer)
    assert answer.status_code == 422
    assert page.by_id("email-error").text == "Enter your e-mail address."
    assert page.one("input", name="password")["aria-describedby"] == "password-error"


def test_too_many_failures_from_one_address(client: PageClient) -> None:
    for number in range(20):
        assert send(client, f"a{number}@harbour.test").status_code == 422
    answer = send(client, "b@harbour.test")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 45
    assert "Too many" in checked(answer).text


def test_signing_in_changes_the_session_and_the_token(client: PageClient, email: str) -> None:
    old_token = client.page("/sign-in").token()
    before = client.get_cookie("purser")
    send(client, email)
    after = client.get_cookie("purser")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    assert client.post("/sign-out", data={"csrf_token": old_token}).status_code == 400
    assert client.page("/account").token() != old_token


def test_signing_in_again_ends_the_session_before(app: Flask, client: PageClient, email: str) -> None:
    send(client, email)
    token = client.page("/account").token()
    again = client.post("/sign-in", data={"csrf_token": token, "email": email, "password": PASSWORD})
    assert again.status_code == 303
    with app.app_context(), db.reading() as session:
        assert len(session.scalars(select(SignInSession)).all()) == 1


def test_the_cookie_is_for_http_alone(client: PageClient, email: str) -> None:
    cookie = send(client, email).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Expires" not in cookie


def test_over_tls_the_cookie_is_bound_to_the_host(app: Flask, client: PageClient) -> None:
    app.config.update(SESSION_COOKIE_NAME="__Host-purser", SESSION_COOKIE_SECURE=True)
    answer = client.get("/sign-in", base_url="https://localhost")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-purser=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_signing_out_ends_the_session_for_a_stolen_cookie_too(
    app: Flask, client: PageClient, email: str
) -> None:
    send(client, email)
    stolen = client.get_cookie("purser")
    assert stolen is not None
    answer = client.post("/sign-out", data={"csrf_token": client.page("/account").token()})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    client.set_cookie("purser", stolen.value)
    assert client.get("/account").status_code == 303
    assert actions(app) == ["session.started", "session.signed_out"]


def test_ending_another_session_of_ones_own(app: Flask, client: PageClient, email: str) -> None:
    elsewhere = app.test_client()
    assert isinstance(elsewhere, PageClient)
    send(elsewhere, email)
    send(client, email)
    page = client.page("/account")
    with app.app_context(), db.reading() as session:
        first = session.scalars(select(SignInSession).order_by(SignInSession.started_at)).first()
    assert first is not None
    data = {"csrf_token": page.token(), "session_key": first.id_hash.hex()}
    assert client.post("/account/ended-sessions", data=data).status_code == 303
    assert "The session has ended." in client.page("/account").text
    assert elsewhere.get("/account").status_code == 303
    assert client.post("/account/ended-sessions", data=data).status_code == 404
    assert client.get("/account/ended-sessions").status_code == 405


def test_a_form_that_outlived_its_session_stays(app: Flask, client: PageClient, email: str) -> None:
    send(client, email)
    token = client.page("/account").token()
    with app.app_context(), db.writing() as session:
        for row in session.scalars(select(SignInSession)):
            session.delete(row)
    htmx = {"HX-Request": "true", "X-CSRFToken": token}
    refused = client.post("/account/ended-sessions", headers=htmx)
    assert refused.status_code == 401
    assert "HX-Redirect" not in refused.headers
    form = Page(refused)
    signed_in = client.post(
        "/sign-in", data={"csrf_token": form.token(), "email": email, "password": PASSWORD}, headers=htmx
    )
    assert signed_in.status_code == 200
    fresh = json.loads(signed_in.headers["HX-Trigger"])["signed-in"]["csrf_token"]
    key = {"session_key": "0" * 64}
    assert client.post("/account/ended-sessions", data=key, headers=htmx).status_code == 400
    htmx["X-CSRFToken"] = fresh
    assert client.post("/account/ended-sessions", data=key, headers=htmx).status_code == 404


def test_one_query_resolves_a_session(app: Flask, client: PageClient, email: str) -> None:
    send(client, email)
    statements: list[str] = []
    with app.app_context():
        engine = db.alchemy.engine
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    client.get("/earnings")  # refused to staff, so nothing but the session is read
    assert len(statements) == 1


def test_idle_sessions_lead_back_to_sign_in(client: PageClient, email: str) -> None:
    send(client, email)
    with clock.frozen(clock.now() + IDLE):
        assert client.get("/account").location.startswith("/sign-in")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/players/42?tab=audit", True),
        ("/", True),
        ("", False),
        ("players", False),
        ("https://evil.test/", False),
        ("//evil.test/", False),
        ("/\\evil.test", False),
        ("/a\\b", False),
        ("/a\r\nSet-Cookie: x", False),
        ("/\t/evil.test", False),
        ("javascript:alert(1)", False),
        ("/sign-in?next=/", False),
    ],
)
def test_next_leads_to_pages_of_ours_alone(path: str, kept: bool) -> None:
    assert safe_path(path) == (path if kept else "")
