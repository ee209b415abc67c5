"""Two people at one desk: what one does appears before the other, who loses neither place nor words."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect
from sqlalchemy import delete
from sqlalchemy.orm import Session

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

    def journal(session: Session) -> None:
        for _entry in range(30):
            builders.change(session, player_id, 1_00)

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

    adjust(second, player_id, "withdrawal", "4,500", "Payout by phone")

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

    adjust(second, player_id, "withdrawal", "4,500", "Payout by phone")

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
