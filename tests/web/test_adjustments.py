"""POST /players/<id>/adjustments."""

import json
from uuid import uuid4

import pytest

from dashboard import clock
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import wallets
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Desk, fields


def typed(desk: Desk, player_id: int, amount: str = "250", **more: str) -> dict[str, str]:
    """What the form sends for the balance as it stands."""
    currency = more.get("currency", "USD")
    return {
        "change_type": "deposit",
        "amount": amount,
        "reason": "Bank transfer TX-1",
        "currency": currency,
        "seen_version": str(desk.version(player_id, currency)),
        "idempotency_key": str(uuid4()),
        **more,
    }


def path(player_id: int) -> str:
    return f"/players/{player_id}/adjustments"


# With htmx, and without


def test_with_htmx_form_figures_and_alerts_come_back(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=10_000)
    answer = agent.post(path(player_id), typed(desk, player_id), htmx=True)
    assert answer.status_code == 200
    page = Page(answer)
    assert page.by_id("adjust-amount").get("value") == ""
    assert "350.00" in page.by_id("balance-card").text
    assert page.by_id("balance-card")["hx-swap-oob"] == "outerMorph"
    assert {element.get("id") for element in page.all("section")} == {
        "adjust-form",
        "balance-card",
        "alerts",
    }
    told = json.loads(answer.headers["HX-Trigger"])
    assert told["toast"]["message"] == "Credited 250.00 USD · Mira Holm."
    assert told["toast"]["href"] == f"/players/{player_id}/entries/USD/2"
    assert "journal:grown" in told
    assert desk.real(player_id) == 35_000


def test_the_fresh_form_has_a_new_key_and_the_new_version(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    data = typed(desk, player_id)
    fresh = fields(Page(agent.post(path(player_id), data, htmx=True)), "adjust")
    assert fresh["idempotency_key"] != data["idempotency_key"]
    assert fresh["seen_version"] == "1"


def test_without_javascript_the_page_comes_back_with_a_flash(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    form = fields(agent.page(f"/players/{player_id}"), "adjust")
    answer = agent.post(path(player_id), {**form, "amount": "250", "reason": "Bank transfer TX-1"})
    assert (answer.status_code, answer.location) == (303, f"/players/{player_id}")
    page = agent.page(answer.location)
    assert "Credited 250.00 USD" in page.by_id("toasts").text
    assert "250.00" in page.by_id("balance-card").text


def test_the_entry_says_who_what_and_why(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    data = typed(desk, player_id, reason="  Card, second attempt ")
    agent.post(path(player_id), data)
    entry = desk.last_entry(player_id)
    assert (entry.change_type, entry.real_delta, entry.reason) == ("deposit", 25_000, "Card, second attempt")
    assert entry.performed_by.startswith("staff:")
    assert entry.idempotency_key == data["idempotency_key"]
    assert entry.created_at == AT


@pytest.mark.parametrize(
    ("change_type", "amount", "delta"),
    [
        ("deposit", "20", 2_000),
        ("fee", "20", -2_000),
        ("adjustment", "20", 2_000),
        ("adjustment", "-20", -2_000),
        ("adjustment", "−20", -2_000),
        ("deposit", "1,234.50", 123_450),
        ("deposit", "0.01", 1),
    ],
)
def test_the_type_gives_the_amount_its_sign(desk: Desk, change_type: str, amount: str, delta: int) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=500_000)
    answer = agent.post(path(player_id), typed(desk, player_id, amount, change_type=change_type))
    assert answer.status_code == 303
    assert desk.last_entry(player_id).real_delta == delta


def test_the_first_change_in_a_currency_makes_its_balance(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    form = fields(agent.page(f"/players/{player_id}?currency=JPY"), "adjust")
    answer = agent.post(path(player_id), {**form, "amount": "1,500", "reason": "First"})
    assert answer.location == f"/players/{player_id}?currency=JPY"
    assert desk.real(player_id, "JPY") == 1_500


# What the amount field takes


@pytest.mark.parametrize(
    ("amount", "currency", "message"),
    [
        ("", "USD", "Enter an amount."),
        ("  ", "USD", "Enter an amount."),
        ("NaN", "USD", "in figures"),
        ("sNaN", "USD", "in figures"),
        ("Infinity", "USD", "in figures"),
        ("1e5", "USD", "in figures"),
        ("1_000", "USD", "in figures"),
        ("١٢", "USD", "in figures"),
        ("1.", "USD", "in figures"),
        ("1.005", "USD", "USD amounts have at most 2 decimals."),
        ("1.5", "JPY", "JPY amounts have no decimals."),
        ("1.0005", "KWD", "KWD amounts have at most 3 decimals."),
        ("100,000,000,000,000.00", "USD", "Enter at most"),
        ("10000000000000000", "JPY", "Enter at most"),
        ("-20", "USD", "Leave the sign out: a deposit always adds money."),
        ("+20", "USD", "Leave the sign out"),
    ],
)
@pytest.mark.parametrize("htmx", [True, False])
def test_a_wrong_amount_is_told_at_the_field_and_stays(
    desk: Desk, amount: str, currency: str, message: str, htmx: bool
) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    before = desk.facts(player_id)
    answer = agent.post(path(player_id), typed(desk, player_id, amount, currency=currency), htmx=htmx)
    assert answer.status_code == 422
    page = Page(answer)
    field = page.by_id("adjust-amount")
    assert field["value"] == amount.strip()
    assert field["aria-invalid"] == "true"
    assert message in page.by_id("adjust-amount-error").text
    assert "adjust-amount-error" in field["aria-describedby"]
    assert page.by_id("adjust-reason")["value"] == "Bank transfer TX-1"
    assert desk.facts(player_id) == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reason": ""}, "Enter a reason."),
        ({"reason": "x" * 201}, "at most 200"),
        ({"change_type": "wager"}, "Choose what to do."),
        ({"change_type": ""}, "Choose what to do."),
        ({"change_type": "withdrawal"}, "Choose what to do."),  # is requested, then paid
        ({"change_type": "points_conversion"}, "Choose what to do."),  # comes with points alone
        ({"seen_version": ""}, "damaged"),
        ({"seen_version": "-1"}, "damaged"),
        ({"seen_version": "x"}, "alid"),
        ({"idempotency_key": "42"}, "damaged"),
        ({"currency": "usd"}, "damaged"),
        ({"currency": "X"}, "damaged"),
    ],
)
def test_what_else_is_wrong_is_told(desk: Desk, wrong: dict[str, str], message: str) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    answer = agent.post(path(player_id), {**typed(desk, player_id), **wrong}, htmx=True)
    assert answer.status_code == 422
    page = Page(answer)
    assert message in page.by_id("adjust-form").text
    assert page.by_id("adjust-amount")["value"] == "250"
    assert desk.version(player_id) == 0


# What the rules refuse


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize(
    ("change_type", "amount", "message", "alerts"),
    [
        ("deposit", "25,000.01", "Over the daily limit: would reach 25,000.01 of 25,000.00", True),
        ("adjustment", "-10,500.01", "Would reach −10,000.01, below the minimum of −10,000.00", False),
        ("deposit", "0", "Enter an amount other than zero.", False),
    ],
)
def test_a_refusal_changes_nothing_and_is_kept(
    desk: Desk, *, change_type: str, amount: str, message: str, alerts: bool, htmx: bool
) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    answer = agent.post(path(player_id), typed(desk, player_id, amount, change_type=change_type), htmx=htmx)
    assert answer.status_code == 422
    page = Page(answer)
    assert message in page.by_id("adjust-amount-error").text
    assert page.by_id("adjust-amount")["value"] == amount
    assert (desk.real(player_id), desk.version(player_id)) == (50_000, 1)
    assert desk.count_refusals(player_id) == 1
    assert desk.open_alerts(player_id) == (["limit_exceeded"] if alerts else [])
    assert ("Limit exceeded" in page.by_id("alerts").text) == alerts


def test_every_reason_is_told_at_once(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    answer = agent.post(
        path(player_id), typed(desk, player_id, "-120,000", change_type="adjustment"), htmx=True
    )
    told = Page(answer).by_id("adjust-amount-error").text
    for reason in ("below the minimum", "daily limit", "weekly limit"):
        assert reason in told


def test_after_a_refusal_the_form_is_another_attempt(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    data = typed(desk, player_id, "26,000")
    again = fields(Page(agent.post(path(player_id), data, htmx=True)), "adjust")
    assert again["idempotency_key"] != data["idempotency_key"]
    assert agent.post(path(player_id), {**again, "amount": "24,000"}, htmx=True).status_code == 200
    assert desk.real(player_id) == 2_400_000


def test_a_frozen_wallet_refuses_and_its_form_says_so(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    data = typed(desk, player_id)
    desk.write(
        lambda session: wallets.freeze(
            session,
            player_id=player_id,
            reason="Documents asked for",
            actor=builders.make_actor(session, operator_id=desk.operator_id),
            now=clock.now(),
        )
    )
    answer = agent.post(path(player_id), data, htmx=True)
    assert answer.status_code == 422
    page = Page(answer)
    assert "The wallet is frozen: it takes no deposit." in page.by_id("adjust-amount-error").text
    (button,) = (button for button in page.all("button") if button.get("type") == "submit")
    assert button["aria-disabled"] == "true"
    assert "Documents asked for" in button.text
    assert desk.version(player_id) == 0


# Sent twice, or too late


def test_a_double_click_posts_once_and_shows_the_first_result(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    data = typed(desk, player_id)
    assert agent.post(path(player_id), data, htmx=True).status_code == 200
    again = agent.post(path(player_id), data, htmx=True)
    assert again.status_code == 200
    toast = json.loads(again.headers["HX-Trigger"])["toast"]
    assert "posted already" in toast["message"]
    assert toast["href"] == f"/players/{player_id}/entries/USD/1"
    assert (desk.real(player_id), desk.version(player_id)) == (25_000, 1)


@pytest.mark.parametrize("htmx", [True, False])
def test_a_balance_that_has_moved_on_is_shown_before_it_is_changed(desk: Desk, htmx: bool) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=10_000)
    data = typed(desk, player_id)
    desk.write(lambda session: builders.change(session, player_id, 7_700, ChangeType.DEPOSIT, now=AT))
    answer = agent.post(path(player_id), data, htmx=htmx)
    assert answer.status_code == 409
    page = Page(answer)
    form = page.by_id("adjust-form")
    assert "The balance has changed since you looked." in form.text
    assert "System: +77.00" in form.text
    assert "177.00 USD now" in form.text
    assert "177.00 → becomes 427.00" in page.by_id("preview").text
    assert "Confirm:" in form.text
    assert desk.real(player_id) == 17_700

    again = fields(page, "adjust")
    assert (again["seen_version"], again["amount"]) == ("2", "250")
    assert again["idempotency_key"] == data["idempotency_key"]
    agent.post(path(player_id), again)
    assert desk.real(player_id) == 42_700


@pytest.mark.parametrize("htmx", [True, False])
def test_a_key_that_was_used_for_something_else_shows_both(desk: Desk, htmx: bool) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    data = typed(desk, player_id)
    agent.post(path(player_id), data)
    answer = agent.post(path(player_id), {**data, "amount": "999"}, htmx=htmx)
    assert answer.status_code == 409
    page = Page(answer)
    text = page.by_id("adjust-form").text
    assert "This form has been posted already." in text
    assert "+250.00 USD" in text
    assert "+999.00 USD" in text
    assert fields(page, "adjust")["idempotency_key"] != data["idempotency_key"]
    assert desk.real(player_id) == 25_000


# Who may


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.PARTNER])
def test_readers_and_partners_may_not(desk: Desk, role: Role) -> None:
    browser, player_id = desk.sign_in(role), desk.player()
    assert browser.post(path(player_id), typed(desk, player_id)).status_code == 403
    assert desk.version(player_id) == 0


def test_a_reader_sees_no_form(desk: Desk) -> None:
    auditor, player_id = desk.sign_in(Role.AUDITOR), desk.player()
    page = auditor.page(f"/players/{player_id}")
    assert not [form for form in page.all("form") if form.get("id") == "adjust"]


@pytest.mark.parametrize("htmx", [True, False])
def test_another_operators_player_is_not_there(desk: Desk, htmx: bool) -> None:
    agent = desk.sign_in()
    elsewhere = desk.write(
        lambda session: builders.make_player(session, operator_id=builders.make_operator(session))
    )
    assert agent.post(path(elsewhere), typed(desk, elsewhere), htmx=htmx).status_code == 404
    assert desk.version(elsewhere) == 0
    assert agent.post(path(10**9), typed(desk, elsewhere), htmx=htmx).status_code == 404


def test_only_a_post_adjusts(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    answer = agent.get(path(player_id))
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_without_a_token_nothing_happens(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    assert agent.client.post(path(player_id), data=typed(desk, player_id)).status_code == 400
    assert desk.version(player_id) == 0


def test_a_change_takes_few_statements(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    data = typed(desk, player_id)
    count = desk.count_queries(lambda: agent.post(path(player_id), data, htmx=True))
    assert count <= 15, desk.queries
