"""Large adjustments of points: asked for, in the inbox, decided by another person, and lapsed."""

import datetime as dt

import pytest
from sqlalchemy import text

from dashboard.jobs import ticking
from dashboard.models.login import Role
from tests.builders import make_operator, make_player
from tests.pages import Page
from tests.web.club import Club, lines, mark, preview, shares, typed
from tests.web.desk import AT, Desk


@pytest.fixture
def club(desk: Desk) -> Club:
    found = Club(desk, desk.player(name="Nika Storm"))
    found.load(22_000, days=1)
    return found


def ask(club: Club, points: str = "-600", *, role: Role = Role.AGENT) -> str:
    """Ask for an adjustment; the address of the request."""
    browser, path = club.by(role), f"{club.page}/adjust"
    data = typed(points=points, reason="Booked twice")
    data["seen"] = mark(preview(browser, path, data))
    answer = browser.post(path, data, htmx=True)
    assert answer.status_code == 204
    wanted = text("SELECT max(id) FROM points_requests")
    return f"{club.page}/requests/{club.desk.read(lambda session: session.execute(wanted).scalar_one())}"


def decide(club: Club, request: str, decision: str, role: Role = Role.MANAGER) -> tuple[int, str]:
    """Status and words of the answer, as the dialog gets it."""
    sent = {"decision": decision, "reason": "Seen the books"}
    answer = club.by(role).post(f"{request}/decision", sent, htmx=True)
    return answer.status_code, answer.text


def test_it_is_said_before_it_is_sent_that_a_second_person_is_needed(club: Club) -> None:
    agent, path = club.by(), f"{club.page}/adjust"
    assert "Then" not in lines(preview(agent, path, typed(points="500")))
    before = club.facts()
    shown = preview(agent, path, typed(points="-501"))
    assert lines(shown) == {"Points": "25,000 becomes 24,499", "Then": "waits for a second person"}
    assert shares(shown) == ["From batch 1 until 1 Mar 2027−501 441 base, 60 bonus"]
    assert shown.by_id("act-words").text == "Ask for approval: take 501 points"
    assert club.facts() == before


def test_small_ones_add_up(club: Club) -> None:
    for points in ("300", "-200"):
        data = typed(points=points, reason="Goodwill")
        data["seen"] = mark(preview(club.by(), f"{club.page}/adjust", data))
        assert club.by().post(f"{club.page}/adjust", data).status_code == 303
    assert lines(preview(club.by(), f"{club.page}/adjust", typed(points="1")))["Then"].startswith("waits")
    assert "Then" not in lines(preview(club.by(Role.MANAGER), f"{club.page}/adjust", typed(points="1")))


def test_what_waits_stands_on_the_page_and_in_the_inbox(club: Club) -> None:
    request = ask(club)
    assert club.entries() == 2
    own = club.by().page(club.page).text
    assert "Waits for a second person −600 Booked twice" in own
    inbox = club.by(Role.MANAGER).page("/approvals")
    assert inbox.by_id("approval-count").text == "1"
    assert "Take 600 points Nika Storm Booked twice 25,000 → becomes 24,400 Some agent" in inbox.text
    assert [link["href"] for link in inbox.all("a") if link.text == "Take 600 points"] == [request]
    assert "Take 600 points" in club.by().page("/approvals").text
    stranger = club.desk.sign_in(name="Another agent")
    assert "Take 600 points" not in stranger.page("/approvals").text
    assert stranger.get(request).status_code == 404
    assert "Take 600 points" in club.by(Role.AUDITOR).page("/approvals").text


def test_deciding_shows_what_it_would_do_and_does_that(club: Club) -> None:
    request = ask(club)
    before = club.facts()
    page = club.by(Role.MANAGER).page(request)
    shown, shared = lines(page), shares(page)
    assert shown == {"Points": "25,000 becomes 24,400"}
    assert club.facts() == before
    answer = club.by(Role.MANAGER).post(
        f"{request}/decision", {"decision": "approve", "reason": "Seen"}, htmx=True
    )
    assert (answer.status_code, "live:approvals" in answer.headers["HX-Trigger"]) == (204, True)
    entry = club.by().page(f"{club.page}/entries/3")
    assert (lines(entry), shares(entry)) == (shown, shared)
    assert "WhoSome agent" in entry.text
    assert "Some manager has approved this request" in club.by().page(request).text
    assert club.by(Role.MANAGER).page("/approvals").by_id("approval-count").text == ""


@pytest.mark.parametrize("htmx", [True, False])
def test_declined_nothing_moves(club: Club, htmx: bool) -> None:
    request, before = ask(club), club.entries()
    sent = {"decision": "decline", "reason": "No"}
    answer = club.by(Role.MANAGER).post(f"{request}/decision", sent, htmx=htmx)
    assert answer.status_code == (204 if htmx else 303)
    assert club.entries() == before
    assert "Some manager has declined this request" in club.by().page(request).text
    assert "Waits for a second person" not in club.by().page(club.page).text


def test_nobody_decides_their_own(club: Club) -> None:
    request = ask(club, role=Role.MANAGER)
    page = club.by(Role.MANAGER).page(request)
    assert "Nobody decides their own request" in page.text
    assert not page.all("form", id="decision")
    for decision in ("approve", "decline"):
        status, words = decide(club, request, decision)
        assert (status, "Nobody decides their own request" in words) == (422, True)
    assert club.entries() == 2


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"decision": "approve", "reason": " "}, "Enter a reason."),
        ({"decision": "maybe", "reason": "Seen"}, "Approve or decline."),
    ],
)
def test_what_is_wrong_is_told(club: Club, sent: dict[str, str], message: str) -> None:
    request = ask(club)
    answer = club.by(Role.MANAGER).post(f"{request}/decision", sent)
    assert (answer.status_code, message in answer.text) == (422, True)
    assert club.entries() == 2


def test_what_is_refused_by_now_is_foretold_and_goes_on_waiting(club: Club) -> None:
    request = ask(club)
    club.redeem(24_900)
    shown = Page(club.by(Role.MANAGER).get(f"{request}/prospect", htmx=True))
    assert "There are 100 points, and not 600." in shown.by_id("points-prospect").text
    status, words = decide(club, request, "approve")
    assert (status, "There are 100 points, and not 600." in words) == (422, True)
    assert "Waits for a second person" in club.by().page(club.page).text


def test_who_comes_second_is_told_who_was_first(club: Club) -> None:
    request = ask(club)
    assert decide(club, request, "approve")[0] == 204
    status, words = decide(club, request, "decline", Role.ADMIN)
    assert (status, "Some manager has already approved this request." in words) == (409, True)
    assert club.entries() == 3


def test_a_form_that_is_sent_again_asks_once(club: Club) -> None:
    agent, path = club.by(), f"{club.page}/adjust"
    data = typed(points="-600", reason="Booked twice")
    data["seen"] = mark(preview(agent, path, data))
    for _ in range(2):
        assert agent.post(path, data, htmx=True).status_code == 204
    assert club.facts()[4] == 1


def test_what_nobody_decides_lapses(club: Club) -> None:
    request = ask(club)
    with club.desk.app.app_context():
        ticking.lapse(AT + dt.timedelta(days=7, seconds=-1))
    assert "has lapsed" not in club.by().page(request).text
    with club.desk.app.app_context():
        ticking.lapse(AT + dt.timedelta(days=7))
    assert "This request has lapsed" in club.by().page(request).text


def test_its_parts_keep_themselves_fresh(club: Club) -> None:
    request = ask(club)
    manager = club.by(Role.MANAGER)
    assert "Take 600 points" in manager.get("/approvals/points", htmx=True).text
    assert manager.get("/approvals/points").location == "/approvals"
    assert manager.get(f"{request}/prospect").location == request
    decide(club, request, "decline")
    part = manager.get("/approvals/points", htmx=True).text
    assert "Take 600 points" not in part
    assert "hidden" in part


def test_another_operators_request_is_not_there(club: Club) -> None:
    request = ask(club)
    theirs = club.desk.write(lambda session: make_player(session, operator_id=make_operator(session)))
    manager = club.by(Role.MANAGER)
    for path in ("", "/prospect"):
        away = request.replace(f"/players/{club.player_id}/", f"/players/{theirs}/") + path
        assert manager.get(away, htmx=True).status_code == 404
    assert manager.get(f"{club.page}/requests/999").status_code == 404


def test_its_pages_take_few_statements(club: Club) -> None:
    request, manager = ask(club), club.by(Role.MANAGER)
    assert club.desk.count_queries(lambda: manager.page(request)) <= 20, club.desk.queries
    assert club.desk.count_queries(lambda: manager.page("/approvals")) <= 12, club.desk.queries
