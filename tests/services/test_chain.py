"""The two halves of the serialisation say the same, and it is the one that docs/audit.md describes."""

import datetime as dt
import hashlib
import random
from typing import Any

import pytest
from sqlalchemy import text

from dashboard.services import chain

ROWS = 10_000
MOMENT = dt.datetime(2026, 3, 2, 12, 0, 0, 123456, dt.UTC)
ENTRY: dict[str, Any] = {
    "player_id": 42,
    "currency": "USD",
    "sequence": 1,
    "operator_id": 7,
    "change_type": "deposit",
    "contra_account": "cash",
    "real_delta": 12345,
    "bonus_delta": 0,
    "real_after": 12345,
    "bonus_after": 0,
    "reason": "Überweisung",
    "performed_by": "staff:3",
    "agent_id": None,
    "reference": None,
    "idempotency_key": "key-1",
    "fingerprint": bytes(range(32)),
    "reverses": None,
    "metadata": "{}",
    "risk_score": 23,
    "created_at": MOMENT,
}
# These hold for ever: if one of them changes, no chain that was ever written can be verified.
SERIALISED = (
    "0000000e7075727365722e656e7472792e31"  # "purser.entry.1"
    "00000008000000000000002a"  # 42
    "00000003555344"  # "USD"
    "000000080000000000000001"
    "000000080000000000000007"
    "000000076465706f736974"
    "0000000463617368"
    "000000080000000000003039"
    "000000080000000000000000"
    "000000080000000000003039"
    "000000080000000000000000"
    "0000000cc39c62657277656973756e67"  # 11 characters, 12 bytes
    "0000000773746166663a33"
    "ffffffff"  # NULL
    "ffffffff"
    "000000056b65792d31"
    "00000020000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    "ffffffff"
    "000000027b7d"
    "000000080000000000000017"
    "0000000800064c0953885240"  # microseconds since 1970
)
OF_POINTS: dict[str, Any] = {
    "player_id": 42,
    "sequence": 1,
    "operator_id": 7,
    "kind": "load",
    "base_points": 22_000,
    "bonus_points": 3_000,
    "balance_after": 25_000,
    "invoice": None,
    "payment": "P-1",
    "payment_mode": "cash",
    "payment_amount": 2_200_000,
    "price": None,
    "discount_bp": None,
    "tier_id": 5,
    "expires_on": dt.date(2027, 3, 2),
    "reverses": None,
    "currency": None,
    "wallet_sequence": None,
    "notes": "Überweisung",
    "performed_by": "staff:3",
    "idempotency_key": "key-1",
    "fingerprint": bytes(range(32)),
    "created_at": MOMENT,
}
SERIALISED_OF_POINTS = (
    "0000000f7075727365722e706f696e74732e31"  # "purser.points.1"
    "00000008000000000000002a"  # 42
    "000000080000000000000001"
    "000000080000000000000007"
    "000000046c6f6164"
    "0000000800000000000055f0"
    "000000080000000000000bb8"
    "0000000800000000000061a8"
    "ffffffff"  # NULL
    "00000003502d31"
    "0000000463617368"
    "0000000800000000002191c0"
    "ffffffff"
    "ffffffff"
    "000000080000000000000005"
    "00000008000000000000518f"  # days since 1970
    "ffffffff"
    "ffffffff"
    "ffffffff"
    "0000000cc39c62657277656973756e67"
    "0000000773746166663a33"
    "000000056b65792d31"
    "00000020000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    "0000000800064c0953885240"  # microseconds since 1970
)
ENTRIES = {chain.FORMAT: ENTRY, chain.POINTS_FORMAT: OF_POINTS}
FIELDS = {chain.FORMAT: chain.FIELDS, chain.POINTS_FORMAT: chain.POINTS_FIELDS}
in_both_formats = pytest.mark.parametrize("form", [chain.FORMAT, chain.POINTS_FORMAT])
TEXTS = (
    "",
    "a",
    "Zahlung für März",
    "支払い",
    "🂡🂱",
    'it\'s "so"\\n',
    "e\u0301",
    "x" * 500,
    "\n\t",
    "%s :name {}",
)
NUMBERS = (0, 1, -1, 255, 256, 2**31, -(2**31), 10**15, -(10**15), 2**63 - 1, -(2**63))
INSTANTS = (
    dt.datetime(1, 1, 1, tzinfo=dt.UTC),
    dt.datetime(1969, 12, 31, 23, 59, 59, 999999, dt.UTC),
    dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2000, 1, 1, 0, 0, 0, 1, dt.UTC),
    dt.datetime(2026, 3, 29, 2, 30, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=45))),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999, dt.UTC),
)
SQL_TYPES = {
    "integer": "bigint",
    "text": "text",
    "digest": "bytea",
    "date": "date",
    "instant": "timestamptz",
}


def random_value(chance: random.Random, kind: str) -> Any:
    if kind.startswith("optional ") and chance.random() < 0.3:
        return None
    match kind.removeprefix("optional "):
        case "integer":
            return chance.choice((*NUMBERS, chance.randint(-(2**63), 2**63 - 1)))
        case "text":
            letters = "".join(
                chr(chance.choice((32, 97, 233, 0x4E00, 0x1F0A1))) for _ in range(chance.randrange(9))
            )
            return chance.choice((*TEXTS, letters))
        case "digest":
            return chance.randbytes(32)
        case "date":
            return dt.date.fromordinal(chance.randint(1, dt.date.max.toordinal()))
        case _:
            moment = MOMENT + dt.timedelta(microseconds=chance.randint(-(10**15), 10**15))
            return chance.choice((*INSTANTS, moment))


@in_both_formats
def test_sql_and_python_agree_on_random_rows(session, form):
    chance = random.Random(20260302)
    rows = [{name: random_value(chance, kind) for name, kind in FIELDS[form]} for _ in range(ROWS)]
    before = [chance.randbytes(32) for _ in rows]
    columns = [(name, SQL_TYPES[kind.removeprefix("optional ")]) for name, kind in FIELDS[form]]
    expressions = {name: f"e.{name}" for name, _ in columns}
    hashed = session.scalars(
        text(
            f"SELECT {chain.sql(expressions, before='e.before', form=form)}"
            f" FROM unnest({', '.join(f'CAST(:{name} AS {kind}[])' for name, kind in columns)},"
            f" CAST(:before AS bytea[])) WITH ORDINALITY"
            f" AS e({', '.join(name for name, _ in columns)}, before, place) ORDER BY place"
        ),
        {**{name: [row[name] for row in rows] for name, _ in columns}, "before": before},
    ).all()
    differing = [
        row
        for row, previous, found in zip(rows, before, hashed, strict=True)
        if chain.digest(row, previous, form=form) != found
    ]
    assert differing == []


def test_the_serialisation_is_as_documented():
    assert chain.serialise(ENTRY).hex() == SERIALISED
    assert chain.serialise(OF_POINTS, form=chain.POINTS_FORMAT).hex() == SERIALISED_OF_POINTS


def test_known_hashes():
    first = chain.digest(ENTRY, chain.GENESIS)
    assert first.hex() == "c0906a72023749fdfc1b486c2b527a1ef6acb4e5ca66ad5b5cf9d495d9c45fe1"
    assert (
        chain.digest({**ENTRY, "sequence": 2, "agent_id": 0}, first).hex()
        == "e6c593300d841e23fd81a63fc1dfeb3c60ceea4022b3242c6fbd44cc7123584b"
    )
    of_points = hashlib.sha256(bytes(32) + bytes.fromhex(SERIALISED_OF_POINTS)).digest()
    assert chain.digest(OF_POINTS, chain.GENESIS, form=chain.POINTS_FORMAT) == of_points


@in_both_formats
def test_every_field_is_under_the_hash(form):
    whole = chain.digest(ENTRIES[form], chain.GENESIS, form=form)
    other = {
        "integer": 99,
        "text": "other",
        "digest": bytes(32),
        "date": MOMENT.date(),
        "instant": MOMENT + dt.timedelta(microseconds=1),
    }
    for name, kind in FIELDS[form]:
        changed = {**ENTRIES[form], name: other[kind.removeprefix("optional ")]}
        assert chain.digest(changed, chain.GENESIS, form=form) != whole, name


def test_neighbouring_fields_cannot_be_shifted_into_each_other():
    shifted = {**ENTRY, "reason": "Überweisungstaff", "performed_by": ":3"}
    assert chain.digest(shifted, chain.GENESIS) != chain.digest(ENTRY, chain.GENESIS)


@in_both_formats
def test_hashes_do_not_depend_on_the_session(session, form):
    expression = chain.sql(
        {
            name: f"CAST(:{name} AS {SQL_TYPES[kind.removeprefix('optional ')]})"
            for name, kind in FIELDS[form]
        },
        before="CAST(:before AS bytea)",
        form=form,
    )
    for setting, value in (
        ("TimeZone", "Asia/Kathmandu"),
        ("DateStyle", "German"),
        ("bytea_output", "escape"),
        ("client_encoding", "LATIN1"),
        ("IntervalStyle", "iso_8601"),
        ("extra_float_digits", "-15"),
    ):
        session.execute(
            text("SELECT set_config(:setting, :value, true)"), {"setting": setting, "value": value}
        )
    entry = ENTRIES[form]
    found = session.execute(text(f"SELECT {expression}"), {**entry, "before": chain.GENESIS}).scalar_one()
    assert found == chain.digest(entry, chain.GENESIS, form=form)
