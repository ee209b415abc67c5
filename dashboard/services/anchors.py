"""Anchors: sealed statements of every chain's head, so that a rewritten chain and a cut tail show.

The seal's key is never in the database, and each anchor is also written as a file. docs/audit.md
describes both, byte by byte; changing them makes a new format with a new name.
"""

import datetime as dt
import hmac
import json
import os
import secrets
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, insert, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from dashboard import models
from dashboard.db import is_lock_held
from dashboard.errors import Conflict, PurserError
from dashboard.services import chain, wording
from dashboard.services.findings import CAP, Check, Found
from dashboard.services.points_wording import POINTS

FORMAT = "purser.anchor.1"
_PREFIX = "anchor-"
_LOCK = 0x50555253_0003  # "PURS": one anchor at a time
_WRITING_SECONDS = 60
"""An anchor this young may have no file yet: it is written after the commit."""

# Everything must be of one instant: three statements read the heads.
_ONE_INSTANT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
_PATIENCE = text("SELECT set_config('statement_timeout', '0', true)")
# A lock takes no snapshot: whoever waits for it, or is refused it, has not looked at any head yet.
_ANNOUNCE = text("LOCK TABLE anchors IN ROW EXCLUSIVE MODE NOWAIT")
_HOLD_OFF = text("LOCK TABLE anchors IN SHARE ROW EXCLUSIVE MODE")

# Every journal that has entries: of money by its currency, of points by that word in its place.
_JOURNALS = f"""(
  SELECT player_id, currency, version, head FROM balances WHERE version > 0
  UNION ALL
  SELECT player_id, '{POINTS}', version, head FROM loyalty_wallets WHERE version > 0
)"""
_MOVED = f"""
FROM {_JOURNALS} AS b
LEFT JOIN anchor_heads h ON h.player_id = b.player_id AND h.currency = b.currency AND h.version = b.version
WHERE h.version IS NULL
"""
_LEAF = (
    "int8send({0}.player_id) || int4send(octet_length({0}.currency)) || convert_to({0}.currency, 'UTF8')"
    " || int8send({0}.version) || {0}.head"
)
_LEAVES = (
    f"coalesce(string_agg({_LEAF}, ''::bytea"
    " ORDER BY {0}.player_id, {0}.currency COLLATE \"C\"), ''::bytea)"
)
_SUMMARY = text(f"""
SELECT j.balances, j.entries, count(b.version) AS heads,
       sha256(:root_before || {_LEAVES.format("b")}) AS root
FROM (SELECT count(*) AS balances, coalesce(sum(version), 0)::bigint AS entries FROM {_JOURNALS} AS a) AS j
LEFT JOIN (SELECT b.* {_MOVED}) AS b ON true
GROUP BY j.balances, j.entries
""")
_KEEP_HEADS = text(f"""
INSERT INTO anchor_heads (player_id, currency, version, anchor_id, head)
SELECT b.player_id, b.currency, b.version, :anchor_id, b.head {_MOVED}
""")
_ALL = text("""
SELECT id, taken_at, balances, entries, heads, root, seal, now() AS read_at FROM anchors ORDER BY id
""")
_ROOTS = text(f"""
SELECT a.id, count(h.version) AS heads,
       sha256(coalesce(p.root, decode(repeat('00', 32), 'hex'))
              || {_LEAVES.format("h")}) AS root
FROM anchors a
LEFT JOIN anchors p ON p.id = a.id - 1
LEFT JOIN anchor_heads h ON h.anchor_id = a.id
GROUP BY a.id, p.root
""")
# Where a journal has lost several anchored heads, the first of them tells it all.
_HEADS_DIFFERING = text(f"""
WITH differing AS (
  SELECT DISTINCT ON (h.player_id, h.currency) h.player_id, h.currency, h.version, h.anchor_id,
         coalesce(e.hash, p.hash) IS NULL AS missing
  FROM anchor_heads h
  LEFT JOIN wallet_entries e
    ON e.player_id = h.player_id AND e.currency = h.currency AND e.sequence = h.version
  LEFT JOIN loyalty_entries p
    ON h.currency = '{POINTS}' AND p.player_id = h.player_id AND p.sequence = h.version
  WHERE coalesce(e.hash, p.hash) IS DISTINCT FROM h.head
  ORDER BY h.player_id, h.currency, h.version
)
SELECT d.*, count(*) OVER () AS total,
       (SELECT count(*) FROM wallet_entries e WHERE (e.player_id, e.currency) = (d.player_id, d.currency))
       + (SELECT count(*) FROM loyalty_entries p
          WHERE p.player_id = d.player_id AND d.currency = '{POINTS}') AS entries
FROM differing d ORDER BY d.player_id, d.currency LIMIT :cap
""")

Files = Mapping[str, object]
"""Each anchor's file by its name, as JSON; None where it could not be read."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """One anchor, with the root and the seal of the one before (32 zero bytes before the first)."""

    id: int
    taken_at: dt.datetime
    balances: int
    entries: int
    heads: int
    root: bytes
    seal: bytes
    root_before: bytes
    seal_before: bytes

    @property
    def file_name(self) -> str:
        """Of its file; sorts by id."""
        return f"{_PREFIX}{self.id:09d}.json"

    def document(self) -> dict[str, object]:
        """What stands in its file: bytes as hexadecimal digits, the time as text in UTC."""
        return {
            "format": FORMAT,
            "id": self.id,
            "taken_at": self.taken_at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
            "balances": self.balances,
            "entries": self.entries,
            "heads": self.heads,
            "root_before": self.root_before.hex(),
            "root": self.root.hex(),
            "seal_before": self.seal_before.hex(),
            "seal": self.seal.hex(),
        }


def seal(
    key: bytes,
    *,
    anchor_id: int,
    taken_at: dt.datetime,
    balances: int,
    entries: int,
    heads: int,
    root: bytes,
    seal_before: bytes,
) -> bytes:
    """HMAC-SHA256 over an anchor, serialised as entries are: each field with its length before it."""
    fields = (
        (FORMAT, "text"),
        (anchor_id, "integer"),
        (taken_at, "instant"),
        (balances, "integer"),
        (entries, "integer"),
        (heads, "integer"),
        (root, "digest"),
        (seal_before, "digest"),
    )
    return hmac.digest(key, b"".join(chain.field(value, kind) for value, kind in fields), "sha256")


def leaf(player_id: int, currency: str, version: int, head: bytes) -> bytes:
    """One chain's head as the root covers it, POINTS in the place of a currency; as the SQL of `take`."""
    encoded = currency.encode()
    return struct.pack(">qi", player_id, len(encoded)) + encoded + struct.pack(">q", version) + head


def take(session: Session, *, now: dt.datetime, key: bytes) -> Anchor:
    """Seal the heads that moved since the last anchor, in the caller's transaction.

    Must be the transaction's first use: it becomes REPEATABLE READ. The file is written by `write`
    after the commit. Raises Conflict when another anchor is being taken at the same time.
    """
    session.execute(_ONE_INSTANT)
    try:
        session.execute(_ANNOUNCE)
    except OperationalError as error:
        if not is_lock_held(error):
            raise
        raise Conflict("What moved in is being taken back right now: no anchor can be taken.") from error
    session.execute(_PATIENCE)
    if not session.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}).scalar_one():
        raise Conflict("Another anchor is being taken right now.")
    before = session.execute(_ALL).all()
    last = before[-1] if before else None
    root_before = last.root if last else chain.GENESIS
    seal_before = last.seal if last else chain.GENESIS
    anchor_id = last.id + 1 if last else 1
    summary = session.execute(_SUMMARY, {"root_before": root_before}).one()
    figures = {"balances": summary.balances, "entries": summary.entries, "heads": summary.heads}
    sealed = seal(
        key, anchor_id=anchor_id, taken_at=now, **figures, root=summary.root, seal_before=seal_before
    )
    try:
        session.execute(
            insert(models.Anchor).values(
                id=anchor_id, taken_at=now, **figures, root=summary.root, seal=sealed
            )
        )
    except IntegrityError as error:  # it was committed between our snapshot and our lock
        raise Conflict("Another anchor has just been taken.") from error
    session.execute(_KEEP_HEADS, {"anchor_id": anchor_id})
    return Anchor(
        id=anchor_id,
        taken_at=now,
        **figures,
        root=summary.root,
        seal=sealed,
        root_before=root_before,
        seal_before=seal_before,
    )


def hold_off(session: Session) -> None:
    """Let no anchor be taken until the caller's transaction ends; waits for one that is being taken.

    For whoever removes journals, as the owner of the tables.
    """
    session.execute(_HOLD_OFF)


def write_missing(session: Session, *, folder: Path) -> int:
    """Write the anchors that are newer than the newest file in `folder`; returns how many.

    So what could not be written is written the next time, and a new folder gets all. A file missing
    among older ones stays missing: somebody took it, and that has to show. Each appears whole or not
    at all. Raises PurserError when the folder cannot be written or holds anchors of another database.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = read_files(folder)
        kept = _chained(session.execute(_ALL).all())
        wanted = [anchor for anchor in kept if anchor.file_name > max(files, default="")]
        for anchor in wanted:
            _write(folder / anchor.file_name, anchor)
    except OSError as error:
        raise PurserError(
            f"The anchor stands in the database, but not yet as a file in {folder}: {error.strerror}."
            " The next one writes both."
        ) from error
    if kept and not wanted and files.get(kept[-1].file_name) != kept[-1].document():
        raise PurserError(
            f"{folder} holds anchors that the database does not have: run `verify`, and write anchors of"
            " another database to a folder of their own."
        )
    return len(wanted)


def read_files(folder: Path) -> Files:
    """What stands in the folder. A file that cannot be read, or is no JSON, counts as None."""
    found: dict[str, object] = {}
    for path in _paths(folder):
        try:
            found[path.name] = json.loads(path.read_bytes())
        except (OSError, ValueError):
            found[path.name] = None
    return found


def number_of(file_name: str) -> int:
    """The number in the name of an anchor's file; 0 for any other name."""
    digits = file_name.removeprefix(_PREFIX).removesuffix(".json")
    return int(digits) if digits.isdecimal() else 0


def is_sealed(document: object, *, key: bytes) -> bool:
    """Whether what stands in a file is an anchor that was sealed with this key."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return False
    try:
        due = seal(
            key,
            anchor_id=int(document["id"]),
            taken_at=dt.datetime.fromisoformat(document["taken_at"]),
            **{name: int(document[name]) for name in ("balances", "entries", "heads")},
            root=bytes.fromhex(document["root"]),
            seal_before=bytes.fromhex(document["seal_before"]),
        )
        return hmac.compare_digest(due.hex(), str(document["seal"]))
    except (KeyError, ValueError, TypeError, struct.error):
        return False


def roots(session: Session) -> dict[int, tuple[int, bytes]]:
    """By anchor: how many heads it holds, and the root that follows from them and the anchor before."""
    return {row.id: (row.heads, row.root) for row in session.execute(_ROOTS)}


def check(
    session: Session,
    found: Found,
    *,
    roots: Mapping[int, tuple[int, bytes]],
    key: bytes,
    folder: Path,
    files: Files,
) -> int:
    """Compare anchors with their roots, seals and files, and the journals with what they hold.

    `roots` as recomputed by one or the other way, `files` as read before the session's snapshot was
    taken. Returns how many anchors there are.
    """
    rows = session.execute(_ALL).all()
    kept = _chained(rows)
    _check_gaps(kept, found)
    for anchor in kept:
        _check_root_and_seal(anchor, found, roots=roots, key=key)
    read_at = rows[-1].read_at if rows else session.execute(text("SELECT now()")).scalar_one()
    _check_files(kept, found, folder=folder, files=files, read_at=read_at)
    _check_heads(session, found)
    return len(kept)


def _check_gaps(kept: Sequence[Anchor], found: Found) -> None:
    for expected, anchor in enumerate(kept, start=1):
        before = kept[expected - 2].id if expected > 1 else 0
        if anchor.id != before + 1:
            missing = ", ".join(str(number) for number in range(before + 1, anchor.id))
            found.add(wording.anchor(f"Anchor {missing} is missing from the table: it was deleted."))


def _check_root_and_seal(
    anchor: Anchor, found: Found, *, roots: Mapping[int, tuple[int, bytes]], key: bytes
) -> None:
    heads, root = roots[anchor.id]
    if (heads, root) != (anchor.heads, anchor.root):
        found.add(
            wording.anchor(
                f"The root of anchor {anchor.id} is not that of the {heads} heads it holds (it counts"
                f" {anchor.heads}): heads were changed, added or removed."
            )
        )
    due = seal(
        key,
        anchor_id=anchor.id,
        taken_at=anchor.taken_at,
        balances=anchor.balances,
        entries=anchor.entries,
        heads=anchor.heads,
        root=anchor.root,
        seal_before=anchor.seal_before,
    )
    if not hmac.compare_digest(due, anchor.seal):
        found.add(
            wording.anchor(
                f"Anchor {anchor.id} does not carry our seal: it, or the one before it, was changed by"
                " somebody without the anchor key, or this is not the key that it was sealed with."
            )
        )


def _check_files(
    kept: Sequence[Anchor], found: Found, *, folder: Path, files: Files, read_at: dt.datetime
) -> None:
    documents = {anchor.file_name: anchor.document() for anchor in kept}
    for anchor in kept:
        young = (read_at - anchor.taken_at).total_seconds() < _WRITING_SECONDS
        if anchor.file_name not in files and not young:
            found.add(wording.anchor(f"Anchor {anchor.id} has no file in {folder}."))
        elif anchor.file_name in files and files[anchor.file_name] != documents[anchor.file_name]:
            found.add(
                wording.anchor(
                    f"Anchor {anchor.id} and its file {anchor.file_name} in {folder} differ:"
                    " one of them was changed."
                )
            )
    for name in sorted(files.keys() - documents.keys()):
        found.add(
            wording.anchor(
                f"There is a file {name} in {folder}, and no such anchor in the table: it was deleted there,"
                " or an older backup was restored."
            )
        )


def _check_heads(session: Session, found: Found) -> None:
    rows = session.execute(_HEADS_DIFFERING, {"cap": CAP}).all()
    findings = [
        wording.head_missing(row.player_id, row.currency, row.version, row.anchor_id, row.entries)
        if row.missing
        else wording.head_changed(row.player_id, row.currency, row.version, row.anchor_id)
        for row in rows
    ]
    found.merge(findings, {Check.ANCHORED: rows[0].total} if rows else {})


def _chained(rows: Sequence[Row[Any]]) -> list[Anchor]:
    """The rows, each with root and seal of the row with the id before it."""
    known = {row.id: row for row in rows}
    made = []
    for row in rows:
        before = known.get(row.id - 1)
        made.append(
            Anchor(
                id=row.id,
                taken_at=row.taken_at,
                balances=row.balances,
                entries=row.entries,
                heads=row.heads,
                root=row.root,
                seal=row.seal,
                root_before=before.root if before else chain.GENESIS,
                seal_before=before.seal if before else chain.GENESIS,
            )
        )
    return made


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{_PREFIX}*.json"))


def _write(path: Path, anchor: Anchor) -> None:
    """The file is there whole, or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(anchor.document(), file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    at = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(at)
    finally:
        os.close(at)
