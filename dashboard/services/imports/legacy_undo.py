"""Take back what moved in from old tables: everything that the runs made, or nothing.

Entries are append-only for the application, so this runs as the owner of the tables, in one
transaction. It is refused where anything else has touched one of the wallets, and where an anchor
holds their heads: an anchored journal that is gone is what `verify` is there to find.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Table, column, func, select, table, text
from sqlalchemy.orm import Session

from dashboard.db import Base
from dashboard.errors import Conflict, NotFound
from dashboard.services import anchors, rollups, staff_log
from dashboard.services.actors import SYSTEM
from dashboard.services.imports import legacy_files, legacy_wallets, legacy_writing
from dashboard.services.imports.legacy_report import TouchedPlayer, Undone

_NAMED = 10
"""So many players are named in the message; the exception carries all of them."""

# What a run makes, in the order in which it can go: what refers to others first.
MADE = (
    *("legacy_rows", "legacy_players", "bonuses", "withdrawals", "wallet_entries", "balances"),
    *("vip_level_changes", "wallets", "player_handles", "players"),
)
_ANCHORED = "anchor_heads"

_RUNS = text("""
SELECT DISTINCT m.run_id
FROM unnest(CAST(:external_ids AS text[])) AS g(external_id)
JOIN player_handles h
  ON h.operator_id = :operator AND h.kind = 'external_id' AND h.handle = lower(g.external_id)
JOIN legacy_players m ON m.player_id = h.player_id
""")
# A run that is still under way waits here, and then finds that it is gone.
_LOCK_RUNS = text("SELECT id FROM legacy_runs WHERE id = ANY(:runs) ORDER BY id FOR UPDATE")
# Whom all the runs made, for as long as the transaction lasts.
_GATHER = text("""
CREATE TEMPORARY TABLE leaving ON COMMIT DROP AS
SELECT m.player_id FROM legacy_players m WHERE m.run_id = ANY(:runs)
""")
# Right after a large run nothing is known of its tables, and the checks of foreign keys would walk them all.
_ANALYZE = text(f"ANALYZE leaving, {', '.join(MADE)}")
_LEAVING = table("leaving", column("player_id"))
_LEAVING_IDS = select(_LEAVING.c.player_id)
# In the order that everybody keeps; the players last, so that nothing can refer to them anew.
_LOCKS = (
    text("""
    SELECT FROM withdrawals WHERE player_id IN (SELECT player_id FROM leaving)
    ORDER BY player_id, id FOR UPDATE
    """),
    text("""
    SELECT FROM balances WHERE player_id IN (SELECT player_id FROM leaving)
    ORDER BY player_id, currency FOR UPDATE
    """),
    text("""
    SELECT FROM wallets WHERE player_id IN (SELECT player_id FROM leaving) ORDER BY player_id FOR UPDATE
    """),
    text("SELECT FROM players WHERE id IN (SELECT player_id FROM leaving) ORDER BY id FOR UPDATE"),
)
# What a model found odd about them goes with them, unless a person has said something to it.
_UNSEEN = text("""
DELETE FROM anomalies WHERE player_id IN (SELECT player_id FROM leaving) AND mark IS NULL
""")
_MOVED_IN = text("""
SELECT m.player_id, m.made, p.external_id
FROM legacy_players m JOIN players p ON p.id = m.player_id
WHERE m.player_id IN (SELECT player_id FROM leaving) ORDER BY m.player_id
""")
_ANCHORS = text("""
SELECT count(DISTINCT h.player_id) AS players, min(a.id) AS id, min(a.taken_at) AS taken_at
FROM anchor_heads h JOIN anchors a ON a.id = h.anchor_id
WHERE h.player_id IN (SELECT player_id FROM leaving)
""")


class Touched(Conflict):
    """Something else has happened to some of the wallets since: nothing is taken back."""

    def __init__(self, players: Sequence[TouchedPlayer]) -> None:
        named = "; ".join(f"{one.external_id} ({', '.join(one.what)})" for one in players[:_NAMED])
        more = f"; and {len(players) - _NAMED:,} more" if len(players) > _NAMED else ""
        super().__init__(
            f"{len(players):,} wallets have been touched since they moved in, so nothing was taken back:"
            f" {named}{more}."
        )
        self.players = tuple(players)


class Anchored(Conflict):
    """An anchor holds heads of journals that the runs made: they must stay."""


def undo(session: Session, *, folder: Path, operator: str, now: dt.datetime) -> Undone:
    """Remove exactly what every run made that moved in a player of `folder`; returns what went.

    `session` must be the owner's, and its transaction is all or nothing. Raises NotFound where nobody
    of the folder moved in, Touched, Anchored.
    """
    house = legacy_wallets.find_house(session, operator)
    anchors.hold_off(session)
    external_ids = legacy_files.read(folder).player_ids()
    parameters = {"operator": house.operator_id, "external_ids": external_ids}
    runs = sorted(session.scalars(_RUNS, parameters))
    if not runs:
        raise NotFound(f"No player of {folder} has moved in: there is nothing to take back.")
    session.execute(_LOCK_RUNS, {"runs": runs})
    session.execute(_GATHER, {"runs": runs})
    session.execute(_ANALYZE)
    for lock in _LOCKS:
        session.execute(lock)
    _refuse_anchored(session)
    # Their entries are counted into the operator's days, which are made again from those that stay.
    rollups.forget(session, operator_id=house.operator_id)
    session.execute(_UNSEEN)
    players = _refuse_touched(session)
    done = Undone(players, {name: _delete(session, name) for name in MADE})
    session.execute(text("DELETE FROM legacy_runs WHERE id = ANY(:runs)"), {"runs": runs})
    details: staff_log.Details = {"folder": folder.resolve().name, "players": players}
    staff_log.record(
        session, SYSTEM, "wallets.taken_back", operator_id=house.operator_id, details=details, now=now
    )
    return done


def _refuse_anchored(session: Session) -> None:
    held = session.execute(_ANCHORS).one()
    if held.players:
        raise Anchored(
            f"Anchor {held.id} of {held.taken_at:%Y-%m-%d %H:%M} UTC holds the journals of {held.players:,}"
            " of these players: it would not verify any more without them, so nothing was taken back."
            " Correct them by adjustments and reversals, or restore a backup from before."
        )


def _refuse_touched(session: Session) -> int:
    """Whatever hangs on these players must be what the run made, as it was then. How many they are."""
    rows = session.execute(_MOVED_IN).all()
    standing = legacy_writing.standing_of(session, [row.player_id for row in rows])
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
    """By player: which tables hold rows of theirs that no run makes."""
    found: dict[int, list[str]] = defaultdict(list)
    for other in Base.metadata.sorted_tables:
        if other.name in MADE or other.name == _ANCHORED:
            continue
        for owner in other.columns:
            if owner.name == "player_id" or owner.name.endswith("_player_id"):
                of_leaving = select(owner).where(owner.in_(_LEAVING_IDS)).distinct()
                for player_id in session.scalars(of_leaving):
                    found[player_id].append(other.name)
    return found


def _delete(session: Session, name: str) -> int:
    gone: Table = Base.metadata.tables[name]
    owner = gone.c.id if name == "players" else gone.c.player_id
    deleted = gone.delete().where(owner.in_(_LEAVING_IDS)).returning(owner).cte("deleted")
    return session.scalars(select(func.count()).select_from(deleted)).one()
