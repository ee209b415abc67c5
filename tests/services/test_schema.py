"""The database refuses a wrong move by itself, whoever tries: every constraint, as the application role."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from dashboard.models.wallet import ChangeType, ContraAccount
from tests.builders import NOW, change, make_operator, make_player

Row = dict[str, Any]
GUARDED = ("wallet_entries", "balances", "alerts", "wallets")


@dataclass(frozen=True)
class World:
    """A player with an opening (entry 1) and its reversal (entry 2), and somebody else's operator."""

    operator: int
    player: int
    other_operator: int
    newcomer: int
    """A player row of the operator that has no wallet yet."""


@pytest.fixture
def world(session: Session) -> World:
    operator = make_operator(session)
    player = make_player(session, operator_id=operator, balance_minor=100_00)
    insert(session, "wallet_entries", entry(operator, player, change_type="reversal", sequence=2, reverses=1))
    newcomer = session.scalar(
        text("""
        INSERT INTO players (operator_id, external_id, name, created_at) VALUES (:o, 'N', 'New', :now)
        RETURNING id
        """),
        {"o": operator, "now": NOW},
    )
    return World(operator, player, make_operator(session), newcomer)


def entry(operator_id: int, player_id: int, **named: Any) -> Row:
    return {
        "player_id": player_id,
        "currency": "USD",
        "sequence": 3,
        "operator_id": operator_id,
        "change_type": "adjustment",
        "contra_account": "adjustments",
        "real_delta": 5,
        "bonus_delta": 0,
        "real_after": 105,
        "bonus_after": 50,
        "reason": "Goodwill",
        "performed_by": "system",
        "idempotency_key": f"raw-{named.get('sequence', 3)}",
        "fingerprint": bytes(32),
        "metadata": "{}",
        "created_at": NOW,
        "hash": bytes(32),
        **named,
    }


def balance(world: World, **named: Any) -> Row:
    return {
        "player_id": world.player,
        "currency": "EUR",
        "operator_id": world.operator,
        "updated_at": NOW,
        **named,
    }


def alert(world: World, **named: Any) -> Row:
    return {
        "player_id": world.player,
        "operator_id": world.operator,
        "currency": "USD",
        "type": "warning",
        "severity": "warning",
        "peak": 5,
        "threshold": 10,
        "raised_at": NOW,
        "last_hit_at": NOW,
        **named,
    }


def wallet(world: World, **named: Any) -> Row:
    return {"player_id": world.newcomer, "operator_id": world.operator, **named}


BASE: dict[str, Callable[[World], Row]] = {
    "wallet_entries": lambda world: entry(world.operator, world.player),
    "balances": balance,
    "alerts": alert,
    "wallets": wallet,
}


def insert(session: Session, table: str, row: Row) -> None:
    columns = ", ".join(row)
    values = ", ".join(f":{column}" for column in row)
    session.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), row)


class Refused(AbstractContextManager["Refused"]):
    """The block must be refused by the named constraint, and leaves the transaction usable."""

    def __init__(self, session: Session, constraint: str) -> None:
        self._savepoint = session.begin_nested()
        self._constraint = constraint

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self._savepoint.rollback()
        assert isinstance(error, IntegrityError), f"{self._constraint} let it pass: {error}"
        assert isinstance(error.orig, psycopg.Error)
        assert error.orig.diag.constraint_name == self._constraint
        return True


@pytest.mark.parametrize("table", GUARDED)
def test_the_quiet_row_is_accepted(session: Session, world: World, table: str) -> None:
    insert(session, table, BASE[table](world))


# Constraint, and what makes the quiet row break it. Every constraint of the guarded tables is here.
BROKEN: list[tuple[str, Row]] = [
    ("ck_wallet_entries_sequence", {"sequence": 0}),
    ("ck_wallet_entries_change_type", {"change_type": "gift"}),
    (
        "ck_wallet_entries_contra_account",
        {"contra_account": "bank", "change_type": "reversal", "reverses": 2},
    ),
    ("ck_wallet_entries_direction", {"change_type": "deposit", "contra_account": "cash", "real_delta": -5}),
    ("ck_wallet_entries_moves", {"real_delta": 0}),
    ("ck_wallet_entries_bonus_after", {"bonus_after": -1}),
    ("ck_wallet_entries_reason", {"reason": ""}),
    ("ck_wallet_entries_reason", {"reason": "x" * 501}),
    ("ck_wallet_entries_performed_by", {"performed_by": ""}),
    ("ck_wallet_entries_reference", {"reference": ""}),
    ("ck_wallet_entries_reference", {"reference": "x" * 101}),
    ("ck_wallet_entries_idempotency_key", {"idempotency_key": ""}),
    ("ck_wallet_entries_idempotency_key", {"idempotency_key": "x" * 101}),
    ("ck_wallet_entries_fingerprint", {"fingerprint": bytes(31)}),
    ("ck_wallet_entries_hash", {"hash": bytes(33)}),
    ("ck_wallet_entries_risk_score", {"risk_score": -1}),
    ("ck_wallet_entries_risk_score", {"risk_score": 101}),
    ("ck_wallet_entries_metadata", {"metadata": "[]"}),
    ("ck_wallet_entries_metadata", {"metadata": '"text"'}),
    ("ck_wallet_entries_reversal", {"change_type": "reversal"}),
    ("ck_wallet_entries_reversal", {"reverses": 2}),
    ("ck_wallet_entries_reverses", {"change_type": "reversal", "reverses": 3}),
    ("ck_wallet_entries_reverses", {"change_type": "reversal", "reverses": 4}),
    (
        "fk_wallet_entries_player_id_currency_reverses",
        {"change_type": "reversal", "reverses": 3, "sequence": 9},
    ),
    ("fk_wallet_entries_player_id_currency_operator_id", {"currency": "EUR"}),
    ("fk_wallet_entries_player_id_currency_operator_id", {"operator_id": "other"}),
    ("pk_wallet_entries", {"sequence": 1}),
    ("pk_wallet_entries", {"sequence": 2}),
    ("uq_wallet_entries_player_id_idempotency_key", {"idempotency_key": "raw-2"}),
    ("uq_wallet_entries_reverses", {"change_type": "reversal", "reverses": 1}),
    ("ck_balances_currency", {"currency": "eur"}),
    ("ck_balances_currency", {"currency": "EURO"}),
    ("ck_balances_bonus", {"bonus": -1}),
    ("ck_balances_pending", {"pending": -1}),
    ("ck_balances_largest", {"largest": -1}),
    ("ck_balances_version", {"version": -1}),
    ("ck_balances_head", {"head": bytes(31)}),
    ("pk_balances", {"currency": "USD"}),
    ("fk_balances_player_id_operator_id", {"operator_id": "other"}),
    ("fk_balances_player_id_operator_id", {"player_id": "newcomer"}),
    ("ck_alerts_type", {"type": "gossip"}),
    ("ck_alerts_severity", {"severity": "mild"}),
    ("ck_alerts_state", {"state": "asleep"}),
    ("ck_alerts_hits", {"hits": 0}),
    ("ck_alerts_acknowledged", {"state": "acknowledged"}),
    ("ck_alerts_acknowledged", {"acknowledged_at": NOW}),
    ("ck_alerts_resolved", {"state": "resolved"}),
    ("ck_alerts_resolved", {"state": "resolved", "resolved_at": NOW}),
    ("ck_alerts_resolved", {"resolved_at": NOW, "resolved_by": "system"}),
    ("ck_alerts_assigned", {"assigned_at": NOW}),
    ("ck_alerts_assigned", {"taken_at": NOW}),
    ("fk_alerts_assigned_to", {"assigned_at": NOW, "assigned_to": -1}),
    ("ck_alerts_snoozed", {"snoozed_until": NOW}),
    ("ck_alerts_snoozed", {"snooze_reason": "On holiday"}),
    (
        "fk_alerts_snoozed_by",
        {"snoozed_until": NOW, "snooze_reason": "On holiday", "snoozed_by": -1},
    ),
    ("ck_alerts_resolution", {"resolution": "Called"}),
    ("fk_alerts_acknowledged_by", {"state": "acknowledged", "acknowledged_at": NOW, "acknowledged_by": -1}),
    ("fk_alerts_player_id_currency_operator_id", {"currency": "EUR"}),
    ("fk_alerts_player_id_currency_operator_id", {"operator_id": "other"}),
    ("ck_wallets_status", {"status": "asleep", "status_reason": "x", "status_at": NOW}),
    ("ck_wallets_status_reason", {"status": "frozen", "status_at": NOW}),
    ("ck_wallets_status_reason", {"status": "frozen", "status_reason": "", "status_at": NOW}),
    ("ck_wallets_status_reason", {"status": "closed", "status_reason": "x"}),
    ("ck_wallets_vip_level", {"vip_level": "tin"}),
    ("ck_wallets_xp", {"xp": -1}),
    ("ck_wallets_xp", {"xp": 2, "total_xp": 1}),
    ("pk_wallets", {"player_id": "player"}),
    ("fk_wallets_player_id_operator_id", {"operator_id": "other"}),
    ("fk_wallets_player_id_operator_id", {"player_id": -1}),
    ("fk_wallets_status_by", {"status_by": -1}),
]
# What other constraints see to: the key of the row begins with it, or it takes two rows.
ELSEWHERE = {
    "pk_alerts",  # an identity
    "uq_alerts_unresolved",  # below
    "uq_balances_player_id_currency_operator_id",  # what foreign keys point to; the primary key is stricter
    "uq_wallets_player_id_operator_id",  # the same
}


def table_of(constraint: str) -> str:
    return next(table for table in GUARDED if constraint.split("_", 1)[1].startswith(table))


@pytest.mark.parametrize(("constraint", "broken"), BROKEN, ids=[f"{name} {row}"[:80] for name, row in BROKEN])
def test_a_row_that_breaks_a_rule_is_refused(
    session: Session, world: World, constraint: str, broken: Row
) -> None:
    table = table_of(constraint)
    named = {"other": world.other_operator, "newcomer": world.newcomer, "player": world.player}
    resolved = {
        key: named.get(value, value) if isinstance(value, str) else value for key, value in broken.items()
    }

    with Refused(session, constraint):
        insert(session, table, {**BASE[table](world), **resolved})


def test_every_constraint_of_these_tables_is_tried(session: Session) -> None:
    there = session.scalars(
        text("""
        SELECT conname FROM pg_constraint WHERE conrelid = ANY(CAST(:tables AS regclass[])) AND contype <> 'n'
        UNION SELECT indexrelid::regclass::text FROM pg_index
        WHERE indrelid = ANY(CAST(:tables AS regclass[])) AND indisunique
        """),
        {"tables": list(GUARDED)},
    )

    assert set(there) == {constraint for constraint, _ in BROKEN} | ELSEWHERE


@pytest.mark.parametrize("table", GUARDED)
def test_nothing_that_matters_may_be_missing(session: Session, world: World, table: str) -> None:
    row = BASE[table](world)

    for column in row:
        with pytest.raises(IntegrityError, match=f'null value in column "{column}"'), session.begin_nested():
            insert(session, table, {**row, column: None})


def test_metadata_that_are_no_json_are_refused(session: Session, world: World) -> None:
    with pytest.raises(DataError, match="invalid input syntax for type json"):
        insert(session, "wallet_entries", entry(world.operator, world.player, metadata="{'a': 1}"))


def test_a_key_is_a_players_once_over_all_currencies(session: Session, world: World) -> None:
    insert(session, "balances", balance(world))

    with Refused(session, "uq_wallet_entries_player_id_idempotency_key"):
        row = entry(world.operator, world.player, currency="EUR", sequence=1, idempotency_key="raw-2")
        insert(session, "wallet_entries", row)
    other = make_player(session, operator_id=world.operator)
    insert(session, "wallet_entries", entry(world.operator, other, idempotency_key="raw-2"))


def test_an_entry_of_another_journal_cannot_be_reversed(session: Session, world: World) -> None:
    other = make_player(session, operator_id=world.operator)

    with Refused(session, "fk_wallet_entries_player_id_currency_reverses"):
        insert(
            session,
            "wallet_entries",
            entry(world.operator, other, change_type="reversal", sequence=2, reverses=1),
        )


@pytest.mark.parametrize(
    "states", [("open", "open"), ("open", "acknowledged"), ("acknowledged", "acknowledged")]
)
def test_one_alert_of_a_kind_is_unresolved_at_a_time(
    session: Session, world: World, states: tuple[str, str]
) -> None:
    login = session.scalar(
        text("""
        INSERT INTO logins (operator_id, email, name, role, password_hash, created_at)
        VALUES (:o, 'ana@harbour.test', 'Ana', 'agent', 'x', :now) RETURNING id
        """),
        {"o": world.operator, "now": NOW},
    )
    seen = {"acknowledged_by": login, "acknowledged_at": NOW}
    first, second = (
        alert(world, state=state, **(seen if state == "acknowledged" else {})) for state in states
    )
    over = {"state": "resolved", "resolved_by": "system", "resolved_at": NOW}
    insert(session, "alerts", alert(world, **over))
    insert(session, "alerts", alert(world, **over))
    insert(session, "alerts", first)
    insert(session, "alerts", {**first, "type": "critical"})

    with Refused(session, "uq_alerts_unresolved"):
        insert(session, "alerts", second)


# Signs of (real, bonus) that a change type may have, and its house account, from the specification's table.
PLUS_REAL, MINUS_REAL = {(1, 0)}, {(-1, 0)}
MOVES = {(real, bonus) for real in (-1, 0, 1) for bonus in (-1, 0, 1)} - {(0, 0)}
DIRECTIONS: dict[ChangeType, tuple[set[tuple[int, int]], str]] = {
    ChangeType.DEPOSIT: (PLUS_REAL, "cash"),
    ChangeType.WITHDRAWAL: (MINUS_REAL, "cash"),
    ChangeType.ADJUSTMENT: (MOVES, "adjustments"),
    ChangeType.FEE: (MINUS_REAL, "fees"),
    ChangeType.WAGER: ({(-1, 0), (0, -1), (-1, -1)}, "gaming"),
    ChangeType.SETTLEMENT: ({(1, 0), (0, 1), (1, 1)}, "gaming"),
    ChangeType.REFUND: ({(1, 0), (0, 1), (1, 1)}, "gaming"),
    ChangeType.BONUS_GRANT: ({(0, 1)}, "promotions"),
    ChangeType.BONUS_FORFEIT: ({(0, -1)}, "promotions"),
    ChangeType.BONUS_EXPIRY: ({(0, -1)}, "promotions"),
    ChangeType.BONUS_CONVERSION: ({(1, -1)}, "promotions"),
    ChangeType.TRANSFER: (PLUS_REAL | MINUS_REAL, "transfers"),
    ChangeType.OPENING: (MOVES - {(-1, -1), (0, -1), (1, -1)}, "opening"),
    ChangeType.POINTS_CONVERSION: (PLUS_REAL, "promotions"),
}


def accepts(session: Session, row: Row) -> bool:
    savepoint = session.begin_nested()
    try:
        insert(session, "wallet_entries", row)
    except IntegrityError as error:
        if "ck_wallet_entries_direction" not in str(error.orig):
            raise
        return False
    finally:
        savepoint.rollback()
    return True


@pytest.mark.parametrize("change_type", DIRECTIONS)
def test_a_type_moves_money_in_its_direction_alone(
    session: Session, world: World, change_type: ChangeType
) -> None:
    allowed, contra = DIRECTIONS[change_type]

    accepted = {
        (real, bonus)
        for real, bonus in MOVES
        if accepts(
            session,
            entry(
                world.operator,
                world.player,
                change_type=change_type,
                contra_account=contra,
                real_delta=real,
                bonus_delta=bonus,
            ),
        )
    }

    assert accepted == allowed


@pytest.mark.parametrize("change_type", DIRECTIONS)
def test_a_type_has_one_house_account(session: Session, world: World, change_type: ChangeType) -> None:
    allowed, contra = DIRECTIONS[change_type]
    real, bonus = min(allowed)

    accepted = {
        str(account)
        for account in ContraAccount
        if accepts(
            session,
            entry(
                world.operator,
                world.player,
                change_type=change_type,
                contra_account=account,
                real_delta=real,
                bonus_delta=bonus,
            ),
        )
    }

    assert accepted == {contra}


def test_only_a_reversal_is_free_of_direction() -> None:
    assert set(ChangeType) - set(DIRECTIONS) == {ChangeType.REVERSAL}


@pytest.mark.parametrize(
    ("table", "column"),
    [("balances", "total"), ("wallet_entries", "real_before"), ("wallet_entries", "bonus_before")],
)
def test_what_follows_from_other_columns_cannot_be_written(
    session: Session, world: World, table: str, column: str
) -> None:
    with pytest.raises(ProgrammingError, match="cannot insert a non-DEFAULT value"):
        insert(session, table, {**BASE[table](world), column: 1})


@pytest.mark.parametrize(
    ("table", "key"), [("players", "id"), ("wallets", "player_id"), ("balances", "player_id")]
)
def test_money_cannot_be_moved_to_another_operator(
    session: Session, world: World, table: str, key: str
) -> None:
    with pytest.raises(IntegrityError, match="violates foreign key constraint"):
        session.execute(
            text(f"UPDATE {table} SET operator_id = :o WHERE {key} = :p"),
            {"o": world.other_operator, "p": world.player},
        )


def test_the_journal_has_no_gap_that_the_door_made(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session))
    for amount in (5, -3, 2):
        change(session, player, amount)

    sequences = session.scalars(
        text("SELECT sequence FROM wallet_entries WHERE player_id = :p ORDER BY 1"), {"p": player}
    )
    assert list(sequences) == [1, 2, 3]
