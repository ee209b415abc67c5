"""Odd entries and odd hours as people find them: marked by keys alone, and readable by everybody."""

import datetime as dt
from collections.abc import Callable

from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.screens import settle
from dashboard.services import hourly
from dashboard.services.hourly import HOUR, Counted
from tests.browser.test_pages import IS_TOO_WIDE
from tests.services.anomaly_history import USUAL
from tests.services.test_hourly import usual_weeks
from tests.web.desk import Desk
from tests.web.test_anomalies import find


def look(page: Page, accessibility: Callable[..., list[str]]) -> list[str]:
    """What is wrong with a page: its colours in the dark, and all of it in the light, on a phone."""
    page.emulate_media(color_scheme="dark")
    problems = [f"dark: {each}" for each in accessibility(page, colours=True)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 900})
    problems += accessibility(page)
    if page.evaluate(IS_TOO_WIDE):
        problems.append("the page scrolls sideways")
    page.set_viewport_size({"width": 1280, "height": 900})
    return problems


def test_anomalies_are_marked_by_keys_alone(
    person: Callable[..., Page], desk: Desk, accessibility: Callable[..., list[str]]
) -> None:
    find(desk, 30 * USUAL, -20 * USUAL, now=clock.now())
    page = person()
    page.goto("/analytics/anomalies")
    settle(page)
    rows = page.locator("#anomalies tbody tr")
    expect(rows).to_have_count(2)
    assert look(page, accessibility) == []

    rows.first.get_by_role("button", name="Something was wrong").press("Enter")
    expect(rows).to_have_count(1)
    expect(page.locator("#anomalies .figures")).to_contain_text("100 %")
    rows.first.get_by_role("link", name="Note").press("Enter")
    expect(page.locator("#dialog h2")).to_have_text("What it was")
    assert accessibility(page) == []
    page.locator("#dialog").get_by_label("It was in order").press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("A birthday")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator("#anomalies .empty-title")).to_have_text("All looked at")
    expect(page.locator("#anomalies .figures")).to_contain_text("50 %")
    page.goto("/analytics/anomalies?state=all")
    settle(page)
    expect(rows).to_contain_text(["Something was wrong", "A birthday"])
    assert look(page, accessibility) == []


def test_an_odd_hour_is_looked_into_by_keys_alone(
    person: Callable[..., Page], desk: Desk, accessibility: Callable[..., list[str]]
) -> None:
    now = clock.now()
    begins: dt.datetime = hourly.over(now) - HOUR

    def work(session: Session) -> None:
        usual_weeks(session, desk.operator_id, hour=begins)
        # By a clock that never moves, whatever the day of this test.
        of = Counted(desk.operator_id, "UTC", now)
        hourly.watch(session, of, since=begins, until=begins + HOUR, now=now)

    desk.write(work)
    page = person()
    page.goto("/analytics/hours")
    settle(page)
    rows = page.locator("#hours tbody tr")
    expect(rows).to_have_count(2)
    assert look(page, accessibility) == []

    rows.first.get_by_role("link", name="Looked into").press("Enter")
    expect(page.locator("#dialog h2")).to_have_text("Looked into")
    assert accessibility(page) == []
    page.locator("#dialog textarea").press("T")
    page.keyboard.type("he bank was down")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(rows.filter(has_text="The bank was down")).to_have_count(1)
