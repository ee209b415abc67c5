"""The hash chain over a journal: how an entry becomes bytes, and how its hash follows from them.

`hash = SHA-256(hash of the entry before || serialisation of the entry)`; before the first entry
stand 32 zero bytes. The serialisation is the fields of FIELDS in order, each as its length in
bytes (4 bytes, big-endian) and its content: text in UTF-8, integers as 8 bytes big-endian two's
complement, instants as integer microseconds since 1970 UTC, dates as integer days since 1970-01-01,
digests as they are. NULL is the length −1 without content. The first field names the format. Wallets
have FORMAT and FIELDS, points their own.

It stands here twice, as SQL for set-based inserts and as Python for an independent proof; a test
compares the two. Changing either breaks every chain ever written: a new format gets a new name.
"""

import datetime as dt
import hashlib
import struct
from collections.abc import Mapping
from typing import Any

FORMAT = "purser.entry.1"
GENESIS = bytes(32)

# Field and kind, in order. Changing this is changing the format.
FIELDS = (
    ("player_id", "integer"),
    ("currency", "text"),
    ("sequence", "integer"),
    ("operator_id", "integer"),
    ("change_type", "text"),
    ("contra_account", "text"),
    ("real_delta", "integer"),
    ("bonus_delta", "integer"),
    ("real_after", "integer"),
    ("bonus_after", "integer"),
    ("reason", "text"),
    ("performed_by", "text"),
    ("agent_id", "optional integer"),
    ("reference", "optional text"),
    ("idempotency_key", "text"),
    ("fingerprint", "digest"),
    ("reverses", "optional integer"),
    ("metadata", "text"),
    ("risk_score", "optional integer"),
    ("created_at", "instant"),
)

POINTS_FORMAT = "purser.points.1"
POINTS_FIELDS = (
    ("player_id", "integer"),
    ("sequence", "integer"),
    ("operator_id", "integer"),
    ("kind", "text"),
    ("base_points", "integer"),
    ("bonus_points", "integer"),
    ("balance_after", "integer"),
    ("invoice", "optional text"),
    ("payment", "optional text"),
    ("payment_mode", "optional text"),
    ("payment_amount", "optional integer"),
    ("price", "optional integer"),
    ("discount_bp", "optional integer"),
    ("tier_id", "optional integer"),
    ("expires_on", "optional date"),
    ("reverses", "optional integer"),
    ("currency", "optional text"),
    ("wallet_sequence", "optional integer"),
    ("notes", "text"),
    ("performed_by", "text"),
    ("idempotency_key", "text"),
    ("fingerprint", "digest"),
    ("created_at", "instant"),
)
_FORMATS = {FORMAT: FIELDS, POINTS_FORMAT: POINTS_FIELDS}

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NULL = struct.pack(">i", -1)

_SQL = {
    "integer": r"'\x00000008'::bytea || int8send({0})",
    "text": "int4send(octet_length({0})) || convert_to({0}, 'UTF8')",
    "digest": r"'\x00000020'::bytea || {0}",
    "date": r"'\x00000008'::bytea || int8send(({0} - date '1970-01-01')::bigint)",
    "instant": r"'\x00000008'::bytea || int8send((extract(epoch FROM {0}) * 1000000)::bigint)",
}


def sql(expressions: Mapping[str, str], *, before: str, form: str = FORMAT) -> str:
    """The SQL expression of an entry's hash, a bytea.

    `expressions` maps each name of the format's fields to SQL for its value, `before` is SQL for the hash
    of the entry before. The database's encoding must be UTF-8, which the start checks.
    """
    parts = [before, rf"'\x{_text(form).hex()}'::bytea"]
    for name, kind in _FORMATS[form]:
        expression = expressions[name]
        part = _SQL[kind.removeprefix("optional ")].format(expression)
        parts.append(rf"coalesce({part}, '\xffffffff'::bytea)" if kind.startswith("optional") else part)
    return f"sha256({' || '.join(parts)})"


def digest(entry: Mapping[str, Any], before: bytes, *, form: str = FORMAT) -> bytes:
    """The hash of `entry` (values by the names of the format's fields) that follows `before`; 32 bytes."""
    return hashlib.sha256(before + serialise(entry, form=form)).digest()


def serialise(entry: Mapping[str, Any], *, form: str = FORMAT) -> bytes:
    """The bytes of an entry that its hash covers, without the hash before."""
    return _text(form) + b"".join(field(entry[name], kind) for name, kind in _FORMATS[form])


def field(value: Any, kind: str) -> bytes:
    """One field as bytes, its length first: an integer, text, digest, date or instant, or None."""
    if value is None:
        return _NULL
    match kind.removeprefix("optional "):
        case "integer":
            return struct.pack(">iq", 8, value)
        case "text":
            return _text(value)
        case "digest":
            return struct.pack(">i", len(value)) + bytes(value)
        case "date":
            return struct.pack(">iq", 8, (value - _EPOCH.date()).days)
        case _:
            return struct.pack(">iq", 8, (value - _EPOCH) // dt.timedelta(microseconds=1))


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">i", len(encoded)) + encoded
