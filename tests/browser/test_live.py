"""Two people at one desk: what one does appears before the other, who loses neither place nor words."""

import datetime as dt
import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect
from sqlalchemy import delete
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models import SignInSession
from tests import builders
from tests.web.desk import Desk

PLACE_OF_THE_LAST_ROW = (
    "document.querySelector('#journal-rows tr:nth-last-child(2)').getBoundingClientRect().top"
)


def wait_for_the_stream(page: Page) -> None:
    """Wait until the page follows what happens."""
    expect(page.locator("#live-mark")).to_have_attribute("data-state", "on")


def adjust(page: Page, player_id: int, change_type: str, amount: str, reason: str) -> None:
    """Open the player, and post a change."""
    page.goto(f"/players/{player_id}")
    wait_for_the_stream(page)
    page.locator(f"#adjust [value={change_type}]").check(force=True)
    page.locator("#adjust-amount").fill(amount)
    page.locator("#adjust-reason").fill(reason)
    page.locator("#adjust button[type=submit]").click()
    expect(page.locator(".toast")).to_be_visible()


def test_a_change_appears_in_the_other_window_and_takes_nothing_away(
    person: Callable[..., Page], desk: Desk
) -> None:
    player_id = desk.player(5_000_00)

    # Yesterday at this hour: an hour without a change so far would make the next one unusual.
    yesterday = clock.now() - dt.timedelta(days=1)

    def journal(session: Session) -> None:
        for entry in range(30):
            at = yesterday + dt.timedelta(minutes=entry - 15)
            builders.change(session, player_id, 1_00, now=at)

    desk.write(journal)
    first, second = person(name="Ana Reyes"), person(name="Ben Ito")
    first.goto(f"/players/{player_id}")
    wait_for_the_stream(first)
    first.locator("#adjust-amount").fill("12")
    first.locator("#adjust-reason").fill("Half a sentence")
    expect(first.locator("#adjust-act")).to_have_text("Credit 12.00 USD")
    first.evaluate("document.getElementById('adjust-reason').setSelectionRange(4, 8)")
    first.evaluate("window.scrollTo(0, 400)")
    place = first.evaluate(PLACE_OF_THE_LAST_ROW)

    adjust(second, player_id, "adjustment", "-4,500", "Payout by phone")

    expect(first.locator("#balance-card .value").first).to_have_text("530.00")
    expect(first.locator("#journal-table tr").nth(1)).to_contain_text("Payout by phone")
    expect(first.locator("#alerts .alert-lines li")).to_have_count(2)
    expect(first.locator("#alert-count")).to_have_text("2")
    expect(first.locator("#preview")).to_contain_text("The balance has changed since this form was opened")
    expect(first.locator("#adjust-amount")).to_have_value("12")
    expect(first.locator("#adjust-reason")).to_have_value("Half a sentence")
    expect(first.locator("#adjust-reason")).to_be_focused()
    assert first.evaluate("document.activeElement.selectionStart") == 4
    assert abs(first.evaluate(PLACE_OF_THE_LAST_ROW) - place) <= 1


def test_the_desk_and_the_alerts_follow_too(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    first, second = person(name="Ana Reyes"), person(name="Ben Ito")
    inbox = first.context.new_page()
    for page, path in ((first, "/"), (inbox, "/alerts")):
        page.goto(path)
        wait_for_the_stream(page)
    expect(inbox.locator("#alerts")).to_contain_text("All clear")

    adjust(second, player_id, "adjustment", "-4,500", "Payout by phone")

    expect(first.locator("#recent-changes tbody tr")).to_have_count(1)
    expect(first.locator("#waiting")).to_contain_text("Significant drop")
    expect(first.locator("#desk-figures")).to_contain_text("4,500.00")
    expect(inbox.locator("#alerts tbody tr")).to_have_count(2)
    inbox.get_by_role("button", name="Acknowledge: Warning of Mira Holm").click()
    expect(inbox.locator("#alert-count")).to_have_text("1")
    expect(first.locator("#alert-count")).to_have_text("1")


def test_a_stream_that_is_refused_says_so_and_opens_nothing(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()

    def end_the_session(route: Route) -> None:
        desk.write(lambda session: session.execute(delete(SignInSession)))
        route.continue_()

    page.route(re.compile("/events"), end_the_session)
    with page.expect_response(re.compile("/events")) as answer:
        page.goto(f"/players/{player_id}")
    assert answer.value.status == 401
    expect(page.locator("#live-mark")).to_have_attribute("data-state", "off")
    page.locator("#adjust-amount").fill("250")
    expect(page.locator("#adjust-amount")).to_be_focused()
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_a_stream_that_begins_late_catches_up(
    person: Callable[..., Page], desk: Desk, problems: list[str]
) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.clock.install()
    page.route(re.compile("/events"), lambda route: route.abort())
    page.goto(f"/players/{player_id}")
    mark = page.locator("#live-mark")
    expect(mark).to_have_attribute("data-told", "")
    expect(mark).to_have_text("Live updates off")
    expect(page.locator("#balance-card .value").first).to_have_text("5,000.00")
    desk.write(lambda session: builders.change(session, player_id, -70_00))
    page.unroute(re.compile("/events"))
    page.clock.run_for(16_000)
    wait_for_the_stream(page)
    page.clock.run_for(1_000)
    expect(page.locator("#balance-card .value").first).to_have_text("4,930.00")
    expect(page.locator("#journal-count")).to_have_text("2 entries")
    problems.clear()


def test_a_part_that_did_not_come_says_so_and_comes_when_asked_again(
    person: Callable[..., Page], desk: Desk
) -> None:
    page = person()
    page.route("**/cash-flow", lambda route: route.fulfill(status=503, body="Not now."))
    page.goto("/")
    part = page.locator("#cash-flow")
    expect(part).to_contain_text("This part could not be loaded.")
    expect(part.locator(".skeleton")).to_have_count(0)
    page.unroute("**/cash-flow")
    part.get_by_role("button", name="Try again").click()
    expect(part.get_by_text("As a table")).to_be_visible()


def test_what_can_age_says_of_when_it_is(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto("/")
    wait_for_the_stream(page)
    marks = page.locator(".as-of")
    expect(page.locator("#desk-figures .as-of")).to_have_text(re.compile(r"as of \d\d:\d\d:\d\d"))
    before = page.locator("#desk-figures .as-of time").get_attribute("datetime")
    assert before is not None
    adjust(person(name="Ben Ito"), player_id, "deposit", "12", "Goodwill")
    expect(page.locator("#recent-changes tbody tr")).to_have_count(1)
    expect(page.locator("#desk-figures .as-of time")).not_to_have_attribute("datetime", before)
    expect(marks).to_have_count(2)
