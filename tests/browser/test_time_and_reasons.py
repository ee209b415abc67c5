"""Why a balance is what it is, the page as of a moment, and undoing what is partly spent: by hand."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models.wallet import ChangeType
from dashboard.screens import settle
from tests import builders
from tests.web.desk import Desk


def spent_deposit(desk: Desk) -> int:
    """Entry 1 is a deposit of 250.00, of which 40.00 is left."""
    player_id = desk.player()

    def work(session: Session) -> None:
        builders.change(session, player_id, 25_000, ChangeType.DEPOSIT, now=clock.now())
        builders.change(session, player_id, -21_000, ChangeType.WAGER, now=clock.now())

    desk.write(work)
    return player_id


def test_what_is_left_is_taken_in_the_dialog_by_keyboard(person: Callable[..., Page], desk: Desk) -> None:
    player_id = spent_deposit(desk)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    entry = page.locator("#entry-USD-1 .entry-link")
    entry.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#dialog")
    dialog.get_by_role("link", name="Reverse this entry…").press("Enter")
    expect(dialog.get_by_text("Part of it is spent")).to_be_visible()
    expect(dialog.get_by_role("radio", name="Up to what is left")).to_be_checked()
    dialog.get_by_label("Reason").fill("Wrong account")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#balance-card")).to_contain_text("0.00 USD")
    expect(page.locator("#journal")).to_contain_text("undoes part of entry 1")
    assert desk.real(player_id) == 0


def test_one_goes_back_in_time_and_returns_without_javascript(
    person: Callable[..., Page], desk: Desk
) -> None:
    player_id = spent_deposit(desk)
    page = person(java_script_enabled=False)
    page.goto(f"/players/{player_id}")
    page.locator("#entry-USD-2 .entry-link").click()
    page.get_by_role("link", name="just before").click()
    expect(page.locator(".past-banner")).to_contain_text("After entry 1.")
    expect(page.locator(".figures")).to_contain_text("250.00")
    expect(page.locator("#entry-USD-2")).to_have_count(0)
    page.get_by_role("link", name="Entry after").click()
    expect(page.locator("#entry-USD-2")).to_have_count(1)
    page.get_by_role("link", name="Back to now").click()
    expect(page).to_have_url(re.compile(rf"/players/{player_id}\?currency=USD$"))
    expect(page.locator("#adjust")).to_have_count(1)


def test_a_refused_moment_takes_the_focus(person: Callable[..., Page], desk: Desk) -> None:
    player_id = spent_deposit(desk)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    page.get_by_text("As of…").click()
    page.locator("#past-as_of").fill("2999-01-01T12:00")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#past-as_of-error")).to_contain_text("That has not come yet")
    expect(page.locator("#past-as_of")).to_have_value("2999-01-01T12:00")
    expect(page.locator("#past-as_of")).to_be_focused()


def test_the_explanation_opens_beside_the_figures_and_gives_the_focus_back(
    person: Callable[..., Page], desk: Desk
) -> None:
    player_id = spent_deposit(desk)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    link = page.get_by_role("link", name="Why is this the balance?")
    link.press("Enter")
    dialog = page.locator("#dialog")
    expect(dialog.get_by_text("adds up")).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
