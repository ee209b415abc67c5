"""The demo's members: few here, but everything that happens to points happens to some of them."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.services import demo, loyalty_cards, verification
from dashboard.services.demo.fill import TIMEZONE
from tests.services.test_demo import NOW, PLAYERS, filled, rows

TODAY = clock.local(NOW, TIMEZONE).date()


@pytest.fixture(scope="module")
def house() -> Iterator[tuple[Engine, demo.Filled]]:
    """One demo for all tests of this module: none of them writes."""
    yield from filled(seed=1)


@pytest.fixture
def session(house: tuple[Engine, demo.Filled]) -> Iterator[Session]:
    with Session(house[0]) as opened:
        yield opened


def found(session: Session, query: str) -> set[object]:
    return set(session.scalars(text(query)))


def test_members_of_every_kind_are_there(session: Session) -> None:
    members = session.scalars(text("SELECT count(*) FROM loyalty_wallets")).one()
    assert PLAYERS / 3 <= members <= PLAYERS / 2
    assert found(session, "SELECT status FROM loyalty_wallets") == {"active", "suspended", "closed"}
    in_tiers = "SELECT t.code FROM loyalty_wallets w JOIN loyalty_tiers t ON t.id = w.tier_id"
    assert found(session, in_tiers) == {"silver", "gold", "platinum"}
    assert found(session, "SELECT 1 FROM loyalty_wallets WHERE status = 'active' AND tier_id IS NULL")
    assert found(session, "SELECT kind FROM loyalty_entries") == {
        "load",
        "redeem",
        "refund_service",
        "refund_wallet",
        "expire",
        "adjustment",
        "convert",
        "transfer_tier",
        "reversal",
    }
    assert found(session, "SELECT change FROM tier_history") == {
        "new",
        "upgrade",
        "downgrade",
        "renewal",
        "manual",
    }
    assert found(session, "SELECT state FROM points_requests") == {"waiting", "approved", "declined"}


def test_what_came_back_late_is_valid_for_some_days(session: Session) -> None:
    graces = rows(session, "SELECT * FROM points_batches WHERE origin IS NOT NULL")
    assert {batch["expires_on"] - batch["loaded_on"] for batch in graces} == {dt.timedelta(days=30)}
    assert {batch["remaining"] > 0 for batch in graces} == {True, False}
    assert all(batch["expires_on"] >= TODAY for batch in graces if batch["remaining"])


def test_some_owe_points_and_one_has_paid_a_part(session: Session) -> None:
    owing = rows(session, "SELECT player_id, owed FROM loyalty_wallets WHERE owed > 0")
    paid = found(session, "SELECT player_id FROM loyalty_entries WHERE idempotency_key LIKE 'owed:%'")
    assert {row["player_id"] in paid for row in owing} == {True, False}


def test_points_expire_soon_and_that_was_said(session: Session) -> None:
    soon = "SELECT expires_on FROM points_batches WHERE remaining > 0"
    assert found(session, soon) >= {TODAY + dt.timedelta(days=days) for days in (1, 7, 30)}
    said = rows(session, "SELECT DISTINCT subject, days FROM loyalty_notices")
    assert {(row["subject"], row["days"]) for row in said} == {
        ("points", 1),
        ("points", 7),
        ("points", 30),
        ("tier", 30),
    }
    told = session.scalars(text("SELECT count(*) FROM outgoing_events")).one()
    assert told == session.scalars(text("SELECT count(*) FROM loyalty_notices")).one()
    assert not found(session, f"SELECT 1 FROM points_batches WHERE remaining > 0 AND expires_on < '{TODAY}'")
    assert not found(session, f"SELECT 1 FROM loyalty_wallets WHERE tier_valid_until < '{TODAY}'")


def test_points_that_became_money_stand_in_both_journals(session: Session) -> None:
    both = rows(
        session,
        """
        SELECT -e.points AS points, w.real_delta, w.created_at = e.created_at AS at_once,
               CAST(w.metadata::jsonb ->> 'points_sequence' AS bigint) = e.sequence AS named
        FROM wallet_entries w
        LEFT JOIN loyalty_entries e ON e.player_id = w.player_id AND e.currency = w.currency
          AND e.wallet_sequence = w.sequence
        WHERE w.change_type = 'points_conversion'""",
    )
    assert both
    for row in both:
        assert row["real_delta"] == row["points"] // 100 * 50_00
        assert row["at_once"]
        assert row["named"]


def test_points_go_in_order_of_time(session: Session) -> None:
    back = """
        SELECT 1 FROM loyalty_entries a JOIN loyalty_entries b
          ON b.player_id = a.player_id AND b.sequence = a.sequence + 1
        WHERE b.created_at < a.created_at"""
    assert rows(session, back) == []
    assert session.scalars(text("SELECT max(created_at) FROM loyalty_entries")).one() <= NOW
    early = """
        SELECT 1 FROM loyalty_entries e JOIN players p ON p.id = e.player_id
        WHERE e.created_at < p.created_at"""
    assert rows(session, early) == []
    first = session.scalars(text("SELECT min(created_at) FROM loyalty_entries")).one()
    assert NOW - first > dt.timedelta(days=365)


def test_cards_can_be_read(session: Session) -> None:
    numbers = found(session, "SELECT number FROM loyalty_cards WHERE is_active")
    assert numbers
    assert all(loyalty_cards.is_sound(str(number)) for number in numbers)


@pytest.mark.parametrize("independently", [False, True])
def test_all_of_it_is_proved(
    house: tuple[Engine, demo.Filled], tmp_path: Path, *, independently: bool
) -> None:
    engine = create_engine(house[0].url, poolclass=NullPool)
    with Session(engine) as session:
        session.connection(
            execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        proof = verification.prove(session, key=b"key", folder=tmp_path, now=NOW, independently=independently)
    assert proof.findings == ()
    assert proof.covered.points_entries > PLAYERS
