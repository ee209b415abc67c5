"""POST /players/<id>/adjustments/preview: it says what posting does, and does nothing."""

import threading
from uuid import uuid4

import pytest
from sqlalchemy import text

from dashboard import clock, db
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import wallets
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Browser, Desk


def typed(
    desk: Desk, player_id: int, amount: str, change_type: str = "deposit", **more: str
) -> dict[str, str]:
    return {
        "change_type": change_type,
        "amount": amount,
        "reason": "",
        "currency": "USD",
        "seen_version": str(desk.version(player_id)),
        "idempotency_key": str(uuid4()),
        **more,
    }


def preview(browser: Browser, player_id: int, data: dict[str, str]) -> Page:
    answer = browser.post(f"/players/{player_id}/adjustments/preview", data, htmx=True)
    assert answer.status_code == 200
    return Page(answer)


def post(browser: Browser, player_id: int, data: dict[str, str]) -> Page:
    answer = browser.post(f"/players/{player_id}/adjustments", {**data, "reason": "As previewed"}, htmx=True)
    return Page(answer)


def lines(page: Page) -> dict[str, str]:
    """The lines of the effect: label and consequence."""
    found = {}
    for line in page.all("div", class_="effect-line"):
        label, consequence = (span for span in page.all("span") if span.ancestors[-1:] == (line,))
        found[label.text] = consequence.text
    return found


def used(page: Page) -> list[tuple[str, str]]:
    """What the meters of a page say."""
    return [(meter["aria-label"], meter["aria-valuetext"]) for meter in page.all("svg", role="meter")]


ACCEPTED = [
    ("deposit", "250", "500.00 becomes 750.00"),
    ("adjustment", "-499.99", "500.00 becomes 0.01"),
    ("adjustment", "-600", "500.00 becomes −100.00"),
    ("fee", "20", "500.00 becomes 480.00"),
    ("deposit", "24,000", "500.00 becomes 24,500.00"),
]


@pytest.mark.parametrize(("change_type", "amount", "real"), ACCEPTED)
def test_what_is_shown_is_what_posting_does(desk: Desk, change_type: str, amount: str, real: str) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    data = {**typed(desk, player_id, amount, change_type), "amount_again": amount}
    before = desk.facts(player_id)
    shown = preview(agent, player_id, data)
    assert desk.facts(player_id) == before
    assert lines(shown)["Real balance"].replace(" →", "") == real
    promised = lines(shown).get("Alerts", "")

    posted = post(agent, player_id, data)
    figures = [dd.text for dd in posted.all("dd") if not dd.get("class")]
    real_after, withdrawable_after = (
        lines(shown)[name].split()[-1] for name in ("Real balance", "Withdrawable")
    )
    assert figures[0] == f"{real_after} USD"
    assert figures[1] == withdrawable_after
    assert used(posted) == used(shown)
    for kind in desk.open_alerts(player_id):
        assert kind.replace("_", " ") in promised
    assert ("opens" in promised) == bool(desk.open_alerts(player_id))
    risk = desk.last_entry(player_id).risk_score
    assert f"{risk} of 100" in shown.by_id("preview").text


REFUSED = [
    ("deposit", "25,000.01", {}),
    ("adjustment", "-200,000", {}),
    ("adjustment", "-10,500.01", {}),
    ("deposit", "0", {}),
    ("deposit", "1,000,000", {}),
]


@pytest.mark.parametrize(("change_type", "amount", "more"), REFUSED)
def test_every_refusal_is_foretold(desk: Desk, change_type: str, amount: str, more: dict[str, str]) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    data = typed(desk, player_id, amount, change_type, **more)
    before = desk.facts(player_id)
    shown = preview(agent, player_id, data)
    assert desk.facts(player_id) == before

    posted = post(agent, player_id, data)
    at_field = posted.by_id("adjust-amount-error")
    told = [item.text for item in posted.all("li") if item.is_within(at_field)]
    assert told
    assert [item.text for item in shown.all("li") if item.text in told] == told
    assert ("limit exceeded" in lines(shown).get("Alerts", "")) == bool(desk.open_alerts(player_id))


def test_a_frozen_wallet_is_foretold(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    desk.write(
        lambda session: wallets.freeze(
            session,
            player_id=player_id,
            reason="Documents",
            actor=builders.make_actor(session, operator_id=desk.operator_id),
            now=clock.now(),
        )
    )
    shown = preview(agent, player_id, typed(desk, player_id, "10"))
    assert "The wallet is frozen: it takes no deposit." in shown.by_id("preview").text


def test_alerts_that_close_are_foretold(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=200_000)
    desk.write(lambda session: builders.change(session, player_id, -150_000, ChangeType.WITHDRAWAL, now=AT))
    assert "warning" in desk.open_alerts(player_id)
    shown = preview(agent, player_id, typed(desk, player_id, "600"))
    assert lines(shown)["Alerts"] == "closes “warning”"
    post(agent, player_id, typed(desk, player_id, "600"))
    assert "warning" not in desk.open_alerts(player_id)


@pytest.mark.parametrize(("amount", "said"), [("12.", "in figures"), ("1.005", "2 decimals"), ("-5", "sign")])
def test_what_cannot_be_read_yet_is_said_quietly(desk: Desk, amount: str, said: str) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    shown = preview(agent, player_id, typed(desk, player_id, amount))
    assert said in shown.by_id("preview").text
    assert lines(shown) == {}
    assert len(used(shown)) == 3


def test_before_anything_is_typed_the_limits_stand_there(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    shown = preview(agent, player_id, typed(desk, player_id, ""))
    assert used(shown) == [
        ("Today", "0.00 of 25,000.00"),
        ("This week", "0.00 of 100,000.00"),
        ("Your allowance today", "0.00 of 10,000,000,000,000.00"),
    ]
    assert shown.by_id("adjust-act").text == "Adjust balance"


@pytest.mark.parametrize(
    ("change_type", "amount", "act"),
    [
        ("deposit", "250", "Credit 250.00 USD"),
        ("adjustment", "-1,250", "Debit 1,250.00 USD"),
        ("fee", "2.5", "Debit 2.50 USD"),
    ],
)
def test_the_button_says_what_it_will_do(desk: Desk, change_type: str, amount: str, act: str) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=500_000)
    shown = preview(agent, player_id, typed(desk, player_id, amount, change_type))
    assert shown.by_id("adjust-act").text == act


def test_a_balance_that_has_moved_on_is_said(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    shown = preview(agent, player_id, typed(desk, player_id, "10", seen_version="0"))
    assert "The balance has changed since this form was opened" in shown.by_id("preview").text
    assert lines(shown)["Real balance"].endswith("510.00")


def test_a_form_that_was_posted_is_said(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    data = {**typed(desk, player_id, "10"), "reason": "As previewed"}
    post(agent, player_id, data)
    assert "Posted already, as entry 1" in preview(agent, player_id, data).by_id("preview").text
    other = preview(agent, player_id, {**data, "amount": "11"})
    assert "with other content" in other.by_id("preview").text


def test_a_balance_that_is_held_is_tried_again(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with desk.app.app_context(), db.writing() as session:
            session.execute(text("SELECT FROM balances WHERE player_id = :p FOR UPDATE"), {"p": player_id})
            held.set()
            done.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    try:
        shown = preview(agent, player_id, typed(desk, player_id, "10"))
    finally:
        done.set()
        holder.join()
    (busy,) = shown.all("p", class_="busy")
    assert "Busy, trying again" in busy.text
    assert busy["hx-trigger"] == "load delay:700ms"
    assert busy["hx-post"] == f"/players/{player_id}/adjustments/preview"


def test_in_a_new_currency_it_makes_no_balance(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    shown = preview(agent, player_id, typed(desk, player_id, "1,500", currency="JPY", seen_version="0"))
    assert lines(shown)["Real balance"].endswith("1,500")
    assert (
        desk.read(
            lambda session: session.scalar(
                text("SELECT count(*) FROM balances WHERE player_id = :p"), {"p": player_id}
            )
        )
        == 1
    )


def test_who_may_not_post_may_not_preview(desk: Desk) -> None:
    auditor, player_id = desk.sign_in(Role.AUDITOR), desk.player()
    where = f"/players/{player_id}/adjustments/preview"
    assert auditor.post(where, typed(desk, player_id, "10"), htmx=True).status_code == 403
    agent = desk.sign_in()
    assert agent.post("/players/987654/adjustments/preview", typed(desk, player_id, "1")).status_code == 404
    assert agent.get(where).status_code == 405


def test_a_preview_takes_few_statements(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    data = typed(desk, player_id, "10")
    assert desk.count_queries(lambda: preview(agent, player_id, data)) <= 16, desk.queries


def test_what_was_refused_is_taken_back_once_something_else_is_typed(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    where, data = f"/players/{player_id}/adjustments/preview", typed(desk, player_id, "10")
    assert Page(agent.post(where, data, htmx=True)).by_id("adjust-amount-error").get("hidden") is not None
    again = Page(agent.post(f"{where}?again=1", data, htmx=True))
    assert not [element for element in again.elements if element.get("id") == "adjust-amount-error"]
