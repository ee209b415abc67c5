"""What the desk decides about partners' money: earnings, statements, payouts; and what if."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from dashboard import clock
from dashboard.models import PartnerPayout, PartnerStatement
from dashboard.models.login import Role
from tests import builders
from tests.pages import checked
from tests.web import partner_desk
from tests.web.desk import Browser, Desk, fields
from tests.web.partner_desk import IN_APRIL, Owed

QUERIES_MAX = 12


@pytest.fixture
def manager(desk: Desk) -> Browser:
    """A manager's browser, in the month in which everything is earned."""
    return desk.sign_in(Role.MANAGER, name="Bo Lind")


@pytest.fixture
def partner(desk: Desk) -> int:
    """A partner with two earnings of 50.00 and one of 5.00 that are pending."""
    partner_id = partner_desk.make(desk, name="Harbour Media")
    for stake in (1_000_00, 1_000_00, 100_00):
        partner_desk.earn(desk, partner_id, stake=stake)
    return partner_id


@pytest.fixture
def april(desk: Desk) -> Iterator[tuple[Browser, Browser]]:
    """Two people who supervise, when March is over."""
    with clock.frozen(IN_APRIL):
        yield desk.sign_in(Role.MANAGER, name="Bo Lind"), desk.sign_in(Role.ADMIN, name="Ada Quist")


@pytest.fixture
def owed(desk: Desk) -> Owed:
    """A partner with an approved statement and a payout that is asked for."""
    return partner_desk.owe(desk)


def states(desk: Desk, partner: int) -> list[str]:
    return [state for _id, state, _earned in partner_desk.earnings(desk, partner)]


def statement(desk: Desk) -> PartnerStatement:
    return desk.read(lambda session: session.scalars(select(PartnerStatement)).one())


def payout(desk: Desk) -> PartnerPayout:
    return desk.read(lambda session: session.scalars(select(PartnerPayout)).one())


def test_earnings_show_real_beside_shown(desk: Desk, manager: Browser, partner: int) -> None:
    page = manager.page(f"/partners/{partner}/earnings")
    (first, *_rest) = partner_desk.earnings(desk, partner)
    row = page.by_id(f"earning-{first[0]}").text
    assert row.endswith("1,000.00 0.00 1,000.00 500.00 500.00 50.00")
    assert "105.00 USD pending in 3 earnings" in page.text
    assert desk.count_queries(lambda: manager.page(f"/partners/{partner}/earnings")) <= QUERIES_MAX


def test_earnings_are_filtered(desk: Desk, manager: Browser, partner: int) -> None:
    def count(query: str) -> int:
        page = manager.page(f"/partners/{partner}/earnings?{query}")
        return len([row for row in page.all("tr") if (row.get("id") or "").startswith("earning-")])

    last = partner_desk.earnings(desk, partner)[-1][0]
    assert count("") == count("state=pending") == count("since=2026-03-02&until=2026-03-02") == 3
    assert count("state=paid") == count("since=2026-03-03") == count("currency=EUR&statement=9") == 0
    assert count(f"after={last}") == 2
    assert count("state=nonsense&since=soon&game=x&statement=y") == 3


def test_chosen_earnings_are_approved(desk: Desk, manager: Browser, partner: int) -> None:
    (first, *_rest) = partner_desk.earnings(desk, partner)
    answer = manager.post(f"/partners/{partner}/earnings/approvals", {"earning": str(first[0])})
    assert answer.status_code == 303
    assert states(desk, partner) == ["approved", "pending", "pending"]
    again = manager.post(f"/partners/{partner}/earnings/approvals", {"earning": str(first[0])})
    assert again.status_code == 409
    assert states(desk, partner) == ["approved", "pending", "pending"]


def test_all_pending_earnings_are_approved(desk: Desk, manager: Browser, partner: int) -> None:
    answer = manager.post(f"/partners/{partner}/earnings/approvals", {"which": "all"})
    assert answer.status_code == 303
    assert states(desk, partner) == ["approved"] * 3
    assert partner_desk.account(desk, partner).pending == 0
    assert "pending in" not in manager.page(f"/partners/{partner}/earnings").text


@pytest.mark.parametrize("chosen", [{}, {"earning": "x"}])
def test_nothing_chosen_is_nothing_done(
    desk: Desk, manager: Browser, partner: int, chosen: dict[str, str]
) -> None:
    for path in ("approvals", "rejections"):
        answer = manager.post(f"/partners/{partner}/earnings/{path}", chosen)
        assert answer.status_code == 422
        assert "Select at least one earning" in answer.text
    assert states(desk, partner) == ["pending"] * 3


def test_earnings_are_rejected_with_a_reason(desk: Desk, manager: Browser, partner: int) -> None:
    first, second, _third = (str(row[0]) for row in partner_desk.earnings(desk, partner))
    asked = manager.page(f"/partners/{partner}/earnings/rejections/new?earning={first}&earning={second}")
    assert "Reject 2 earnings" in asked.text
    address, data = f"/partners/{partner}/earnings/rejections", {"earning": [first, second]}
    refused = manager.post(address, {**data, "reason": ""}, htmx=True)
    assert refused.status_code == 422
    assert "Say why." in refused.text
    assert refused.text.count('name="earning"') == 2
    assert states(desk, partner) == ["pending"] * 3
    assert manager.post(address, {**data, "reason": "Played with themselves"}).status_code == 303
    assert states(desk, partner) == ["rejected", "rejected", "pending"]
    assert partner_desk.account(desk, partner).total == 5_00
    assert "Played with themselves — Bo Lind" in manager.page(f"/partners/{partner}/earnings").text
    assert manager.post(address, {**data, "reason": "Again"}).status_code == 409


def test_another_partners_earnings_are_out_of_reach(desk: Desk, manager: Browser, partner: int) -> None:
    other = partner_desk.make(desk)
    (first, *_rest) = (str(row[0]) for row in partner_desk.earnings(desk, partner))
    assert manager.post(f"/partners/{other}/earnings/approvals", {"earning": first}).status_code == 409
    rejected = manager.post(f"/partners/{other}/earnings/rejections", {"earning": first, "reason": "Mine"})
    assert rejected.status_code == 409
    assert states(desk, partner) == ["pending"] * 3


def test_an_auditor_decides_nothing(desk: Desk, partner: int) -> None:
    auditor = desk.sign_in(Role.AUDITOR, name="Vera Blom")
    assert auditor.post(f"/partners/{partner}/earnings/approvals", {"which": "all"}).status_code == 403
    assert auditor.get("/partners/statements/new").status_code == 403
    assert states(desk, partner) == ["pending"] * 3


def approve_all(browser: Browser, partner: int) -> None:
    assert browser.post(f"/partners/{partner}/earnings/approvals", {"which": "all"}).status_code == 303


def close_march(browser: Browser) -> None:
    form = fields(browser.page("/partners/statements/new"), "closing-form")
    assert form["month"] == "2026-03"
    assert browser.post("/partners/statements", form).status_code == 303


def test_closing_a_month_shows_what_it_makes_first(
    desk: Desk, april: tuple[Browser, Browser], partner: int
) -> None:
    manager, _admin = april
    approve_all(manager, partner)
    page = manager.page("/partners/statements/new")
    draft = page.by_id("draft-table").text
    assert "Harbour Media March 2026 3 0.00 105.00 0.00 105.00 0.00 105.00 USD" in draft
    assert desk.read(lambda session: session.scalars(select(PartnerStatement)).all()) == []
    close_march(manager)
    made = statement(desk)
    assert (made.state, made.payable, made.rows) == ("closed", 105_00, 3)
    assert "Harbour Media" in manager.page("/partners/statements?month=2026-03").by_id("statement-table").text
    again = manager.page("/partners/statements/new")
    assert "March 2026 is closed already." in again.text
    assert not again.all("form", id="closing-form")


@pytest.mark.parametrize(
    ("month", "message"), [("2026-04", "not over yet"), ("soon", "Enter a month"), ("", "Choose a month")]
)
def test_a_month_that_cannot_be_closed(
    desk: Desk, april: tuple[Browser, Browser], partner: int, month: str, message: str
) -> None:
    manager, _admin = april
    approve_all(manager, partner)
    answer = manager.post("/partners/statements", {"month": month})
    assert answer.status_code == 422
    assert message in checked(answer).text
    assert desk.read(lambda session: session.scalars(select(PartnerStatement)).all()) == []
    assert manager.get(f"/partners/statements/new?month={month}").status_code == 200


def test_a_second_person_decides(desk: Desk, april: tuple[Browser, Browser], partner: int) -> None:
    manager, admin = april
    approve_all(manager, partner)
    close_march(manager)
    address = f"/partners/statements/{statement(desk).id}"
    assert "somebody else decides on its statements" in manager.page(address).text
    assert not manager.page(address).all("form", id="decision")
    forged = manager.post(f"{address}/decision", {"decision": "approve", "reason": "Mine"})
    assert forged.status_code == 422
    assert "You closed this month" in checked(forged).text
    assert (statement(desk).state, partner_desk.account(desk, partner).approved) == ("closed", 0)

    page = admin.page(address)
    assert page.by_id("partner-count").text == "1"
    assert manager.page(address).by_id("partner-count").text == ""
    form = fields(page, "decision")
    refused = admin.post(f"{address}/decision", {**form, "decision": "approve", "reason": ""})
    assert refused.status_code == 422
    assert "Say why." in checked(refused).by_id("decision-reason-error").text
    done = admin.post(f"{address}/decision", {**form, "decision": "approve", "reason": "As agreed"})
    assert done.status_code == 303
    assert statement(desk).state == "payable"
    assert partner_desk.account(desk, partner).approved == 105_00
    again = admin.post(f"{address}/decision", {**form, "decision": "decline", "reason": "No"})
    assert again.status_code == 409
    assert statement(desk).state == "payable"


def test_a_declined_statement_opens_its_month_again(
    desk: Desk, april: tuple[Browser, Browser], partner: int
) -> None:
    manager, admin = april
    approve_all(manager, partner)
    close_march(manager)
    address = f"/partners/statements/{statement(desk).id}/decision"
    assert admin.post(address, {"decision": "maybe", "reason": "x"}).status_code == 422
    assert admin.post(address, {"decision": "decline", "reason": "Wrong shoe"}).status_code == 303
    assert statement(desk).state == "declined"
    assert "Wrong shoe" in admin.page(address.removesuffix("/decision")).text
    assert "105.00 USD" in admin.page("/partners/statements/new").by_id("draft-table").text


def test_a_statement_shows_real_beside_shown(desk: Desk, owed: Owed) -> None:
    with clock.frozen(IN_APRIL):
        auditor = desk.sign_in(Role.AUDITOR, name="Vera Blom")
        address = f"/partners/statements/{owed.statement_id}"
        line = auditor.page(address).by_id("line-table").text
        assert "1 50 % × 10 %, period 1 1,000.00 1,000.00 500.00 0.00 500.00 0.00 50.00" in line
        assert desk.count_queries(lambda: auditor.page(address)) <= QUERIES_MAX
        assert "March 2026" in auditor.page(f"/partners/{owed.partner_id}/statements").text
        assert "statement-1" in auditor.page("/partners/statements?state=payable").response.text
        assert "No statement fits" in auditor.page("/partners/statements?state=declined").text


@contextmanager
def signed_in(desk: Desk) -> Iterator[tuple[Browser, Browser]]:
    with clock.frozen(IN_APRIL):
        yield desk.sign_in(Role.MANAGER, name="Bo Lind"), desk.sign_in(Role.ADMIN, name="Ada Quist")


def test_a_payout_takes_two_people(desk: Desk, owed: Owed) -> None:
    with signed_in(desk) as (manager, admin):
        address = f"/partners/payouts/{owed.payout_id}"
        page = manager.page(address)
        assert "Kontor Bank 2700" in page.text
        assert page.by_id("partner-count").text == "1"
        unpaid = manager.post(f"{address}/payment", {"reference": "TR-1"})
        assert unpaid.status_code == 409
        assert payout(desk).state == "requested"
        assert manager.post(f"{address}/approval", fields(page, "approval-form")).status_code == 303
        assert payout(desk).state == "approved"
        assert manager.post(f"{address}/approval", {}).status_code == 409
        own = manager.page(address)
        assert "You approved this payout: somebody else pays it." in own.text
        assert not own.all("form", id="payment-form")
        forged = manager.post(f"{address}/payment", {"reference": "TR-1"})
        assert forged.status_code == 422
        assert "somebody else pays it" in checked(forged).text
        assert payout(desk).state == "approved"

        form = fields(admin.page(address), "payment-form")
        missing = admin.post(f"{address}/payment", {**form, "reference": " "})
        assert missing.status_code == 422
        assert "Enter the reference" in checked(missing).by_id("payment-reference-error").text
        assert admin.post(f"{address}/payment", {**form, "reference": "TR-2026-04"}).status_code == 303
        assert (payout(desk).state, payout(desk).reference) == ("paid", "TR-2026-04")
        assert partner_desk.account(desk, owed.partner_id).paid == 50_00
        assert statement(desk).state == "paid"
        assert admin.post(f"{address}/payment", {"reference": "TR-3"}).status_code == 409
        assert "TR-2026-04" in admin.page("/partners/payouts?state=paid").text
        assert "Nothing waits to be paid" in admin.page("/partners/payouts").text


def test_a_rejected_payout_frees_its_amount(desk: Desk, owed: Owed) -> None:
    with signed_in(desk) as (manager, _admin):
        address = f"/partners/payouts/{owed.payout_id}"
        refused = manager.post(f"{address}/rejection", {"reason": ""})
        assert refused.status_code == 422
        assert "Say why." in checked(refused).by_id("rejection-reason-error").text
        assert payout(desk).state == "requested"
        assert manager.post(f"{address}/rejection", {"reason": "The account is closed"}).status_code == 303
        assert payout(desk).state == "rejected"
        assert partner_desk.account(desk, owed.partner_id).reserved == 0
        assert manager.post(f"{address}/rejection", {"reason": "Again"}).status_code == 409
        assert "The account is closed" in manager.page(f"/partners/{owed.partner_id}/payouts").text


def test_another_operators_money_is_not_there(desk: Desk, owed: Owed) -> None:

    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    with signed_in(elsewhere) as (stranger, _admin):
        assert stranger.page("/partners/statements").all("tr") == []
        assert stranger.page("/partners/payouts?state=all").all("tr") == []
        for path in (f"statements/{owed.statement_id}", f"payouts/{owed.payout_id}"):
            assert stranger.get(f"/partners/{path}").status_code == 404
        for path in ("approval", "payment", "rejection"):
            data = {"reference": "TR-1", "reason": "Mine"}
            assert stranger.post(f"/partners/payouts/{owed.payout_id}/{path}", data).status_code == 404
        decision = {"decision": "approve", "reason": "Mine"}
        address = f"/partners/statements/{owed.statement_id}/decision"
        assert stranger.post(address, decision).status_code == 404
    assert payout(desk).state == "requested"


def test_other_terms_for_a_closed_month(desk: Desk, owed: Owed) -> None:
    with signed_in(desk) as (manager, _admin):
        address = f"/partners/{owed.partner_id}/what-if"
        asked = manager.page(address).by_id("what-if-table").text
        assert asked.count("50.00 50.00 0.00") == 3
        other = manager.page(f"{address}?share=60&rate=20").by_id("what-if-table").text
        assert other.count("50.00 120.00 +70.00") == 3
        wrong = manager.page(f"{address}?share=600&rate=20")
        assert "Not complete yet." in wrong.text
        assert wrong.by_id("share")["value"] == "600"
        part = manager.get(f"{address}?share=60&rate=20", htmx=True).text
        assert part.lstrip().startswith('<div id="what-if"')
        assert desk.count_queries(lambda: manager.page(address)) <= QUERIES_MAX


def test_no_month_is_closed_yet(manager: Browser, partner: int) -> None:
    assert "No month is closed yet" in manager.page(f"/partners/{partner}/what-if").text
