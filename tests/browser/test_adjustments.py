"""Adjusting a balance: what it would do, what is refused, what came in between; posted once, in place."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect
from sqlalchemy import delete, select

from dashboard.models import Login, SignInSession
from dashboard.screens import settle
from tests import builders
from tests.builders import PASSWORD
from tests.web.desk import Desk


def fill(page: Page, amount: str, reason: str = "Goodwill", *, change_type: str = "deposit") -> None:
    """Fill in the form."""
    page.locator(f"#adjust [value={change_type}]").check(force=True)
    page.locator("#adjust-amount").fill(amount)
    page.locator("#adjust-reason").fill(reason)


def post(page: Page) -> None:
    """Press the button."""
    page.locator("#adjust button[type=submit]").click()


def test_typing_shows_what_it_would_do(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    before = desk.facts(player_id)
    page.locator("#adjust [value=adjustment]").check(force=True)
    page.locator("#adjust-amount").press_sequentially("-4,500")
    expect(page.locator("#preview .transition").first).to_contain_text("500.00")
    expect(page.locator("#preview")).to_contain_text("opens “warning”, “significant drop”")
    expect(page.locator("#adjust-act")).to_have_text("Debit 4,500.00 USD")
    expect(page.locator("#adjust-amount")).to_be_focused()
    expect(page.locator("#adjust-amount")).to_have_value("-4,500")
    assert desk.facts(player_id) == before


def test_a_refusal_stands_at_the_field_and_keeps_what_was_typed(
    person: Callable[..., Page], desk: Desk
) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    fill(page, "-1,000,000", "Payout", change_type="adjustment")
    post(page)
    amount = page.locator("#adjust-amount")
    expect(page.locator("#adjust-amount-error")).to_be_visible()
    expect(amount).to_have_attribute("aria-invalid", "true")
    expect(amount).to_have_value("-1,000,000")
    expect(amount).to_be_focused()
    expect(page.locator("#adjust-reason")).to_have_value("Payout")
    expect(page.locator("#adjust [value=adjustment]")).to_be_checked()
    assert desk.real(player_id) == 5_000_00
    assert desk.count_refusals(player_id) == 1


def test_a_double_click_posts_once(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    fill(page, "250")
    page.locator("#adjust button[type=submit]").dblclick()
    expect(page.locator(".toast p")).to_contain_text("Credited 250.00 USD")
    expect(page.locator("#balance-card .value").first).to_have_text("5,250.00")
    assert desk.version(player_id) == 2


def test_success_swaps_figures_journal_and_counts_without_a_reload(
    person: Callable[..., Page], desk: Desk
) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    page.evaluate("window.isTheSamePage = true")
    fill(page, "-4,500", "Payout by phone", change_type="adjustment")
    post(page)
    expect(page.locator("#balance-card .value").first).to_have_text("500.00")
    expect(page.locator("#journal-table tr").nth(1)).to_contain_text("Payout by phone")
    expect(page.locator("#journal-count")).to_have_text("2 entries")
    expect(page.locator("#alerts .alert-lines li")).to_have_count(2)
    expect(page.locator("#alert-count")).to_have_text("2")
    assert page.evaluate("window.isTheSamePage")
    page.locator(".toast a").click()
    expect(page.locator("h1")).to_have_text("Entry 2 of Mira Holm")
    page.go_back()
    expect(page.locator("#navigation")).to_be_visible()
    expect(page.locator("#balance-card .value").first).to_have_text("500.00")


def test_a_second_change_posts_under_a_key_of_its_own(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    for after in ("5,100.00", "5,200.00"):
        fill(page, "100")
        post(page)
        expect(page.locator("#balance-card .value").first).to_have_text(after)
    assert desk.version(player_id) == 3


def test_what_changed_in_between_is_shown_and_confirmed(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    fill(page, "250")
    desk.write(lambda session: builders.change(session, player_id, -70_00))
    post(page)
    notice = page.locator("#adjust .notice[role=alert]")
    expect(notice).to_contain_text("The balance has changed since you looked.")
    expect(notice).to_contain_text("−70.00")
    expect(notice).to_contain_text("4,930.00 USD now")
    expect(page.locator("#adjust-amount")).to_have_value("250")
    assert desk.version(player_id) == 2
    button = page.locator("#adjust button[type=submit]")
    expect(button).to_have_text("Confirm: Credit 250.00 USD")
    expect(page.locator("#adjust :focus, #adjust-form:focus")).to_have_count(1)
    button.click()
    expect(page.locator("#balance-card .value").first).to_have_text("5,180.00")
    assert desk.version(player_id) == 3


def test_a_session_that_ended_keeps_the_form_and_posts_it_once(
    person: Callable[..., Page], desk: Desk
) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    fill(page, "250", "Typed before the session ended")
    key = page.locator("#adjust [name=idempotency_key]").input_value()
    desk.write(lambda session: session.execute(delete(SignInSession)))
    post(page)
    dialog = page.locator("#sign-in-dialog")
    expect(dialog).to_contain_text("Sign in again")
    expect(page.locator("#adjust [name=idempotency_key]")).to_have_value(key)
    dialog.locator("[name=email]").fill(desk.read(lambda session: session.scalars(select(Login.email)).one()))
    dialog.locator("[name=password]").fill(PASSWORD)
    dialog.locator("button[type=submit]").click()
    expect(page.locator(".toast p")).to_contain_text("Credited 250.00 USD")
    expect(dialog).to_be_hidden()
    expect(page.locator("#balance-card .value").first).to_have_text("5,250.00")
    assert desk.version(player_id) == 2
    assert desk.last_entry(player_id).idempotency_key == key
    fill(page, "1")
    post(page)
    expect(page.locator("#balance-card .value").first).to_have_text("5,251.00")


def test_what_could_not_be_sent_is_kept_and_posts_once_when_sent_again(
    person: Callable[..., Page], desk: Desk, problems: list[str]
) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    fill(page, "250")
    page.route(re.compile(r"/adjustments\?"), lambda route: route.abort())
    post(page)
    expect(page.locator(".toast.is-bad p")).to_contain_text("The server could not be reached.")
    expect(page.locator("#adjust-amount")).to_have_value("250")
    assert [problem for problem in problems if "Failed to fetch" not in problem] == []
    problems.clear()
    page.unroute(re.compile(r"/adjustments\?"))
    post(page)
    expect(page.locator("#balance-card .value").first).to_have_text("5,250.00")
    assert desk.version(player_id) == 2


def test_typing_after_the_session_ended_neither_interrupts_nor_posts(
    person: Callable[..., Page], desk: Desk
) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    desk.write(lambda session: session.execute(delete(SignInSession)))
    with page.expect_response("**/preview") as answer:
        fill(page, "250")
    assert answer.value.status == 401
    expect(page.locator("#sign-in-dialog")).to_be_hidden()
    expect(page.locator("#adjust-amount")).to_have_value("250")
    assert desk.version(player_id) == 1
