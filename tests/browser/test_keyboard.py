"""From sign-in to an adjustment's toast without a mouse, always knowing where one is."""

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from dashboard.models.login import Role
from dashboard.screens import settle
from tests.builders import PASSWORD, make_login
from tests.web.desk import Desk

WHERE = """() => {
    const at = document.activeElement;
    const box = at.getBoundingClientRect();
    const seen = getComputedStyle(at.closest(".palette-form") ?? at).outlineStyle !== "none";
    const inside = box.width > 0 && box.bottom > 0 && box.top < innerHeight;
    return {tag: at.tagName, text: at.innerText, shown: at.matches(":focus-visible") && seen && inside};
}"""
TABS_MAX = 40


def focused(page: Page) -> dict[str, str]:
    """What has the focus; it must be something, and be seen."""
    found: dict[str, str] = page.evaluate(WHERE)
    assert found["tag"] != "BODY"
    assert found["shown"], f"the focus on {found} cannot be seen"
    return found


def tab_to(page: Page, text: str) -> None:
    """Press Tab until the focus is on what says that."""
    for _press in range(TABS_MAX):
        page.keyboard.press("Tab")
        if focused(page)["text"].startswith(text):
            return
    raise AssertionError(f"{text!r} is more than {TABS_MAX} steps away")


def test_from_sign_in_to_the_toast(live: str, desk: Desk, new_context: Callable[..., BrowserContext]) -> None:
    login = desk.write(lambda session: make_login(session, operator_id=desk.operator_id, role=Role.AGENT))
    player_id = desk.player(5_000_00, name="Mira Holm")
    desk.player(name="Mira Stone")
    page = new_context(base_url=live).new_page()
    keys = page.keyboard

    page.goto("/")
    settle(page)
    focused(page)
    keys.type(login.email)
    keys.press("Tab")
    keys.type(PASSWORD)
    focused(page)
    keys.press("Enter")

    expect(page.locator("h1")).to_have_text("Desk")
    settle(page)
    tab_to(page, "Players")
    keys.press("Enter")
    expect(page.locator("h1")).to_have_text("Players")
    settle(page)
    tab_to(page, "Mira Holm")
    keys.press("Enter")

    expect(page.locator("h1")).to_have_text("Mira Holm")
    settle(page)
    keys.press("a")
    focused(page)
    keys.type("250")
    expect(page.locator("#preview .transition").first).to_contain_text("5,250.00")
    focused(page)
    keys.press("Tab")
    keys.type("Goodwill")
    keys.press("Enter")

    expect(page.locator(".toast p")).to_contain_text("Credited 250.00 USD · Mira Holm.")
    expect(page.locator("#adjust-amount")).to_be_focused()
    expect(page.locator("#adjust-amount")).to_have_value("")
    focused(page)
    assert desk.real(player_id) == 5_250_00


def test_a_dialog_takes_the_focus_and_gives_it_back(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    page.locator(".entry-link").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_be_visible()
    assert page.evaluate("document.getElementById('dialog').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator(".entry-link")).to_be_focused()


def test_freezing_by_keyboard_alone(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    page.keyboard.press("f")
    expect(page.locator("#status-reason")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#status-reason-error")).to_have_text("Enter a reason.")
    expect(page.locator("#status-reason")).to_be_focused()
    page.keyboard.type("Card reported stolen")
    page.keyboard.press("Enter")
    expect(page.locator(".toast p")).to_have_text("The wallet is frozen.")
    expect(page.locator("#header .notice")).to_contain_text("Card reported stolen")
    expect(page.locator("#adjust button[type=submit]")).to_have_attribute("aria-disabled", "true")
