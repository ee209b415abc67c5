"""Partners at the desk by keyboard alone, from the contract to the payout; and without JavaScript."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from dashboard import screens
from dashboard.models import Partner, PartnerContract, PartnerStatement
from dashboard.models.login import Role
from dashboard.models.partner import PartnerStatus
from tests.web import partner_desk
from tests.web.desk import Desk


@pytest.fixture
def page(person: Callable[..., Page]) -> Page:
    """A manager's."""
    return person(Role.MANAGER, name="Bo Lind")


def states(desk: Desk) -> list[str]:
    wanted = select(PartnerStatement.state)
    return desk.read(lambda session: list(session.scalars(wanted)))


def test_a_partner_is_agreed_by_keyboard(page: Page, desk: Desk) -> None:
    page.goto("/partners")
    screens.settle(page)
    page.keyboard.press("n")
    expect(page.get_by_role("heading", level=1)).to_have_text("New partner")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("Silk Road Journal")
    page.keyboard.press("Tab")
    page.keyboard.type("silk-road")
    page.keyboard.press("Tab")
    page.keyboard.type("50")
    page.keyboard.press("Tab")
    page.keyboard.type("1")
    example = page.locator("#example")
    expect(example).to_contain_text("0.5 % of the real profit")
    page.keyboard.type("0")
    expect(example).to_contain_text("5 % of the real profit")
    expect(page.get_by_label("Rate of the shown profit")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(example).to_contain_text("−20.00 to the next")
    page.keyboard.press("ArrowRight")
    expect(example).to_contain_text("This pays more than the rate says.")
    page.keyboard.press("ArrowLeft")
    expect(example).not_to_contain_text("This pays more")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Silk Road Journal")
    made = desk.read(lambda session: session.scalars(select(Partner)).one())
    agreed = desk.read(lambda session: session.scalars(select(PartnerContract)).one())
    assert (made.code, made.status) == ("silk-road", "pending")
    assert (agreed.share_bp, agreed.rate_bp, agreed.loss_policy) == (50_00, 10_00, "carry")


def test_a_partner_is_made_active_and_somebody_invited_by_keyboard(page: Page, desk: Desk) -> None:
    partner = partner_desk.make(desk, status=PartnerStatus.PENDING)
    page.goto(f"/partners/{partner}")
    screens.settle(page)
    page.keyboard.press("s")
    dialog = page.locator("dialog[open]")
    expect(dialog.get_by_role("heading")).to_have_text("Change the status")
    dialog.get_by_role("radio", name="Active").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(dialog.locator(".field-error")).to_have_text("Say why.")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("Signed today")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("The partner is active now.")

    screens.settle(page)
    page.keyboard.press("i")
    expect(page.get_by_role("heading", level=1)).to_have_text("Invite a partner user")
    page.keyboard.type("Pia Lund")
    page.keyboard.press("Tab")
    page.keyboard.type("pia@silk-road.example")
    page.keyboard.press("Enter")
    expect(page.get_by_label("One-time link")).to_have_value(re.compile(r"/one-time-link\?token="))


def test_earnings_are_approved_and_their_month_closed_by_two_people(
    page: Page, person: Callable[..., Page], desk: Desk
) -> None:
    partner = partner_desk.make(desk, name="Harbour Media")
    for _ in range(3):
        partner_desk.earn(desk, partner)
    page.goto(f"/partners/{partner}/earnings")
    screens.settle(page)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-selected-count]")).to_have_text("1 selected")
    page.keyboard.press("r")
    dialog = page.locator("dialog[open]")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("Played with themselves")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("1 earning is rejected.")
    screens.settle(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("a")
    expect(page.locator("#toasts")).to_contain_text("1 earning is approved")
    found = sorted(state for _id, state, _earned in partner_desk.earnings(desk, partner))
    assert found == ["approved", "pending", "rejected"]

    page.goto("/partners/statements")
    screens.settle(page)
    page.keyboard.press("c")
    expect(page.locator("#draft-table")).to_contain_text("50.00 USD")
    assert states(desk) == []
    screens.settle(page)
    page.keyboard.press("y")
    expect(page.locator("#toasts")).to_contain_text("1 statement waits for a second person")
    assert states(desk) == ["closed"]
    expect(page.locator("#partner-count")).to_have_text("")

    second = person(Role.ADMIN, name="Ada Quist")
    second.goto("/partners/statements")
    expect(second.locator("#partner-count")).to_have_text("1")
    second.locator("#statement-table .lead a").focus()
    second.keyboard.press("Enter")
    expect(second.get_by_role("heading", level=1)).to_have_text("Harbour Media, March 2026")
    screens.settle(second)
    second.keyboard.press("r")
    expect(second.get_by_label("Reason")).to_be_focused()
    second.keyboard.type("As agreed")
    second.keyboard.press("Tab")
    second.keyboard.press("Enter")
    expect(second.locator("#toasts")).to_contain_text("The statement is approved.")
    assert states(desk) == ["payable"]


def test_a_payout_is_paid_by_a_third_person(person: Callable[..., Page], desk: Desk) -> None:
    owed = partner_desk.owe(desk)
    first, second = person(Role.MANAGER, name="Bo Lind"), person(Role.ADMIN, name="Ada Quist")
    first.goto(f"/partners/payouts/{owed.payout_id}")
    screens.settle(first)
    first.keyboard.press("y")
    expect(first.locator("#toasts")).to_contain_text("The payout is approved")
    expect(first.get_by_label("Reference of the payment")).to_have_count(0)
    second.goto(f"/partners/payouts/{owed.payout_id}")
    second.get_by_label("Reference of the payment").fill("TR-2026-04")
    second.keyboard.press("Enter")
    expect(second.locator("#toasts")).to_contain_text("The payout is paid.")
    assert partner_desk.account(desk, owed.partner_id).paid == 50_00


def test_without_javascript(person: Callable[..., Page], desk: Desk) -> None:
    partner = partner_desk.make(desk, name="Harbour Media")
    partner_desk.earn(desk, partner)
    plain = person(Role.MANAGER, java_script_enabled=False)
    plain.goto(f"/partners/{partner}/contracts/new")
    plain.get_by_label("Rate of the shown profit").fill("20")
    plain.get_by_role("button", name="Work out the example").click()
    expect(plain.locator("#example")).to_contain_text("10 % of the real profit")
    expect(plain.get_by_label("Rate of the shown profit")).to_have_value("20")
    plain.get_by_role("button", name="Agree version 2").click()
    expect(plain.locator("#contracts")).to_contain_text("50 % shown, 20 % of that")
    plain.get_by_role("link", name="Earnings", exact=True).click()
    plain.locator("[name=earning]").check()
    plain.get_by_role("button", name="Reject…").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Reject earnings")
    plain.get_by_label("Reason").fill("A test round")
    plain.get_by_role("button", name="Reject 1 earning").click()
    expect(plain.locator("#earning-table")).to_contain_text("A test round")
