"""Write players who move in: wallets, openings, grants, and the record of what each old row became.

A set of players is one transaction of the caller's, a few statements whatever its size. Balances move
through `balances.post_many`; a grant's money is the bonus part of the opening.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from dashboard.models import LegacyPlayer
from dashboard.models.bonus import BonusState
from dashboard.models.wallet import ChangeType, WalletStatus
from dashboard.services import balances, players
from dashboard.services.actors import SYSTEM
from dashboard.services.imports.legacy_files import Row
from dashboard.services.imports.legacy_grants import Grant
from dashboard.services.imports.legacy_plan import Moving, Opening

_FROZEN = "Frozen when it moved in."
_REASON = "Moved in"

_WALLETS = text("""
WITH given AS (
  SELECT * FROM unnest(CAST(:players AS bigint[]), CAST(:levels AS text[]), CAST(:xps AS bigint[]),
                       CAST(:totals AS bigint[]), CAST(:reasons AS text[]), CAST(:frozen AS boolean[]))
    AS g(player_id, level, xp, total_xp, reason, frozen)
), moved AS (
  UPDATE wallets w
  SET vip_level = g.level, xp = g.xp, total_xp = g.total_xp,
      status = CASE WHEN g.frozen THEN :frozen_status ELSE w.status END,
      status_reason = CASE WHEN g.frozen THEN :frozen_reason END,
      status_at = CASE WHEN g.frozen THEN CAST(:now AS timestamptz) END
  FROM given g WHERE w.player_id = g.player_id
)
INSERT INTO vip_level_changes (player_id, operator_id, from_level, to_level, reason, total_xp,
                               changed_by, changed_at)
SELECT player_id, :operator, 'default', level, reason, total_xp, :who, :now
FROM given WHERE level <> 'default'
""")

# A grant needs its balance, also where there is no money in it.
_BALANCES = text("""
INSERT INTO balances (player_id, currency, operator_id, updated_at)
SELECT DISTINCT g.player_id, g.currency, CAST(:operator AS bigint), CAST(:now AS timestamptz)
FROM unnest(CAST(:players AS bigint[]), CAST(:currencies AS text[])) AS g(player_id, currency)
ON CONFLICT DO NOTHING
""")

_WITHDRAWALS = text("""
WITH given AS (
  SELECT * FROM unnest(CAST(:players AS bigint[]), CAST(:currencies AS text[]), CAST(:amounts AS bigint[]),
                       CAST(:references AS text[]), CAST(:keys AS text[]), CAST(:fingerprints AS bytea[]))
    AS g(player_id, currency, amount, reference, key, fingerprint)
), reserved AS (
  UPDATE balances b SET pending = b.pending + g.amount
  FROM given g WHERE b.player_id = g.player_id AND b.currency = g.currency
)
INSERT INTO withdrawals (player_id, operator_id, currency, amount, reason, reference, idempotency_key,
                         fingerprint, requested_by, requested_at)
SELECT player_id, :operator, currency, amount, :reason, reference, key, fingerprint, :who, :now FROM given
""")

# In the order of the arrays: which grant is older is told by its id.
_GRANTS = text("""
INSERT INTO bonuses (player_id, operator_id, currency, name, source, state, amount, remaining,
                     wagering_multiplier, required, wagered, validity_days, idempotency_key, fingerprint,
                     reason, granted_by, granted_at, activated_at, expires_at, grant_sequence,
                     ended_at, ended_by, end_reason)
SELECT player_id, :operator, currency, name, source, state, amount, remaining, multiplier, required, wagered,
       validity_days, key, fingerprint, :reason, :who, granted_at, activated_at, expires_at, sequence,
       ended_at, CASE WHEN ended_at IS NOT NULL THEN :who END, end_reason
FROM unnest(
  CAST(:player_id AS bigint[]), CAST(:currency AS text[]), CAST(:name AS text[]), CAST(:source AS text[]),
  CAST(:state AS text[]), CAST(:amount AS bigint[]), CAST(:remaining AS bigint[]),
  CAST(:multiplier AS numeric[]), CAST(:required AS bigint[]), CAST(:wagered AS bigint[]),
  CAST(:validity_days AS bigint[]), CAST(:key AS text[]), CAST(:fingerprint AS bytea[]),
  CAST(:granted_at AS timestamptz[]), CAST(:activated_at AS timestamptz[]),
  CAST(:expires_at AS timestamptz[]), CAST(:sequence AS bigint[]), CAST(:ended_at AS timestamptz[]),
  CAST(:end_reason AS text[])
) WITH ORDINALITY AS g(
  player_id, currency, name, source, state, amount, remaining, multiplier, required, wagered, validity_days,
  key, fingerprint, granted_at, activated_at, expires_at, sequence, ended_at, end_reason, place)
ORDER BY place
RETURNING player_id, id, idempotency_key
""")

# Column by column, so that a later release may add some.
_STANDING = text("""
SELECT p.id AS player_id, CAST(jsonb_build_object(
  'player', jsonb_build_array(p.external_id, p.name, p.email, p.agent_id, p.country),
  'handles', (SELECT count(*) FROM player_handles h WHERE h.player_id = p.id),
  'wallet', jsonb_build_array(w.status, w.status_by, w.vip_level, w.xp, w.total_xp),
  'VIP level', (SELECT count(*) FROM vip_level_changes c WHERE c.player_id = p.id),
  'balances', (
    SELECT jsonb_agg(jsonb_build_array(b.currency, b.real, b.bonus, b.pending, b.version,
                                       encode(b.head, 'hex')) ORDER BY b.currency)
    FROM balances b WHERE b.player_id = p.id),
  'withdrawals', (
    SELECT coalesce(jsonb_agg(jsonb_build_array(d.id, d.state) ORDER BY d.id), '[]')
    FROM withdrawals d WHERE d.player_id = p.id),
  'bonuses', (
    SELECT coalesce(jsonb_agg(jsonb_build_array(g.id, g.state, g.remaining, g.wagered, g.converted,
                                                g.forfeited, g.owing) ORDER BY g.id), '[]')
    FROM bonuses g WHERE g.player_id = p.id)
) AS text) AS made
FROM players p JOIN wallets w ON w.player_id = p.id
WHERE p.id = ANY(:players)
""")
_ROWS = text("""
INSERT INTO legacy_rows (player_id, old_table, old_id, line, digest, kept, currency, bonus_id)
SELECT * FROM unnest(
  CAST(:player_id AS bigint[]), CAST(:old_table AS text[]), CAST(:old_id AS text[]), CAST(:line AS bigint[]),
  CAST(:digest AS bytea[]), CAST(:kept AS text[]), CAST(:currency AS text[]), CAST(:bonus_id AS bigint[]))
""")


def write(
    session: Session,
    moving: Sequence[Moving],
    *,
    operator_id: int,
    run_id: int,
    digest: str,
    now: dt.datetime,
) -> None:
    """Make these players with all that is theirs. `digest` names the files that they come from.

    Raises Conflict when somebody else has registered one of them.
    """
    new = [
        players.NewPlayer(one.old_id, one.name, one.email, country=one.country, created_at=one.created_at)
        for one in moving
    ]
    ids = players.register(session, operator_id=operator_id, players=new, now=now)
    by_id = {ids[one.old_id]: one for one in moving}
    common = {"operator": operator_id, "who": SYSTEM.reference, "now": now}
    _set_standings(session, by_id, common)
    sequences = _open_balances(session, by_id, digest, now)
    _request_withdrawals(session, by_id, digest, common)
    bonuses = _make_grants(session, by_id, sequences, digest, common)
    made = standing_of(session, list(by_id))
    session.execute(
        insert(LegacyPlayer),
        [
            {"player_id": player_id, "operator_id": operator_id, "run_id": run_id, "made": made[player_id]}
            for player_id in by_id
        ],
    )
    rows = [
        _row(player_id, one, row, bonuses.get((player_id, _key(digest, row.table, row.line))))
        for player_id, one in by_id.items()
        for row in one.rows
    ]
    session.execute(_ROWS, _columns(rows))


def standing_of(session: Session, player_ids: Sequence[int]) -> dict[int, str]:
    """How players stand, by id: JSON text, part by part, of all that can move about them."""
    rows = session.execute(_STANDING, {"players": list(player_ids)})
    return {row.player_id: row.made for row in rows}


def _key(digest: str, table: str, line: int) -> str:
    """`digest` is over several files, so that the line alone would not say which row it is."""
    return f"import:{digest}:{table}:{line}"


def _set_standings(session: Session, by_id: dict[int, Moving], common: dict[str, Any]) -> None:
    changed = [
        (player_id, one.standing, one.frozen)
        for player_id, one in by_id.items()
        if one.standing is not None or one.frozen
    ]
    if not changed:
        return
    parameters = {
        "players": [player_id for player_id, _, _ in changed],
        "levels": [standing.level if standing else "default" for _, standing, _ in changed],
        "xps": [standing.xp if standing else 0 for _, standing, _ in changed],
        "totals": [standing.total_xp if standing else 0 for _, standing, _ in changed],
        "reasons": [standing.reason if standing else "" for _, standing, _ in changed],
        "frozen": [frozen for _, _, frozen in changed],
        "frozen_status": str(WalletStatus.FROZEN),
        "frozen_reason": _FROZEN,
    }
    session.execute(_WALLETS, {**common, **parameters})


def _open_balances(
    session: Session, by_id: dict[int, Moving], digest: str, now: dt.datetime
) -> dict[tuple[int, str], int]:
    """Post the openings; the sequence of each by player and currency."""
    changes = [
        balances.Dated(_request(player_id, opening, digest), SYSTEM, now)
        for player_id, one in by_id.items()
        for opening in one.openings.values()
        if opening.real or opening.bonus
    ]
    entries = balances.post_many(session, changes, with_alerts=False)
    return {(entry.player_id, entry.currency): entry.sequence for entry in entries}


def _request(player_id: int, opening: Opening, digest: str) -> balances.Request:
    row = opening.row
    return balances.Request(
        player_id=player_id,
        currency=opening.currency,
        change_type=ChangeType.OPENING,
        real_delta=opening.real,
        bonus_delta=opening.bonus,
        reason=_REASON,
        idempotency_key=_key(digest, row.table, row.line),
        reference=row.old_id,
        metadata={"import": digest, "limits": "not applied", "old_table": row.table, "line": row.line},
    )


def _request_withdrawals(
    session: Session, by_id: dict[int, Moving], digest: str, common: dict[str, Any]
) -> None:
    wanted = [
        (player_id, opening)
        for player_id, one in by_id.items()
        for opening in one.openings.values()
        if opening.pending
    ]
    if not wanted:
        return
    keys = [_key(digest, "withdrawal", opening.row.line) for _, opening in wanted]
    parameters = {
        "players": [player_id for player_id, _ in wanted],
        "currencies": [opening.currency for _, opening in wanted],
        "amounts": [opening.pending for _, opening in wanted],
        "references": [opening.row.old_id for _, opening in wanted],
        "keys": keys,
        "fingerprints": [hashlib.sha256(key.encode()).digest() for key in keys],
        "reason": "Requested before it moved in",
    }
    session.execute(_WITHDRAWALS, {**common, **parameters})


def _make_grants(
    session: Session,
    by_id: dict[int, Moving],
    sequences: dict[tuple[int, str], int],
    digest: str,
    common: dict[str, Any],
) -> dict[tuple[int, str], int]:
    """Make the grants; the id of each by player and idempotency key."""
    rows = [
        _grant(player_id, grant, sequences.get((player_id, grant.currency)), digest)
        for player_id, one in by_id.items()
        for grant in one.grants
    ]
    if not rows:
        return {}
    columns = _columns(rows)
    named = {"players": columns["player_id"], "currencies": columns["currency"]}
    session.execute(_BALANCES, {**named, "operator": common["operator"], "now": common["now"]})
    made = session.execute(
        _GRANTS,
        {**columns, "operator": common["operator"], "who": common["who"], "reason": _REASON},
    )
    return {(row.player_id, row.idempotency_key): row.id for row in made}


def _grant(player_id: int, grant: Grant, sequence: int | None, digest: str) -> dict[str, Any]:
    is_active, has_ended = grant.state == BonusState.ACTIVE, grant.end_reason is not None
    return {
        "player_id": player_id,
        "currency": grant.currency,
        "name": grant.name,
        "source": str(grant.source),
        "state": str(grant.state),
        "amount": grant.amount,
        "remaining": grant.remaining,
        "multiplier": grant.multiplier,
        "required": grant.required,
        "wagered": grant.wagered,
        "validity_days": grant.validity_days,
        "key": _grant_key(grant, digest),
        "fingerprint": hashlib.sha256(
            json.dumps([grant.currency, grant.amount, grant.required, grant.old_id]).encode()
        ).digest(),
        "granted_at": grant.granted_at,
        "activated_at": grant.granted_at if is_active else None,
        "expires_at": grant.ends_at if is_active else None,
        "sequence": sequence if is_active else None,
        "ended_at": grant.changed_at if has_ended else None,
        "end_reason": grant.end_reason,
    }


def _grant_key(grant: Grant, digest: str) -> str:
    if grant.line is None:
        return f"import:{digest}:moved-in:{grant.currency}"
    return _key(digest, "player_bonuses", grant.line)


def _row(player_id: int, one: Moving, row: Row, bonus_id: int | None) -> dict[str, Any]:
    currencies = [currency for currency, opening in one.openings.items() if opening.row is row]
    return {
        "player_id": player_id,
        "old_table": row.table,
        "old_id": row.old_id,
        "line": row.line,
        "digest": row.digest(),
        "kept": json.dumps(row.kept(), sort_keys=True, ensure_ascii=False),
        "currency": currencies[0] if currencies else None,
        "bonus_id": bonus_id,
    }


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows as arrays, one for each column; there is at least one row."""
    return {column: [row[column] for row in rows] for column in rows[0]}
