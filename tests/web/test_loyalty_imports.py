"""Reports of moving in from other loyalty programmes: the list, one report, its members."""

import json
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from dashboard.models import LegacyMember, LegacyReport, LegacyRun
from dashboard.models.login import Role
from dashboard.queries import paging
from tests.builders import make_operator
from tests.pages import Page
from tests.web import loyalty_office
from tests.web.desk import AT, Browser, Desk
from tests.web.loyalty_office import Office

FIGURES = {"loaded": 1_000, "redeemed": 700, "inactive": 50, "deleted": 30, "expired": 20, "short": 100}
TOLD = {
    "patients": 3,
    "figures": {**FIGURES, "balance": 300},
    "tables": [
        {
            "file": "loyalty_points.csv",
            "rows_read": 12,
            "rows_written": 9,
            "rows_known": 1,
            "rows_refused": 2,
        }
    ],
    "refused": [
        {"table": "loyalty_points", "file": "loyalty_points.csv", "line": 7, "reason": "No patient."}
    ],
    "short": [{"file": "loyalty_redemptions.csv", "line": 4, "account": "P-1", "asked": 150, "there": 50}],
    "notes": [{"file": "loyalty_points.csv", "line": 9, "account": "P-2", "text": "An odd date."}],
}


@pytest.fixture
def agent(desk: Desk) -> Browser:
    return desk.sign_in(Role.AGENT)


def move_in(session: Session, operator_id: int, players: list[int], told: dict[str, Any]) -> int:
    """A run that made these players members, the first of whom had redeemed too much; its report's id."""
    run = {"operator_id": operator_id, "folder": "clinic", "digest": "0" * 16, "begun_at": AT}
    run_id = session.execute(insert(LegacyRun).values(**run).returning(LegacyRun.id)).scalar_one()
    for place, player_id in enumerate(players):
        short = 100 if place == 0 else 0
        session.execute(
            insert(LegacyMember).values(
                player_id=player_id,
                operator_id=operator_id,
                run_id=run_id,
                is_new=place == 1,
                digest=bytes(32),
                loaded=500,
                redeemed=400 + short,
                inactive=10,
                deleted=5,
                expired=20,
                short=short,
                balance=65,
                made="{}",
            )
        )
    report = {
        "operator_id": operator_id,
        "run_id": run_id,
        "command": "legacy-loyalty",
        "report": json.dumps(told),
        "finished_at": AT,
    }
    return session.execute(insert(LegacyReport).values(**report).returning(LegacyReport.id)).scalar_one()


@pytest.fixture
def office(desk: Desk) -> Office:
    return loyalty_office.fill(desk, desk.write(make_operator))


@pytest.fixture
def report_id(desk: Desk, office: Office) -> int:
    players = [office.old, office.gold, office.plain]
    return desk.write(lambda session: move_in(session, desk.operator_id, players, TOLD))


def body(page: Page, table_id: str) -> list[list[str]]:
    """The rows of a table's body as texts."""
    table = page.by_id(table_id)
    inside = next(each for each in page.all("tbody") if each.is_within(table))
    cells = [each for each in page.elements if each.tag in {"th", "td"}]
    return [
        [cell.text for cell in cells if cell.is_within(row)]
        for row in page.all("tr")
        if row.is_within(inside)
    ]


def test_the_list_says_what_moved_in(agent: Browser, report_id: int) -> None:
    assert body(agent.page("/loyalty/imports"), "imports") == [
        ["2 Mar 2026, 14:00:00", "clinic", "legacy-loyalty", "3", "300", "20", "100", "300", "1"]
    ]


def test_a_report_explains_the_difference(agent: Browser, report_id: int) -> None:
    page = agent.page(f"/loyalty/imports/{report_id}")
    assert body(page, "became") == [
        ["Loaded there", "1,000"],
        ["Redeemed there", "−700"],
        ["Not active there", "−50"],
        ["Deleted there", "−30"],
        ["Expired before moving in", "−20"],
        ["Redeemed there without points", "+100"],
    ]
    assert "are unexplained" not in page.text
    assert body(page, "lines") == [
        ["loyalty_points.csv", "7", "Refused: No patient."],
        ["loyalty_redemptions.csv", "4", "Patient P-1 redeemed 150 points, 50 were there."],
        ["loyalty_points.csv", "9", "Patient P-2: An odd date."],
    ]
    assert [row[0] for row in body(page, "moved-members")] == [
        "Old Hand",
        "Gold Digger new player",
        "Plain Jane",
    ]
    assert body(page, "moved-members")[0][2:] == ["500", "500", "10", "5", "20", "100", "65"]


def test_what_no_cause_explains_stands_out(desk: Desk, agent: Browser) -> None:
    told = {"patients": 0, "figures": {**FIGURES, "balance": 299}, "unmoved": ["Household 9: too old."]}
    report_id = desk.write(lambda session: move_in(session, desk.operator_id, [], told))
    page = agent.page(f"/loyalty/imports/{report_id}")
    assert "-1 points are unexplained." in page.text
    assert body(page, "lines") == [["", "", "Household 9: too old."]]
    assert "Nobody moved in" in page.text


def test_only_those_who_redeemed_too_much(agent: Browser, report_id: int) -> None:
    page = agent.page(f"/loyalty/imports/{report_id}?show=short")
    assert [row[0] for row in body(page, "moved-members")] == ["Old Hand"]


def test_members_come_in_pages(agent: Browser, report_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    page = agent.page(f"/loyalty/imports/{report_id}")
    assert len(body(page, "moved-members")) == 3  # two, and the row that leads on
    (more,) = [each for each in page.all("a") if each.text == "Load 50 more"]
    rest = agent.get(more["href"], htmx=True)
    assert "Plain Jane" in rest.text
    assert "Gold Digger" not in rest.text
    assert "<table" not in rest.text


def test_another_operators_report_is_not_there(desk: Desk, agent: Browser, report_id: int) -> None:
    def foreign(session: Session) -> int:
        return move_in(session, make_operator(session), [], TOLD)

    other = desk.write(foreign)
    assert agent.get(f"/loyalty/imports/{other}").status_code == 404
    assert len(body(agent.page("/loyalty/imports"), "imports")) == 1


def test_nothing_has_moved_in(agent: Browser) -> None:
    assert "Nothing has moved in" in agent.page("/loyalty/imports").text


def test_a_report_asks_few_questions(desk: Desk, agent: Browser, report_id: int) -> None:
    for path in ("/loyalty/imports", f"/loyalty/imports/{report_id}"):
        assert desk.count_queries(lambda path=path: agent.page(path)) <= 12  # type: ignore[misc]
