"""Back, addresses, and lists that go on: one always comes to a whole page, at the place where one was."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from dashboard.screens import settle
from tests import builders
from tests.web.desk import Desk


def expect_whole(page: Page) -> None:
    """The page has its frame, once."""
    expect(page.locator("#navigation")).to_have_count(1)
    expect(page.locator("h1")).to_have_count(1)


def test_filters_stand_in_the_address_and_back_undoes_them(person: Callable[..., Page], desk: Desk) -> None:
    desk.player(name="Mira Holm")
    desk.player(name="Tomas Berg")
    page = person()
    page.goto("/players")
    settle(page)
    rows = page.locator("#players tbody tr")
    expect(rows).to_have_count(2)
    search = page.get_by_role("textbox", name="Search")
    search.press_sequentially("tom")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/players\?q=tom$"))
    expect(search).to_be_focused()
    expect(search).to_have_value("tom")

    rows.locator("a").first.click()
    expect(page.locator("h1")).to_have_text("Tomas Berg")
    page.go_back()
    expect_whole(page)
    expect(rows).to_have_count(1)
    expect(page.get_by_role("textbox", name="Search")).to_have_value("tom")
    page.go_back()
    expect_whole(page)
    expect(rows).to_have_count(2)
    expect(page).to_have_url(re.compile(r"/players$"))

    page.goto("/players?q=mira")
    expect(rows).to_have_text([re.compile("Mira Holm")])


def test_back_after_a_tab_shows_the_whole_page(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    tabs = page.get_by_role("navigation", name="Player")
    tabs.get_by_role("link", name="Limits").click()
    expect(page).to_have_url(re.compile("tab=limits"))
    expect(page.locator("#limits")).to_be_visible()
    page.go_back()
    expect_whole(page)
    expect(page.locator("#journal")).to_be_visible()
    page.go_forward()
    expect_whole(page)
    expect(page.locator("#limits")).to_be_visible()
    page.reload()
    expect_whole(page)
    expect(page.locator("#limits")).to_be_visible()


def test_back_after_a_swap_and_a_link_shows_the_whole_page(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    page.locator("#adjust-amount").fill("10")
    page.locator("#adjust-reason").fill("Goodwill")
    page.locator("#adjust button[type=submit]").click()
    expect(page.locator("#balance-card .value").first).to_have_text("5,010.00")
    page.get_by_role("link", name="Desk").click()
    expect(page.locator("h1")).to_have_text("Desk")
    page.go_back()
    expect_whole(page)
    expect(page.locator("#balance-card .value").first).to_have_text("5,010.00")
    expect(page.locator("#journal-count")).to_have_text("2 entries")


def test_more_of_the_journal_keeps_the_place(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)

    def journal(session: Session) -> None:
        for _entry in range(69):
            builders.change(session, player_id, 1_00)

    desk.write(journal)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    rows = page.locator("#journal-rows tr:not(.more)")
    expect(rows).to_have_count(50)
    more = page.locator("#more a")
    more.scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    more.focus()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(70)
    expect(page.locator("#more")).to_have_count(0)
    assert page.evaluate("scrollY") == place
    expect(rows.nth(50)).to_be_focused()
