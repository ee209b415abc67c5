"""GET /alerts and its parts; GET and POST /players/<id>/alerts/<id>/acknowledgement."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from dashboard.models import Alert
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from tests import builders
from tests.pages import Page, checked
from tests.web.desk import AT, Browser, Desk


@pytest.fixture
def agent(desk: Desk) -> Browser:
    """An agent who has signed in."""
    return desk.sign_in()


def low(desk: Desk, at: dt.datetime = AT, **given: Any) -> int:
    """A player whose balance has fallen below the warning threshold at that time: one alert. Their id."""
    player = desk.player(1_500_00, **given)
    desk.write(lambda session: builders.change(session, player, -700_00, ChangeType.WITHDRAWAL, now=at))
    return player


def alert_of(desk: Desk, player_id: int) -> Alert:
    """The player's only alert."""
    wanted = select(Alert).where(Alert.player_id == player_id)
    return desk.read(lambda session: session.scalars(wanted).one())


def path_of(alert: Alert) -> str:
    """Where it is acknowledged."""
    return f"/players/{alert.player_id}/alerts/{alert.id}/acknowledgement"


def shown(page: Page) -> list[str]:
    """Ids of the rows, in the order of the page."""
    return [row["id"] for row in page.all("tr") if (row.get("id") or "").startswith("alert-row-")]


# The inbox


def test_a_row_says_what_happened_to_whom(desk: Desk, agent: Browser) -> None:
    joel = desk.write(lambda s: builders.make_login(s, operator_id=desk.operator_id, name="Joel Mensah").id)
    alert = alert_of(desk, low(desk, AT - dt.timedelta(minutes=5), name="Priya Raman", agent_id=joel))
    row = agent.page("/alerts").by_id(f"alert-row-{alert.id}").text
    assert row.startswith("Warning Priya Raman down to 800.00 USD 1 5 min ago Joel Mensah")


def test_states_are_tabs_with_their_numbers(desk: Desk, agent: Browser) -> None:
    seen, back = low(desk), low(desk)
    low(desk)
    agent.post(path_of(alert_of(desk, seen)), {})
    desk.write(lambda session: builders.change(session, back, 900_00, ChangeType.DEPOSIT, now=AT))
    page = agent.page("/alerts")
    tabs = page.one("nav", aria_label="Alerts by state")
    assert tabs.text == "Open 1 Acknowledged 1 Resolved 1"
    assert shown(agent.page("/alerts?state=acknowledged")) == [f"alert-row-{alert_of(desk, seen).id}"]
    resolved = agent.page("/alerts?state=resolved")
    assert shown(resolved) == [f"alert-row-{alert_of(desk, back).id}"]
    assert "By itself" in resolved.text


def test_filters_narrow_the_inbox_together(desk: Desk, agent: Browser) -> None:
    joel = desk.write(lambda s: builders.make_login(s, operator_id=desk.operator_id, name="Joel Mensah").id)
    old = low(desk, AT - dt.timedelta(days=8), name="Old One", agent_id=joel)
    new = low(desk, name="New One")
    dropped = desk.player(5_000_00, name="Dropped")
    desk.write(lambda session: builders.change(session, dropped, -2_500_00, ChangeType.WITHDRAWAL, now=AT))
    rows = {
        name: f"alert-row-{alert_of(desk, key).id}"
        for name, key in (("old", old), ("new", new), ("drop", dropped))
    }
    for query, found in (
        ("type=warning", ["new", "old"]),
        ("type=significant_drop", ["drop"]),
        ("severity=critical", []),
        (f"agent={joel}", ["old"]),
        ("age=hour&type=warning", ["new"]),
        ("age=older-week", ["old"]),
        ("age=older-day&type=significant_drop", []),
        (f"player={new}", ["new"]),
        ("player=nobody&type=flying&state=lost", ["drop", "new", "old"]),
    ):
        assert sorted(shown(agent.page(f"/alerts?{query}"))) == sorted(rows[name] for name in found), query
    chips = [
        chip.text for chip in agent.page(f"/alerts?player={old}&age=older-week").all("li", class_="chip")
    ]
    assert chips == ["Age: Older than a week", "Player: Old One"]


@pytest.mark.parametrize("htmx", [True, False])
def test_pages_have_neither_gap_nor_repeat(desk: Desk, agent: Browser, htmx: bool) -> None:
    for number in range(110):  # two at each instant
        low(desk, AT - dt.timedelta(minutes=number // 2))
    page, seen = agent.page("/alerts"), []
    while True:
        seen += shown(page)
        further = [link["href"] for link in page.all("a") if "after=" in link["href"]]
        if not further:
            break
        page = Page(agent.get(further[0], htmx=True)) if htmx else agent.page(further[0])
    assert len(seen) == len(set(seen)) == 110


def test_a_refresh_comes_as_far_as_the_list_is_open(desk: Desk, agent: Browser) -> None:
    for number in range(60):
        low(desk, AT - dt.timedelta(minutes=60 - number))
    page = agent.page("/alerts")
    (more,) = (link["href"] for link in page.all("a") if "after=" in link["href"])
    through = Page(agent.get(more, htmx=True)).one("input", name="through")["value"]
    fresh = low(desk)
    answer = agent.get(f"/alerts?through={through}", htmx=True)
    refreshed = shown(Page(answer))
    assert len(refreshed) == 61
    assert refreshed[0] == f"alert-row-{alert_of(desk, fresh).id}"
    assert "HX-Push-Url" not in answer.headers
    assert agent.get("/alerts?type=warning&age=", htmx=True).headers["HX-Push-Url"] == "/alerts?type=warning"


def test_an_empty_inbox_says_so(agent: Browser) -> None:
    assert "All clear" in agent.page("/alerts").text
    assert "None acknowledged" in agent.page("/alerts?state=acknowledged").text
    assert "None resolved" in agent.page("/alerts?state=resolved").text
    assert "No alert fits" in agent.page("/alerts?type=negative").text


def test_the_navigation_counts_what_is_open_up_to_99(desk: Desk, agent: Browser) -> None:
    assert agent.page("/account").by_id("alert-count").text == ""
    low(desk)
    assert agent.page("/players").by_id("alert-count").text == "1"
    assert Page(agent.get("/alerts/count", htmx=True)).by_id("alert-count").text == "1"
    assert agent.get("/alerts/count").location == "/alerts"
    for _ in range(99):
        low(desk)
    assert agent.page("/alerts").by_id("alert-count").text == "99+"


# Acknowledging


def test_by_htmx_the_row_changes_with_a_toast_and_the_count(desk: Desk, agent: Browser) -> None:
    alert = alert_of(desk, low(desk))
    answer = agent.post(path_of(alert), {"note": ""}, htmx=True)
    part = Page(answer)
    assert answer.status_code == 200
    assert "Ana Reyes, just now" in part.by_id(f"alert-row-{alert.id}").text
    assert not part.all("button")
    assert part.by_id("alert-count").text == ""
    assert part.by_id("alert-count")["hx-swap-oob"] == "outerHTML"
    assert "The alert is acknowledged." in answer.headers["HX-Trigger"]
    assert "dialog:close" in answer.headers["HX-Trigger"]
    assert alert_of(desk, alert.player_id).state == "acknowledged"


@pytest.mark.parametrize(
    ("came_from", "goes_to"),
    [("/alerts?type=warning", "/alerts?type=warning"), ("", "/alerts"), ("//evil.test/", "/alerts")],
)
def test_plainly_it_leads_back_to_where_one_was(
    desk: Desk, agent: Browser, came_from: str, goes_to: str
) -> None:
    alert = alert_of(desk, low(desk))
    answer = agent.post(path_of(alert), {"note": "Rang them", "next": came_from})
    assert (answer.status_code, answer.location) == (303, goes_to)
    assert "The alert is acknowledged." in agent.page(goes_to).text
    kept = alert_of(desk, alert.player_id)
    assert (kept.state, kept.note) == ("acknowledged", "Rang them")


def test_the_note_has_a_form_of_its_own(desk: Desk, agent: Browser) -> None:
    alert = alert_of(desk, low(desk, name="Priya Raman"))
    page = agent.page(path_of(alert) + "?next=/alerts")
    assert "Priya Raman" in page.text
    assert page.one("input", name="next")["value"] == "/alerts"
    dialog = Page(agent.get(path_of(alert), htmx=True))
    assert dialog.one("h2").text == "Acknowledge an alert"
    assert not dialog.all("html")


@pytest.mark.parametrize("htmx", [True, False])
def test_a_note_that_is_too_long_stays_with_its_message(desk: Desk, agent: Browser, htmx: bool) -> None:
    alert = alert_of(desk, low(desk))
    answer = agent.post(path_of(alert), {"note": "x" * 501}, htmx=htmx)
    page = Page(answer) if htmx else checked(answer)
    assert answer.status_code == 422
    assert page.one("textarea").text == "x" * 501
    assert page.by_id("note-error").text == "A note has at most 500 characters."
    assert alert_of(desk, alert.player_id).state == "open"


@pytest.mark.parametrize("htmx", [True, False])
def test_the_second_is_told_who_was_first(desk: Desk, agent: Browser, htmx: bool) -> None:
    alert = alert_of(desk, low(desk))
    agent.post(path_of(alert), {"note": "Mine"})
    second = desk.sign_in(name="Bo Lind")
    answer = second.post(path_of(alert), {"note": "No, mine"}, htmx=htmx)
    assert answer.status_code == 409
    assert "Ana Reyes has already acknowledged this alert." in answer.text
    assert alert_of(desk, alert.player_id).note == "Mine"


def test_what_is_not_there_or_not_ours_is_not_found(desk: Desk, agent: Browser) -> None:
    alert = alert_of(desk, low(desk))
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    theirs = alert_of(elsewhere, low(elsewhere, name="Not Ours"))
    for path in (
        path_of(theirs),
        f"/players/{alert.player_id}/alerts/{alert.id + 99}/acknowledgement",
        f"/players/{desk.player()}/alerts/{alert.id}/acknowledgement",
    ):
        assert agent.get(path).status_code == 404
        assert agent.post(path, {}).status_code == 404
    assert alert_of(elsewhere, theirs.player_id).state == "open"
    page = agent.page(f"/alerts?player={theirs.player_id}")
    assert "Not Ours" not in page.text
    assert shown(agent.page("/alerts")) == [f"alert-row-{alert.id}"]


def test_auditors_read_and_partners_do_not(desk: Desk, agent: Browser) -> None:
    alert = alert_of(desk, low(desk))
    auditor, partner = desk.sign_in(Role.AUDITOR), desk.sign_in(Role.PARTNER)
    row = auditor.page("/alerts").by_id(f"alert-row-{alert.id}")
    assert row.text.endswith("Open")
    assert auditor.post(path_of(alert), {}).status_code == 403
    assert partner.get("/alerts").status_code == 403
    assert partner.get("/alerts/count").status_code == 403
    assert agent.post("/alerts", {}).status_code == 405
    assert agent.client.delete(path_of(alert)).status_code == 405
    assert alert_of(desk, alert.player_id).state == "open"


def test_they_take_few_statements(desk: Desk, agent: Browser) -> None:
    alerts = [alert_of(desk, low(desk)) for _ in range(60)]
    works = (
        lambda: agent.get(f"/alerts?player={alerts[0].player_id}"),
        lambda: agent.get(path_of(alerts[0])),
        lambda: agent.post(path_of(alerts[0]), {}, htmx=True),
    )
    for work in works:
        assert desk.count_queries(work) <= 12, desk.queries
