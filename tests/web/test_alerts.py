"""GET /alerts and its parts, and GET /players/<id>/alerts/<id>. What one does there: test_alert_acts."""

import csv
import datetime as dt
import io
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from dashboard import clock
from dashboard.models import Alert
from dashboard.models.alert import AlertType
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import loyalty_notices, points, points_reckoning
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.pages import Page
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
    """Its page; what one does with it lies below."""
    return f"/players/{alert.player_id}/alerts/{alert.id}"


def shown(page: Page) -> list[str]:
    """Ids of the rows, in the order of the page."""
    return [row["id"] for row in page.all("tr") if (row.get("id") or "").startswith("alert-row-")]


# The inbox


def test_a_row_says_what_happened_to_whom(desk: Desk, agent: Browser) -> None:
    joel = desk.write(lambda s: builders.make_login(s, operator_id=desk.operator_id, name="Joel Mensah").id)
    alert = alert_of(desk, low(desk, AT - dt.timedelta(minutes=5), name="Priya Raman", agent_id=joel))
    row = agent.page("/alerts").by_id(f"alert-row-{alert.id}").text
    assert "Warning Priya Raman down to 800.00 USD 1 5 min ago Joel Mensah Take Acknowledge" in row


def test_states_are_tabs_with_their_numbers(desk: Desk, agent: Browser) -> None:
    seen, back, asleep = alert_of(desk, low(desk)), alert_of(desk, low(desk)), alert_of(desk, low(desk))
    low(desk)
    agent.post(path_of(seen) + "/acknowledgement", {})
    agent.post(path_of(asleep) + "/snooze", {"until": "hour", "reason": "Pays soon"})
    desk.write(lambda session: builders.change(session, back.player_id, 900_00, ChangeType.DEPOSIT, now=AT))
    page = agent.page("/alerts")
    tabs = page.one("nav", aria_label="Alerts by state")
    assert tabs.text == "Open 1 Acknowledged 1 Snoozed 1 Resolved 1"
    assert shown(agent.page("/alerts?state=acknowledged")) == [f"alert-row-{seen.id}"]
    snoozed = agent.page("/alerts?state=snoozed")
    assert shown(snoozed) == [f"alert-row-{asleep.id}"]
    assert "Snoozed by Ana Reyes: Pays soon" in snoozed.text
    assert "until 15:00" in snoozed.text
    resolved = agent.page("/alerts?state=resolved")
    assert shown(resolved) == [f"alert-row-{back.id}"]
    assert "By itself" in resolved.text


def test_what_is_snoozed_is_counted_nowhere_and_comes_back_by_itself(desk: Desk, agent: Browser) -> None:
    alert = alert_of(desk, low(desk))
    agent.post(path_of(alert) + "/snooze", {"until": "hour", "reason": "Pays soon"})

    asleep = agent.page("/alerts")
    assert (shown(asleep), asleep.by_id("alert-count").text) == ([], "")
    assert asleep.by_id("alert-count")["data-wakes-in"] == "3600"
    assert "Nothing waits" in agent.page("/").by_id("waiting").text

    # A hit in between is counted, and does not bring it back.
    desk.write(lambda s: builders.change(s, alert.player_id, 240_00, ChangeType.DEPOSIT, now=AT))
    desk.write(lambda s: builders.change(s, alert.player_id, -200_00, ChangeType.WITHDRAWAL, now=AT))
    assert alert_of(desk, alert.player_id).hits == 2
    assert shown(agent.page("/alerts")) == []

    with clock.frozen(AT + dt.timedelta(hours=1)):
        browser = desk.sign_in(name="Bo Lind")
        awake = browser.page("/alerts")
        assert (shown(awake), awake.by_id("alert-count").text) == ([f"alert-row-{alert.id}"], "1")
        assert awake.by_id("alert-count").get("data-wakes-in") is None
        assert "Warning 1" in browser.page("/").by_id("waiting").text


def test_filters_by_whose_it_is(desk: Desk, agent: Browser) -> None:
    bo = desk.write(lambda s: builders.make_login(s, operator_id=desk.operator_id, name="Bo Lind").id)
    mine, his, nobodys = (alert_of(desk, low(desk)) for _ in range(3))
    agent.post(path_of(mine) + "/taking", {})
    agent.post(path_of(his) + "/assignment", {"assignee": str(bo)})
    rows = {"mine": mine.id, "his": his.id, "nobodys": nobodys.id}
    for query, found in (
        ("assigned=me", ["mine"]),
        ("assigned=nobody", ["nobodys"]),
        ("assigned=someone", ["mine", "his"]),
        (f"assigned={bo}", ["his"]),
        ("assigned=999999", ["mine", "his", "nobodys"]),
    ):
        expected = sorted(f"alert-row-{rows[name]}" for name in found)
        assert sorted(shown(agent.page(f"/alerts?{query}"))) == expected, query
    page = agent.page("/alerts?assigned=someone")
    assert "Ana Reyes is working on this since 14:00" in page.by_id(f"alert-row-{mine.id}").text
    assert "Assigned to Bo Lind" in page.by_id(f"alert-row-{his.id}").text
    assert [chip.text for chip in page.all("li", class_="chip")] == ["Assigned: To somebody"]


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
    assert "None snoozed" in agent.page("/alerts?state=snoozed").text
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


# One alert


def test_a_page_of_one_tells_its_life(desk: Desk, agent: Browser) -> None:
    bo = desk.write(lambda s: builders.make_login(s, operator_id=desk.operator_id, name="Bo Lind").id)
    alert = alert_of(desk, low(desk, AT - dt.timedelta(hours=2), name="Priya Raman"))
    act = path_of(alert)
    desk.write(lambda s: builders.change(s, alert.player_id, 240_00, ChangeType.DEPOSIT, now=AT))
    desk.write(lambda s: builders.change(s, alert.player_id, -100_00, ChangeType.WITHDRAWAL, now=AT))
    agent.post(act + "/taking", {})
    agent.post(act + "/acknowledgement", {"note": "Rang them"})
    agent.post(act + "/snooze", {"until": "hours", "reason": "Pays tonight"})
    agent.post(act + "/waking", {})
    agent.post(act + "/assignment", {"assignee": str(bo)})

    page = agent.page(act)

    assert page.one("h1").text == "Warning · Priya Raman"
    life = [line.text for line in page.all("li") if any(e.get("class") == "life" for e in line.ancestors)]
    assert life == [
        "2 Mar 2026, 12:00:00 Raised",
        "2 Mar 2026, 14:00:00 Hit again, 2 times in all: this was the last",
        "2 Mar 2026, 14:00:00 Taken by Ana Reyes",
        "2 Mar 2026, 14:00:00 Acknowledged by Ana Reyes “Rang them”",
        "2 Mar 2026, 14:00:00 Snoozed by Ana Reyes until 2 Mar 2026, 18:00:00 “Pays tonight”",
        "2 Mar 2026, 14:00:00 Brought back by Ana Reyes",
        "2 Mar 2026, 14:00:00 Assigned to Bo Lind by Ana Reyes",
    ]
    facts = page.one("dl", class_="facts").text
    for fact in ("Reacheddown to 800.00 USD", "Line1,000.00 USD", "Times2", "EntryUSD 4"):
        assert fact in facts
    assert page.all("a", href=f"/players/{alert.player_id}/entries/USD/4")


def test_its_end_is_told_apart(desk: Desk, agent: Browser) -> None:
    by_hand, by_itself = alert_of(desk, low(desk)), alert_of(desk, low(desk))
    agent.post(path_of(by_hand) + "/resolution", {"note": "Told the player"})
    desk.write(lambda s: builders.change(s, by_itself.player_id, 900_00, ChangeType.DEPOSIT, now=AT))
    page = agent.page(path_of(by_hand))
    assert page.all("div", class_="is-ok")[0].text.startswith("Resolved by Ana ReyesTold the player")
    page = agent.page(path_of(by_itself))
    assert page.one("div", class_="is-ok").text.startswith("Resolved by itselfThe balance came back.")
    assert "Resolved by itself: the balance came back" in page.text
    assert not [form for form in page.all("form") if "/alerts/" in (form.get("action") or "")]


def test_it_names_what_else_there_is_about_the_player(desk: Desk, agent: Browser) -> None:
    player = desk.player(1_500_00)
    desk.write(lambda s: builders.change(s, player, -1_450_00, ChangeType.WITHDRAWAL, now=AT))
    query = select(Alert).where(Alert.player_id == player).order_by(Alert.id)
    alerts = desk.read(lambda session: list(session.scalars(query)))
    page = agent.page(path_of(alerts[0]))
    links = {link["href"] for link in page.all("a")}
    assert len(alerts) == 3
    assert {path_of(other) for other in alerts[1:]} <= links
    assert path_of(alerts[0]) not in links


def test_what_expires_and_ends_is_told_in_points_and_in_what_is_missing(desk: Desk, agent: Browser) -> None:
    player = desk.player(name="Priya Raman")
    desk.write(
        lambda session: points.load(
            session,
            player_id=player,
            payment=points_reckoning.Payment(45_000_00),
            notes="Paid at the desk",
            idempotency_key="load",
            actor=SYSTEM,
            now=AT,
        )
    )
    for days, before in ((30, "30 days"), (1, "1 day")):
        now = AT + dt.timedelta(days=365 - days)
        desk.write(partial(loyalty_notices.give, now=now, limit=10))
        inbox = agent.page("/alerts").text
        assert f"Points expiring warning Priya Raman 50,000 points, {before} before they expire" in inbox
        assert "45,000.00 USD missing, 30 days before the tier ends" in inbox
    of_points = select(Alert).where(Alert.player_id == player, Alert.type == AlertType.POINTS_EXPIRING)
    page = agent.page(path_of(desk.read(lambda session: session.scalars(of_points).one())))
    said = "Reached50,000 points, 1 day before they expire LoyaltyPoints and tier Times2"
    assert said in page.by_id("alert").text
    assert page.one("a", href=f"/players/{player}/loyalty").text == "Points and tier"
    answer = desk.sign_in(Role.MANAGER).post("/alerts/exports", {"format": "csv"})
    columns = ("Type", "Peak", "Line", "Peak, %, score or points", "Line, %, score or days")
    rows = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline=""))
    assert sorted(tuple(row[column] for column in columns) for row in rows) == [
        ("points_expiring", "", "", "50000", "1"),
        ("tier_ending", "45000.00", "", "", "30"),
    ]


def test_a_part_of_it_comes_for_htmx(desk: Desk, agent: Browser) -> None:
    alert = alert_of(desk, low(desk))
    part = Page(agent.get(path_of(alert), htmx=True))
    assert part.by_id("alert")["hx-get"] == path_of(alert)
    assert not part.all("html")


def test_what_is_not_there_or_not_ours_is_not_found(desk: Desk, agent: Browser) -> None:
    alert = alert_of(desk, low(desk))
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    theirs = alert_of(elsewhere, low(elsewhere, name="Not Ours"))
    for path in (
        path_of(theirs),
        f"/players/{alert.player_id}/alerts/{alert.id + 99}",
        f"/players/{desk.player()}/alerts/{alert.id}",
    ):
        assert agent.get(path).status_code == 404
    assert "Not Ours" not in agent.page(f"/alerts?player={theirs.player_id}").text
    assert shown(agent.page("/alerts")) == [f"alert-row-{alert.id}"]


def test_auditors_read_and_partners_do_not(desk: Desk, agent: Browser) -> None:
    alert = alert_of(desk, low(desk))
    auditor, partner = desk.sign_in(Role.AUDITOR), desk.sign_in(Role.PARTNER)
    page = auditor.page("/alerts")
    assert page.by_id(f"alert-row-{alert.id}").text.endswith("Open")
    assert not page.all("input", name="alert")
    assert not page.all("form", id="selection")
    assert not page.all("form", action="/alerts/next")
    assert not [form for form in auditor.page(path_of(alert)).all("form") if "/alerts/" in form["action"]]
    for path in ("/alerts", "/alerts/count", "/alerts/figures", path_of(alert)):
        assert partner.get(path).status_code == 403
    assert agent.post("/alerts", {}).status_code == 405


def test_they_take_few_statements(desk: Desk, agent: Browser) -> None:
    alerts = [alert_of(desk, low(desk)) for _ in range(60)]
    works = (
        lambda: agent.get("/alerts"),
        lambda: agent.get(f"/alerts?player={alerts[0].player_id}"),
        lambda: agent.get(path_of(alerts[0])),
        lambda: agent.get("/alerts/figures"),
    )
    for work in works:
        assert desk.count_queries(work) <= 12, desk.queries
