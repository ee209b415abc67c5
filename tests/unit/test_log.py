"""The log: one JSON line an event, and nothing in it that somebody typed, sent or may not see."""

import json
import logging
import subprocess
import sys

import pytest

from dashboard import log
from dashboard.config import ROOT


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """What was logged since the last look."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_has_its_time_in_utc_and_its_fields(capsys) -> None:
    log.event("request", status=200, path="/players/42", user_id=None)

    (line,) = lines(capsys)
    assert str(line.pop("at")).endswith("Z")
    assert line == {"event": "request", "level": "info", "status": 200, "path": "/players/42"}


@pytest.mark.parametrize(
    "field", ["password", "email", "session_id", "token", "csrf_token", "cookie", "form", "body", "secret"]
)
def test_what_is_not_listed_is_left_out_and_named(capsys, field: str) -> None:
    log.event("tried", **{field: "hunter2"})

    (line,) = lines(capsys)
    assert line["dropped"] == [field]
    assert "hunter2" not in json.dumps(line)


def test_an_error_is_told_without_its_message(capsys) -> None:
    try:
        raise ValueError("ana@harbour.test")
    except ValueError as error:
        log.failure("failed", error, request_id="0123456789ab")

    (line,) = lines(capsys)
    assert (line["error"], line["level"], line["request_id"]) == ("ValueError", "error", "0123456789ab")
    assert "harbour" not in json.dumps(line)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/players/42/adjustments", "/players/42/adjustments"),
        ("/static/dist/app.0123456789ab.css", "/static/dist/app.0123456789ab.css"),
        ("/invitations/" + "Zq3_-" * 9, "/invitations/…"),
        ("/ana@harbour.test", "/…"),
        ("/players/Ana Reyes", "/players/…"),
        ("/", "/"),
    ],
)
def test_paths_hide_what_may_be_a_secret_or_a_person(path: str, shown: str) -> None:
    assert log.shown(path) == shown


def test_libraries_log_without_their_messages(capsys) -> None:
    logging.getLogger("some.library").warning("cannot send to %s", "ana@harbour.test")
    logging.getLogger("procrastinate.worker").error("Job (email='ana@…')", extra={"action": "job_error"})
    logging.getLogger("dashboard.live").warning("other processes were not told: %s", "typed")

    library, job, ours = lines(capsys)
    assert (library["logger"], library["level"]) == ("some.library", "warning")
    assert str(library["frames"]).startswith("['test_log.py:")
    assert (job["action"], job["level"]) == ("job_error", "error")
    assert ours["reason"] == "other processes were not told: %s"
    assert "ana@" not in json.dumps([library, job, ours])


def test_a_bug_in_a_view_prints_no_trace() -> None:
    """In a process of its own: pytest's handlers would hide what Flask prints by itself."""
    code = (
        "from flask import Flask; from dashboard.views import edge, errors, headers\n"
        "app = Flask('dashboard'); app.config['SECRET_KEY'] = 'x' * 40\n"
        "errors.init_app(app); app.before_request(edge._begin)\n"
        "errors.answer = lambda *a, **k: app.response_class(status=500)\n"
        "app.route('/')(lambda: 1 / 0 if True else None)\n"
        "print(app.test_client().get('/').status_code)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert finished.stdout == "500\n"
    (line,) = (json.loads(line) for line in finished.stderr.splitlines())
    assert (line["event"], line["error"]) == ("failed", "ZeroDivisionError")
