"""What one does with a member's points: every form, its preview, and with no JavaScript."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from dashboard import db
from dashboard.models.login import Role
from tests.pages import Page, checked
from tests.web.club import (
    Club,
    converted,
    frozen,
    lapsed,
    lines,
    loaded,
    mark,
    preview,
    rated,
    reasons,
    send,
    serviced,
    shares,
    typed,
    used_up,
    value,
)
from tests.web.desk import Desk, fields


@pytest.fixture
def club(desk: Desk) -> Club:
    return Club(desk, desk.player(100_000, name="Nika Storm"))


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
