"""/players/<id>/analytics: one balance over a period, for everybody who may see the player."""

import csv
import datetime as dt
import io
import json
from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from tests import builders
from tests.web.desk import AT, Browser, Desk

DAY = dt.timedelta(days=1)


@pytest.fixture
def agent(desk: Desk) -> Browser:
    """An agent who has signed in."""
    return desk.sign_in(Role.AGENT)


@pytest.fixture
def player_id(desk: Desk) -> int:
    """Somebody who deposits 100.00 a day and plays 60.00 of it, for forty days."""
    player_id = desk.player()

    def work(session: Session) -> None:
        for back in range(40, 0, -1):
            at = AT - back * DAY
            builders.change(session, player_id, 100_00, ChangeType.DEPOSIT, now=at)
            builders.change(session, player_id, -60_00, ChangeType.WAGER, now=at + dt.timedelta(minutes=1))

    desk.write(work)
    return player_id


def test_an_agent_sees_the_figures(agent: Browser, player_id: int) -> None:
    text = agent.page(f"/players/{player_id}/analytics").by_id("figures").text
    opening, closing = 11 * 40_00, 40 * 40_00
    assert f"Opening {money.show(opening, 'USD')}" in text
    assert f"Closing {money.show(closing, 'USD')}" in text
    assert f"Net change {money.show(closing - opening, 'USD')}" in text
    assert "+263.6 % of the opening" in text
    assert f"Deposits {money.show(29 * 100_00, 'USD')}" in text
    assert "DirectionUp" in text
    assert "Risk" in text


def test_the_player_page_leads_there(agent: Browser, player_id: int) -> None:
    links = [link["href"] for link in agent.page(f"/players/{player_id}").all("a") if link.get("href")]
    assert f"/players/{player_id}/analytics?currency=USD" in links


def test_its_filters_change_the_part(agent: Browser, player_id: int) -> None:
    answer = agent.get(f"/players/{player_id}/analytics?period=weekly", htmx=True)
    assert answer.headers["HX-Push-Url"] == f"/players/{player_id}/analytics?period=weekly"
    assert "<html" not in answer.text
    assert money.show(6 * 100_00, "USD") in answer.text


def test_the_file_holds_each_bucket(agent: Browser, player_id: int) -> None:
    answer = agent.get(f"/players/{player_id}/analytics.csv?period=weekly")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["Deposits"] for row in rows] == ["100.00"] * 6 + ["0.00"]
    assert rows[-1]["Closing balance"] == money.plain(40 * 40_00, "USD")
    assert rows[0]["Lowest"] == money.plain(34 * 40_00, "USD")


def test_charts_hold_no_more_than_their_buckets(agent: Browser, player_id: int) -> None:
    page = agent.page(f"/players/{player_id}/analytics?period=yearly")
    figures = [json.loads(script.text) for script in page.all("script", type="application/json")]
    assert len(figures) == 2
    assert {len(trace["x"]) for figure in figures for trace in figure["data"]} == {12}


def test_another_operators_player_is_not_there(desk: Desk, player_id: int) -> None:
    stranger = replace(desk, operator_id=desk.write(builders.make_operator)).sign_in(Role.ADMIN)
    assert stranger.get(f"/players/{player_id}/analytics").status_code == 404
    assert stranger.get(f"/players/{player_id}/analytics.csv").status_code == 404


@pytest.mark.parametrize("period", ["daily", "monthly", "yearly"])
def test_few_statements_whatever_the_period(desk: Desk, player_id: int, period: str) -> None:
    manager = desk.sign_in(Role.MANAGER)
    url = f"/players/{player_id}/analytics?period={period}"
    assert desk.count_queries(lambda: manager.get(url)) <= 12, desk.queries


def test_a_currency_without_a_balance_is_not_offered(agent: Browser, player_id: int) -> None:
    page = agent.page(f"/players/{player_id}/analytics?currency=JPY")
    assert [option.text for option in page.all("option") if option["value"] in {"USD", "JPY"}] == ["USD"]
