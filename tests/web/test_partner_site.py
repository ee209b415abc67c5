"""What a partner sees: pages, filters, ways down to the rounds, and what may be typed there."""

import re
from typing import Any

import pytest
from sqlalchemy import func, select

from dashboard import clock
from dashboard.models import Partner, PartnerAccount, PartnerContract, PartnerPayout
from dashboard.models.partner import Disclosure, PartnerStatus
from dashboard.services import partner_terms, partners
from dashboard.services.actors import SYSTEM
from dashboard.services.partner_terms import Terms
from tests import builders
from tests.builders import PASSWORD
from tests.pages import Page
from tests.web import partner_site
from tests.web.desk import Desk, fields
from tests.web.partner_site import TODAY, Site

BASIS = "Figures are calculated on the agreed share basis."
PAGES = (
    "/earnings",
    "/earnings?by=month",
    "/earnings?currency=JPY",
    "/earnings/rounds",
    "/earnings/days",
    "/earnings/months",
    "/earnings/games",
    "/earnings/statements",
    "/earnings/payouts",
    "/earnings/profile",
    "/account",
    "/palette",
)
QUERIES_MAX = 12


def pages_of(site: Site) -> list[str]:
    """Every page that shows something."""
    return [*PAGES, f"/earnings/statements/{site.history.statement_id}"]


def column(page: Page, part: str, at: int) -> list[str]:
    """The texts of one column of the table in a part of the page."""
    rows = [row for row in page.all("tr") if row.is_within(page.by_id(part))]
    cells = ([cell for cell in page.all("td") if cell.is_within(row)] for row in rows)
    return [found[at].text for found in cells if len(found) > at]


def newcomer(desk: Desk, **given: Any) -> Site:
    """A partner without any history."""
    partner_id = desk.write(
        lambda session: builders.make_partner(session, operator_id=desk.operator_id, **given)
    )
    return partner_site.at_home(desk, partner_id)


def test_every_page_says_what_its_figures_are(site: Site) -> None:
    missing = [path for path in pages_of(site) if BASIS not in site.browser.page(path).text]
    assert missing == []
    assert BASIS in site.browser.page("/players", status=403).text
    assert BASIS in site.browser.page("/earnings/statements/987654321", status=404).text


def test_no_page_asks_more_than_twelve_times(site: Site) -> None:
    asked = {
        path: site.desk.count_queries(lambda path=path: site.browser.get(path)) for path in pages_of(site)
    }
    assert {path: count for path, count in asked.items() if count > QUERIES_MAX} == {}


def test_a_partner_without_earnings_sees_empty_pages(desk: Desk) -> None:
    site = newcomer(desk)
    for path in PAGES:
        site.browser.page(path)
    assert "Nothing is available yet" in site.browser.page("/earnings/payouts").text
    assert "has not set up" in site.browser.page("/earnings/profile").text


def test_the_overview_adds_up(site: Site) -> None:
    account = site.desk.read(
        lambda session: session.scalars(
            select(PartnerAccount).filter_by(partner_id=site.history.partner_id, currency="USD")
        ).one()
    )
    page = site.browser.page("/earnings")
    figures = {
        term.text: value.text
        for term, value in zip(page.all("dt"), page.all("dd"), strict=False)
        if term.is_within(page.one("dl", aria_label="Earnings in USD"))
    }
    text = page.text
    assert f"{account.pending / 100:,.2f}" in text
    assert f"{(account.approved - account.reserved - account.paid) / 100:,.2f}" in text
    assert "Earned today" in figures
    assert "5" in page.by_id("players").text
    months = site.browser.page("/earnings?by=month").by_id("trend").text
    assert f"{account.total / 100:+,.2f}" in months


def test_small_rounds_days_and_games_are_not_listed(site: Site) -> None:
    """Of 8 rounds one has a single player and one has two: these are in their months alone."""
    months = column(site.browser.page("/earnings/months?currency=USD"), "earned-months", 1)
    days = column(site.browser.page("/earnings/days?currency=USD"), "earned-days", 1)
    assert sum(map(int, days)) < sum(map(int, months))
    players = column(site.browser.page("/earnings/rounds?currency=USD"), "earned-rounds", 2)
    assert {int(count) for count in players} <= {0, partner_terms.PLAYERS_MIN}


def test_what_is_disclosed_may_be_seen_by_itself(desk: Desk) -> None:
    site = newcomer(desk, terms=Terms(share_bp=5_000, rate_bp=1_250, disclosure=Disclosure.TERMS))
    text = site.browser.page("/earnings/profile").text
    assert "50 %" in text
    assert "12.5 %" in text


def test_what_is_not_disclosed_is_named_nowhere(site: Site) -> None:
    for path in pages_of(site):
        assert re.search(r"\d %", site.browser.page(path).text) is None, path


def test_the_ways_down_end_at_rounds(site: Site) -> None:
    games = site.browser.page("/earnings/games")
    to_months = next(link["href"] for link in games.all("a") if link.text == "Harbour table")
    months = site.browser.page(to_months)
    to_rounds = next(link["href"] for link in months.all("a") if link.text == "May 2026")
    rounds = site.browser.page(to_rounds)
    assert set(column(rounds, "earned-rounds", 0)) != set()
    assert all(name.startswith("Harbour table") for name in column(rounds, "earned-rounds", 0))
    assert all("May 2026" in day for day in column(rounds, "earned-rounds", 1))

    whole = site.browser.page("/earnings/months?currency=USD")
    to_days = next(link["href"] for link in whole.all("a") if link.text == "April 2026")
    days = site.browser.page(to_days)
    to_rounds = next(link["href"] for link in days.all("a") if "Apr 2026" in link.text)
    assert column(site.browser.page(to_rounds), "earned-rounds", 0) != []


def test_more_rounds_follow_where_the_first_end(site: Site) -> None:
    first = site.browser.page("/earnings/rounds")
    more = first.by_id("more-rounds")
    href = next(link["href"] for link in first.all("a") if link.is_within(more))
    second = site.browser.page(href)
    numbers = column(first, "earned-rounds", 0), column(second, "earned-rounds", 0)
    assert not set(numbers[0]) & set(numbers[1])
    part = site.browser.get(href, htmx=True)
    assert part.text.lstrip().startswith("<tr")


def test_filters_narrow_the_rounds(site: Site) -> None:
    rejected = site.browser.page("/earnings/rounds?state=rejected")
    assert len(column(rejected, "earned-rounds", 0)) == 1
    assert "Played on a test account" in rejected.text
    none = site.browser.page("/earnings/rounds?since=2999-01-01")
    assert "No round fits" in none.text
    answer = site.browser.get("/earnings/rounds?currency=JPY&since=nonsense", htmx=True)
    assert answer.headers["HX-Push-Url"] == "/earnings/rounds?currency=JPY"
    assert "Kyoto table" in answer.text
    assert "Harbour table" not in answer.text


def test_a_statement_adds_up(site: Site) -> None:
    page = site.browser.page(f"/earnings/statements/{site.history.statement_id}")
    listed = [_minor(text) for text in column(page, "rounds", 6)]
    few = _minor(page.by_id("rounds").text.partition("players: ")[2].partition(" USD")[0])
    assert sum(listed) + few == sum(_minor(text) for text in column(page, "lines", 7))


def _minor(text: str) -> int:
    return int(text.partition(" ")[0].replace("\u2212", "-").translate({ord(each): "" for each in "+,."}))


# Payouts


def ask(site: Site, amount: str, *, currency: str = "USD", key: str | None = None) -> Any:
    """Send the form of the page with this amount."""
    form = fields(site.browser.page("/earnings/payouts"), "payout-form")
    data = {**form, "currency": currency, "amount": amount}
    return site.browser.post("/earnings/payouts", {**data, **({"idempotency_key": key} if key else {})})


def requested(site: Site) -> int:
    """How many payouts there are."""
    return site.desk.read(
        lambda session: session.scalar(select(func.count()).select_from(PartnerPayout)) or 0
    )


def test_a_payout_is_asked_for_once(site: Site) -> None:
    before = requested(site)
    form = fields(site.browser.page("/earnings/payouts"), "payout-form")
    for _ in range(2):
        answer = site.browser.post("/earnings/payouts", {**form, "currency": "USD", "amount": "60.00"})
        assert answer.status_code == 303
    assert requested(site) == before + 1
    page = site.browser.page("/earnings/payouts")
    assert "60.00" in page.by_id("history").text
    assert "60.00 USD is asked for." in page.text


@pytest.mark.parametrize(
    ("amount", "says"),
    [
        ("", "Enter an amount."),
        ("-5", "above zero"),
        ("1.234", "at most 2 decimals"),
        ("9,999,999.00", "USD"),
        ("10.00", "50.00"),
    ],
)
def test_a_payout_that_is_refused_says_why_at_the_amount(site: Site, amount: str, says: str) -> None:
    before = requested(site)
    answer = ask(site, amount)
    page = Page(answer)
    assert answer.status_code == 422
    assert says in page.by_id("amount-error").text
    assert page.by_id("amount")["value"] == amount
    assert requested(site) == before


def test_a_key_is_good_for_one_amount(site: Site) -> None:
    key = fields(site.browser.page("/earnings/payouts"), "payout-form")["idempotency_key"]
    assert ask(site, "60.00", key=key).status_code == 303
    answer = ask(site, "61.00", key=key)
    assert answer.status_code == 409
    assert "another amount" in answer.text


def test_another_s_currency_is_no_choice(site: Site) -> None:
    assert ask(site, "60.00", currency="EUR").status_code == 422
    assert ask(site, "60", currency="JPY").status_code == 303


# Profile


def test_payout_details_are_written_and_shown(site: Site) -> None:
    form = fields(site.browser.page("/earnings/profile"), "profile-form")
    answer = site.browser.post("/earnings/profile", {**form, "payout_details": "New bank\nMT44"})
    assert answer.status_code == 303
    assert "New bank" in site.browser.page("/earnings/profile").by_id("profile-payout_details").text
    stored = site.desk.read(lambda session: session.get_one(Partner, site.history.partner_id).payout_details)
    assert stored.split() == ["New", "bank", "MT44"]
    too_long = site.browser.post("/earnings/profile", {"payout_details": "x" * 1_001})
    assert too_long.status_code == 422
    assert "x" * 1_001 in too_long.text


def test_new_terms_are_accepted_once(site: Site) -> None:
    page = site.browser.page("/earnings/profile")
    assert "From 15 Jun 2026" in page.by_id("terms-2").text
    assert "In force" in page.by_id("terms-1").text
    assert site.browser.post("/earnings/terms/2/acceptance", {}).status_code == 303
    accepted = site.desk.read(
        lambda session: session.scalars(
            select(PartnerContract.accepted_at).filter_by(partner_id=site.history.partner_id, version=2)
        ).one()
    )
    assert accepted == TODAY
    assert "as you accepted" in site.browser.page("/earnings/profile").by_id("terms-2").text
    assert site.browser.post("/earnings/terms/2/acceptance", {}).status_code == 409
    assert site.browser.post("/earnings/terms/1/acceptance", {}).status_code == 422
    assert site.browser.post("/earnings/terms/3/acceptance", {}).status_code == 409


def test_the_link_can_be_copied_with_and_without_a_script(site: Site) -> None:
    for path in ("/earnings", "/earnings/profile"):
        page = site.browser.page(path)
        field = page.by_id("referral-link")
        assert (field["value"], field.get("readonly")) == ("https://play.test/?by=harbour-media", "")
        assert [button for button in page.all("button") if button.get("data-copy") == "referral-link"]


# Signing in


def test_whoever_comes_to_the_root_begins_at_home(site: Site) -> None:
    client = site.desk.app.test_client()
    ended = client.get("/")
    assert ended.location == "/sign-in?next=/"
    form = Page(client.get(ended.location))
    email = site.history.emails[site.history.partner_id]
    sent = client.post(
        "/sign-in", data={"csrf_token": form.token(), "email": email, "password": PASSWORD, "next": "/"}
    )
    assert sent.location == "/earnings"
    refused = site.browser.page("/", status=403)
    assert [link["href"] for link in refused.all("a") if link.text == "Back to the start"] == ["/earnings"]


@pytest.mark.parametrize("status", [PartnerStatus.SUSPENDED, PartnerStatus.BLOCKED])
def test_who_may_not_sign_in_is_told_what_a_wrong_password_is_told(site: Site, status: PartnerStatus) -> None:
    partner_id = site.history.partner_id
    site.desk.write(
        lambda session: partners.set_status(
            session, partner_id=partner_id, status=status, reason="Audit", actor=SYSTEM, now=TODAY
        )
    )
    ended = site.browser.get("/earnings")
    assert (ended.status_code, ended.location) == (303, "/sign-in?next=/earnings")
    email = site.history.emails[partner_id]
    answers = []
    for password in (PASSWORD, "wrong password"):
        client = site.desk.app.test_client()
        token = Page(client.get("/sign-in")).token()
        sent = client.post("/sign-in", data={"csrf_token": token, "email": email, "password": password})
        answers.append((sent.status_code, Page(sent).text))
    assert answers[0] == answers[1]
    assert answers[0][0] == 422


def test_the_day_is_the_one_on_the_operator_s_wall(site: Site) -> None:
    """Half past ten in the evening UTC is half an hour into the next day in Malta."""
    with clock.frozen(TODAY.replace(hour=22, minute=30)):
        browser = partner_site.enter(site.desk.app, site.history.emails[site.history.partner_id])
        page = browser.page("/earnings")
    days = [cell.text for cell in page.all("th", scope="row") if cell.is_within(page.by_id("trend"))]
    assert days[0] == "Sat 6 Jun 2026"
