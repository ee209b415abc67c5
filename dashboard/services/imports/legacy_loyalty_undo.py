"""Take back members whom imports of loyalty made: everything that the runs made, or nothing.

Entries are append-only for the application, so this runs as the owner of the tables, in one transaction.
It is refused where anything else has touched one of the members, and where an anchor holds their journals:
an anchored journal that is gone is what `verify` is there to find.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Column, Table, column, func, select, table, text
from sqlalchemy.orm import Session

from dashboard.db import Base
from dashboard.errors import Conflict, NotFound
from dashboard.services import anchors, loyalty_sums, points_journal, staff_log
from dashboard.services.actors import SYSTEM
from dashboard.services.imports import legacy_loyalty, legacy_loyalty_writing
from dashboard.services.imports.legacy_report import TouchedPlayer, Undone
from dashboard.services.imports.legacy_undo import Anchored, Touched
from dashboard.services.points_wording import POINTS

# What a run makes of loyalty, and of players who are new, each in the order in which it can go.
MEMBERS = (
    *("legacy_loyalty_rows", "legacy_members", "points_allocations", "tier_history", "points_batches"),
    *("loyalty_cards", "loyalty_entries", "loyalty_wallets"),
)
PLAYERS = ("balances", "wallets", "player_handles", "players")
# Rows of these about a member are always somebody else's doing, also where the player was there before.
_OF_MEMBERS = ("points_requests", "loyalty_notices", "outgoing_events")

_RUNS = text("""
SELECT DISTINCT m.run_id
FROM unnest(CAST(:external_ids AS text[])) AS g(external_id)
JOIN player_handles h
  ON h.operator_id = :operator AND h.kind = 'external_id' AND h.handle = lower(g.external_id)
JOIN legacy_members m ON m.player_id = h.player_id
""")
# A run that is still under way waits here, and then finds that it is gone.
_LOCK_RUNS = text("SELECT id FROM legacy_runs WHERE id = ANY(:runs) ORDER BY id FOR UPDATE")
_GATHER = text("""
CREATE TEMPORARY TABLE leaving ON COMMIT DROP AS
SELECT m.player_id, m.is_new FROM legacy_members m WHERE m.run_id = ANY(:runs)
""")
# Right after a large run nothing is known of its tables, and the checks of foreign keys would walk them all.
_ANALYZE = text(f"ANALYZE leaving, {', '.join((*MEMBERS, *PLAYERS))}")
_LEAVING = table("leaving", column("player_id"), column("is_new"))
# In the order that everybody keeps; the players last, so that nothing can refer to them anew.
_LOCKS = (
    text("""
    SELECT FROM loyalty_wallets WHERE player_id IN (SELECT player_id FROM leaving)
    ORDER BY player_id FOR UPDATE
    """),
    text("""
    SELECT FROM balances WHERE player_id IN (SELECT player_id FROM leaving WHERE is_new)
    ORDER BY player_id, currency FOR UPDATE
    """),
    text("""
    SELECT FROM wallets WHERE player_id IN (SELECT player_id FROM leaving WHERE is_new)
    ORDER BY player_id FOR UPDATE
    """),
    text("""
    SELECT FROM players WHERE id IN (SELECT player_id FROM leaving WHERE is_new) ORDER BY id FOR UPDATE
    """),
)
_MOVED_IN = text("""
SELECT m.player_id, m.is_new, m.made, p.external_id
FROM legacy_members m JOIN players p ON p.id = m.player_id
WHERE m.player_id IN (SELECT player_id FROM leaving) ORDER BY m.player_id
""")
# The money of a player who was there before is nobody's business here.
_ANCHORS = text("""
SELECT count(DISTINCT h.player_id) AS players, min(a.id) AS id, min(a.taken_at) AS taken_at
FROM anchor_heads h JOIN anchors a ON a.id = h.anchor_id JOIN leaving l ON l.player_id = h.player_id
WHERE l.is_new OR h.currency = :points
""")
_TAKE_OFF_MONTHS = text("""
UPDATE loyalty_months t SET
  loaded = t.loaded - s.loaded, remaining = t.remaining - s.remaining, redeemed = t.redeemed - s.redeemed,
  expired = t.expired - s.expired, reversed = t.reversed - s.reversed
FROM (
  SELECT operator_id, CAST(date_trunc('month', CAST(expires_on AS timestamp)) AS date) AS month,
         mod(player_id, :slots) AS slot, sum(loaded) AS loaded, sum(remaining) AS remaining,
         sum(redeemed) AS redeemed, sum(expired) AS expired, sum(reversed) AS reversed
  FROM points_batches WHERE player_id IN (SELECT player_id FROM leaving) GROUP BY 1, 2, 3
) AS s
WHERE t.operator_id = s.operator_id AND t.month = s.month AND t.slot = s.slot
""")
_TAKE_OFF_SUMS = (
    text("""
    INSERT INTO loyalty_days (operator_id, day, kind, entries, points, amount)
    SELECT operator_id, CAST(created_at AT TIME ZONE 'UTC' AS date), kind, -count(*), -sum(points),
           -coalesce(sum(payment_amount), 0)
    FROM loyalty_entries WHERE player_id IN (SELECT player_id FROM leaving) GROUP BY 1, 2, 3
    """),
    text("""
    INSERT INTO tier_members (operator_id, tier_id, members)
    SELECT operator_id, coalesce(tier_id, 0), -count(*)
    FROM loyalty_wallets WHERE player_id IN (SELECT player_id FROM leaving) GROUP BY 1, 2
    """),
)
_EMPTY_MONTHS = text("DELETE FROM loyalty_months WHERE operator_id = :operator AND loaded = 0")
_TIERS = text("""
SELECT l.tier_id, l.made, t.name,
       json_build_object('code', t.code, 'name', t.name, 'minimum_payment', t.minimum_payment,
                         'points', t.points, 'discount_bp', t.discount_bp,
                         'validity_months', t.validity_months, 'is_active', t.is_active) AS standing
FROM legacy_tiers l JOIN loyalty_tiers t ON t.id = l.tier_id WHERE l.run_id = ANY(:runs)
""")


def undo(
    session: Session, external_ids: Sequence[str], *, folder: str, operator: str, now: dt.datetime
) -> Undone:
    """Remove exactly what every run made that moved in one of these members; returns what went.

    `session` must be the owner's, and its transaction is all or nothing. Raises NotFound where none of them
    moved in, Touched, Anchored, and Conflict where somebody else uses a tier that a run made.
    """
    house = legacy_loyalty.find_house(session, operator)
    anchors.hold_off(session)
    parameters = {"operator": house.operator_id, "external_ids": list(external_ids)}
    runs = sorted(session.scalars(_RUNS, parameters))
    if not runs:
        raise NotFound(f"No patient of {folder} has moved in: there is nothing to take back.")
    session.execute(_LOCK_RUNS, {"runs": runs})
    session.execute(_GATHER, {"runs": runs})
    session.execute(_ANALYZE)
    for lock in _LOCKS:
        session.execute(lock)
    _refuse_anchored(session)
    members = _refuse_touched(session)
    session.execute(_TAKE_OFF_MONTHS, {"slots": points_journal.SLOTS})
    for statement in _TAKE_OFF_SUMS:
        session.execute(statement)
    loyalty_sums.fold(session, waits=True)
    done = Undone(members, {name: _delete(session, name, new_only=False) for name in MEMBERS})
    done.removed |= {name: _delete(session, name, new_only=True) for name in PLAYERS}
    session.execute(_EMPTY_MONTHS, {"operator": house.operator_id})
    done.removed["loyalty_tiers"] = _delete_tiers(session, runs)
    session.execute(text("DELETE FROM legacy_reports WHERE run_id = ANY(:runs)"), {"runs": runs})
    session.execute(text("DELETE FROM legacy_runs WHERE id = ANY(:runs)"), {"runs": runs})
    details: staff_log.Details = {"folder": folder, "players": members}
    staff_log.record(
        session, SYSTEM, "points.taken_back", operator_id=house.operator_id, details=details, now=now
    )
    return done


def _refuse_anchored(session: Session) -> None:
    held = session.execute(_ANCHORS, {"points": POINTS}).one()
    if held.players:
        raise Anchored(
            f"Anchor {held.id} of {held.taken_at:%Y-%m-%d %H:%M} UTC holds the journals of {held.players:,}"
            " of these members: it would not verify any more without them, so nothing was taken back."
            " Correct them by adjustments, or restore a backup from before."
        )


def _refuse_touched(session: Session) -> int:
    """Whatever hangs on these members must be what the run made, as it was then. How many they are."""
    rows = session.execute(_MOVED_IN).all()
    standing = legacy_loyalty_writing.standing_of(session, {row.player_id: row.is_new for row in rows})
    others = _what_else(session)
    touched = []
    for row in rows:
        was, now = json.loads(row.made), json.loads(standing[row.player_id])
        changed = [part for part in was if was[part] != now[part]] + others[row.player_id]
        if changed:
            touched.append(TouchedPlayer(row.player_id, row.external_id, tuple(changed)))
    if touched:
        raise Touched(touched)
    return len(rows)


def _what_else(session: Session) -> dict[int, list[str]]:
    """By player: which tables hold rows of theirs that no run makes.

    Of players who were there before, only tables about members count.
    """
    found: dict[int, list[str]] = defaultdict(list)
    for other in Base.metadata.sorted_tables:
        if other.name in {*MEMBERS, *PLAYERS} or other.name == "anchor_heads":
            continue
        leaving = select(_LEAVING.c.player_id)
        if other.name not in _OF_MEMBERS:
            leaving = leaving.where(_LEAVING.c.is_new)
        for owner in _owners(other):
            for player_id in session.scalars(select(owner).where(owner.in_(leaving)).distinct()):
                found[player_id].append(other.name)
    return found


def _owners(of: Table) -> list[Column[int]]:
    return [each for each in of.columns if each.name == "player_id" or each.name.endswith("_player_id")]


def _delete(session: Session, name: str, *, new_only: bool) -> int:
    gone: Table = Base.metadata.tables[name]
    owner = gone.c.id if name == "players" else gone.c.player_id
    leaving = select(_LEAVING.c.player_id)
    if new_only:
        leaving = leaving.where(_LEAVING.c.is_new)
    deleted = gone.delete().where(owner.in_(leaving)).returning(owner).cte("deleted")
    return session.scalars(select(func.count()).select_from(deleted)).one()


def _delete_tiers(session: Session, runs: Sequence[int]) -> int:
    """The tiers that the runs made, which nobody else may have changed or come to."""
    made = session.execute(_TIERS, {"runs": list(runs)}).all()
    for row in made:
        if json.loads(row.made) != row.standing:
            raise Conflict(f"The tier {row.name} has been changed since it moved in: nothing was taken back.")
    session.execute(text("DELETE FROM legacy_tiers WHERE run_id = ANY(:runs)"), {"runs": list(runs)})
    ids = [row.tier_id for row in made]
    for other in Base.metadata.sorted_tables:
        for owner in other.columns:
            is_one = any(key.target_fullname == "loyalty_tiers.id" for key in owner.foreign_keys)
            if is_one and session.scalars(select(owner).where(owner.in_(ids)).limit(1)).first():
                raise Conflict(
                    f"A tier that moved in is used by others ({other.name}): nothing was taken back."
                )
    tiers = Base.metadata.tables["loyalty_tiers"]
    session.execute(tiers.delete().where(tiers.c.id.in_(ids)))
    return len(ids)
