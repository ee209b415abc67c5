"""Moving in from old loyalty tables: what each row becomes, what is refused, and that all of it adds up."""

import datetime as dt
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.services import points
from dashboard.services.actors import SYSTEM
from dashboard.services.imports import legacy_loyalty
from dashboard.services.imports.legacy_loyalty_report import Report
from dashboard.services.imports.reading import Unreadable
from tests import builders
from tests.legacy_tables import Cells, write
from tests.loyalty_tables import TYPES, card, load, redemption
from tests.services.test_import_legacy import Edge

NOW = builders.NOW
ZONE = ZoneInfo("Europe/Malta")


@pytest.fixture(autouse=True)
def house(session: Session) -> int:
    return builders.make_operator(session, slug="house")


def move_in(session: Session, folder: Path, **options: Any) -> Report:
    return legacy_loyalty.run(Edge(session), folder=folder, operator="house", **{"now": NOW, **options})


def rows(session: Session, statement: str) -> list[Any]:
    return [tuple(row) for row in session.execute(text(statement))]


def reasons(report: Report) -> list[tuple[str, int, str]]:
    return [(row.file, row.line, row.reason) for row in report.refused]


def test_a_history_is_replayed_with_its_batches(session: Session, tmp_path: Path) -> None:
    write(
        tmp_path,
        loyalty_points=[
            load("a", "P1", "100", "2025-01-10 09:00:00", "2025-12-31", reference_id="INV-1"),
            load("b", "P1", "40", "2025-02-10 09:00:00", "2025-06-30"),
            load("c", "P1", "30", "2026-01-10 09:00:00"),
        ],
        loyalty_redemptions=[
            # June's points first: 40 of b, 10 of a.
            redemption("r", "P1", "50", "2025-03-01 10:00:00", payment_id="PAY-9", amount_credited="50.00"),
            # What was left of a: 90, of which 25 go, and 65 lapse at the end of the year.
            redemption("s", "P1", "25", "2025-12-31"),
        ],
    )
    report = move_in(session, tmp_path)

    assert report.is_fine
    assert report.figures.as_json() == {
        "loaded": 170, "redeemed": 75, "old_balance": 95, "inactive": 0, "deleted": 0, "expired": 65,
        "short": 0, "balance": 30, "unexplained": 0,
    }  # fmt: skip
    assert rows(session, "SELECT kind, points, payment, notes FROM loyalty_entries ORDER BY sequence") == [
        ("adjustment", 100, "INV-1", "Moved in: earn a"),
        ("adjustment", 40, None, "Moved in: earn b"),
        ("redeem", -50, "PAY-9", "Moved in: redemption r"),
        ("redeem", -25, None, "Moved in: redemption s"),
        ("expire", -65, None, "Not used in time: batch 1"),
        ("adjustment", 30, None, "Moved in: earn c"),
    ]
    batches = "SELECT number, loaded, remaining, redeemed, expired, expires_on FROM points_batches ORDER BY 1"
    assert rows(session, batches) == [
        (1, 100, 0, 35, 65, dt.date(2025, 12, 31)),
        (2, 40, 0, 40, 0, dt.date(2025, 6, 30)),
        (3, 30, 30, 0, 0, dt.date(2027, 1, 31)),
    ]
    taken = "SELECT sequence, number, points FROM points_allocations ORDER BY sequence, place"
    assert rows(session, taken) == [(3, 2, 40), (3, 1, 10), (4, 1, 25), (5, 1, 65)]
    (lapsed,) = rows(session, "SELECT created_at FROM loyalty_entries WHERE kind = 'expire'")[0]
    assert lapsed == dt.datetime(2026, 1, 1, tzinfo=ZONE)
    kept = rows(
        session, "SELECT old_table, old_id, sequence, outcome, kept FROM legacy_loyalty_rows ORDER BY 1, 2"
    )
    assert kept[3] == ("loyalty_redemptions", "r", 3, "moved", '{"amount_credited": "50.00"}')


def test_what_was_paid_is_the_base_and_the_rest_the_bonus(session: Session, tmp_path: Path) -> None:
    write(
        tmp_path,
        loyalty_card_types=TYPES,
        patient_loyalty_cards=[card("1", "P2", "t1", "2026-01-01")],
        loyalty_points=[
            load("a", "P1", "25000", "2026-01-10 09:00:00", points_value="22000.50"),
            load("b", "P2", "25000", "2026-01-10 09:00:00", points_value="22000.50"),
            load("c", "P3", "100", "2026-01-10 09:00:00", points_value="150.00"),
            load("d", "P3", "10", "2026-01-11 09:00:00", points_value="0.50"),
        ],
    )
    report = move_in(session, tmp_path)
    assert report.is_fine
    entries = """
    SELECT p.external_id, e.kind, e.base_points, e.bonus_points, e.payment_amount, e.tier_id IS NOT NULL
    FROM loyalty_entries e JOIN players p ON p.id = e.player_id
    WHERE e.kind <> 'transfer_tier' ORDER BY p.external_id, e.sequence
    """
    assert rows(session, entries) == [
        ("P1", "load", 22_000, 0, 22_000_50, False),
        ("P1", "adjustment", 3_000, 0, None, False),
        ("P2", "load", 22_000, 3_000, 22_000_50, True),
        ("P3", "adjustment", 100, 0, None, False),
        ("P3", "adjustment", 10, 0, None, False),
    ]
    assert rows(session, "SELECT amount_paid FROM loyalty_wallets ORDER BY player_id") == [
        (22_000_50,), (22_000_50,), (0,),
    ]  # fmt: skip
    assert [note.text for note in report.notes if "points_value" in note.text] == [
        "points_value is more than 100 points: kept, not paid"
    ]


def test_every_difference_has_its_cause(session: Session, tmp_path: Path) -> None:
    """Each patient one cause, and P9 all of them; the figures follow from the rules, counted by hand."""
    write(
        tmp_path,
        loyalty_points=[
            load("a", "switched-off", "70", "2026-01-01 09:00:00", is_active="false"),
            load("b", "deleted", "60", "2026-01-01 09:00:00", is_deleted="true"),
            load("c", "expired", "50", "2024-01-01 09:00:00", "2025-01-01"),
            load("d", "short", "40", "2026-01-01 09:00:00"),
            load("e", "taken-off", "30", "2026-01-01 09:00:00"),
            load("f", "taken-off", "-45", "2026-01-02 09:00:00", transaction_type="correction"),
            load("g", "today", "20", "2026-01-01 09:00:00", "2026-03-02"),
            load("h", "nothing", "0", "2026-01-01 09:00:00"),
            load("i", "for-ever", "10", "2012-01-01 09:00:00", ""),
            load("j", "P9", "100", "2024-01-01 09:00:00", "2025-01-01"),
            load("k", "P9", "-20", "2024-01-02 09:00:00", deleted_at="2024-01-03"),
            load("l", "P9", "9", "2024-01-02 09:00:00", is_active="f"),
        ],
        loyalty_redemptions=[
            redemption("m", "short", "41", "2026-01-02 09:00:00"),
            redemption("n", "short", "5", "2026-01-02 10:00:00"),
            redemption("o", "early", "3", "2026-01-01 09:00:00"),
            redemption("p", "deleted", "15", "2026-01-02 09:00:00", is_deleted="1"),
            redemption("q", "P9", "30", "2024-06-01 09:00:00"),
            redemption("r", "P9", "71", "2025-06-01 09:00:00"),
            redemption("s", "nothing", "0", "2026-01-01 09:00:00"),
        ],
    )
    report = move_in(session, tmp_path)

    figures = """
    SELECT p.external_id, m.loaded, m.redeemed, m.inactive, m.deleted, m.expired, m.short, m.balance,
           w.balance
    FROM legacy_members m JOIN players p ON p.id = m.player_id JOIN loyalty_wallets w USING (player_id)
    ORDER BY p.external_id COLLATE "C"
    """
    #                 loaded redeemed inactive deleted expired short balance
    assert rows(session, figures) == [
        ("P9", 100 - 20 + 9, 101, 9, -20, 70, 71, 0, 0),
        ("deleted", 60, 15, 0, 45, 0, 0, 0, 0),
        ("early", 0, 3, 0, 0, 0, 3, 0, 0),
        ("expired", 50, 0, 0, 0, 50, 0, 0, 0),
        ("for-ever", 10, 0, 0, 0, 0, 0, 10, 10),
        ("nothing", 0, 0, 0, 0, 0, 0, 0, 0),
        ("short", 40, 46, 0, 0, 0, 6, 0, 0),
        ("switched-off", 70, 0, 70, 0, 0, 0, 0, 0),
        ("taken-off", -15, 0, 0, 0, 0, 15, 0, 0),
        ("today", 20, 0, 0, 0, 0, 0, 20, 20),
    ]
    assert report.figures.unexplained == 0
    assert (report.figures.old_balance, report.figures.balance) == (159, 30)
    assert not report.is_fine
    told = [(one.account, one.asked, one.there) for one in report.short]
    assert sorted(told) == [
        ("P9", 71, 0), ("early", 3, 0), ("short", 5, 0), ("short", 41, 40), ("taken-off", 45, 30),
    ]  # fmt: skip
    (until,) = rows(session, "SELECT expires_on FROM points_batches WHERE loaded = 10")[0]
    assert until == dt.date(2036, 3, 2)


def test_points_of_the_same_day_are_there_for_a_redemption_without_a_time(
    session: Session, tmp_path: Path
) -> None:
    loads = [load(str(n), f"P{n}", "10", "2026-01-05 15:00:00", "2026-01-05") for n in range(4)]
    write(
        tmp_path,
        loyalty_points=loads,
        loyalty_redemptions=[
            redemption("a", "P0", "10", "2026-01-05"),
            # The row itself says when on that day: before the points were there.
            redemption("b", "P1", "10", "2026-01-05", created_at="2026-01-05 14:59:59"),
            # 23:30 in Malta, the last half hour of the points; and 00:30 of the next day.
            redemption("c", "P2", "10", "2026-01-05T22:30:00Z"),
            redemption("d", "P3", "10", "2026-01-05T23:30:00Z"),
        ],
    )
    report = move_in(session, tmp_path)
    assert sorted((one.account, one.there) for one in report.short) == [("P1", 0), ("P3", 0)]
    assert report.figures.expired == 20


def test_types_of_cards_become_tiers(session: Session, tmp_path: Path) -> None:
    write(
        tmp_path,
        loyalty_card_types=[
            *TYPES,
            {"card_type_id": "t3", "card_type_code": "PLATINUM", "min_payment_amount": "90000.00",
             "total_points_credited": "100000", "discount_percent": "5", "validity_months": "12"},
            {"card_type_id": "t4", "card_type_code": "Rival", "min_payment_amount": "45000",
             "total_points_credited": "45000", "bonus_percentage": "7"},
            {"card_type_id": "t5", "card_type_code": "free", "min_payment_amount": "0",
             "total_points_credited": "0"},
        ],
        patient_loyalty_cards=[card("1", "P1", "t2", "2026-02-01"), card("2", "P2", "t5", "2026-02-01")],
    )  # fmt: skip
    report = move_in(session, tmp_path)
    made = "SELECT code, minimum_payment, points, discount_bp, validity_months, is_active FROM loyalty_tiers"
    assert rows(session, f"{made} WHERE code IN ('gold-plus', 'rival', 'platinum') ORDER BY code") == [
        ("gold-plus", 60_000_00, 66_000, 350, 6, True),
        ("platinum", 92_000_00, 100_000, 500, 12, True),
        ("rival", 45_000_00, 45_000, 0, 12, False),
    ]
    assert report.tiers_made == ["Gold Plus", "Rival"]
    assert [note.text for note in report.notes] == [
        "Platinum stays as it is here: minimum payment 92,000.00, and not 90,000.00",
        "Gold has the same minimum payment: the tier is made, and retired",
        "bonus_percentage 7: its points are 0.00 % more than is paid",
    ]
    assert reasons(report) == [
        (
            *("loyalty_card_types.csv", 6),
            "min_payment_amount and total_points_credited must be more than nothing",
        ),
        ("patient_loyalty_cards.csv", 3, "card_type_id: there is no card type “t5” that moves in"),
    ]
    (wallet,) = rows(session, "SELECT discount_bp, tier_valid_until FROM loyalty_wallets")
    assert wallet == (350, dt.date(2026, 8, 1))


def test_the_history_of_tiers_is_told_again(session: Session, tmp_path: Path) -> None:
    def step(card_type: str, at: str, **more: str) -> Cells:
        return {"patient_id": "P1", "card_type_id": card_type, "change_date": at, **more}

    write(
        tmp_path,
        loyalty_card_types=TYPES,
        patient_loyalty_cards=[card("1", "P1", "t1", "2024-05-01", expiry_date="2025-06-30")],
        loyalty_card_tier_history=[
            step("", "2024-01-01 09:00:00"),
            step("t1", "2024-05-01 09:00:00", change_type="new", reason="Paid"),
            step("t2", "2024-06-01 09:00:00", change_type="downgrade"),
            step("t2", "2024-06-01 09:00:00", change_type="renewal"),
            step("t2", "2024-06-01 09:00:00", change_type="renewal"),
            step("", "2024-12-01 09:00:00"),
        ],
    )
    report = move_in(session, tmp_path)
    history = """
    SELECT h.change, t.code, h.valid_until, h.reason, h.changed_at = e.created_at
    FROM tier_history h JOIN loyalty_entries e USING (player_id, sequence)
    LEFT JOIN loyalty_tiers t ON t.id = h.tier_id ORDER BY h.sequence
    """
    assert rows(session, history) == [
        ("new", "silver", dt.date(2025, 6, 30), "Moved in: Paid", True),
        ("upgrade", "gold-plus", dt.date(2024, 12, 1), "Moved in from the history of tiers", True),
        ("renewal", "gold-plus", dt.date(2024, 12, 1), "Moved in from the history of tiers", True),
        ("renewal", "gold-plus", dt.date(2024, 12, 1), "Moved in from the history of tiers", True),
        ("downgrade", None, None, "Moved in from the history of tiers", True),
        # The card in use has the last word, at the moment of moving in.
        ("manual", "silver", dt.date(2025, 6, 30), "Moved in: the card in use says Silver", True),
    ]
    assert [note.text for note in report.notes] == [
        "called “downgrade” there; after what was before, it is “upgrade”",
        "the card in use says Silver, the history no tier: Silver",
    ]
    # It has ended since: the desk reviews the tier itself, and the card is no longer in use.
    assert rows(session, "SELECT is_active FROM loyalty_cards") == [(False,)]


def test_of_several_cards_the_last_one_stays_in_use(session: Session, tmp_path: Path, house: int) -> None:
    other = builders.make_player(session, operator_id=house)
    points.adjust(session, player_id=other, points=1, reason="x", idempotency_key="x", actor=SYSTEM, now=NOW)
    session.execute(
        text("""
        INSERT INTO loyalty_cards (player_id, operator_id, number, issued_on, expires_on)
        VALUES (:p, :o, 'LC-taken', '2026-01-01', '2027-01-01')
        """),
        {"p": other, "o": house},
    )
    write(
        tmp_path,
        loyalty_card_types=TYPES,
        patient_loyalty_cards=[
            card("1", "P1", "t2", "2026-02-01"),
            card("2", "P1", "t1", "2026-01-01"),
            card("3", "P1", "t1", "2026-02-20", is_deleted="true"),
            card("4", "P2", "t1", "2026-02-01", card_number="no. 7"),
            card("taken", "P3", "t1", "2026-02-01"),
            card("5", "P4", "t1", "2026-02-01", card_number="LC-1"),
        ],
    )
    report = move_in(session, tmp_path)
    assert report.is_fine
    cards = "SELECT number, is_active FROM loyalty_cards ORDER BY id"
    assert rows(session, cards)[1:] == [("LC-1", True), ("LC-2", False)]
    assert [(note.line, note.text) for note in report.notes] == [
        (3, "line 2 is a later card of this patient: not in use"),
        (5, "“no. 7” is no card number: the card is left out, its tier counts"),
        (7, "LC-1 is already a card of patient P1: left out"),
        (6, "LC-taken is already another card here: left out, its tier counts"),
    ]
    tiers = """
    SELECT p.external_id, t.code FROM loyalty_wallets w JOIN players p ON p.id = w.player_id
    LEFT JOIN loyalty_tiers t ON t.id = w.tier_id WHERE p.external_id ~ '^P[0-9]$' ORDER BY 1
    """
    assert rows(session, tiers) == [
        ("P1", "gold-plus"), ("P2", "silver"), ("P3", "silver"), ("P4", "silver"),
    ]  # fmt: skip
    outcomes = "SELECT old_id, outcome, card_id IS NOT NULL FROM legacy_loyalty_rows ORDER BY line"
    assert rows(session, outcomes) == [
        ("1", "moved", True), ("2", "moved", True), ("3", "deleted", False), ("4", "left_out", False),
        ("taken", "left_out", False), ("5", "left_out", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "row", "reason"),
    [
        ("loyalty_points", load("a", "P1", "1.5", "2026-01-01"), "points: “1.5” is no whole number"),
        ("loyalty_points", load("a", "P1", "1", ""), "created_at is empty"),
        ("loyalty_points", load("a", "P1", "1", "2026-03-03"), "created_at: “2026-03-03” lies in the future"),
        (
            *("loyalty_points", load("a", "P1", "1", "2026-01-02", "2026-01-01")),
            "expiry_date: 2026-01-01 is before 2026-01-02, when they were loaded",
        ),
        ("loyalty_points", load("a", "P1", "1", "2026-01-02", "soon"), "expiry_date: “soon” is no day"),
        ("loyalty_points", load("a", "", "1", "2026-01-02"), "the patient's id must have 1 to 100"),
        (
            *("loyalty_points", load("a", "P1", "1", "2026-01-02", points_value="1.005")),
            "points_value: “1.005”",
        ),
        ("loyalty_points", load("a", "P1", "1", "2026-01-02", is_active="perhaps"), "is_active: “perhaps”"),
        ("loyalty_redemptions", redemption("a", "P1", "-1", "2026-01-02"), "points_redeemed is negative"),
        (
            "loyalty_redemptions",
            redemption("a", "P1", "1", "2026-03-03"),
            "redemption_date: “2026-03-03” lies",
        ),
        ("loyalty_redemptions", redemption("a", "P1", "1", ""), "redemption_date is empty"),
        ("patient_loyalty_cards", card("1", "P1", "t9", "2026-01-01"), "card_type_id: there is no card type"),
        ("patient_loyalty_cards", card("1", "P1", "t1", ""), "issue_date is empty, and so is created_at"),
        (
            *("patient_loyalty_cards", card("1", "P1", "t1", "2026-01-01", expiry_date="2025-01-01")),
            "expiry_date: 2025-01-01 is before 2026-01-01, when it was issued",
        ),
        (
            "loyalty_card_tier_history",
            {"patient_id": "P1", "card_type_id": "t9", "change_date": "2026-01-01"},
            "card_type_id: there is no card type “t9”",
        ),
    ],
)
def test_a_row_is_refused(session: Session, tmp_path: Path, table: str, row: Cells, reason: str) -> None:
    write(tmp_path, loyalty_card_types=TYPES, **{table: [row]})
    (refused,) = move_in(session, tmp_path).refused
    assert (refused.line, refused.reason[: len(reason)]) == (2, reason)
    assert session.scalar(text("SELECT count(*) FROM players")) == 0


def test_a_refused_row_holds_its_patient_back_and_a_mended_file_brings_the_rest(
    session: Session, tmp_path: Path
) -> None:
    spoilt = [load("a", "P1", "ten", "2026-01-01"), load("b", "P2", "10", "2026-01-01")]
    write(tmp_path, loyalty_points=spoilt, loyalty_redemptions=[redemption("r", "P1", "5", "2026-01-02")])
    report = move_in(session, tmp_path)
    assert reasons(report) == [
        ("loyalty_points.csv", 2, "points: “ten” is no whole number"),
        ("loyalty_redemptions.csv", 2, "held back with line 2 of loyalty_points.csv"),
    ]
    assert report.total("rows_read") == report.total("rows_written") + report.total("rows_refused") == 3
    assert session.scalars(text("SELECT external_id FROM players")).all() == ["P2"]

    write(tmp_path, loyalty_points=[load("a", "P1", "10", "2026-01-01"), spoilt[1]])
    mended = move_in(session, tmp_path)
    assert mended.is_fine
    assert (mended.patients, mended.known, mended.figures.balance) == (1, 1, 15)
    assert session.scalar(text("SELECT count(*) FROM legacy_runs")) == 2
    kept = rows(session, "SELECT report::json -> 'figures' ->> 'balance' FROM legacy_reports ORDER BY id")
    assert kept == [("10",), ("5",)]


def test_what_stands_there_twice_or_has_changed_is_refused(session: Session, tmp_path: Path) -> None:
    twice = [load("a", "P1", "1", "2026-01-01"), load("a", "P1", "2", "2026-01-01")]
    write(
        tmp_path,
        loyalty_points=[*twice, load("b", "P2", "1", "2026-01-01"), load("c", "p2", "1", "2026-01-01")],
    )
    assert reasons(move_in(session, tmp_path)) == [
        ("loyalty_points.csv", 5, "the id p2 differs from P2 by its capitals alone"),
        ("loyalty_points.csv", 2, "held back with line 3 of loyalty_points.csv"),
        ("loyalty_points.csv", 3, "line 2 has that id already"),
    ]
    write(tmp_path, loyalty_points=[load("b", "P2", "2", "2026-01-01")])
    assert reasons(move_in(session, tmp_path)) == [
        ("loyalty_points.csv", 2, "it has changed since it moved in")
    ]
    write(tmp_path, loyalty_points=[load("b", "P2", "1", "2026-01-01"), load("d", "P2", "1", "2026-01-01")])
    assert [reason for *_, reason in reasons(move_in(session, tmp_path))] == [
        "held back with another row of this patient",
        "patient P2 moved in without this row: take that back first",
    ]


def test_a_player_who_is_there_gets_a_loyalty_wallet_once(
    session: Session, tmp_path: Path, house: int
) -> None:
    known = builders.make_player(session, operator_id=house, external_id="p1", balance_minor=5_00)
    member = builders.make_player(session, operator_id=house, external_id="P2")
    points.adjust(session, player_id=member, points=1, reason="x", idempotency_key="x", actor=SYSTEM, now=NOW)
    write(tmp_path, loyalty_points=[load(n, f"P{n}", "10", "2026-01-01") for n in "12"])
    report = move_in(session, tmp_path)
    assert reasons(report) == [
        (
            *("loyalty_points.csv", 3),
            "player P2 has a loyalty wallet already, and did not move in with it",
        )
    ]
    assert rows(session, "SELECT player_id, is_new FROM legacy_members") == [(known, False)]
    # And afterwards the services go on where it stopped.
    done = points.redeem(
        session, player_id=known, points=4, notes="Tea", idempotency_key="t", actor=SYSTEM, now=NOW
    )
    assert (done.entry.sequence, done.balance) == (2, 6)


def test_the_folder_and_the_operator_must_be_there(session: Session, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="none of the old tables"):
        move_in(session, tmp_path)
    several = [load(n, "P1", "1", "2026-01-01", hospital_id=n) for n in "ab"]
    write(tmp_path, loyalty_points=several)
    with pytest.raises(Unreadable, match="several operators"):
        move_in(session, tmp_path)
    with pytest.raises(NotFound, match="no operator"):
        legacy_loyalty.run(Edge(session), folder=tmp_path, operator="nobody", now=NOW)


def test_the_text_tells_how_the_old_balance_became_ours(session: Session, tmp_path: Path) -> None:
    write(
        tmp_path,
        loyalty_points=[load("a", "P1", "10", "2024-01-01", "2024-12-31", shade="red")],
        loyalty_redemptions=[redemption("r", "P1", "12", "2024-02-01")],
    )
    said = move_in(session, tmp_path).as_text()
    assert "Old balance, loads less redemptions                     -2" in said
    assert "  redeemed without points                                2" in said
    assert "patient P1: 12 points asked for, 10 there" in said
    assert "columns that are not taken over: shade" in said
    assert json.loads(json.dumps(move_in(session, tmp_path).as_json()))["figures"]["short"] == 2
