"""Withdrawals and transfers in the browser: asked for, foretold, paid, cancelled, or refused at the field."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from dashboard.models import Balance, Refusal, VipRule, Withdrawal
from dashboard.models.login import Role
from tests import builders
from tests.pages import Page
from tests.web.desk import Browser, Desk


def typed(amount: str, **more: Any) -> dict[str, Any]:
    return {
        "amount": amount,
        "reason": "Ticket 5520",
        "reference": "",
        "currency": "USD",
        "seen_version": "1",
        "idempotency_key": str(uuid4()),
        **more,
    }


def balance(desk: Desk, player_id: int) -> tuple[int, int]:
    row = select(Balance.real, Balance.pending).filter_by(player_id=player_id)
    return desk.read(lambda session: tuple(session.execute(row).one()))


def one_withdrawal(desk: Desk) -> Withdrawal:
    return desk.read(lambda session: session.scalars(select(Withdrawal)).one())


def ask(browser: Browser, player_id: int, amount: str = "300", **more: Any) -> int:
    return browser.post(f"/players/{player_id}/withdrawals", typed(amount, **more)).status_code


def end(browser: Browser, desk: Desk, noun: str, data: dict[str, str] | None = None) -> Page:
    row = one_withdrawal(desk)
    answer = browser.post(f"/players/{row.player_id}/withdrawals/{row.id}/{noun}", data or {})
    return Page(answer)


@pytest.mark.parametrize("noun", ["withdrawals", "transfers"])
def test_the_form_is_a_page_and_a_dialog(desk: Desk, noun: str) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)

    page = agent.page(f"/players/{player_id}/{noun}/new")
    dialog = agent.get(f"/players/{player_id}/{noun}/new", htmx=True)

    assert page.by_id("movement")["action"] == f"/players/{player_id}/{noun}"
    assert "Withdrawable now: 1,000.00" in page.by_id("movement").text
    assert "<html" not in dialog.text


@pytest.mark.parametrize("htmx", [True, False])
def test_a_request_is_pending_then_paid(desk: Desk, htmx: bool) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)
    answer = agent.post(f"/players/{player_id}/withdrawals", typed("300"), htmx=htmx)
    assert answer.status_code == (204 if htmx else 303)
    assert balance(desk, player_id) == (1_000_00, 300_00)
    assert "300.00" in agent.page("/withdrawals").by_id("withdrawals").text

    end(agent, desk, "payment")

    assert balance(desk, player_id) == (700_00, 0)
    assert one_withdrawal(desk).state == "paid"
    assert "Nothing waits to be paid" in agent.page("/withdrawals").by_id("withdrawals").text


def test_sent_twice_it_is_requested_once(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)
    data = typed("300")

    for _ in range(2):
        assert agent.post(f"/players/{player_id}/withdrawals", data).status_code == 303

    assert balance(desk, player_id) == (1_000_00, 300_00)


def test_cancelled_it_is_withdrawable_again(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)
    ask(agent, player_id)

    faulty = end(agent, desk, "cancellation", {"reason": ""})
    assert "Enter a reason." in faulty.by_id("cancellation-reason-error").text
    end(agent, desk, "cancellation", {"reason": "Changed their mind"})

    assert balance(desk, player_id) == (1_000_00, 0)
    late = end(agent, desk, "payment")
    assert "This withdrawal is already cancelled." in late.one("div", role="alert").text


def test_more_than_is_withdrawable_is_refused_at_the_amount(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)

    answer = agent.post(f"/players/{player_id}/withdrawals", typed("1,000.01"))

    page = Page(answer)
    assert answer.status_code == 422
    assert "More than is withdrawable" in page.by_id("withdrawal-amount-error").text
    assert page.by_id("withdrawal-amount")["value"] == "1,000.01"
    assert page.by_id("withdrawal-reason")["value"] == "Ticket 5520"
    assert desk.read(lambda session: len(session.scalars(select(Refusal)).all())) == 1


@pytest.mark.parametrize("amount", ["", "-5", "0", "1e5", "NaN", "1.234"])
def test_what_is_no_amount_is_said_at_its_place(desk: Desk, amount: str) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)

    answer = agent.post(f"/players/{player_id}/withdrawals", typed(amount))

    assert answer.status_code == 422
    assert Page(answer).by_id("withdrawal-amount-error").text
    assert balance(desk, player_id) == (1_000_00, 0)


def test_the_preview_is_what_is_posted(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)

    told = agent.post(f"/players/{player_id}/withdrawals/preview", typed("300", reason=""), htmx=True)

    page = Page(told)
    assert "Withdrawable1,000.00 → becomes 700.00" in page.by_id("outcome").text
    assert page.by_id("movement-act").text == "Request 300.00 USD"
    assert balance(desk, player_id) == (1_000_00, 0)


def test_a_balance_that_moved_on_is_confirmed_again(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)

    answer = agent.post(f"/players/{player_id}/withdrawals", typed("300", seen_version="0"))

    page = Page(answer)
    assert answer.status_code == 409
    assert "The balance has changed" in page.one("div", role="alert").text
    assert page.one("input", name="seen_version")["value"] == "1"


def test_paying_a_large_one_asks_a_second_person(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)
    desk.write(lambda session: session.execute(update(VipRule).values(approval_threshold=200_00)) and None)
    ask(agent, player_id)

    end(agent, desk, "payment")

    row = one_withdrawal(desk)
    assert row.state == "requested"
    page = agent.page(f"/players/{player_id}/withdrawals/{row.id}")
    assert "Its payment waits for a second person." in page.one("main").text
    assert "Waits for approval" in agent.page("/withdrawals").by_id("withdrawals").text


@pytest.mark.parametrize("to", ["P-OTHER", "p-other"])
def test_a_transfer_goes_to_an_external_id(desk: Desk, to: str) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)
    other = desk.player(external_id="P-OTHER")

    answer = agent.post(f"/players/{player_id}/transfers", typed("300", to=to))

    assert answer.status_code == 303
    assert (balance(desk, player_id), balance(desk, other)) == ((700_00, 0), (300_00, 0))


def test_nobody_of_that_name_is_said_at_the_field(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)

    page = Page(agent.post(f"/players/{player_id}/transfers", typed("300", to="nobody@example.com")))

    assert "No player has this" in page.by_id("transfer-to-error").text
    assert page.by_id("transfer-to")["value"] == "nobody@example.com"


def test_another_operators_player_receives_nothing(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)
    desk.write(
        lambda session: builders.make_player(
            session, operator_id=builders.make_operator(session), external_id="FAR-1"
        )
    )

    page = Page(agent.post(f"/players/{player_id}/transfers", typed("300", to="FAR-1")))

    assert "No player has this" in page.by_id("transfer-to-error").text


def test_an_auditor_reads_alone(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000_00)
    ask(agent, player_id)
    row = one_withdrawal(desk)

    page = desk.sign_in(Role.AUDITOR).page(f"/players/{player_id}/withdrawals/{row.id}")

    assert [form for form in page.all("form") if form.is_within(page.one("main"))] == []
