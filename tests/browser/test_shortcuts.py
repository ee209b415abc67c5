"""The list of keys: made from what the page has, and every key does what it says."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from dashboard.models.login import Role
from dashboard.screens import settle
from tests.web.desk import Desk


def lines(page: Page, section: str) -> dict[str, str]:
    """What a section of the list says, by key."""
    rows = page.locator(f"[data-shortcut-list={section}] > div").all()
    return {row.locator("dd").text_content() or "": row.locator("dt").inner_text() for row in rows}


def test_the_list_tells_the_pages_own_keys_from_those_of_everywhere(
    person: Callable[..., Page], desk: Desk
) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}?tab=notes")
    settle(page)
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    here, everywhere = lines(page, "here"), lines(page, "everywhere")
    assert here["a"] == "Adjust the balance"
    assert here["f"] == "Freeze the wallet"
    assert here["n"] == "Write a note"
    assert everywhere["/ or CtrlK"] == "Find or do something"
    assert everywhere["?"] == "Show this list"
    assert not set(here) & set(everywhere)
    assert page.evaluate("document.getElementById('shortcuts').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.locator("#shortcuts")).to_be_hidden()
    page.goto("/account")
    settle(page)
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="On this page")).to_be_hidden()


def test_what_the_role_may_not_do_has_no_key(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person(Role.AUDITOR)
    page.goto(f"/players/{player_id}")
    settle(page)
    page.keyboard.press("?")
    assert not {"a", "f"} & set(lines(page, "here"))
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_escape_leaves_a_field_and_loses_nothing(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    page.keyboard.press("a")
    amount = page.locator("#adjust-amount")
    expect(amount).to_be_focused()
    page.keyboard.type("12")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(amount).not_to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(amount).to_have_value("12?")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_the_menu_lists_them_for_a_pointer(person: Callable[..., Page], desk: Desk) -> None:
    page = person()
    page.goto("/alerts")
    settle(page)
    page.locator(".user-button").click()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.locator("#shortcuts")).to_contain_text("Find or do something")
    page.keyboard.press("Escape")
    expect(page.locator(".user-button")).to_be_focused()
