"""Each kind of refusal and failure as a page and as a notice."""

import json
from collections.abc import Callable

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

import dashboard
from dashboard import db, errors, log
from dashboard.services.addresses import TooManyAttempts
from dashboard.views import health
from dashboard.views.access import public
from tests.builders import PASSWORD, make_login
from tests.pages import Page, PageClient, checked

HTMX = {"HX-Request": "true", "Accept": "text/html, text/event-stream"}

REFUSALS: list[tuple[errors.PurserError, int]] = [
    (errors.Rejected("The limit is reached."), 422),
    (errors.Conflict("Somebody was faster."), 409),
    (errors.NotFound("No such player."), 404),
    (errors.Forbidden("Not for you."), 403),
    (errors.OutcomeUnknown("It may have been done."), 503),
    (TooManyAttempts(30), 429),
]


@pytest.fixture
def fails(app: Flask, client: PageClient) -> Callable[[Exception], PageClient]:
    """Makes the health page raise: a view that needs nothing."""

    def arrange(error: Exception) -> PageClient:
        @public
        def failing() -> str:
            raise error

        app.view_functions["health.live"] = failing
        app.view_functions["live.stream"] = failing
        app.config["PROPAGATE_EXCEPTIONS"] = False
        return client

    return arrange


@pytest.mark.parametrize(("error", "status"), REFUSALS, ids=lambda value: type(value).__name__)
def test_a_refusal_is_a_page_or_a_notice(
    fails: Callable[[Exception], PageClient], error: errors.PurserError, status: int
) -> None:
    client = fails(error)
    page = client.get("/healthz")
    assert page.status_code == status
    assert error.message in checked(page).text
    notice = client.get("/healthz", headers=HTMX)
    assert notice.status_code == status
    assert "<html" not in notice.text
    assert error.message in notice.text
    assert ("HX-Retarget" in notice.headers) == (status == 422)
    assert ("Retry-After" in page.headers) == (status in {429, 503})


def test_an_event_stream_gets_the_status_alone(fails: Callable[[Exception], PageClient]) -> None:
    answer = fails(errors.NotFound("No such player.")).get("/events", headers=HTMX)
    assert (answer.status_code, answer.data) == (404, b"")


def test_a_rule_that_is_a_subclass_keeps_its_kind(fails: Callable[[Exception], PageClient]) -> None:
    class WalletFrozen(errors.Rejected):
        """A rule of its own."""

    assert fails(WalletFrozen("It is frozen.")).get("/healthz").status_code == 422


def test_a_bug_says_a_reference_that_is_in_the_log(
    fails: Callable[[Exception], PageClient], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = fails(ValueError("secret-42")).get("/healthz")
    assert answer.status_code == 500
    reference = checked(answer).one("code").text
    assert reference == answer.headers["X-Request-Id"]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (failure,) = [line for line in lines if line["event"] == "failed"]
    assert (failure["request_id"], failure["error"]) == (reference, "ValueError")
    assert failure["frames"][-1].startswith("test_errors.py:")
    assert "secret-42" not in answer.text + json.dumps(lines)
    assert "Traceback" not in answer.text


def test_an_error_of_the_configuration_is_a_bug_to_the_browser(
    fails: Callable[[Exception], PageClient],
) -> None:
    answer = fails(errors.PurserError("PURSER_ANCHOR_KEY is too short.")).get("/healthz")
    assert answer.status_code == 500
    assert "ANCHOR" not in answer.text


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("SELECT 1", {}, psycopg.OperationalError("gone")),
        OperationalError("SELECT 1", {}, psycopg.errors.AdminShutdown()),
        PoolTimeout(),
    ],
    ids=["lost", "shut down", "no connection free"],
)
def test_without_a_database_one_is_told_to_come_back(
    fails: Callable[[Exception], PageClient], error: Exception
) -> None:
    answer = fails(error).get("/healthz")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "database cannot be reached" in checked(answer).text


@pytest.mark.parametrize("state", ["LockNotAvailable", "QueryCanceled", "DeadlockDetected"])
def test_what_is_locked_is_busy_and_not_lost(fails: Callable[[Exception], PageClient], state: str) -> None:
    error = OperationalError("SELECT 1", {}, getattr(psycopg.errors, state)())
    answer = fails(error).get("/healthz", headers=HTMX)
    assert answer.status_code == 503
    assert "try again in a moment" in answer.text


def test_a_database_that_never_answers(app: Flask) -> None:
    lost = dashboard.create_app(TESTING=True, SQLALCHEMY_DATABASE_URI="postgresql://x@127.0.0.1:1/none")
    client = lost.test_client()
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    assert client.get("/sign-in").status_code == 200


@pytest.mark.parametrize("path", ["/account", "/earnings", "/sign-in"])
def test_whoever_is_signed_in_is_told_too(app: Flask, client: PageClient, path: str) -> None:
    with app.app_context(), db.writing() as session:
        email = make_login(session).email
    data = {"csrf_token": client.page("/sign-in").token(), "email": email, "password": PASSWORD}
    assert client.post("/sign-in", data=data).status_code == 303
    cookie = client.get_cookie("purser")
    assert cookie is not None
    lost = dashboard.create_app(TESTING=True, SQLALCHEMY_DATABASE_URI="postgresql://x@127.0.0.1:1/none")
    elsewhere = lost.test_client()
    elsewhere.set_cookie("purser", cookie.value)
    answer = elsewhere.get(path)
    assert answer.status_code == 503
    assert "database cannot be reached" in checked(answer).text
    assert elsewhere.get("/nothing").status_code == 404


def test_pages_recover_when_the_database_does(
    app: Flask, client: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 60.0)
    assert client.get("/readyz").status_code == 200
    with app.app_context(), db.reading() as session:
        process_id = session.scalar(text("SELECT pg_backend_pid()"))
    with psycopg.connect(app.config["SQLALCHEMY_DATABASE_URI"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [process_id])
    assert [client.get("/readyz").status_code for _ in range(3)][1:] == [200, 200]


def test_wrong_methods_say_which_are_right(client: PageClient) -> None:
    answer = client.post("/healthz")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    checked(answer)


def test_too_much_is_refused_before_it_is_read(client: PageClient) -> None:
    token = client.page("/sign-in").token()
    answer = client.post("/sign-in", data={"csrf_token": token, "email": "x" * (256 * 1024)})
    assert answer.status_code == 413
    assert "larger" in Page(answer).text


def test_a_missing_token_says_what_to_do(client: PageClient) -> None:
    answer = client.post("/sign-in", data={"email": "ana@harbour.test"})
    assert answer.status_code == 400
    assert "Reload it" in checked(answer).text


def test_the_log_takes_listed_fields_alone(client: PageClient, capsys: pytest.CaptureFixture[str]) -> None:
    log.event("tried", path="/x", password="hunter2", email="ana@harbour.test")
    client.get("/sign-in?next=/secret-place")
    tried, request = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert tried["dropped"] == ["email", "password"]
    assert "hunter2" not in json.dumps(tried)
    assert (request["event"], request["path"], request["status"]) == ("request", "/sign-in", 200)
    assert "secret-place" not in json.dumps(request)
