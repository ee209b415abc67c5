"""Moving in from old tables: what each row becomes, what is refused, and that nothing comes twice."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models.game import Dealing
from dashboard.services import bets, chain, rounds, settlement
from dashboard.services.actors import SYSTEM
from dashboard.services.imports import legacy_sample, legacy_wallets
from dashboard.services.imports.legacy_report import Report
from dashboard.services.imports.reading import Unreadable
from tests import builders
from tests.legacy_tables import balance, bonus, write

T = TypeVar("T")
NOW = builders.NOW
TABLES = (
    *("players", "player_handles", "wallets", "balances", "wallet_entries", "withdrawals", "bonuses"),
    *("vip_level_changes", "legacy_runs", "legacy_players", "legacy_rows", "staff_log"),
)


class Stopped(Exception):
    """Stands for Ctrl-C."""


class Edge:
    """Transactions as the command makes them, inside the test's own; may be stopped in the middle."""

    def __init__(self, session: Session, *, stop_after: int | None = None) -> None:
        self.session = session
        self.left = stop_after

    def __call__(self, work: Callable[[Session], T]) -> T:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Stopped
        with self.session.begin_nested():
            return work(self.session)


@pytest.fixture(autouse=True)
def house(session: Session) -> int:
    return builders.make_operator(session, slug="house", currencies=["EUR"])


def move_in(session: Session, folder: Path, **options: Any) -> Report:
    return legacy_wallets.run(Edge(session), folder=folder, operator="house", now=NOW, **options)


def one(session: Session, statement: str, **parameters: object) -> Any:
    return session.execute(text(statement), parameters).one()


def dump(session: Session) -> dict[str, Any]:
    return {table: session.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2, 3")).all() for table in TABLES}


def reasons(report: Report) -> list[tuple[str, int, str]]:
    return [(row.file, row.line, row.reason) for row in report.refused]


def test_a_player_with_everything(session: Session, tmp_path: Path, house: int) -> None:
    write(
        tmp_path,
        currencies=[{"id": "c1", "code": "eur"}],
        vipRanks=[{"id": "r3", "name": "Gold"}],
        bonuses=[{"id": "welcome", "name": "First one", "type": "welcomebonus"}],
        users=[
            {
                "id": "U7",
                "name": "Mira Holm",
                "email": "Mira@Old.example",
                "country": "mt",
                "created_at": "2024-05-01T10:00:00Z",
                "password": "secret",
            }
        ],
        wallets=[
            {
                "id": "w7",
                "balance": "150.50",
                "paymentMethod": "card",
                "currency": "c1",
                "operatorId": "op1",
                "playerId": "U7",
            }
        ],
        balances=[balance("U7", "120.50", "30.00", currencyId="c1", pending="20", count_invite="3")],
        vip_infos=[{"playerId": "U7", "level": "4", "xp": "5", "totalXp": "12000", "currentRankid": "r3"}],
        player_bonuses=[bonus("g1", "U7", "50.00", expiresAt="2027-01-01 00:00:00")],
    )
    report = move_in(session, tmp_path)

    assert report.is_fine
    assert (report.players, report.openings, report.grants) == (1, 1, 1)
    player = one(session, "SELECT * FROM players")
    assert (player.external_id, player.name, player.email, player.country) == (
        *("U7", "Mira Holm", "mira@old.example", "MT"),
    )
    assert player.created_at == dt.datetime(2024, 5, 1, 10, tzinfo=dt.UTC)
    wallet = one(session, "SELECT * FROM wallets")
    assert (wallet.status, wallet.vip_level, wallet.xp, wallet.total_xp) == ("active", "gold", 5, 12000)
    level = one(session, "SELECT from_level, to_level, reason, total_xp FROM vip_level_changes")
    assert level == ("default", "gold", "Moved in with rank Gold.", 12000)
    entry = dict(one(session, "SELECT * FROM wallet_entries")._mapping)
    assert (entry["change_type"], entry["currency"], entry["real_delta"], entry["bonus_delta"]) == (
        *("opening", "EUR", 12050, 3000),
    )
    assert (entry["reference"], entry["performed_by"], entry["risk_score"]) == ("b-U7", "system", None)
    assert json.loads(entry["metadata"])["limits"] == "not applied"
    assert chain.digest(entry, chain.GENESIS) == bytes(entry["hash"])
    grant = one(session, "SELECT * FROM bonuses")
    assert (grant.name, grant.source, grant.state) == ("First one", "welcome", "active")
    assert (grant.amount, grant.remaining, grant.required, grant.wagered) == (5000, 3000, 50000, 100)
    assert (grant.wagering_multiplier, grant.grant_sequence) == (10, entry["sequence"])
    assert grant.expires_at == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    waits = one(session, "SELECT state, amount, reference FROM withdrawals")
    assert waits == ("requested", 2000, "b-U7")
    eur = one(session, "SELECT real, bonus, pending FROM balances WHERE currency = 'EUR'")
    assert eur == (12050, 3000, 2000)


def test_old_ids_and_what_has_no_other_home_are_kept(session: Session, tmp_path: Path) -> None:
    write(
        tmp_path,
        wallets=[{"id": "w1", "playerId": "U1", "paymentMethod": "crypto"}],
        balances=[balance("U1", "1.00", count_welcomebonus="2", turnover="88.10")],
        playerBonuses=[bonus("g1", "U1", "5.00", "expired")],
    )
    move_in(session, tmp_path)

    rows = session.execute(
        text("""
        SELECT r.old_table, r.old_id, r.line, r.kept::jsonb AS kept, r.currency, b.name
        FROM legacy_rows r LEFT JOIN bonuses b ON b.player_id = r.player_id AND b.id = r.bonus_id
        ORDER BY old_table
        """)
    ).all()
    assert [(row.old_table, row.old_id, row.line, row.kept, row.currency, row.name) for row in rows] == [
        ("balances", "b-U1", 2, {"count_welcomebonus": "2", "turnover": "88.10"}, "USD", None),
        ("player_bonuses", "g1", 2, {"bonus_id": "welcome", "status": "expired"}, None, "Bonus welcome"),
        ("wallets", "w1", 2, {"payment_method": "crypto"}, None, None),
    ]


def test_a_balance_on_the_user_is_the_other_shape(session: Session, tmp_path: Path) -> None:
    total = legacy_sample.write_users(tmp_path, players=20)
    report = move_in(session, tmp_path)

    assert report.is_fine
    assert [(sums.currency, sums.ours_real_minor) for sums in report.sums] == [("USD", total)]
    assert one(session, "SELECT sum(real) FROM balances")[0] == total


def test_a_wallet_of_its_own_is_the_money_where_there_are_no_balances(
    session: Session, tmp_path: Path
) -> None:
    write(tmp_path, wallets=[{"id": "w1", "user_id": "U1", "balance": "70.00", "is_frozen": "true"}])
    assert move_in(session, tmp_path).is_fine
    wallet = one(
        session, "SELECT w.status, w.status_reason, b.real FROM wallets w JOIN balances b USING (player_id)"
    )
    assert wallet == ("frozen", "Frozen when it moved in.", 7000)


def test_a_sample_adds_up(session: Session, tmp_path: Path) -> None:
    wanted = legacy_sample.write(tmp_path, players=300)
    report = move_in(session, tmp_path)

    assert report.is_fine, report.as_text()
    assert report.total("rows_read") == report.total("rows_written")
    (sums,) = report.sums
    assert (sums.recorded_real_minor, sums.recorded_bonus_minor) == (wanted.real, wanted.bonus)
    assert (sums.ours_real_minor, sums.ours_bonus_minor) == (wanted.real, wanted.bonus)
    assert one(session, "SELECT sum(real), sum(bonus) FROM balances") == (wanted.real, wanted.bonus)
    apart = text("""
    SELECT count(*) FROM balances b
    WHERE bonus <> (SELECT coalesce(sum(g.remaining), 0) FROM bonuses g
                    WHERE g.player_id = b.player_id AND g.currency = b.currency AND g.state = 'active')
    """)
    assert session.scalar(apart) == 0
    assert session.scalar(text("SELECT count(*) FROM alerts")) == 0


def test_a_second_run_changes_nothing(session: Session, tmp_path: Path) -> None:
    legacy_sample.write(tmp_path, players=60)
    first = move_in(session, tmp_path)
    before = dump(session)
    second = move_in(session, tmp_path)

    assert dump(session) == before
    assert second.is_fine
    assert (second.total("rows_written"), second.total("rows_known")) == (0, first.total("rows_written"))
    assert second.sums == first.sums


def test_a_dry_run_says_the_same_and_writes_nothing(session: Session, tmp_path: Path) -> None:
    legacy_sample.write(tmp_path, players=60)
    before = dump(session)
    rehearsed = move_in(session, tmp_path, dry_run=True)

    assert dump(session) == before
    assert rehearsed.as_json() == {**move_in(session, tmp_path).as_json(), "dry_run": True}


@pytest.mark.parametrize("stop_after", [3, 5, 6, 7])
def test_stopped_and_started_again_ends_the_same(
    session: Session, tmp_path: Path, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy_wallets, "BATCH", 10)
    wanted = legacy_sample.write(tmp_path, players=25)
    edge = Edge(session, stop_after=stop_after)
    with pytest.raises(Stopped):
        legacy_wallets.run(edge, folder=tmp_path, operator="house", now=NOW)
    moved = session.scalar(text("SELECT count(*) FROM players"))
    again = move_in(session, tmp_path)

    assert again.is_fine
    assert again.players == 25 - moved
    assert one(session, "SELECT sum(real), count(*) FROM balances") == (wanted.real, 25)
    assert session.scalar(text("SELECT count(*) FROM legacy_runs")) == 1


def test_progress_is_told_after_each_batch(session: Session, tmp_path: Path) -> None:
    legacy_sample.write(tmp_path, players=510)
    told: list[tuple[int, int]] = []
    move_in(session, tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(500, 510), (510, 510)]


def test_a_refused_row_holds_its_player_back_and_a_mended_file_brings_the_rest(
    session: Session, tmp_path: Path
) -> None:
    users = [{"id": "U1"}, {"id": "U2"}]
    spoilt = [balance("U1", "10.005"), balance("U2", "20.00")]
    write(tmp_path, users=users, balances=spoilt, playerBonuses=[bonus("g1", "U1", "5.00")])
    report = move_in(session, tmp_path)

    assert reasons(report) == [
        ("users.csv", 2, "held back with line 2 of balances.csv"),
        ("balances.csv", 2, "amount: “10.005”: USD amounts have at most 2 decimals"),
        ("playerBonuses.csv", 2, "held back with line 2 of balances.csv"),
    ]
    assert report.total("rows_read") == report.total("rows_written") + report.total("rows_refused") == 5
    assert session.scalars(text("SELECT external_id FROM players")).all() == ["U2"]

    write(tmp_path, balances=[balance("U1", "10.05"), balance("U2", "20.00")])
    mended = move_in(session, tmp_path)
    assert mended.refused == []
    assert (mended.total("rows_written"), mended.total("rows_known")) == (3, 2)
    assert one(session, "SELECT sum(real) FROM balances")[0] == 3005


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (balance("U1", "ten"), "amount: “ten” is no amount"),
        (balance("U1", "1.00", "-1.00"), "bonus is negative"),
        (balance("U1", "1.00", pending="2.00"), "pending is more than the real balance of 1.00"),
        (balance("U1", "1.00", currency="GBP"), "the operator has no VIP rules in GBP"),
        (balance("U1", "1.00", currency="c9"), "“c9” is no currency"),
        (balance("", "1.00"), "the player's id must have 1 to 100 characters"),
        (balance("u9", "1.00"), "users.csv has no player u9"),
    ],
)
def test_a_balance_is_refused(session: Session, tmp_path: Path, row: dict[str, str], reason: str) -> None:
    write(tmp_path, users=[{"id": "U1"}], balances=[row])
    refused = [row for row in move_in(session, tmp_path).refused if row.file == "balances.csv"]
    assert [row.line for row in refused] == [2]
    assert refused[0].reason.startswith(reason)
    assert session.scalar(text("SELECT count(*) FROM wallet_entries")) == 0


@pytest.mark.parametrize(
    ("table", "row", "reason"),
    [
        ("playerBonuses", bonus("g1", "U1", "5.00", "odd"), "status: “odd” is none of active"),
        ("playerBonuses", bonus("g1", "U1", "0.00"), "amount is zero"),
        ("playerBonuses", bonus("g1", "U1", "5.00", createdAt="soon"), "created_at: “soon” is no time"),
        (
            *("playerBonuses", bonus("g1", "U1", "5.00", expiresAt="2024-01-01")),
            "expires_at is not after created_at",
        ),
        ("vipInfos", {"playerId": "U1", "xp": "9", "totalXp": "8"}, "xp of 9 are more than the total of 8"),
        ("vipInfos", {"playerId": "U1", "xp": "-9"}, "xp: “-9” is no whole number from 0 on"),
        (
            "wallets",
            {"id": "w1", "playerId": "U1", "is_frozen": "perhaps"},
            "is_frozen: “perhaps” is neither",
        ),
        ("users", {"id": "U1", "created_at": "2099-01-01"}, "created_at: “2099-01-01” lies in the future"),
        ("users", {"id": "x" * 101}, "the player's id must have 1 to 100 characters"),
    ],
)
def test_a_row_is_refused(
    session: Session, tmp_path: Path, table: str, row: dict[str, str], reason: str
) -> None:
    write(tmp_path, **{table: [row]})
    (refused,) = move_in(session, tmp_path).refused
    assert refused.line == 2
    assert refused.reason.startswith(reason)
    assert session.scalar(text("SELECT count(*) FROM players")) == 0


def test_what_stands_there_twice_is_refused(session: Session, tmp_path: Path) -> None:
    again = {**balance("U1", "2.00"), "id": "other"}
    write(tmp_path, balances=[balance("U1", "1.00"), again, balance("U2", "1.00"), balance("U2", "1.00")])
    report = move_in(session, tmp_path)
    assert report.total("rows_refused") == report.total("rows_read")
    assert reasons(report) == [
        ("balances.csv", 2, "held back with line 3 of balances.csv"),
        ("balances.csv", 3, "line 2 is this player's balance in USD already"),
        ("balances.csv", 4, "held back with line 5 of balances.csv"),
        ("balances.csv", 5, "line 4 has that id already; line 4 is this player's balance in USD already"),
    ]


def test_ids_that_differ_by_capitals_alone_are_not_two_players(session: Session, tmp_path: Path) -> None:
    write(tmp_path, users=[{"id": "ab"}, {"id": "AB"}])
    assert reasons(move_in(session, tmp_path)) == [
        ("users.csv", 3, "the id AB differs from ab by its capitals alone")
    ]


def test_a_player_who_is_there_otherwise_is_refused(session: Session, tmp_path: Path, house: int) -> None:
    builders.make_player(session, operator_id=house, external_id="u1", balance_minor=500)
    write(tmp_path, balances=[balance("U1", "1.00")])
    report = move_in(session, tmp_path)
    assert [row.reason for row in report.refused] == [
        "player U1 is there already, and did not move in from old tables"
    ]
    assert one(session, "SELECT real FROM balances")[0] == 500


def test_a_row_that_has_changed_since_is_told_and_not_taken(session: Session, tmp_path: Path) -> None:
    write(tmp_path, users=[{"id": "U1"}], balances=[balance("U1", "1.00")])
    move_in(session, tmp_path)
    before = dump(session)
    write(tmp_path, balances=[balance("U1", "9.00")], playerBonuses=[bonus("g1", "U1", "5.00")])
    report = move_in(session, tmp_path)
    assert reasons(report) == [
        ("users.csv", 2, "held back with another row of this player"),
        ("balances.csv", 2, "it has changed since it moved in"),
        ("playerBonuses.csv", 2, "player U1 moved in without this row: take that back first"),
    ]
    assert dump(session) == before


def test_recorded_totals_are_compared(session: Session, tmp_path: Path) -> None:
    write(
        tmp_path,
        users=[{"id": "U1", "balance": "12.00"}],
        wallets=[{"id": "w1", "playerId": "U1", "balance": "12.00"}],
        balances=[balance("U1", "10.00", "2.00", total_balance="13.00")],
        playerBonuses=[bonus("g1", "U1", "5.00")],
    )
    report = move_in(session, tmp_path)
    assert not report.is_fine
    (off,) = report.differences
    assert (off.file, off.line, off.account, off.what) == ("balances.csv", 2, "U1", "total_balance")
    assert (off.ours_minor, off.recorded_minor) == (1200, 1300)
    assert "Differs, balances.csv line 2, player U1, total_balance: 12.00 by our sum" in report.as_text()
    assert report.as_json()["unreconciled"] == 1


@pytest.mark.parametrize(
    ("info", "level"),
    [
        ({"currentRankid": "Platinum", "totalXp": "5"}, "platinum"),
        ({"level": "silver", "totalXp": "5"}, "silver"),
        ({"level": "3", "totalXp": "10000"}, "gold"),
        ({"level": "3", "totalXp": "9999"}, "silver"),
        ({"currentRankid": "Emperor", "totalXp": "0"}, "bronze"),
        ({"xp": "250000"}, "diamond"),
    ],
)
def test_the_level_follows_from_the_rank_or_from_total_xp(
    session: Session, tmp_path: Path, info: dict[str, str], level: str
) -> None:
    write(tmp_path, vipInfos=[{"playerId": "U1", **info}])
    report = move_in(session, tmp_path)
    assert report.is_fine
    assert one(session, "SELECT vip_level FROM wallets")[0] == level
    assert bool(report.notes) == (info.get("currentRankid") == "Emperor")


def test_a_player_without_vip_row_has_no_level(session: Session, tmp_path: Path) -> None:
    write(tmp_path, balances=[balance("U1", "1.00")])
    move_in(session, tmp_path)
    assert one(session, "SELECT vip_level, total_xp FROM wallets") == ("default", 0)
    assert session.scalar(text("SELECT count(*) FROM vip_level_changes")) == 0


def test_a_bonus_balance_without_bonuses_becomes_one_grant(session: Session, tmp_path: Path) -> None:
    write(tmp_path, balances=[balance("U1", "0", "15.00")])
    assert move_in(session, tmp_path).is_fine
    grant = one(session, "SELECT name, source, state, amount, remaining, required, wagered FROM bonuses")
    assert grant == ("Moved in", "manual", "active", 1500, 1500, 1500, 0)


def test_a_grant_that_moved_in_is_staked_wagered_and_paid_out(
    session: Session, tmp_path: Path, house: int
) -> None:
    old = bonus("g1", "U1", "20.00", goalAmount="10.00")
    write(tmp_path, balances=[balance("U1", "0", "20.00")], playerBonuses=[old])
    move_in(session, tmp_path)
    (player,) = session.scalars(text("SELECT id FROM players")).all()
    game = builders.make_game(session, operator_id=house, dealing=Dealing.MANUAL, betting_seconds=3600)
    edge = Edge(session)
    at: dict[str, Any] = {"actor": SYSTEM, "now": NOW}
    round_id = rounds.open(session, game_id=game, **at)
    rounds.enter_joker(session, round_id=round_id, card=0, **at)
    rounds.open_betting(session, round_id=round_id, **at)
    wager = bets.Wager(player, round_id, "bahar", 10_00, "first")
    assert bets.place(session, wager=wager, **at).bonus_part == 10_00
    rounds.close(edge, round_id=round_id, stage=1, **at)
    rounds.deal_card(session, round_id=round_id, position=1, card=13, **at)
    settlement.settle(edge, round_id=round_id, **at)

    assert one(session, "SELECT real, bonus FROM balances") == (10_00, 0)
    assert one(session, "SELECT state, wagered, converted FROM bonuses") == ("completed", 11_00, 10_00)


def test_more_bonus_than_was_granted_is_told_and_goes_to_the_oldest(session: Session, tmp_path: Path) -> None:
    newer = bonus("g2", "U1", "5.00", createdAt="2025-06-01 10:00:00")
    write(tmp_path, balances=[balance("U1", "0", "30.00")], playerBonuses=[newer, bonus("g1", "U1", "10.00")])
    report = move_in(session, tmp_path)
    (off,) = report.differences
    assert (off.what, off.ours_minor, off.recorded_minor) == ("bonus of grants", 1500, 3000)
    grants = session.execute(text("SELECT amount, remaining FROM bonuses ORDER BY id")).all()
    assert grants == [(1000, 2500), (500, 500)]


def test_every_old_status_has_its_state(session: Session, tmp_path: Path) -> None:
    statuses = {"active": "active", "pending": "queued", "Finished": "completed", "canceled": "cancelled"}
    grants = [bonus(f"g{at}", "U1", "5.00", status) for at, status in enumerate(statuses)]
    write(tmp_path, balances=[balance("U1", "0", "5.00")], playerBonuses=grants)
    report = move_in(session, tmp_path)
    assert report.is_fine
    assert [(note.line, note.text) for note in report.notes] == [
        (3, "5.00 USD of Bonus welcome are queued: they are given when their turn comes")
    ]
    rows = session.execute(
        text("SELECT state, remaining, ended_at IS NULL AS open FROM bonuses ORDER BY id")
    ).all()
    assert rows == [
        ("active", 500, True),
        ("queued", 0, True),
        ("completed", 0, False),
        ("cancelled", 0, False),
    ]


def test_a_bonus_that_was_wagered_and_not_paid_out_is_noted(session: Session, tmp_path: Path) -> None:
    done = bonus("g1", "U1", "5.00", processAmount="50.00")
    write(tmp_path, balances=[balance("U1", "0", "5.00")], playerBonuses=[done])
    report = move_in(session, tmp_path)
    assert report.is_fine
    assert [note.text for note in report.notes] == [
        "Bonus welcome is wagered and was not paid out: the next bet that it stakes completes it"
    ]


def test_a_grant_may_stand_in_a_currency_without_money(session: Session, tmp_path: Path) -> None:
    write(
        tmp_path,
        balances=[balance("U1", "5.00", currency="USD")],
        playerBonuses=[bonus("g1", "U1", "5.00", "pending", currency="EUR")],
    )
    assert move_in(session, tmp_path).is_fine
    assert one(
        session, "SELECT b.real, g.state FROM bonuses g JOIN balances b USING (player_id, currency)"
    ) == (*(0, "queued"),)


def test_an_email_that_is_taken_is_left_out_and_noted(session: Session, tmp_path: Path, house: int) -> None:
    write(
        tmp_path,
        users=[
            {"id": "U1", "email": "a@old.example"},
            {"id": "U2", "email": "A@old.example", "country": "Malta"},
            {"id": "U3", "email": "nobody"},
        ],
    )
    report = move_in(session, tmp_path)
    assert report.is_fine
    assert [(note.line, note.text) for note in report.notes] == [
        (3, "a@old.example is already that of player U1: left out"),
        (3, "“Malta” is no country code of two letters: left out"),
        (4, "“nobody” is no e-mail address: left out"),
    ]
    write(tmp_path, users=[{"id": "U4", "email": "a@old.example"}])
    assert [note.text for note in move_in(session, tmp_path).notes] == [
        "a@old.example is already another player's: left out"
    ]


def test_amounts_in_minor_units(session: Session, tmp_path: Path) -> None:
    write(tmp_path, balances=[balance("U1", "1234", "0")])
    assert move_in(session, tmp_path, minor_units=True).is_fine
    assert one(session, "SELECT real FROM balances")[0] == 1234


def test_files_and_columns_that_are_not_known_are_named(session: Session, tmp_path: Path) -> None:
    write(tmp_path, users=[{"id": "U1", "password": "secret"}], orders=[{"id": "1"}])
    report = move_in(session, tmp_path)
    assert report.ignored_files == ("orders.csv",)
    assert "users.csv: columns that are not taken over: password" in report.as_text()
    assert "secret" not in str(dump(session))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"orders": [{"id": "1"}]}, "holds none of the old tables: users.csv, wallets.csv"),
        ({"users": [{"name": "x"}]}, "no column id"),
        ({"users": [{"id": "1"}], "players": [{"id": "1"}]}, "are the same table"),
        ({"balances": [{"id": "1", "playerId": "1", "player_id": "1", "amount": "1"}]}, "the same name"),
        (
            {
                "wallets": [
                    {"id": "1", "player_id": "1", "operator_id": "a"},
                    {"id": "2", "player_id": "2", "operator_id": "b"},
                ]
            },
            r"wallets of several operators \(a, b\)",
        ),
    ],
)
def test_a_folder_that_cannot_be_read_is_told(
    session: Session, tmp_path: Path, tables: dict[str, Any], message: str
) -> None:
    with pytest.raises(Unreadable, match=message):
        move_in(session, write(tmp_path, **tables))


def test_a_line_that_is_no_row_stops_everything(session: Session, tmp_path: Path) -> None:
    (tmp_path / "wallets.csv").write_text("id,player_id\nw1,U3,extra\nw2,U4\n", encoding="utf-8")
    with pytest.raises(Unreadable, match="line 2: not as many cells as in the header"):
        move_in(session, tmp_path)


def test_an_operator_that_is_not_there_is_told(session: Session, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no operator “nobody”"):
        legacy_wallets.run(Edge(session), folder=tmp_path, operator="nobody", now=NOW)
