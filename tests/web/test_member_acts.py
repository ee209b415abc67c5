"""What one does with a member's points: every form, its preview, its refusals, and with no JavaScript."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from dashboard import db
from dashboard.models.login import Role
from tests.pages import Page, checked
from tests.web.club import Club, lines, mark, preview, send, shares, told, typed, value
from tests.web.desk import Desk, fields


@pytest.fixture
def club(desk: Desk) -> Club:
    return Club(desk, desk.player(100_000, name="Nika Storm"))


def loaded(club: Club) -> None:
    """25,000 points of Silver in a batch, 40 more in one that expires sooner; two entries and a tier."""
    club.load(40, "first", days=20)
    club.load(22_000, "second", days=1)


def serviced(club: Club) -> None:
    """The same, and a service whose points come from both batches: entry 4."""
    loaded(club)
    club.redeem(None, price=100_50)


def used_up(club: Club) -> None:
    """A load of which nearly everything was used: entry 1, and entry 2 that used it."""
    club.load(100, "only")
    club.redeem(90)


def lapsed(club: Club) -> None:
    """A service whose points have expired since: entry 2."""
    club.load(100, "old", days=364)
    club.redeem(60, days=363)
    club.execute("UPDATE loyalty_programmes SET grace_days = 14")
    club.execute("UPDATE points_batches SET expires_on = date '2026-02-20'")


def rated(club: Club) -> None:
    """Points that may become money."""
    loaded(club)
    club.rate()


def converted(club: Club) -> None:
    """Points that have: entry 4."""
    rated(club)
    club.convert(1_000)


@dataclass(frozen=True)
class Case:
    """An act that goes through, what its preview must say, and whose it is."""

    name: str
    begins: Callable[[Club], None]
    path: str
    sent: dict[str, str]
    says: dict[str, str]
    shared: tuple[str, ...] = ()
    role: Role = Role.AGENT


ACCEPTED = [
    Case(
        "a load that reaches a tier",
        lambda club: None,
        "/load",
        {"payment_amount": "45,000", "payment_mode": "card", "payment": "P-1", "invoice": "I-1"},
        {
            "Points": "0 becomes 50,000",
            "Paid": "45,000.00 USD",
            "Base points": "45,000",
            "Bonus points": "5,000",
            "Valid through": "2 Mar 2027",
            "Tier becomes": "Gold: 3 % off services",
        },
        ("Batch 1 until 2 Mar 2027+50,000 45,000 base, 5,000 bonus",),
    ),
    Case(
        "a load without a tier",
        lambda club: None,
        "/load",
        {"payment_amount": "21,999.99", "payment_mode": ""},
        {
            "Points": "0 becomes 21,999",
            "Paid": "21,999.99 USD",
            "Base points": "21,999",
            "Bonus points": "0",
            "Valid through": "2 Mar 2027",
        },
        ("Batch 1 until 2 Mar 2027+21,999",),
    ),
    Case(
        "a redemption by price",
        loaded,
        "/redeem",
        {"price": "100.50", "invoice": "I-2"},
        {
            "Points": "25,040 becomes 24,942",
            "Price": "100.50 USD",
            "Discount of 2 %": "−2.01",
            "To be paid": "98.49 USD",
            "By points": "98 points",
            "Left to pay in money": "0.49 USD",
        },
        ("From batch 1 until 10 Feb 2027−40", "From batch 2 until 1 Mar 2027−58 52 base, 6 bonus"),
    ),
    Case(
        "a redemption of some of the price",
        loaded,
        "/redeem",
        {"price": "100", "points": "30"},
        {
            "Points": "25,040 becomes 25,010",
            "Price": "100.00 USD",
            "Discount of 2 %": "−2.00",
            "To be paid": "98.00 USD",
            "By points": "30 points",
            "Left to pay in money": "68.00 USD",
        },
        ("From batch 1 until 10 Feb 2027−30",),
    ),
    Case(
        "points for themselves",
        loaded,
        "/redeem",
        {"points": "1"},
        {"Points": "25,040 becomes 25,039", "By points": "1 point"},
        ("From batch 1 until 10 Feb 2027−1",),
    ),
    Case(
        "points given",
        loaded,
        "/adjust",
        {"points": "500"},
        {"Points": "25,040 becomes 25,540", "Valid through": "2 Mar 2027"},
        ("Batch 3 until 2 Mar 2027+500",),
    ),
    Case(
        "points taken",
        loaded,
        "/adjust",
        {"points": "−50"},
        {"Points": "25,040 becomes 24,990"},
        ("From batch 1 until 10 Feb 2027−40", "From batch 2 until 1 Mar 2027−10 9 base, 1 bonus"),
    ),
    Case(
        "points into money",
        rated,
        "/convert",
        {"points": "1,000"},
        {
            "Points": "25,040 becomes 24,040",
            "Becomes real money": "5.00 USD",
            "Real balance": "1,000.00 becomes 1,005.00 USD",
        },
        ("From batch 1 until 10 Feb 2027−40", "From batch 2 until 1 Mar 2027−960 845 base, 115 bonus"),
    ),
    Case(
        "a conversion undone",
        converted,
        "/entries/4/undoing",
        {},
        {
            "Points": "24,040 becomes 25,040",
            "Given back": "1,000 points",
            "Money to give back": "5.00 USD",
            "Real balance": "1,005.00 becomes 1,000.00 USD",
        },
        ("Back to batch 2 until 1 Mar 2027+960 845 base, 115 bonus", "Back to batch 1 until 10 Feb 2027+40"),
    ),
    Case(
        "a whole service refunded",
        serviced,
        "/entries/4/refund",
        {},
        {"Points": "24,942 becomes 25,040", "Given back": "98 points", "Money to give back": "0.49 USD"},
        ("Back to batch 2 until 1 Mar 2027+58 52 base, 6 bonus", "Back to batch 1 until 10 Feb 2027+40"),
    ),
    Case(
        "a part of a service refunded",
        serviced,
        "/entries/4/refund",
        {"points": "60"},
        {"Points": "24,942 becomes 25,002", "Given back": "60 points", "Money to give back": "0.30 USD"},
        ("Back to batch 2 until 1 Mar 2027+58 52 base, 6 bonus", "Back to batch 1 until 10 Feb 2027+2"),
    ),
    Case(
        "a service refunded after its points have expired",
        lapsed,
        "/entries/2/refund",
        {"points": "50"},
        {
            "Points": "40 becomes 50",
            "Lapses with it": "40 points",
            "Given back": "50 points",
            "Into a batch of grace": "until 16 Mar 2026",
        },
        ("Batch 2, grace for 1 until 16 Mar 2026+50",),
    ),
    Case(
        "a load reversed that was used",
        used_up,
        "/entries/1/reversal",
        {"amount": "50"},
        {
            "Points": "10 becomes 0",
            "Payment given back": "50.00 USD",
            "Taken back": "10 points",
            "Still owes": "40 points",
        },
        ("From batch 1 until 2 Mar 2027−10",),
    ),
    Case(
        "a whole load reversed",
        loaded,
        "/entries/2/reversal",
        {},
        {"Points": "25,040 becomes 40", "Payment given back": "22,000.00 USD", "Taken back": "25,000 points"},
        ("From batch 2 until 1 Mar 2027−25,000 22,000 base, 3,000 bonus",),
    ),
    Case(
        "closing",
        serviced,
        "/close",
        {},
        {
            "Points": "24,942 becomes 0",
            "Payment back": "21,948.00 USD",
            "For base points": "21,948",
            "Bonus points that lapse": "2,994",
            "Tier becomes": "none",
        },
        ("From batch 2 until 1 Mar 2027−24,942 21,948 base, 2,994 bonus",),
        Role.MANAGER,
    ),
    Case(
        "a tier by hand",
        loaded,
        "/tier",
        {"tier_id": "3", "valid_until": "2026-12-31"},
        {"Tier becomes": "Platinum: 5 % off services", "Valid until": "31 Dec 2026"},
        (),
        Role.MANAGER,
    ),
    Case(
        "a tier taken away",
        loaded,
        "/tier",
        {"tier_id": ""},
        {"Tier becomes": "none"},
        (),
        Role.MANAGER,
    ),
]
_OF_WALLETS = {"Lapses with it", "Still owes", "Real balance", "Tier becomes", "Points"}
"""Lines that an entry alone does not have: they are about others that came with it."""


def reasons(path: str) -> dict[str, str]:
    """Why, as the act's form asks for it."""
    noted = path.rpartition("/")[2] in {"load", "redeem", "refund", "reversal"}
    return {"notes" if noted else "reason": "As agreed"}


def last_entry(club: Club, key: str) -> int:
    """The sequence of the entry with that key, or of the last one where there is none."""
    wanted = text(
        "SELECT coalesce((SELECT sequence FROM loyalty_entries WHERE idempotency_key = :key), max(sequence))"
        " FROM loyalty_entries"
    )
    found: int = club.desk.read(lambda session: session.execute(wanted, {"key": key}).scalar_one())
    return found


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_what_is_shown_is_what_is_posted(club: Club, case: Case) -> None:
    case.begins(club)
    browser, path = club.by(case.role), club.page + case.path
    data = typed(**case.sent)
    before = club.facts()
    shown = preview(browser, path, data)
    assert club.facts() == before
    assert lines(shown) == case.says
    assert tuple(shares(shown)) == case.shared

    sent = {**data, **reasons(case.path), "seen": mark(shown)}
    answer = browser.post(path, sent, htmx=True)
    assert (answer.status_code, answer.text) == (204, "")
    assert club.facts() != before
    entry = browser.page(f"{club.page}/entries/{last_entry(club, data['idempotency_key'])}")
    own = {label: words for label, words in case.says.items() if label not in _OF_WALLETS}
    assert {label: words for label, words in lines(entry).items() if label not in _OF_WALLETS} == own
    assert tuple(shares(entry)) == case.shared
    page = club.by().page(club.page).text
    if "Points" in case.says:
        assert f"Points {case.says['Points'].split()[-1]} " in page
    if "Tier becomes" in case.says and case.path != "/close":
        tier = case.says["Tier becomes"].partition(":")[0]
        assert f"Tier {tier} " in page or (tier == "none" and "Tier None yet" in page)
    if "Still owes" in case.says:
        assert f"Owed {case.says['Still owes'].split()[0]} " in page
    if "Real balance" in case.says:
        real = case.says["Real balance"].split()[-2].replace(",", "").replace(".", "")
        assert club.desk.real(club.player_id) == int(real)


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


def closed(club: Club) -> None:
    """A wallet that is closed."""
    loaded(club)
    path = f"{club.page}/close"
    answer = send(club.by(Role.MANAGER), path, typed(reason="Moves away"))
    assert answer.status_code == 204


def suspended(club: Club) -> None:
    """A wallet whose points cannot be used."""
    rated(club)
    assert club.by().post(f"{club.page}/suspend", typed(reason="Chargeback"), htmx=True).status_code == 204


def frozen(club: Club) -> None:
    """Points that may become money, of a player whose wallet is frozen."""
    rated(club)
    club.execute("UPDATE wallets SET status = 'frozen', status_reason = 'Documents', status_at = now()")


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


def test_what_cannot_be_read_yet_is_said_quietly(club: Club) -> None:
    loaded(club)
    shown = preview(club.by(), f"{club.page}/load", typed(payment_amount="12."))
    assert "in figures" in shown.by_id("outlook").text
    assert lines(shown) == {}
    empty = preview(club.by(), f"{club.page}/redeem", typed())
    assert empty.by_id("outlook").text == ""
    assert empty.by_id("act-words").text == "Redeem points"


@pytest.mark.parametrize(
    ("path", "sent", "words"),
    [
        ("/load", {"payment_amount": "22000"}, "Load 25,000 points"),
        ("/redeem", {"price": "100"}, "Redeem 98 points"),
        ("/adjust", {"points": "1"}, "Add 1 point"),
        ("/adjust", {"points": "-7"}, "Take 7 points"),
        ("/adjust", {"points": "501"}, "Ask for approval: add 501 points"),
        ("/convert", {"points": "1000"}, "Convert 1,000 points into 5.00 USD"),
        ("/entries/2/reversal", {"amount": "10"}, "Reverse 10.00 USD of the load"),
    ],
)
def test_the_button_says_what_it_will_do(club: Club, path: str, sent: dict[str, str], words: str) -> None:
    rated(club)
    shown = preview(club.by(), club.page + path, typed(**sent))
    assert shown.by_id("act-words").text == words


def test_without_javascript_the_first_press_shows_and_the_second_does(club: Club) -> None:
    loaded(club)
    agent, path, before = club.by(), f"{club.page}/redeem", club.facts()
    form = fields(agent.page(path), "act")
    first = agent.post(path, {**form, "price": "100.50", "notes": "Facial"})
    assert first.status_code == 200
    page = checked(first)
    assert "Nothing was done yet. This is what it does" in page.text
    assert lines(page)["Left to pay in money"] == "0.49 USD"
    assert "Confirm: Redeem 98 points" in [button.text for button in page.all("button", type="submit")]
    assert club.facts() == before
    second = agent.post(path, fields(page, "act"))
    assert (second.status_code, second.location) == (303, club.page)
    assert "Redeemed 98 points." in agent.page(club.page).text
    assert club.entries() == before[1] + 1  # type: ignore[operator]  # a count


def test_in_the_dialog_what_nobody_has_seen_is_shown_first(club: Club) -> None:
    loaded(club)
    before = club.facts()
    data = typed(payment_amount="500", payment_mode="", notes="Visit")
    answer = club.by().post(f"{club.page}/load", data, htmx=True)
    assert answer.status_code == 200
    assert "Confirm: " in answer.text
    assert club.facts() == before
    assert (
        club.by().post(f"{club.page}/load", {**data, "seen": mark(Page(answer))}, htmx=True).status_code
        == 204
    )


def test_what_has_changed_since_it_was_shown_is_shown_again(club: Club) -> None:
    loaded(club)
    agent, path = club.by(), f"{club.page}/redeem"
    data = typed(points="100", notes="Facial")
    seen = mark(preview(agent, path, data))
    club.redeem(30, "meanwhile")
    before = club.facts()
    answer = agent.post(path, {**data, "seen": seen}, htmx=True)
    assert answer.status_code == 409
    page = Page(answer)
    assert "what this does has changed since it was shown" in page.by_id("outlook").text
    assert lines(page)["Points"] == "25,010 becomes 24,910"
    assert value(page, "notes") == "Facial"
    assert club.facts() == before
    assert agent.post(path, {**data, "seen": mark(page)}, htmx=True).status_code == 204


def test_sent_twice_it_is_done_once(club: Club) -> None:
    loaded(club)
    agent, path = club.by(), f"{club.page}/redeem"
    data = typed(points="100", notes="Facial")
    data["seen"] = mark(preview(agent, path, data))
    answers = [agent.post(path, data, htmx=True) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert "Once: this form had been sent already." in answers[1].headers["HX-Trigger"]
    assert club.entries() == 4
    assert "Sent already" in preview(agent, path, data).by_id("outlook").text
    other = preview(agent, path, {**data, "points": "99"})
    assert "with other content" in other.by_id("outlook").text
    reused = agent.post(path, {**data, "points": "99"}, htmx=True)
    assert (reused.status_code, "already been used" in reused.text) == (409, True)
    again = fields(Page(reused), "act")
    assert again["idempotency_key"] != data["idempotency_key"]
    assert club.entries() == 4


def test_open_pages_are_told(club: Club) -> None:
    loaded(club)
    answer = send(club.by(), f"{club.page}/adjust", typed(points="5", reason="Goodwill"))
    said = answer.headers["HX-Trigger"]
    for event in ("dialog:close", "live:player", "Added 5 points.", f"{club.page}/entries/4"):
        assert event in said


def test_the_first_load_makes_the_wallet(club: Club) -> None:
    answer = send(
        club.by(), f"{club.page}/load", typed(payment_amount="10", payment_mode="cash", notes="Visit")
    )
    assert answer.status_code == 204
    assert club.facts()[:3] == (1, 1, 1)
    entry = club.by().page(f"{club.page}/entries/1").text
    assert "Paid byCash" in entry
    assert "WhoSome agent" in entry


def test_what_is_owed_is_taken_from_the_next_load(club: Club) -> None:
    used_up(club)
    send(club.by(), f"{club.page}/entries/1/reversal", typed(amount="", notes="Chargeback"))
    shown = preview(club.by(), f"{club.page}/load", typed(payment_amount="200"))
    assert lines(shown)["Pays what was owed"] == "90 points"
    assert lines(shown)["Points"] == "0 becomes 110"


def test_a_wallet_without_points_closes_without_a_payment(club: Club) -> None:
    used_up(club)
    club.redeem(10, "rest")
    manager = club.by(Role.MANAGER)
    page = manager.page(f"{club.page}/close")
    assert lines(page)["Payment back"] == "0.00 USD"
    sent = {**fields(page, "act"), "reason": "Moves away"}
    assert manager.post(f"{club.page}/close", sent).status_code == 303
    assert "The loyalty wallet is closed." in manager.page(club.page).text


def test_closing_names_what_goes_back_before_anybody_confirms(club: Club) -> None:
    serviced(club)
    page = club.by(Role.MANAGER).page(f"{club.page}/close")
    assert lines(page)["Payment back"] == "21,948.00 USD"
    assert lines(page)["Bonus points that lapse"] == "2,994"


def test_suspending_and_resuming(club: Club) -> None:
    suspended(club)
    page = club.by().page(club.page)
    assert "The loyalty wallet is suspended.Chargeback" in page.text
    again = club.by().post(f"{club.page}/suspend", typed(reason="Twice"), htmx=True)
    assert (again.status_code, "The loyalty wallet is suspended." in again.text) == (409, True)
    assert club.by().post(f"{club.page}/resume", typed(reason="Paid")).status_code == 303
    assert "suspended" not in club.by().page(f"{club.page}?kind=load").text.replace("is suspended", "")


def test_cards_are_issued_and_taken_out_of_use(club: Club) -> None:
    loaded(club)
    manager = club.by(Role.MANAGER)
    answer = manager.post(f"{club.page}/cards", typed(number="CARD-77"))
    assert (answer.status_code, answer.location) == (303, club.page)
    page = manager.page(club.page)
    assert "Card CARD-77 is issued." in page.text
    (end,) = [link["href"] for link in page.all("a") if link.text == "Take out of use…"]
    assert "cannot be used any more" in manager.page(end).text
    assert manager.post(end, typed(), htmx=True).status_code == 204
    assert "in use" not in manager.page(club.page).by_id("member").text.replace("out of use", "")
    assert manager.post(end, typed(), htmx=True).status_code == 409
    taken = manager.post(f"{club.page}/cards", typed(number="CARD-77"), htmx=True)
    assert taken.status_code == 422
    assert told(Page(taken), "number")
    assert value(Page(taken), "number") == "CARD-77"
    made = manager.post(f"{club.page}/cards", typed(number=""), htmx=True)
    assert made.status_code == 204


def test_an_entry_offers_what_can_be_done_about_it(club: Club) -> None:
    converted(club)
    club.redeem(10)
    offers = {}
    for sequence in (1, 2, 3, 4, 5):
        page = club.by().page(f"{club.page}/entries/{sequence}")
        offers[sequence] = [link.text for link in page.all("a") if link.text.endswith("…")]
    assert offers == {
        1: ["Reverse this load…"],
        2: ["Reverse this load…"],
        3: [],
        4: ["Undo the conversion…"],
        5: ["Refund the service…"],
    }


def test_a_refunded_service_says_so(club: Club) -> None:
    serviced(club)
    send(club.by(), f"{club.page}/entries/4/refund", typed(points="60", notes="Part of it"))
    page = club.by().page(f"{club.page}/entries/4").text
    assert "60 points, 0.30 USD, entry 5" in page
    assert "Refund the service…" in page
    assert "60 given back" in club.by().page(club.page).text
    send(club.by(), f"{club.page}/entries/4/refund", typed(points="", notes="The rest"))
    page = club.by().page(f"{club.page}/entries/4").text
    assert "38 points, 0.19 USD, entry 6" in page
    assert "Refund the service…" not in page


def test_a_refused_conversion_is_on_record(club: Club) -> None:
    frozen(club)
    before = club.desk.count_refusals(club.player_id)
    club.by().post(f"{club.page}/convert", typed(points="100", reason="Wish"), htmx=True)
    assert club.desk.count_refusals(club.player_id) == before + 1


def test_a_wallet_that_is_held_is_tried_again(club: Club) -> None:
    loaded(club)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with club.desk.app.app_context(), db.writing() as session:
            session.execute(text("SELECT FROM loyalty_wallets FOR UPDATE"))
            held.set()
            done.wait(5)

    holder = threading.Thread(target=hold)
    agent = club.by()
    holder.start()
    held.wait(5)
    try:
        shown = preview(agent, f"{club.page}/redeem", typed(points="10"))
    finally:
        done.set()
        holder.join()
    (busy,) = shown.all("p", class_="busy")
    assert "Busy, trying again" in busy.text
    assert busy["hx-post"] == f"{club.page}/redeem/preview"


def test_points_of_a_player_without_a_wallet_cannot_be_used(club: Club) -> None:
    answer = club.by().post(f"{club.page}/redeem", typed(points="5", notes="Facial"), htmx=True)
    assert answer.status_code == 404
    assert "no loyalty wallet yet" in answer.text


@pytest.mark.parametrize("path", ["/load", "/redeem", "/adjust", "/convert", "/entries/4/refund", "/close"])
def test_a_preview_takes_few_statements(club: Club, path: str) -> None:
    serviced(club)
    manager: Any = club.by(Role.MANAGER)
    data = typed(payment_amount="50", points="20", price="")
    assert club.desk.count_queries(lambda: preview(manager, club.page + path, data)) <= 22, club.desk.queries
