"""Signing in with a second factor and by one-time link, in a real browser; the pages that only these show."""

import datetime as dt
import re
from collections.abc import Callable

import pyotp
import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import delete, select, update

from dashboard import clock, keys, screens
from dashboard.models import Login, Operator, SecondFactor, SignInSession
from dashboard.models.login import Role
from tests.authenticator import Authenticator, set_up
from tests.browser.test_pages import IS_TOO_WIDE
from tests.builders import PASSWORD
from tests.web.desk import Desk

FRESH = "a quiet harbour at dawn"


@pytest.fixture
def looked_at(accessibility: Callable[[Page], list[str]]) -> Callable[[Page], None]:
    """Fails where axe finds something on the open page, or where it is too wide, in any theme and width."""

    def look(page: Page) -> None:
        size = page.viewport_size
        for width in (screens.WIDE, screens.NARROW):
            page.set_viewport_size({"width": width, "height": screens.HEIGHT})
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                screens.settle(page)
                assert accessibility(page) == [], f"{theme}, {width} px"
                assert not page.evaluate(IS_TOO_WIDE), f"{theme}, {width} px"
        if size:
            page.set_viewport_size(size)

    return look


def give_factor(desk: Desk) -> Authenticator:
    """Give the only login of the desk a second factor that was set up yesterday."""

    def give(session):  # type: ignore[no-untyped-def]
        login = session.scalars(select(Login)).one()
        yesterday = clock.now() - dt.timedelta(days=1)
        return set_up(session, login, key=keys.second_factor_key(), now=yesterday)

    return desk.write(give)


def end_all_sessions(desk: Desk) -> None:
    desk.write(lambda session: session.execute(delete(SignInSession)))


def email_of(desk: Desk, name: str = "Ana Reyes") -> str:
    return desk.read(lambda session: session.scalars(select(Login.email).where(Login.name == name)).one())


def type_password(page: Page, desk: Desk) -> None:
    page.locator("[name=email]").fill(email_of(desk))
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password]").press("Enter")


@pytest.mark.parametrize("scripted", [True, False], ids=["with JavaScript", "without"])
def test_setting_it_up_and_signing_in_with_it_by_keyboard(
    person: Callable[..., Page], desk: Desk, looked_at: Callable[[Page], None], scripted: bool
) -> None:
    page = person(java_script_enabled=scripted)
    page.goto("/account")
    page.get_by_role("link", name="Set up").click()
    page.get_by_role("button", name="Make my key").click()
    secret = page.locator("#secret").inner_text().replace(" ", "")
    expect(page.get_by_role("img", name=re.compile("QR code"))).to_be_visible()
    page.locator("#code").fill("12345")
    page.locator("#code").press("Enter")
    expect(page.locator("#code-error")).to_contain_text("does not fit")
    if scripted:
        expect(page.locator("#code")).to_be_focused()
    page.locator("#code").fill(pyotp.TOTP(secret).at(clock.now()))
    page.locator("#code").press("Enter")
    codes = page.locator("#recovery-codes code").all_inner_texts()
    assert len(codes) == 10
    if scripted:
        looked_at(page)
    page.get_by_role("link", name="I have kept them").click()
    page.goto("/account")
    expect(page.locator("#second-factor")).to_contain_text("10 of 10 recovery codes are left")
    if scripted:
        looked_at(page)

    end_all_sessions(desk)
    page.goto("/account")
    type_password(page, desk)
    expect(page.locator("h1")).to_have_text("Enter your code")
    if scripted:
        expect(page.locator("#code")).to_be_focused()
        looked_at(page)
    page.locator("#code").fill(codes[0])
    page.locator("#code").press("Enter")
    expect(page.locator("h1")).to_have_text("Your account")
    expect(page.locator(".toast p")).to_contain_text("That recovery code is used up; 9 left.")


def test_above_a_form_the_code_follows_the_password_and_the_form_is_sent(
    person: Callable[..., Page], desk: Desk, looked_at: Callable[[Page], None]
) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    authenticator = give_factor(desk)
    page.goto(f"/players/{player_id}")
    page.locator("#adjust-amount").fill("250")
    page.locator("#adjust-reason").fill("Typed before the session ended")
    expect(page.locator("#adjust-act")).to_have_text("Credit 250.00 USD")
    key = page.locator("#adjust [name=idempotency_key]").input_value()
    end_all_sessions(desk)
    page.locator("#adjust button[type=submit]").click()
    dialog = page.locator("#sign-in-dialog")
    expect(dialog.locator("[name=email]")).to_be_focused()
    type_password(dialog, desk)  # type: ignore[arg-type]  # a locator finds like a page
    code = dialog.locator("[name=code]")
    expect(code).to_be_focused()
    code.fill("000000")
    code.press("Enter")
    expect(dialog.locator(".field-error")).to_contain_text("does not fit")
    expect(code).to_be_focused()
    expect(page.locator("#adjust-amount")).to_have_value("250")
    code.fill(authenticator.code(clock.now()))
    code.press("Enter")
    expect(page.locator(".toast p")).to_contain_text("Credited 250.00 USD")
    expect(dialog).to_be_hidden()
    assert desk.last_entry(player_id).idempotency_key == key
    assert desk.version(player_id) == 2


def test_a_second_factor_required_meanwhile_loses_no_form(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    page.locator("#adjust-amount").fill("250")
    page.locator("#adjust-reason").fill("Typed before it was required")
    expect(page.locator("#adjust-act")).to_have_text("Credit 250.00 USD")
    desk.write(lambda session: session.execute(update(Operator).values(second_factor_required=True)))
    page.locator("#adjust button[type=submit]").click()
    dialog = page.locator("#sign-in-dialog")
    with page.context.expect_page() as opened:
        dialog.get_by_role("link", name="Set it up in a new tab").click()
    tab = opened.value
    tab.get_by_role("button", name="Make my key").click()
    secret = tab.locator("#secret").inner_text().replace(" ", "")
    tab.locator("#code").fill(pyotp.TOTP(secret).at(clock.now()))
    tab.locator("#code").press("Enter")
    expect(tab.locator("#recovery-codes")).to_be_visible()
    tab.close()
    dialog.get_by_role("button", name="Close").click()
    expect(page.locator("#adjust-reason")).to_have_value("Typed before it was required")
    page.locator("#adjust button[type=submit]").click()
    expect(page.locator(".toast p")).to_contain_text("Credited 250.00 USD")
    assert desk.version(player_id) == 2


def test_an_invitation_from_the_first_click_to_the_first_page(
    person: Callable[..., Page],
    desk: Desk,
    live: str,
    new_context: Callable[..., BrowserContext],
    looked_at: Callable[[Page], None],
) -> None:
    admin = person(Role.ADMIN, permissions=["clipboard-read", "clipboard-write"])
    admin.goto("/staff")
    admin.keyboard.press("n")
    expect(admin.locator("#name")).to_be_focused()
    admin.keyboard.type("Cleo Marsh")
    admin.locator("#email").fill("cleo@harbour.test")
    admin.locator("#role input[value=manager]").check(force=True)
    admin.get_by_role("button", name="Make the invitation link").click()
    expect(admin.locator("#link")).to_be_visible()
    looked_at(admin)
    admin.get_by_role("button", name="Copy").click()
    expect(admin.get_by_role("button", name="Copied")).to_be_visible()
    link = admin.evaluate("navigator.clipboard.readText()")
    assert link == admin.locator("#link").input_value()

    stranger = new_context(base_url=live).new_page()
    stranger.goto(link)
    expect(stranger.locator("h1")).to_have_text("Welcome, choose a password")
    looked_at(stranger)
    stranger.locator("#password").fill(FRESH)
    stranger.locator("#again").fill(FRESH)
    stranger.locator("#again").press("Enter")
    expect(stranger.locator(".notice")).to_contain_text("The password is set.")
    looked_at(stranger)
    stranger.locator("#email").fill("cleo@harbour.test")
    stranger.locator("#password").fill(FRESH)
    stranger.locator("#password").press("Enter")
    expect(stranger.locator(".user-name")).to_have_text("Cleo Marsh")

    admin.goto("/staff")
    admin.get_by_role("link", name="Cleo Marsh").click()
    admin.get_by_role("link", name="End all…").click()
    expect(admin.get_by_role("link", name="Cancel")).to_be_focused()
    admin.get_by_role("button", name="End all sessions").click()
    expect(admin.locator(".toast p")).to_contain_text("Signed out everywhere: 1 session ended.")
    stranger.reload()
    expect(stranger.locator("h1")).to_have_text("Sign in")
    assert desk.read(lambda session: session.scalars(select(SecondFactor)).all()) == []
