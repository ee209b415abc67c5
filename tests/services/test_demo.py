"""The demo: small, but with everything in it; always the same, and never past a rule."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import Rejected
from dashboard.models.vip import Level
from dashboard.services import chain, demo, passwords
from dashboard.services.change_types import LIMITED
from dashboard.services.demo import habits, people
from dashboard.services.demo.fill import TIMEZONE
from tests.conftest import clone, database_url, drop_database

T = TypeVar("T")

# Of those who play at the tables nobody can say in advance how the cards fall.
_NO_GUEST = "p.id NOT IN (SELECT player_id FROM player_game_statistics)"
NOW = dt.datetime(2026, 11, 2, 15, 20, tzinfo=dt.UTC)
"""A Monday; the clocks of Prague went back on the Sunday before the last."""
PLAYERS, DAYS = 60, 14


def transact_on(engine: Engine) -> Callable[[Callable[[Session], T]], T]:
    def transact(work: Callable[[Session], T]) -> T:
        with Session(engine) as session, session.begin():
            return work(session)

    return transact


def filled(seed: int) -> Iterator[tuple[Engine, demo.Filled]]:
    name = clone()
    engine = create_engine(database_url("app", name), poolclass=NullPool)
    passwords.lower_cost_for_tests()
    yield (
        engine,
        demo.fill(transact_on(engine), now=NOW, seed=seed, players_count=PLAYERS, days_count=DAYS),
    )
    engine.dispose()
    drop_database(name)


@pytest.fixture(scope="module")
def house() -> Iterator[tuple[Engine, demo.Filled]]:
    """One demo for all tests of this module: none of them writes."""
    yield from filled(seed=1)


@pytest.fixture
def session(house: tuple[Engine, demo.Filled]) -> Iterator[Session]:
    with Session(house[0]) as opened:
        yield opened


def rows(session: Session, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in session.execute(text(query)).mappings()]


ENTRIES = """
SELECT p.external_id, e.* FROM wallet_entries e JOIN players p ON p.id = e.player_id
ORDER BY e.player_id, e.sequence
"""
STORY = {
    "entries": f"""
        SELECT p.external_id, e.sequence, e.change_type, e.real_delta, e.reason, e.reference, e.metadata,
               e.created_at, a.email AS agent
        FROM wallet_entries e JOIN players p ON p.id = e.player_id JOIN logins a ON a.id = e.agent_id
        WHERE {_NO_GUEST} ORDER BY 1, 2""",
    "bets": """
        SELECT p.external_id, b.selection, b.amount, b.placed_at, g.name, r.number
        FROM bets b JOIN players p ON p.id = b.player_id JOIN rounds r ON r.id = b.round_id
        JOIN games g ON g.id = r.game_id
        WHERE b.stage = 1 ORDER BY 1, b.placed_at, b.selection""",
    "players": "SELECT external_id, name, email, country, created_at FROM players ORDER BY 1",
    "alerts": f"""
        SELECT p.external_id, a.type, a.state, a.hits, a.peak, a.raised_at, a.acknowledged_at, a.note,
               a.assigned_at, a.taken_at, a.snoozed_until, a.resolved_at, a.resolution
        FROM alerts a JOIN players p ON p.id = a.player_id WHERE {_NO_GUEST} ORDER BY 1, 2, raised_at""",
    "wallets": f"""
        SELECT p.external_id, w.status, w.status_reason, w.vip_level, w.total_xp
        FROM wallets w JOIN players p ON p.id = w.player_id WHERE {_NO_GUEST} ORDER BY 1""",
    "points": """
        SELECT p.external_id, e.sequence, e.kind, e.base_points, e.bonus_points, e.balance_after, e.payment,
               e.payment_amount, e.invoice, e.price, e.expires_on, e.reverses, e.wallet_sequence, e.notes,
               e.created_at
        FROM loyalty_entries e JOIN players p ON p.id = e.player_id ORDER BY 1, 2""",
    "cards": "SELECT number, issued_on, expires_on, is_active FROM loyalty_cards ORDER BY 1",
    "log": """
        SELECT action, details, logged_at FROM staff_log
        WHERE action NOT IN ('login.created', 'game.created') AND action NOT LIKE 'round.%'
          AND action NOT LIKE 'partner.statement_%' AND action NOT LIKE 'partner.payout_%'
        ORDER BY 3, 1, 2""",
}


def story(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    with Session(engine) as session:
        return {name: rows(session, query) for name, query in STORY.items()}


def test_the_same_seed_tells_the_same_story(house: tuple[Engine, demo.Filled]) -> None:
    for engine, _again in filled(seed=1):
        assert story(engine) == story(house[0])


def test_another_seed_tells_another(house: tuple[Engine, demo.Filled]) -> None:
    for engine, _ in filled(seed=2):
        assert story(engine)["entries"] != story(house[0])["entries"]


def test_everything_is_there(session: Session, house: tuple[Engine, demo.Filled]) -> None:
    counted = session.scalar(text("SELECT count(*) FROM wallet_entries"))
    assert house[1].players == PLAYERS
    assert house[1].entries == counted
    assert {row["vip_level"] for row in rows(session, "SELECT vip_level FROM wallets")} >= {
        Level.BRONZE,
        Level.SILVER,
        Level.GOLD,
        Level.PLATINUM,
        Level.DIAMOND,
    }
    assert {row["status"] for row in rows(session, "SELECT status FROM wallets")} >= {"active", "frozen"}
    types = {row["change_type"] for row in rows(session, "SELECT DISTINCT change_type FROM wallet_entries")}
    assert types >= {"opening", "deposit", "withdrawal", "wager", "settlement"}
    raised = {row["type"] for row in rows(session, "SELECT DISTINCT type FROM alerts")}
    assert raised >= {"warning", "critical", "limit_exceeded", "significant_drop", "held_refused"}
    for sign in ("assigned_to IS NOT NULL AND taken_at IS NULL", "taken_at IS NOT NULL", "resolution > ''"):
        assert session.scalar(text(f"SELECT count(*) FROM alerts WHERE {sign}")), sign
    assert session.scalar(text("SELECT count(*) FROM alerts WHERE snoozed_until > :now"), {"now": NOW})
    for table in ("alerts", "refusals", "player_notes", "vip_level_changes"):
        assert session.scalar(text(f"SELECT count(*) FROM {table}")), table
    assert len(rows(session, "SELECT DISTINCT agent_id FROM players")) == 4


def test_it_goes_on_until_now(session: Session) -> None:
    latest = session.scalars(text("SELECT max(created_at) FROM wallet_entries")).one()
    assert NOW - dt.timedelta(hours=1) < latest < NOW
    for table, column in (
        ("alerts", "last_hit_at"),
        ("alerts", "acknowledged_at"),
        ("staff_log", "logged_at"),
    ):
        assert session.scalars(text(f"SELECT max({column}) FROM {table}")).one() <= NOW


def test_every_chain_and_balance_is_whole(session: Session) -> None:
    heads: dict[int, bytes] = {}
    sums: defaultdict[int, int] = defaultdict(int)
    for entry in rows(session, ENTRIES):
        player_id = entry["player_id"]
        heads[player_id] = chain.digest(entry, heads.get(player_id, chain.GENESIS))
        sums[player_id] += entry["real_delta"]
        assert heads[player_id] == bytes(entry["hash"])
        assert sums[player_id] == entry["real_after"]
    for balance in rows(session, "SELECT player_id, real, head FROM balances"):
        assert balance["real"] == sums[balance["player_id"]]
        assert bytes(balance["head"]) == heads.get(balance["player_id"], chain.GENESIS)


def test_entries_of_a_player_follow_in_time(session: Session) -> None:
    for before, after in pairwise(rows(session, ENTRIES)):
        if before["player_id"] == after["player_id"]:
            assert before["created_at"] < after["created_at"]


def test_no_limit_is_passed(session: Session) -> None:
    """Judged by the level that the player had at the moment, and by the rules as they first were."""
    first_rules = {
        row["level"]: row for row in rows(session, "SELECT * FROM vip_rule_versions WHERE version = 1")
    }
    raised = (
        "SELECT player_id, changed_at, to_level FROM vip_level_changes ORDER BY player_id, changed_at, id"
    )
    levels: defaultdict[int, list[tuple[dt.datetime, str]]] = defaultdict(list)
    for row in rows(session, raised):
        levels[row["player_id"]].append((row["changed_at"], row["to_level"]))
    used: defaultdict[Any, int] = defaultdict(int)
    for entry in rows(session, ENTRIES):
        if entry["change_type"] not in LIMITED:
            continue
        reached = [level for at, level in levels[entry["player_id"]] if at <= entry["created_at"]]
        rule = first_rules[reached[-1] if reached else Level.DEFAULT]
        local = clock.local(entry["created_at"], TIMEZONE)
        day = (entry["player_id"], local.date())
        week = (entry["player_id"], local.isocalendar()[:2])
        for period, limit in ((day, rule["daily_limit"]), (week, rule["weekly_limit"])):
            used[period] += abs(entry["real_delta"])
            assert used[period] <= limit
        assert entry["real_delta"] > 0 or entry["real_after"] >= rule["min_balance"]
        assert entry["real_delta"] < 0 or entry["real_after"] <= rule["max_balance"]


def test_nothing_happens_on_a_wallet_after_it_was_frozen_or_closed(session: Session) -> None:
    moved_after = """
        SELECT e.player_id FROM wallet_entries e JOIN wallets w ON w.player_id = e.player_id
        WHERE w.status <> 'active' AND e.created_at > w.status_at"""
    assert rows(session, moved_after) == []
    assert rows(session, "SELECT 1 FROM wallets WHERE status <> 'active' AND status_by IS NULL") == []


def test_levels_are_what_xp_say(session: Session) -> None:
    by_xp = """
        SELECT w.vip_level, max(l.xp_from) AS reached,
               (SELECT xp_from FROM vip_levels x WHERE x.level = w.vip_level) AS own
        FROM wallets w JOIN vip_levels l ON l.xp_from <= w.total_xp
        WHERE w.total_xp > 0 AND NOT EXISTS (
          SELECT FROM vip_level_changes c WHERE c.player_id = w.player_id AND c.changed_by <> 'system')
        GROUP BY w.player_id, w.vip_level"""
    found = rows(session, by_xp)
    assert len(found) > PLAYERS / 2
    assert all(row["own"] == row["reached"] for row in found)


def test_reasons_and_scores_can_be_read(session: Session) -> None:
    for entry in rows(session, "SELECT * FROM wallet_entries WHERE risk_score > 0"):
        parts = json.loads(entry["metadata"])
        risks = {name: value for name, value in parts.items() if name.startswith("risk_")}
        points = [value for name, value in risks.items() if not name.endswith("_why")]
        assert sum(points) == entry["risk_score"]
    assert (
        rows(session, "SELECT 1 FROM wallet_entries WHERE change_type = 'deposit' AND risk_score IS NULL")
        == []
    )


def test_the_tables_have_a_history(session: Session) -> None:
    games = rows(session, "SELECT id, name, dealing, is_running FROM games ORDER BY id")
    assert [game["dealing"] for game in games] == ["automatic", "automatic", "manual"]
    for game in games:
        settled = f"SELECT count(*) FROM rounds WHERE game_id = {game['id']} AND state = 'settled'"
        assert session.scalar(text(settled)), game["name"]
    states = rows(session, "SELECT state, count(*) AS count FROM rounds GROUP BY 1")
    others = {row["state"]: row["count"] for row in states if row["state"] != "settled"}
    assert others == {"betting": 1, "dealing": 1, "voided": 1}
    assert session.scalar(text("SELECT count(*) FROM rounds WHERE state = 'settled'")) >= DAYS
    assert session.scalar(text("SELECT count(*) FROM round_settlements WHERE done_at IS NULL")) == 0


def test_what_is_played_on_is_whole(session: Session) -> None:
    (dealing,) = rows(session, "SELECT * FROM rounds WHERE state = 'dealing'")
    assert (len(dealing["cards"]), dealing["winner"]) == (4, None)
    (betting,) = rows(session, "SELECT * FROM rounds WHERE state = 'betting'")
    assert betting["seed"] is None
    waiting = "SELECT DISTINCT round_id FROM bets WHERE state = 'pending' ORDER BY 1"
    open_rounds = {dealing["id"], betting["id"]}
    assert {row["round_id"] for row in rows(session, waiting)} <= open_rounds


def test_bets_come_while_betting_is_open(session: Session) -> None:
    late = """
        SELECT b.id FROM bets b JOIN rounds r ON r.id = b.round_id
        WHERE b.placed_at < r.opened_at OR b.placed_at > r.betting_ends_at"""
    assert rows(session, late) == []
    early = "SELECT id FROM rounds WHERE ended_at < betting_ends_at AND state = 'settled'"
    assert rows(session, early) == []


def test_the_sign_ins_are_there(session: Session) -> None:
    staff = {row["email"]: row for row in rows(session, "SELECT * FROM logins")}
    for role in ("agent", "manager", "admin", "auditor", "partner"):
        login = staff[f"{role}@example.com"]
        assert login["role"] == role
        assert passwords.fits(login["password_hash"], passwords.DEMO_PASSWORD)
    others = [row for email, row in staff.items() if email not in passwords.DEMO_EMAILS]
    assert sorted(row["role"] for row in others) == ["agent", "agent", "agent", "partner"]
    assert not any(passwords.fits(row["password_hash"], passwords.DEMO_PASSWORD) for row in others)


def test_a_database_with_players_is_left_alone(house: tuple[Engine, demo.Filled]) -> None:
    before = story(house[0])
    with pytest.raises(Rejected, match="empty database"):
        demo.fill(transact_on(house[0]), now=NOW, players_count=5, days_count=3)
    assert story(house[0]) == before


def test_people_have_handles_of_their_own() -> None:
    invented = list(people.people(Random(7), 3_000))
    assert len({person.email for person in invented}) == 3_000
    assert len({person.external_id for person in invented}) == 3_000
    assert all(person.email.isascii() and person.email.endswith("@example.com") for person in invented)
    assert invented[416].external_id == "CUSTOMER_0417"


def test_every_segment_is_dealt_even_to_a_few() -> None:
    for count in (5, 60, 2_000):
        dealt = habits.segments(Random(7), count)
        assert len(dealt) == count
        assert {segment.name for segment in dealt} == {segment.name for segment in habits.SEGMENTS}


@pytest.mark.parametrize(
    ("whole", "said"), [(0.2, 1), (7.4, 7), (47, 45), (233, 230), (1_234, 1_250), (23_456, 23_500)]
)
def test_people_say_round_amounts(whole: float, said: int) -> None:
    assert habits.as_people_say(whole) == said


def test_partners_of_every_kind_are_there(session: Session) -> None:
    statuses = {row["status"] for row in rows(session, "SELECT status FROM partners")}
    assert statuses == {"pending", "active", "suspended", "blocked"}
    contracts = rows(session, "SELECT * FROM partner_contracts")
    assert {row["loss_policy"] for row in contracts} == {"per_round", "period", "carry"}
    assert {row["disclosure"] for row in contracts} == {"basis", "terms"}
    later = [row["accepted_at"] is not None for row in contracts if row["version"] == 2]
    assert sorted(later) == [False, True]
    referred = "SELECT partner_id, count(*) AS players FROM referrals GROUP BY 1 ORDER BY players DESC"
    largest = rows(session, referred)[0]["partner_id"]
    signs_in = "SELECT partner_id FROM logins WHERE email = 'partner@example.com'"
    assert session.scalar(text(signs_in)) == largest
    assert "{code}" in session.scalars(text("SELECT referral_url FROM operators")).one()


def test_partners_have_a_year_behind_them(session: Session) -> None:
    months = "SELECT count(DISTINCT month) FROM partner_statements"
    assert session.scalar(text(months)) >= 10
    for table in ("partner_statements", "partner_payouts", "partner_shown_earnings"):
        found = {row["state"] for row in rows(session, f"SELECT DISTINCT state FROM {table}")}
        assert (
            found
            == {
                "partner_statements": {"closed", "payable", "paid", "rolled_over"},
                "partner_payouts": {"requested", "approved", "paid", "rejected"},
                "partner_shown_earnings": {"pending", "approved", "paid", "rejected"},
            }[table]
        ), table
    assert len(rows(session, "SELECT 1 FROM partner_statements WHERE state = 'closed'")) == 1
    # A round of a month that was paid has been taken back since.
    taken_back = """
        SELECT b.day FROM partner_shown_earnings a JOIN partner_shown_earnings b
          ON b.round_id = a.round_id AND b.partner_id = a.partner_id AND b.settlement_version = 2
        WHERE a.settlement_version = 1 AND a.state = 'paid'"""
    assert rows(session, taken_back)


def test_partner_money_goes_in_order_of_time(session: Session) -> None:
    assert (
        rows(session, "SELECT 1 FROM partner_statements WHERE closed_at <= month OR decided_at <= closed_at")
        == []
    )
    late = "SELECT 1 FROM partner_payouts WHERE approved_at < requested_at OR ended_at < requested_at"
    assert rows(session, late) == []
    for column in ("decided_at", "settled_at"):
        assert session.scalars(text(f"SELECT max({column}) FROM partner_shown_earnings")).one() <= NOW
