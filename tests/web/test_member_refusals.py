"""What is refused of what one does with a member's points: foretold, told at its field, nothing changed."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest

from dashboard.models.login import Role
from tests.pages import Page, checked
from tests.web.club import (
    Club,
    closed,
    frozen,
    loaded,
    mark,
    preview,
    rated,
    reasons,
    serviced,
    suspended,
    told,
    typed,
    used_up,
    value,
)
from tests.web.desk import Desk


@pytest.fixture
def club(desk: Desk) -> Club:
    return Club(desk, desk.player(100_000, name="Nika Storm"))


@dataclass(frozen=True)
class Refusal:
    """An act that a rule refuses: at which field, and with which words."""

    begins: Callable[[Club], None]
    path: str
    sent: dict[str, str]
    field: str
    message: str
    status: int = 422
    role: Role = Role.AGENT


REFUSED = [
    Refusal(
        loaded, "/load", {"payment_amount": "0.99", "payment_mode": ""}, "payment_amount", "from 1.00 USD on"
    ),
    Refusal(
        closed, "/load", {"payment_amount": "50", "payment_mode": ""}, "", "The loyalty wallet is closed."
    ),
    Refusal(loaded, "/redeem", {"points": "25,041"}, "points", "There are 25,040 points, and not 25,041."),
    Refusal(
        loaded, "/redeem", {"price": "10", "points": "10"}, "points", "The service costs 9 points at most."
    ),
    Refusal(suspended, "/redeem", {"points": "1"}, "", "The loyalty wallet is suspended"),
    Refusal(loaded, "/adjust", {"points": "-25,041"}, "points", "There are 25,040 points, and not 25,041."),
    Refusal(closed, "/adjust", {"points": "5"}, "", "The loyalty wallet is closed."),
    Refusal(rated, "/convert", {"points": "150"}, "points", "Enter a multiple of 100 points."),
    Refusal(rated, "/convert", {"points": "25,100"}, "points", "There are 25,040 points, and not 25,100."),
    Refusal(loaded, "/convert", {"points": "100"}, "", "the programme has no rate for it"),
    Refusal(suspended, "/convert", {"points": "100"}, "", "The loyalty wallet is suspended"),
    Refusal(frozen, "/convert", {"points": "100"}, "points", "The wallet is frozen"),
    Refusal(serviced, "/entries/4/refund", {"points": "99"}, "points", "98 points are left to give back"),
    Refusal(serviced, "/entries/2/refund", {}, "", "Only a redemption can be refunded."),
    Refusal(
        used_up, "/entries/1/reversal", {"amount": "100.01"}, "amount", "100.00 USD are left to give back"
    ),
    Refusal(used_up, "/entries/2/reversal", {}, "", "Only a load has a payment"),
    Refusal(serviced, "/entries/4/undoing", {}, "", "This entry is no conversion."),
    Refusal(closed, "/close", {}, "", "The loyalty wallet is closed.", 409, Role.MANAGER),
    Refusal(
        loaded,
        "/tier",
        {"tier_id": "1", "valid_until": "2027-03-01"},
        "tier_id",
        "That is what the member has",
        role=Role.MANAGER,
    ),
    Refusal(
        loaded,
        "/tier",
        {"tier_id": "2", "valid_until": "2026-03-01"},
        "valid_until",
        "",
        role=Role.MANAGER,
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.begins.__name__}{case.path}-{case.sent}")
def test_every_refusal_is_foretold_and_told_at_its_field(club: Club, case: Refusal) -> None:
    case.begins(club)
    browser, path = club.by(case.role), club.page + case.path
    data = typed(**case.sent)
    before = club.facts()
    shown = preview(browser, path, data)
    notice = shown.one("div", class_="notice").text.removeprefix("This will be refused.")
    assert case.message in notice
    assert mark(shown) == ""
    assert club.facts() == before

    answer = browser.post(path, {**data, **reasons(case.path)}, htmx=True)
    assert answer.status_code == case.status
    page = Page(answer)
    if case.field:
        assert told(page, case.field) == notice
        assert page.by_id(f"points-{case.field}").get("aria-invalid") == "true"
    else:
        assert notice in page.one("div", class_="error-summary").text
    for name, words in {**case.sent, **reasons(case.path)}.items():
        if name not in {"payment_mode", "tier_id"}:
            assert value(page, name) == words
    assert club.facts() == before
    plain = browser.post(path, {**data, **reasons(case.path), "idempotency_key": str(uuid4())})
    assert plain.status_code == case.status
    assert notice in checked(plain).text
    assert club.facts() == before


MISTYPED = [
    ("/load", {"payment_amount": "", "payment_mode": ""}, "payment_amount", "Enter what was paid."),
    ("/load", {"payment_amount": "-5", "payment_mode": ""}, "payment_amount", "Enter what was paid."),
    ("/load", {"payment_amount": "1e5", "payment_mode": ""}, "payment_amount", "Enter an amount in figures"),
    ("/load", {"payment_amount": "1.005", "payment_mode": ""}, "payment_amount", "at most 2 decimals"),
    ("/load", {"payment_amount": "5", "payment_mode": "shells"}, "payment_mode", "Not a valid choice"),
    ("/load", {"payment_amount": "5", "payment_mode": "", "payment": "x" * 101}, "payment", "at most 100"),
    ("/redeem", {}, "points", "Enter a price, or how many points."),
    ("/redeem", {"points": "1.5"}, "points", "Enter whole points"),
    ("/redeem", {"points": "0"}, "points", "Enter at least one point."),
    ("/redeem", {"price": "-1"}, "price", "Enter what the service costs."),
    ("/redeem", {"points": "9" * 5000}, "points", "more points than there can be"),
    ("/adjust", {"points": "0"}, "points", "Enter how many points to add or to take."),
    ("/adjust", {"points": "٣"}, "points", "Enter whole points"),
    ("/convert", {"points": "-100"}, "points", "Enter how many points to convert."),
    ("/entries/4/refund", {"points": "-1"}, "points", "Enter at least one point."),
    ("/entries/2/reversal", {"amount": "0"}, "amount", "Enter what was given back."),
    ("/tier", {"tier_id": "77"}, "tier_id", "Choose one of the tiers."),
    ("/tier", {"tier_id": "", "valid_until": "2027-01-01"}, "valid_until", "Without a tier"),
    ("/tier", {"tier_id": "2", "valid_until": "soon"}, "valid_until", "Not a valid date"),
    ("/cards", {"number": "x" * 41}, "number", "at most 40 characters"),
    ("/cards", {"number": "!!!!!"}, "number", "4 to 40 letters"),
]


@pytest.mark.parametrize(("path", "sent", "name", "message"), MISTYPED)
def test_what_is_mistyped_is_said_at_its_field(
    club: Club, path: str, sent: dict[str, str], name: str, message: str
) -> None:
    serviced(club)
    before, data = club.facts(), typed(**sent, **({} if path == "/cards" else reasons(path)))
    for htmx in (True, False):
        answer = club.by(Role.MANAGER).post(club.page + path, data, htmx=htmx)
        assert answer.status_code == 422
        page = Page(answer)
        assert message in told(page, name)
        for field, words in sent.items():
            if field not in {"payment_mode", "tier_id"}:
                assert value(page, field) == words
    assert club.facts() == before


REASONED = ["/load", "/redeem", "/adjust", "/convert", "/close", "/suspend", "/resume", "/tier"]


@pytest.mark.parametrize(
    "path", [*REASONED, *(f"/entries/4/{act}" for act in ("refund", "reversal", "undoing"))]
)
def test_everything_says_why(club: Club, path: str) -> None:
    serviced(club)
    figures = {"payment_amount": "5", "payment_mode": "", "points": "100", "tier_id": "2"}
    before, name = club.facts(), next(iter(reasons(path)))
    for given, message in (("", "Say why."), ("x" * 201, "at most 200 characters")):
        answer = club.by(Role.MANAGER).post(club.page + path, typed(**figures, **{name: given}), htmx=True)
        assert answer.status_code == 422
        assert message in told(Page(answer), name)
    assert club.facts() == before
