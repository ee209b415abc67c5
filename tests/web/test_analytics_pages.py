"""Agents, games and liability: each figure is what the tables come to."""

import csv
import datetime as dt
import io
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import partner_payouts, rollups
from tests import builders
from tests.services import table
from tests.services.table import ANOTHER_ACE
from tests.web import loyalty_office, partner_desk
from tests.web.desk import AT, Browser, Desk

DAY = dt.timedelta(days=1)
PAGES = ("/analytics/agents", "/analytics/games", "/analytics/liability", "/analytics/more")
FILES = ("/analytics/agents.csv", "/analytics/games.csv", "/analytics/liability.csv")


@pytest.fixture
def manager(desk: Desk) -> Browser:
    """A manager who has signed in."""
    return desk.sign_in(Role.MANAGER, name="Max Berg")


def rows_of(browser: Browser, path: str) -> list[dict[str, str]]:
    answer = browser.get(path)
    assert answer.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


@pytest.fixture
def ana(desk: Desk) -> int:
    """An agent in charge of a player, who has adjusted something, was refused, and saw to an alert."""

    def work(session: Session) -> int:
        login = builders.make_login(session, operator_id=desk.operator_id, name="Ana Reyes")
        actor = builders.actor_of(login)
        mine = builders.make_player(session, operator_id=desk.operator_id, agent_id=login.id)
        free = builders.make_player(session, operator_id=desk.operator_id)
        for back in (50, 20, 3):
            at = AT - back * DAY
            builders.change(session, mine, 100_00, ChangeType.DEPOSIT, now=at)
            builders.change(session, mine, -30_00, ChangeType.WAGER, now=at)
            builders.change(session, free, 7_00, ChangeType.DEPOSIT, now=at)
        builders.change(session, free, 5_00, actor=actor, now=AT - 2 * DAY)
        builders.change(session, mine, -2_00, actor=actor, now=AT - 2 * DAY)
        builders.change(session, mine, 1_00, actor=actor, now=AT - 40 * DAY)
        session.execute(
            text("""
            INSERT INTO refusals (player_id, operator_id, currency, change_type, real_delta, bonus_delta,
                                  reason, performed_by, idempotency_key, errors, refused_at)
            VALUES (:player, :operator, 'USD', 'adjustment', 1, 0, 'No', :by, 'refused', '[]', :at)
            """),
            {"player": mine, "operator": desk.operator_id, "by": actor.reference, "at": AT - DAY / 2},
        )
        for number, minutes in enumerate((10, 20, 60)):
            session.execute(
                text("""
                INSERT INTO alerts (player_id, operator_id, currency, type, severity, state, peak, threshold,
                                    raised_at, last_hit_at, acknowledged_by, acknowledged_at, resolved_by,
                                    resolved_at)
                VALUES (:player, :operator, 'USD', 'warning', 'warning', 'resolved', 1, 2, :at, :at,
                        :by, :seen, 'system', :seen)
                """),
                {
                    "player": mine,
                    "operator": desk.operator_id,
                    "by": login.id,
                    "at": AT - (number + 1) * DAY,
                    "seen": AT - (number + 1) * DAY + dt.timedelta(minutes=minutes),
                },
            )
        return login.id

    return desk.write(work)


@pytest.mark.parametrize("rolled", [False, True])
def test_an_agents_players_and_acts_are_counted(desk: Desk, manager: Browser, ana: int, rolled: bool) -> None:
    if rolled:
        desk.write(rollups.begin)
        desk.write(rollups.roll)
        desk.write(lambda session: rollups.passed(session, at=AT))
    rows = {row["Agent"]: row for row in rows_of(manager, "/analytics/agents.csv")}
    mine = rows["Ana Reyes"]
    assert (mine["Deposits of their players"], mine["Stakes"]) == ("200.00", "60.00")
    assert (mine["Net gaming revenue"], mine["Before"]) == ("60.00", "30.00")
    assert (mine["Adjustments made"], mine["Credited by them"], mine["Debited by them"]) == (
        "2",
        "5.00",
        "2.00",
    )
    assert (mine["Refused"], mine["Alerts acknowledged"]) == ("1", "3")
    assert mine["Median seconds to acknowledge"] == str(20 * 60)
    assert rows["Nobody in charge"]["Deposits of their players"] == "14.00"
    page = manager.page("/analytics/agents").by_id("agents").text
    assert "Ana Reyes 200.00" in page
    assert "20 min" in page


def test_an_agents_day_comes_from_the_entries(manager: Browser, desk: Desk, ana: int) -> None:
    (row,) = [
        each
        for each in rows_of(manager, "/analytics/agents.csv?period=daily")
        if each["Agent"] == "Ana Reyes"
    ]
    assert (row["Stakes"], row["Refused"]) == ("0.00", "1")


def test_games_are_what_their_settlements_say(desk: Desk, manager: Browser) -> None:
    def play(session: Session) -> None:
        played = table.open_table(session, operator_id=desk.operator_id)
        player = played.player(500_00)
        played.bet(player, "bahar", 100_00)
        played.deal(ANOTHER_ACE)
        played.settle()

    desk.write(play)
    rows = rows_of(manager, "/analytics/games.csv")
    assert len(rows) == 12
    sums = desk.read(
        lambda session: session.execute(
            text("""SELECT sum(rounds) AS rounds, sum(wagered) AS wagered,
                    sum(paid) AS paid FROM game_statistics""")
        ).one()
    )
    assert sum(int(row["Rounds"]) for row in rows) == sums.rounds == 1
    assert {row["Stakes"] for row in rows if row["Rounds"] == "1"} == {money.plain(int(sums.wagered), "USD")}
    page = manager.page("/analytics/games").by_id("games").text
    assert f"Hold {money.show(int(sums.wagered - sums.paid), 'USD')}" in page
    assert "In theory" in page


@pytest.mark.parametrize("rolled", [False, True])
def test_money_is_owed_as_the_balances_have_it(desk: Desk, manager: Browser, rolled: bool) -> None:
    def work(session: Session) -> None:
        player_id = builders.make_player(session, operator_id=desk.operator_id)
        for back in (400, 6, 3, 1):
            builders.change(session, player_id, 10_00 * back, ChangeType.DEPOSIT, now=AT - back * DAY)
        builders.give_bonus(session, player_id, 25_00, now=AT - 2 * DAY)
        if rolled:
            rollups.begin(session)
            rollups.roll(session)
            rollups.passed(session, at=AT)
        builders.change(session, player_id, -1_00, now=AT)

    desk.write(work)
    rows = rows_of(manager, "/analytics/liability.csv?period=weekly")
    assert [row["Real money at the end"] for row in rows] == [
        *["4060.00"] * 3,
        *["4090.00"] * 2,
        "4100.00",
        "4099.00",
    ]
    assert [row["Bonus money"] for row in rows] == ["0.00"] * 4 + ["25.00"] * 3
    past = rows_of(manager, "/analytics/liability.csv?period=custom&since=2026-02-25&until=2026-02-26")
    assert {row["Real money at the end"] for row in past} == {"4060.00"}


def test_points_are_owed_at_what_they_convert_to(desk: Desk, manager: Browser) -> None:
    loyalty_office.fill(desk, desk.write(builders.make_operator))
    rows = rows_of(manager, "/analytics/liability.csv?period=yearly")
    now = desk.read(
        lambda session: session.execute(
            text("SELECT sum(balance) AS points FROM loyalty_wallets WHERE operator_id = :operator"),
            {"operator": desk.operator_id},
        ).scalar_one()
    )
    assert rows[-1]["Points"] == str(now)
    moved = desk.read(
        lambda session: session.execute(
            text(
                "SELECT sum(points) FROM loyalty_entries WHERE operator_id = :operator AND created_at < :at"
            ),
            {"operator": desk.operator_id, "at": dt.datetime(2025, 12, 31, 23, tzinfo=dt.UTC)},
        ).scalar_one()
    )
    assert rows[-4]["Points"] == str(moved)


def test_what_partners_have_earned_is_owed_once_a_statement_says_so(desk: Desk, manager: Browser) -> None:
    partner_id = partner_desk.make(desk)
    partner_desk.earn(desk, partner_id)
    assert rows_of(manager, "/analytics/liability.csv")[-1]["Owed to partners"] == "0.00"
    assert "Earned by partners, not approved" in manager.page("/analytics/liability").text


OWED = """
SELECT
  (SELECT coalesce(sum(real_delta), 0) FROM wallet_entries
   WHERE operator_id = :o AND currency = 'USD' AND created_at < :at) AS real,
  (SELECT coalesce(sum(bonus_delta), 0) FROM wallet_entries
   WHERE operator_id = :o AND currency = 'USD' AND created_at < :at) AS bonus,
  (SELECT coalesce(sum(points), 0) FROM loyalty_entries
   WHERE operator_id = :o AND created_at < :at) AS points,
  (SELECT coalesce(sum(payable), 0) FROM partner_statements
   WHERE operator_id = :o AND state IN ('payable', 'paid') AND decided_at < :at)
  - (SELECT coalesce(sum(amount), 0) FROM partner_payouts
     WHERE operator_id = :o AND state = 'paid' AND ended_at < :at) AS partners
"""


def owed_at(desk: Desk, at: dt.datetime) -> tuple[str, ...]:
    """What the journals had come to by then, summed from their first lines on."""
    named = {"o": desk.operator_id, "at": at}
    row = desk.read(lambda session: session.execute(text(OWED), named).one())
    usd = [money.plain(int(amount), "USD") for amount in (row.real, row.bonus, row.partners)]
    return (*usd, str(row.points))


def test_each_day_is_what_the_journals_had_come_to(desk: Desk) -> None:
    """A partner is owed 50.00 from a statement of 10 April until a payout of 13 April."""
    loyalty_office.fill(desk, desk.write(builders.make_operator))
    owed = partner_desk.owe(desk)

    def later(session: Session) -> None:
        player_id = builders.make_player(session, operator_id=desk.operator_id)
        for back in (7, 4):
            builders.give_bonus(session, player_id, back * 10_00, now=partner_desk.IN_APRIL - back * DAY)
        one, other = (
            builders.make_actor(session, operator_id=desk.operator_id, role=Role.ADMIN) for _ in range(2)
        )
        at = partner_desk.IN_APRIL + 3 * DAY
        partner_payouts.approve(session, payout_id=owed.payout_id, actor=one, now=at)
        partner_payouts.pay(session, payout_id=owed.payout_id, reference="SEPA-1", actor=other, now=at)

    with clock.frozen(partner_desk.IN_APRIL + 4 * DAY):
        desk.write(later)
        manager = desk.sign_in(Role.MANAGER)
        rows = rows_of(manager, "/analytics/liability.csv?period=monthly")
        yearly = rows_of(manager, "/analytics/liability.csv?period=yearly")
    names = ("Real money at the end", "Bonus money", "Owed to partners", "Points")
    ends = [*(dt.datetime.fromisoformat(row["From"]) for row in rows[1:]), partner_desk.IN_APRIL + 5 * DAY]
    assert [tuple(row[name] for name in names) for row in rows] == [owed_at(desk, end) for end in ends]
    assert [row["Owed to partners"] for row in rows[-6:]] == ["0.00", *["50.00"] * 3, "0.00", "0.00"]
    assert [row["Bonus money"] for row in rows[-14:-6:2]] == ["0.00", "70.00", "70.00", "110.00"]
    months = [dt.datetime.fromisoformat(row["From"]) for row in yearly[1:]]
    assert [tuple(row[name] for name in names) for row in yearly[:-1]] == [
        owed_at(desk, end) for end in months
    ]
    assert {row["Points"] for row in yearly[:3]} != {"0"}


@pytest.mark.parametrize("path", PAGES)
def test_another_operators_figures_are_never_there(desk: Desk, ana: int, path: str) -> None:
    stranger = replace(desk, operator_id=desk.write(builders.make_operator)).sign_in(
        Role.MANAGER, name="Sue Far"
    )
    page = stranger.page(path).text
    assert "Ana Reyes" not in page
    assert "Mira Holm" not in page


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("query", ["", "?period=daily", "?period=yearly"])
def test_few_statements_whatever_the_period(
    desk: Desk, manager: Browser, ana: int, path: str, query: str
) -> None:
    manager.get(path)
    assert desk.count_queries(lambda: manager.get(path + query)) <= 12, desk.queries


@pytest.mark.parametrize("path", [*PAGES, *FILES])
def test_agents_of_the_desk_may_not(desk: Desk, path: str) -> None:
    assert desk.sign_in(Role.AGENT).get(path).status_code == 403


@pytest.mark.parametrize("path", PAGES[:3])
def test_htmx_gets_the_part_and_its_address(manager: Browser, path: str) -> None:
    answer = manager.get(f"{path}?currency=USD", htmx=True)
    assert "<html" not in answer.text
    assert answer.headers["HX-Push-Url"] == f"{path}?currency=USD"
