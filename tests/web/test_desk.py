"""GET / and its parts: figures, recent changes, cash flow."""

import datetime as dt
import json
import re

import pytest
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, wallets
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Browser, Desk

DAY = dt.timedelta(days=1)


@pytest.fixture
def agent(desk: Desk) -> Browser:
    """An agent who has signed in."""
    return desk.sign_in()


def post(
    desk: Desk, player_id: int, *changes: tuple[int, ChangeType, dt.datetime], currency: str = "USD"
) -> None:
    """Changes in the order given."""

    def work(session: Session) -> None:
        for amount, change_type, at in changes:
            builders.change(session, player_id, amount, change_type, currency=currency, now=at)

    desk.write(work)


def figures(page: Page) -> str:
    """The row of figures as text."""
    return page.by_id("desk-figures").text


def shown(page: Page) -> list[str]:
    """Ids of the recent changes on a page, in its order."""
    return [row["id"] for row in page.all("tr") if (row.get("id") or "").startswith("change-")]


def more_of(page: Page) -> str | None:
    """Where "load more" leads, if there is more."""
    links = [link["href"] for link in page.all("a") if "after=" in link["href"]]
    return links[0] if links else None


def test_todays_figures_stand_beside_yesterdays(desk: Desk, agent: Browser) -> None:
    one, other = desk.player(), desk.player()
    post(
        desk,
        one,
        (500_00, ChangeType.DEPOSIT, AT - DAY),
        (1_000_00, ChangeType.DEPOSIT, AT - dt.timedelta(hours=3)),
        (-200_00, ChangeType.WITHDRAWAL, AT - dt.timedelta(hours=2)),
        (-100_00, ChangeType.WAGER, AT - dt.timedelta(minutes=9)),
        (180_00, ChangeType.SETTLEMENT, AT - dt.timedelta(minutes=8)),
    )
    post(desk, other, (-30_00, ChangeType.ADJUSTMENT, AT))
    text = figures(agent.page("/"))
    assert "Deposits 1,000.00 USD Yesterday 500.00" in text
    assert "Withdrawals 200.00 Yesterday 0.00" in text
    assert "Net cash 800.00 Yesterday 500.00" in text
    assert "Stakes 100.00" in text
    assert "Payouts 180.00" in text
    assert "Adjustments −30.00" in text
    assert "Changes 5 Yesterday 1" in text
    assert "Players active 2 Yesterday 1" in text


def test_a_day_that_is_over_is_summed_anew_after_five_minutes(desk: Desk, agent: Browser) -> None:
    player = desk.player()
    agent.page("/")
    post(desk, player, (500_00, ChangeType.DEPOSIT, AT - DAY))
    assert "Deposits 0.00 USD Yesterday 0.00" in figures(agent.page("/"))
    with clock.frozen(AT + dt.timedelta(minutes=5)):
        assert "Deposits 0.00 USD Yesterday 500.00" in figures(agent.page("/"))


def test_the_day_begins_at_the_operators_midnight(desk: Desk, agent: Browser) -> None:
    midnight = dt.datetime(2026, 3, 1, 23, tzinfo=dt.UTC)  # in Malta, one hour ahead
    player = desk.player()
    post(desk, player, (1_00, ChangeType.DEPOSIT, midnight - dt.timedelta(microseconds=1)))
    post(desk, player, (20_00, ChangeType.DEPOSIT, midnight))
    assert "Deposits 20.00 USD Yesterday 1.00" in figures(agent.page("/"))


def test_reversals_count_in_net_cash_and_leave_what_was_deposited(desk: Desk, agent: Browser) -> None:
    player = desk.player()
    post(desk, player, (100_00, ChangeType.DEPOSIT, AT))

    def undo(session: Session) -> None:
        balances.reverse(
            session,
            player_id=player,
            currency="USD",
            sequence=1,
            reason="Not theirs",
            actor=SYSTEM,
            idempotency_key="undo",
            now=AT,
        )

    desk.write(undo)
    assert "Deposits 100.00 USD Yesterday 0.00 Withdrawals 0.00 Yesterday 0.00 Net cash 0.00" in figures(
        agent.page("/")
    )


def test_other_currencies_are_counted_and_not_added(desk: Desk, agent: Browser) -> None:
    post(desk, desk.player(), (5_000, ChangeType.DEPOSIT, AT), currency="JPY")
    text = figures(agent.page("/"))
    assert "Deposits 0.00 USD" in text
    assert "Changes 1 " in text


def test_what_waits_is_named_with_its_number(desk: Desk, agent: Browser) -> None:
    player = desk.player(balance_minor=2_000_00)
    post(desk, player, (-1_950_00, ChangeType.WITHDRAWAL, AT))
    frozen = desk.player()
    desk.write(
        lambda session: wallets.freeze(
            session,
            player_id=frozen,
            reason="Documents",
            actor=builders.make_actor(session, operator_id=desk.operator_id),
            now=AT,
        )
    )
    waiting = agent.page("/").by_id("waiting").text
    assert "Critical 1" in waiting
    assert "Significant drop critical 1" in waiting
    assert "Frozen wallets 1" in waiting


def test_a_quiet_desk_says_so(desk: Desk, agent: Browser) -> None:
    page = agent.page("/")
    assert "Nothing waits" in page.by_id("waiting").text
    assert "A quiet day" in page.by_id("recent-changes").text


def test_recent_changes_go_back_a_day_and_no_further(desk: Desk, agent: Browser) -> None:
    player = desk.player(name="Priya Raman")
    post(
        desk,
        player,
        (1_00, ChangeType.DEPOSIT, AT - DAY - dt.timedelta(seconds=1)),
        (2_00, ChangeType.DEPOSIT, AT - DAY),
        (3_00, ChangeType.DEPOSIT, AT),
    )
    page = agent.page("/")
    assert shown(page) == [f"change-{player}-USD-3", f"change-{player}-USD-2"]
    row = page.by_id(f"change-{player}-USD-3").text
    assert "Priya Raman" in row
    assert "Deposit" in row
    assert "+3.00" in row


@pytest.mark.parametrize("htmx", [True, False])
def test_pages_of_recent_changes_have_neither_gap_nor_repeat(desk: Desk, agent: Browser, htmx: bool) -> None:
    one, other = desk.player(), desk.player()
    for number in range(60):  # two at each instant: the order needs more than the time
        at = AT - dt.timedelta(minutes=60 - number)
        post(desk, one, (1_00, ChangeType.DEPOSIT, at))
        post(desk, other, (1_00, ChangeType.DEPOSIT, at))
    page, seen = agent.page("/"), []
    while True:
        seen += shown(page)
        href = more_of(page)
        if href is None:
            break
        if htmx:
            page = Page(agent.get(href, htmx=True))
            assert not page.all("html")
        else:
            page = agent.page(href)
    assert len(seen) == 120
    assert len(set(seen)) == 120


def test_filters_by_type_agent_and_maker(desk: Desk, agent: Browser) -> None:
    staff = desk.write(
        lambda session: builders.make_login(session, operator_id=desk.operator_id, name="Joel M").id
    )
    theirs = desk.player(agent_id=staff)
    other = desk.player()
    post(desk, theirs, (1_00, ChangeType.DEPOSIT, AT), (2_00, ChangeType.ADJUSTMENT, AT))
    post(desk, other, (3_00, ChangeType.DEPOSIT, AT))
    assert len(shown(agent.page("/?change_type=deposit"))) == 2
    assert shown(agent.page(f"/?change_type=deposit&agent={staff}")) == [f"change-{theirs}-USD-1"]
    assert shown(agent.page(f"/?by=staff:{staff}")) == []
    page = agent.page(f"/?change_type=fee&agent={staff}&by=system")
    assert "No change fits" in page.by_id("recent-changes").text
    assert {"Type: Fee", "Agent in charge: Joel M", "Made by: System"} <= {
        chip.text for chip in page.all("li", class_="chip")
    }


def test_what_is_no_filter_asks_for_nothing(desk: Desk, agent: Browser) -> None:
    post(desk, desk.player(), (1_00, ChangeType.DEPOSIT, AT))
    page = agent.page("/?change_type=flying&agent=%27&by=staff:x&after=1.2&through=x")
    assert len(shown(page)) == 1
    assert not page.all("li", class_="chip")


def test_new_filters_by_htmx_change_the_address(desk: Desk, agent: Browser) -> None:
    answer = agent.get("/recent-changes?change_type=deposit&agent=&by=", htmx=True)
    assert answer.headers["HX-Push-Url"] == "/?change_type=deposit"
    assert answer.text.lstrip().startswith('<div id="recent-changes"')


def test_a_refresh_comes_as_far_as_the_list_is_open_and_leaves_the_address(
    desk: Desk, agent: Browser
) -> None:
    player = desk.player()
    for number in range(70):
        post(desk, player, (1_00, ChangeType.DEPOSIT, AT - dt.timedelta(minutes=70 - number)))
    rest = Page(agent.get(str(more_of(agent.page("/"))), htmx=True))
    through = rest.one("input", name="through")["value"]
    post(desk, player, (1_00, ChangeType.DEPOSIT, AT))
    answer = agent.get(f"/recent-changes?through=ignored&through={through}", htmx=True)
    refreshed = shown(Page(answer))
    assert refreshed[0] == f"change-{player}-USD-71"
    assert len(refreshed) == 71
    assert "HX-Push-Url" not in answer.headers


def test_the_figures_refresh_by_themselves_with_what_waits(desk: Desk, agent: Browser) -> None:
    post(desk, desk.player(), (7_00, ChangeType.DEPOSIT, AT))
    part = Page(agent.get("/figures", htmx=True))
    assert "Deposits 7.00" in figures(part)
    assert part.by_id("waiting")["hx-swap-oob"] == "outerMorph"


@pytest.mark.parametrize("path", ["/figures", "/recent-changes?change_type=fee&_external=1"])
def test_parts_asked_for_as_pages_lead_to_the_desk(desk: Desk, agent: Browser, path: str) -> None:
    answer = agent.get(path)
    assert answer.status_code == 303
    assert answer.location == path.replace("/figures", "/").replace("/recent-changes", "/")


def test_cash_of_thirty_days_is_a_figure_and_a_table(desk: Desk, agent: Browser) -> None:
    player = desk.player()
    post(
        desk,
        player,
        (9_00, ChangeType.DEPOSIT, AT - 30 * DAY),
        (1_234_56, ChangeType.DEPOSIT, AT - 29 * DAY),
        (-34_56, ChangeType.WITHDRAWAL, AT),
    )
    page = agent.page("/cash-flow")
    figure = json.loads(page.one("script", type="application/json").text)
    assert {trace["type"] for trace in figure["data"]} <= {"bar", "scatter"}
    deposits, withdrawals, net = figure["data"]
    assert len(deposits["x"]) == 30
    assert (deposits["x"][0], deposits["y"][0], deposits["customdata"][0]) == (
        "2026-02-01",
        1234.56,
        "1,234.56",
    )
    assert (withdrawals["x"][-1], withdrawals["y"][-1]) == ("2026-03-02", -34.56)
    assert net["y"][-1] == -34.56
    total = page.one("tfoot").text
    assert "1,234.56" in total
    assert "+1,200.00" in total


def test_the_figure_cannot_end_its_element(desk: Desk, agent: Browser) -> None:
    part = agent.get("/cash-flow", htmx=True).text
    (inside,) = re.findall(r'<script type="application/json">(.*?)</script>', part, re.DOTALL)
    assert "<" not in inside


def test_another_operators_money_shows_nowhere(desk: Desk, agent: Browser) -> None:
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    post(elsewhere, elsewhere.player(name="Not Ours"), (5_000_00, ChangeType.DEPOSIT, AT))
    page = agent.page("/")
    assert "Deposits 0.00" in figures(page)
    assert "Changes 0 " in figures(page)
    assert "Not Ours" not in page.text
    assert "5,000.00" not in agent.page("/cash-flow").text


@pytest.mark.parametrize("path", ["/", "/figures", "/recent-changes", "/cash-flow"])
def test_partners_may_not_and_nobody_posts(desk: Desk, agent: Browser, path: str) -> None:
    assert desk.sign_in(Role.PARTNER).get(path).status_code == 403
    assert agent.post(path, {}).status_code == 405


def test_pages_take_few_statements(desk: Desk, agent: Browser) -> None:
    player = desk.player()
    for number in range(60):
        post(desk, player, (1_00, ChangeType.DEPOSIT, AT - dt.timedelta(minutes=number)))
    for path in ("/", "/?change_type=deposit", "/cash-flow"):
        assert desk.count_queries(lambda: agent.get(path)) <= 12, desk.queries  # noqa: B023
