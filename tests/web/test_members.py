"""The page of one member of the loyalty programme, one entry, all batches, the card on the player's page."""

import datetime as dt

import pytest

from dashboard import clock
from dashboard.models.login import Role
from dashboard.services import points
from dashboard.services.actors import SYSTEM
from tests.builders import make_operator, make_player
from tests.web.club import Club, lines, shares
from tests.web.desk import AT, Desk


@pytest.fixture
def club(desk: Desk) -> Club:
    return Club(desk, desk.player(100_000, name="Nika Storm"))


@pytest.fixture
def member(club: Club) -> Club:
    """Three batches, a service that was paid with points, and a tier."""
    club.load(800, "a", days=350)
    club.load(22_000, "b", days=100)
    club.redeem(None, price=1_000_50, days=90)
    club.load(30, "c", days=10)
    return club


def test_somebody_without_points_is_enrolled_by_the_first_load(club: Club) -> None:
    page = club.by().page(club.page)
    assert "Not a member yet" in page.text
    assert [link["href"] for link in page.all("a") if "first load" in link.text] == [f"{club.page}/load"]
    assert "Enrol" not in club.by(Role.AUDITOR).page(club.page).text
    assert club.facts()[0] == 0


def test_balance_tier_and_what_expires_stand_on_the_page(member: Club) -> None:
    text = member.by().page(member.page).text
    # 800 + 25,000 − 980 for the service, and 34 for the last payment at the tier's rate.
    assert "Points 24,854 24,854 usable today" in text
    assert "Expire within 30 days 0 of 24,854" in text
    assert "Next to expire" in text
    assert "Silver · 2 % off services" in text
    assert "Paid 22,830.00" in text
    assert "Next: Gold By one payment from 45,000.00 USD, which gives 50,000 points (+11.11 %)" in text
    assert "Loaded25,834 Redeemed980 Expired0 Reversed0 Left24,854" in text


def test_the_calendar_has_a_line_for_each_batch_and_a_bar_for_each_month(member: Club) -> None:
    page = member.by().page(member.page)
    rows = [row.text for row in page.all("tr") if (row.get("id") or "").startswith("batch-")]
    assert [row.split()[0] for row in rows] == ["2", "3"]
    assert rows[0].startswith("2 22 Nov 2025 22,000.00 USD P-b 22,000 + 3,000 22 Nov 2026")
    assert rows[0].endswith("24,820")
    bars = page.one("dl", class_="month-bars").text
    assert bars == "Nov 202624,820 Feb 202734"


def test_what_lapses_soon_is_told_apart(club: Club) -> None:
    club.load(100, "a", days=340)
    club.load(50, "b")
    text = club.by().page(club.page).text
    assert "Expire within 30 days 100 of 150" in text
    assert "in 25 days" in text
    with clock.frozen(AT + dt.timedelta(days=26)):
        later = club.by(Role.MANAGER).page(club.page).text
    assert "Points 150 50 usable today, 100 have expired" in later
    assert club.entries() == 2


def test_paying_towards_the_tier_is_shown(club: Club) -> None:
    club.load(22_000, "a", days=30)
    club.load(5_000, "b", days=2)
    page = club.by().page(club.page)
    meter = page.one("svg", role="meter")
    assert (meter["aria-label"], meter["aria-valuetext"]) == ("Paid to keep it", "5,000.00 of 22,000.00")
    assert "17,000.00 missing" in page.text


def test_the_journal_is_filtered_and_goes_on(member: Club) -> None:
    for number in range(60):
        member.redeem(1, f"r{number}")
    agent = member.by()
    page = agent.page(member.page)
    rows = [row["id"] for row in page.all("tr") if (row.get("id") or "").startswith("points-entry-")]
    assert (len(rows), rows[0]) == (50, "points-entry-65")
    (more,) = [link for link in page.all("a") if link.text == "Load 50 more"]
    rest = agent.get(more["href"], htmx=True).text
    assert "points-entry-15" in rest
    assert "points-entry-16" not in rest
    assert "<h1" not in rest
    open_to_the_end = agent.get(f"{member.page}?through=1", htmx=True).text
    assert 'id="points-entry-1"' in open_to_the_end
    assert 'id="points-entry-1"' not in agent.get(member.page, htmx=True).text
    loads = agent.page(f"{member.page}?kind=load")
    kinds = [row.text for row in loads.all("td", class_="lead") if "entry" in row.text]
    assert kinds == ["Load, entry 5", "Load, entry 2", "Load, entry 1"]
    assert "No entry fits" in agent.page(f"{member.page}?kind=convert").text
    assert len(agent.page(f"{member.page}?kind=nonsense").all("td", class_="loud")) > 50


def test_the_page_fetches_itself_anew_as_far_as_it_is_open(member: Club) -> None:
    page = member.by().page(member.page)
    part = page.by_id("member")
    assert part["hx-trigger"].startswith("live:player")
    member.redeem(5, "more")
    fresh = member.by().get(f"{part['hx-get']}?through=1", htmx=True).text
    assert "<h1" in fresh
    assert "<html" not in fresh
    assert "24,849" in fresh
    stream = page.by_id("stream")
    assert f"player%3A{member.player_id}" in stream["hx-sse:connect"] or "player:" in stream["hx-sse:connect"]


def test_an_entry_says_what_it_did_and_to_which_batch(member: Club) -> None:
    page = member.by().page(f"{member.page}/entries/4")
    assert lines(page) == {
        "Points": "25,800 becomes 24,820",
        "Price": "1,000.50 USD",
        "Discount of 2 %": "−20.01",
        "To be paid": "980.49 USD",
        "By points": "980 points",
        "Left to pay in money": "0.49 USD",
    }
    assert shares(page) == [
        "From batch 1 until 17 Mar 2026−800",
        "From batch 2 until 22 Nov 2026−180 159 base, 21 bonus",
    ]
    dialog = member.by().get(f"{member.page}/entries/4", htmx=True).text
    assert 'class="dialog-box"' in dialog
    tier = lines(member.by().page(f"{member.page}/entries/3"))
    assert tier == {"Tier becomes": "Silver: 2 % off services", "Valid until": "22 Nov 2026"}


@pytest.mark.parametrize("sequence", ["0", "99", "99999999999999999999999"])
def test_an_entry_that_is_not_there(member: Club, sequence: str) -> None:
    assert member.by().get(f"{member.page}/entries/{sequence}").status_code == 404


def test_all_batches_add_up(member: Club) -> None:
    page = member.by().page(f"{member.page}/batches")
    rows = [row.text for row in page.all("tr") if (row.get("id") or "").startswith("batch-")]
    assert rows[-1].endswith("800 + 0 800 0 0 0")
    assert rows[1].endswith("22,000 + 3,000 180 0 0 24,820")
    assert "No batches yet" in member.by().page(f"/players/{member.desk.player()}/loyalty/batches").text


def test_the_card_on_the_players_page(member: Club) -> None:
    agent = member.by()
    page = agent.page(f"/players/{member.player_id}")
    card = page.by_id("loyalty-card")
    assert card["hx-get"] == f"{member.page}/card"
    part = agent.get(card["hx-get"], htmx=True).text
    assert "24,854" in part
    assert "Silver" in part
    assert "expire" in part
    assert agent.get(card["hx-get"]).location == member.page
    assert [link["href"] for link in page.all("a") if link.text == "Loyalty"][-1:] == [member.page]
    other = member.desk.player()
    assert "Enrol by a first load" in agent.get(f"/players/{other}/loyalty/card", htmx=True).text


def test_who_may_only_read_is_offered_nothing(member: Club) -> None:
    auditor = member.by(Role.AUDITOR)
    for path in ("", "/entries/2", "/entries/4", "/batches"):
        page = auditor.page(member.page + path)
        assert not [link for link in page.all("a") if link.text.endswith("…")], path
    assert "Take out of use" not in auditor.page(member.page).text


def test_a_suspended_wallet_says_so_and_offers_no_redemption(member: Club) -> None:
    member.execute(
        "UPDATE loyalty_wallets SET status = 'suspended', status_reason = 'Chargeback', status_at = now()"
    )
    page = member.by().page(member.page)
    assert "The loyalty wallet is suspended.Chargeback" in page.text
    offered = [link.text for link in page.all("a") if link.text.endswith("…")]
    assert "Redeem…" not in offered
    assert "Resume…" in offered


def test_another_operators_player_is_not_there(member: Club) -> None:
    theirs = member.desk.write(
        lambda session: make_player(session, operator_id=make_operator(session), balance_minor=0)
    )
    member.desk.write(
        lambda session: points.adjust(
            session, player_id=theirs, points=5, reason="x", idempotency_key="k", actor=SYSTEM, now=AT
        )
    )
    manager = member.by(Role.MANAGER)
    acts = ("load", "redeem", "adjust", "convert", "close", "suspend", "resume", "tier", "cards/new")
    about = ("entries/1/refund", "entries/1/reversal", "entries/1/undoing", "cards/1/end", "requests/1")
    for path in ("", "/batches", "/card", "/entries/1", *(f"/{act}" for act in (*acts, *about))):
        answer = manager.get(f"/players/{theirs}/loyalty{path}", htmx=True)
        assert answer.status_code == 404, path


@pytest.mark.parametrize("path", ["", "?kind=load", "/batches", "/entries/4", "/load", "/redeem"])
def test_pages_take_few_statements(member: Club, path: str) -> None:
    manager = member.by(Role.MANAGER)
    assert member.desk.count_queries(lambda: manager.page(member.page + path)) <= 12, member.desk.queries
