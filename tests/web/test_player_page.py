"""GET /players/<id> and its parts: header, balance card, journal, alerts, notes; POST of a note."""

import datetime as dt

import pytest
from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, players, vip_rules
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Browser, Desk

PARTS = ("header", "balance-card", "alerts", "journal", "notes")


def fill(desk: Desk, player_id: int, count: int, *, amount_minor: int = 100, currency: str = "USD") -> None:
    """So many deposits, one a minute, the last one at AT."""

    def work(session: Session) -> None:
        for number in range(count):
            at = AT - dt.timedelta(minutes=count - number - 1)
            builders.change(
                session, player_id, amount_minor + number, ChangeType.DEPOSIT, currency=currency, now=at
            )

    desk.write(work)


def sequences(page: Page) -> list[int]:
    """The entries that a page shows, in its order."""
    return [
        int(row["id"].rsplit("-")[-1]) for row in page.all("tr") if (row.get("id") or "").startswith("entry-")
    ]


# The page


def test_the_page_shows_who_it_is_and_what_there_is(desk: Desk) -> None:
    agent = desk.sign_in()
    player_id = desk.player(balance_minor=418_025, name="Priya Raman", external_id="CUSTOMER_0417")
    page = agent.page(f"/players/{player_id}")
    header = page.by_id("header").text
    for said in ("Priya Raman", "CUSTOMER_0417", "Active", "No level · 0 xp"):
        assert said in header
    assert "Real 4,180.25 USD Withdrawable 4,180.25 Bonus 0.00" in page.by_id("balance-card").text
    assert sequences(page) == [1]


def test_the_level_and_the_last_entrys_risk_stand_in_the_header(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=100_000)

    def work(session: Session) -> None:
        vip_rules.add_xp(session, player_id=player_id, xp=12_480, reason="Stakes", actor=SYSTEM, now=AT)
        builders.change(session, player_id, -90_000, ChangeType.WITHDRAWAL, now=AT)

    desk.write(work)
    header = agent.page(f"/players/{player_id}").by_id("header").text
    assert "Gold · 12,480 xp" in header
    assert f"Risk {desk.last_entry(player_id).risk_score}" in header


def test_alerts_that_are_not_resolved_stand_beside_the_form(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=100_000)
    desk.write(lambda session: builders.change(session, player_id, -92_000, ChangeType.WITHDRAWAL, now=AT))
    alerts = agent.page(f"/players/{player_id}").by_id("alerts").text
    assert "Critical" in alerts
    assert "down to 80.00 USD" in alerts
    assert "−92 % in one change" in alerts


def test_each_currency_has_its_own_figures_and_journal(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000)
    fill(desk, player_id, 1, amount_minor=1_500, currency="JPY")
    page = agent.page(f"/players/{player_id}?currency=JPY")
    assert "Real 1,500 JPY" in page.by_id("balance-card").text
    assert sequences(page) == [1]
    assert page.one("input", name="currency", id="adjust-currency")["value"] == "JPY"
    unused = agent.page(f"/players/{player_id}?currency=KWD")
    assert "Real 0.000 KWD" in unused.by_id("balance-card").text
    assert "No entries in KWD yet" in unused.text
    agent.page(f"/players/{player_id}?currency=CHF", status=404)


@pytest.mark.parametrize("tab", ["activity", "limits", "alerts", "notes", "nonsense"])
def test_every_tab_is_a_page_and_a_part(desk: Desk, tab: str) -> None:
    manager, player_id = desk.sign_in(Role.MANAGER), desk.player(balance_minor=50_000)
    desk.write(lambda session: builders.change(session, player_id, -49_000, ChangeType.WITHDRAWAL, now=AT))
    page = manager.page(f"/players/{player_id}?tab={tab}")
    (current,) = (link for link in page.all("a", aria_current="page") if link.is_within(page.by_id("tab")))
    assert current.text.lower().startswith(tab if tab != "nonsense" else "activity")
    part = manager.get(f"/players/{player_id}?tab={tab}", htmx=True)
    assert part.status_code == 200
    assert part.text.lstrip().startswith('<div class="stack" id="tab">')


def test_the_limits_tab_says_what_the_level_allows(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    fill(desk, player_id, 1, amount_minor=2_100_000)
    limits = agent.page(f"/players/{player_id}?tab=limits").by_id("limits").text
    assert "21,000.00 of 25,000.00" in limits
    assert "4,000.00 left" in limits
    assert "Lowest real balance−10,000.00 USD" in limits


def test_a_page_takes_few_statements(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=50_000)
    fill(desk, player_id, 60)
    for tab in ("activity", "limits", "alerts", "notes"):
        count = desk.count_queries(lambda: agent.get(f"/players/{player_id}?tab={tab}"))  # noqa: B023
        assert count <= 12, desk.queries


# Who may


@pytest.mark.parametrize("part", ["", *(f"/{part}" for part in PARTS)])
def test_another_operators_player_is_not_there(desk: Desk, part: str) -> None:
    agent = desk.sign_in()
    elsewhere = desk.write(
        lambda session: builders.make_player(session, operator_id=builders.make_operator(session))
    )
    for player_id in (elsewhere, 987_654):
        assert agent.get(f"/players/{player_id}{part}", htmx=True).status_code == 404
        assert agent.client.get(f"/players/{player_id}{part}", follow_redirects=True).status_code == 404


def test_partners_see_no_player(desk: Desk) -> None:
    partner, player_id = desk.sign_in(Role.PARTNER), desk.player()
    for part in ("", *(f"/{part}" for part in PARTS)):
        assert partner.get(f"/players/{player_id}{part}").status_code == 403


def test_an_auditor_reads_everything_and_is_offered_nothing(desk: Desk) -> None:
    auditor, player_id = desk.sign_in(Role.AUDITOR), desk.player(balance_minor=1_000)
    page = auditor.page(f"/players/{player_id}?tab=notes")
    main = page.one("main")
    assert not [form for form in page.all("form", method="post") if form.is_within(main)]
    assert "Freeze" not in main.text


# Parts that fetch themselves anew


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_itself_for_htmx_and_its_page_for_everybody_else(desk: Desk, part: str) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000)
    answer = agent.get(f"/players/{player_id}/{part}?currency=USD", htmx=True)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    plain = agent.get(f"/players/{player_id}/{part}?currency=USD&_external=1&player_id=7")
    assert plain.status_code == 303
    assert plain.location.startswith(f"/players/{player_id}?currency=USD")
    agent.page(plain.location)


# The journal


def test_the_journal_goes_on_page_by_page(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    fill(desk, player_id, 120)
    page = agent.page(f"/players/{player_id}")
    assert sequences(page) == list(range(120, 70, -1))
    more = page.one("tr", id="more")
    (link,) = (link for link in page.all("a") if link.is_within(more))
    plain = agent.get(link["href"])
    assert sequences(agent.page(plain.location)) == list(range(70, 20, -1))
    rows = Page(agent.get(link["hx-get"], htmx=True))
    assert sequences(rows) == list(range(70, 20, -1))
    (link,) = (link for link in rows.all("a") if link.text == "Load 50 more")
    last = Page(agent.get(link["hx-get"], htmx=True))
    assert sequences(last) == list(range(20, 0, -1))
    assert not last.all("tr", id="more")


def test_new_entries_come_in_at_the_top_once(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    fill(desk, player_id, 3)
    head = agent.page(f"/players/{player_id}").by_id("journal-head")
    assert sequences(Page(agent.get(head["hx-get"], htmx=True))) == []
    fill(desk, player_id, 2)
    came = Page(agent.get(head["hx-get"], htmx=True))
    assert sequences(came) == [5, 4]
    assert came.by_id("journal-count").text == "5 entries"
    again = Page(agent.get(came.by_id("journal-head")["hx-get"], htmx=True))
    assert sequences(again) == []


def search(agent: Browser, player_id: int, query: str) -> list[int]:
    return sequences(agent.page(f"/players/{player_id}?{query}"))


def test_the_journal_is_filtered_by_what_stands_in_the_url(desk: Desk) -> None:
    agent, player_id = desk.sign_in(name="Maya Okafor"), desk.player()

    def work(session: Session) -> None:
        maya = builders.make_actor(session, operator_id=desk.operator_id)
        for sequence, (amount, kind, actor, days) in enumerate(
            [
                (100_000, ChangeType.DEPOSIT, SYSTEM, 9),
                (-2_500, ChangeType.WITHDRAWAL, maya, 5),
                (250, ChangeType.ADJUSTMENT, maya, 1),
                (-99, ChangeType.FEE, SYSTEM, 0),
            ],
            start=1,
        ):
            at = AT - dt.timedelta(days=days)
            change = builders.change(session, player_id, amount, kind, actor=actor, now=at)
            assert change.entry.sequence == sequence

    desk.write(work)
    for query, expected in [
        ("", [4, 3, 2, 1]),
        ("change_type=fee", [4]),
        ("change_type=nonsense", [4, 3, 2, 1]),
        ("direction=in", [3, 1]),
        ("direction=out", [4, 2]),
        ("by=system", [4, 1]),
        ("least=25", [2, 1]),
        ("most=2.50", [4, 3]),
        ("least=2.50&most=25", [3, 2]),
        ("since=2026-02-25", [4, 3, 2]),
        ("until=2026-02-25", [2, 1]),
        ("since=2026-02-25&until=2026-02-25", [2]),
        ("direction=out&by=system", [4]),
        ("change_type=refund", []),
    ]:
        assert search(agent, player_id, query) == expected, query


def test_filters_stand_as_chips_that_come_off(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    fill(desk, player_id, 2)
    page = agent.page(f"/players/{player_id}?direction=in&least=1.01&change_type=deposit")
    assert [chip.text for chip in page.all("li", class_="chip")] == [
        "Type: Deposit",
        "Direction: In",
        "At least 1.01",
    ]
    off = next(link for link in page.all("a") if link.get("aria-label") == "Remove filter: At least 1.01")
    assert search(agent, player_id, off["href"].partition("?")[2]) == [2, 1]
    assert page.by_id("journal-least")["value"] == "1.01"


def test_a_filter_that_cannot_be_read_is_told_and_left_out(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    fill(desk, player_id, 1)
    page = agent.page(f"/players/{player_id}?least=abc&since=2026-03-05&until=2026-03-01&before=x")
    assert sequences(page) == []
    assert page.by_id("journal-least")["value"] == "abc"
    assert "in figures" in page.by_id("journal-least-error").text
    assert "before the first" in page.by_id("journal-until-error").text


def test_what_people_typed_is_never_markup(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(name="<b>Bold</b>", external_id="<i>1</i>")
    desk.write(
        lambda session: balances.change(
            session,
            request=builders.change_request(player_id, 100, reason="<script>alert(1)</script>"),
            actor=SYSTEM,
            now=AT,
        )
    )
    answer = agent.get(f"/players/{player_id}")
    assert "<script>alert" not in answer.text
    assert "<b>Bold" not in answer.text


# Notes


@pytest.mark.parametrize("htmx", [True, False])
def test_a_note_is_kept(desk: Desk, htmx: bool) -> None:
    agent, player_id = desk.sign_in(name="Maya Okafor"), desk.player()
    answer = agent.post(f"/players/{player_id}/notes", {"body": "Verified\nby phone."}, htmx=htmx)
    if htmx:
        assert answer.status_code == 200
        assert Page(answer).by_id("note-body").text == ""
    else:
        assert (answer.status_code, answer.location) == (303, f"/players/{player_id}?tab=notes")
    notes = agent.page(f"/players/{player_id}?tab=notes").by_id("note-list").text
    assert "Maya Okafor" in notes
    assert "Verified by phone." in notes


@pytest.mark.parametrize(("body", "message"), [("", "Write something"), ("x" * 2001, "at most 2,000")])
@pytest.mark.parametrize("htmx", [True, False])
def test_a_note_of_a_wrong_shape_stays(desk: Desk, body: str, message: str, htmx: bool) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    answer = agent.post(f"/players/{player_id}/notes", {"body": body}, htmx=htmx)
    assert answer.status_code == 422
    page = Page(answer)
    assert message in page.by_id("note-body-error").text
    assert page.by_id("note-body").text == body


def test_who_may_write_notes(desk: Desk) -> None:
    player_id = desk.player()
    auditor, agent = desk.sign_in(Role.AUDITOR), desk.sign_in()
    assert auditor.post(f"/players/{player_id}/notes", {"body": "No"}).status_code == 403
    assert agent.post("/players/987654/notes", {"body": "No"}, htmx=True).status_code == 404
    desk.write(
        lambda session: players.add_note(
            session,
            player_id=player_id,
            body="Seen",
            actor=builders.make_actor(session, operator_id=desk.operator_id),
            now=AT,
        )
    )
    assert "Seen" in auditor.page(f"/players/{player_id}?tab=notes").by_id("note-list").text


def test_the_address_shows_the_filters_in_force(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    answer = agent.get(f"/players/{player_id}?currency=USD&change_type=&direction=out&by=&least=", htmx=True)
    assert answer.headers["HX-Push-Url"] == f"/players/{player_id}?currency=USD&direction=out"
    assert "HX-Push-Url" not in agent.get(f"/players/{player_id}?tab=notes", htmx=True).headers
