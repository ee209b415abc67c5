"""Keeping VIP rules and levels: editing a rule with its versions, xp, and a level set by hand.

What the rules say about a change is judged in `vip`, which is pure.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.vip import Level, VipLevel, VipLevelChange, VipRule, VipRuleVersion
from dashboard.services import staff_log, vip
from dashboard.services.actors import Actor


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a rule, in minor units of its currency; `drop_percent` in percent."""

    min_balance: int
    max_balance: int
    daily_limit: int
    weekly_limit: int
    warning_threshold: int
    critical_threshold: int
    drop_percent: int
    approval_threshold: int


def edit_rule(
    session: Session,
    *,
    level: Level,
    currency: str,
    figures: Figures,
    seen_version: int,
    actor: Actor,
    now: dt.datetime,
) -> int:
    """Put new figures in force and keep them as the next version; returns that version.

    Changes that are in flight are judged by the rule that they read. Raises NotFound, Rejected at
    the field that is out of range, Conflict when somebody edited the rule after `seen_version`.
    """
    _refuse_out_of_range(figures)
    key = {"operator_id": actor.operator_id, "level": level, "currency": currency}
    rule = session.scalar(select(VipRule).filter_by(**key).with_for_update())
    if rule is None:
        raise NotFound("There is no such rule.")
    if rule.version != seen_version:
        raise Conflict(f"Somebody changed this rule in between: it is at version {rule.version} now.")
    before = {name: getattr(rule, name) for name in asdict(figures)}
    version = seen_version + 1
    session.execute(update(VipRule).filter_by(**key).values(**asdict(figures), version=version))
    session.execute(
        insert(VipRuleVersion).values(
            **key, **asdict(figures), version=version, changed_by=actor.reference, changed_at=now
        )
    )
    changed = {
        name: f"{before[name]} → {figure}"
        for name, figure in asdict(figures).items()
        if before[name] != figure
    }
    details: staff_log.Details = {
        "level": str(level),
        "currency": currency,
        "version": version,
        **changed,
    }
    staff_log.record(session, actor, "vip_rule.edited", details=details, now=now)
    return version


def set_level(
    session: Session, *, player_id: int, level: Level, reason: str, actor: Actor, now: dt.datetime
) -> None:
    """Give a player a level by hand; xp stay as they are, and the next gain may raise it further.

    Raises NotFound, or Conflict when the player has that level already.
    """
    wallet = _lock_wallet(session, player_id, actor)
    if wallet.vip_level == level:
        raise Conflict(f"The player is already {level}.")
    session.execute(
        text("UPDATE wallets SET vip_level = :level, xp = 0 WHERE player_id = :p"),
        {"level": level, "p": player_id},
    )
    _keep_level_change(
        session, wallet, level=level, total_xp=wallet.total_xp, reason=reason, actor=actor, now=now
    )
    details = {"from": wallet.vip_level, "to": str(level), "reason": reason}
    staff_log.record(
        session,
        actor,
        "vip_level.set",
        player_id=player_id,
        details=details,
        operator_id=wallet.operator_id,
        now=now,
    )


def add_xp(session: Session, *, player_id: int, xp: int, reason: str, actor: Actor, now: dt.datetime) -> str:
    """Add xp (not negative) and raise the level at once where the total reaches one; returns the level.

    A level never falls by this, so one that was set by hand stays until xp reach a higher one.
    Raises NotFound.
    """
    wallet = _lock_wallet(session, player_id, actor)
    total_xp = wallet.total_xp + xp
    thresholds = session.execute(
        select(VipLevel.level, VipLevel.xp_from).filter_by(operator_id=wallet.operator_id)
    )
    reached = vip.level_for(
        total_xp, {row.level: row.xp_from for row in thresholds if row.xp_from is not None}
    )
    ranks = list(Level)
    level = max(Level(wallet.vip_level), Level(reached), key=ranks.index)
    rises = level != wallet.vip_level
    session.execute(
        text("UPDATE wallets SET vip_level = :level, xp = :xp, total_xp = :total WHERE player_id = :p"),
        {"level": level, "xp": 0 if rises else wallet.xp + xp, "total": total_xp, "p": player_id},
    )
    if rises:
        _keep_level_change(
            session, wallet, level=level, total_xp=total_xp, reason=reason, actor=actor, now=now
        )
    return level


@dataclass(frozen=True, slots=True)
class Gain:
    """Xp (not negative) that a player gained at a moment, and for what."""

    player_id: int
    xp: int
    reason: str
    at: dt.datetime


# Ranks stand in :levels, lowest first: a level is reached by xp alone, and never lost to them.
_ADD_XP_MANY = text("""
WITH given AS (
  SELECT * FROM unnest(CAST(:players AS bigint[]), CAST(:xps AS bigint[]), CAST(:reasons AS text[]),
                       CAST(:times AS timestamptz[])) AS g(player_id, xp, reason, at)
), standing AS (
  SELECT w.player_id, w.operator_id, w.vip_level, w.xp + g.xp AS xp, w.total_xp + g.xp AS total_xp,
         g.reason, g.at
  FROM given g JOIN wallets w ON w.player_id = g.player_id
  ORDER BY w.player_id
  FOR UPDATE OF w
), reaching AS (
  SELECT s.*, coalesce(higher.level, s.vip_level) AS level
  FROM standing s
  LEFT JOIN LATERAL (
    SELECT l.level FROM vip_levels l
    WHERE l.operator_id = s.operator_id AND l.xp_from <= s.total_xp
      AND array_position(CAST(:levels AS text[]), l.level)
        > array_position(CAST(:levels AS text[]), s.vip_level)
    ORDER BY array_position(CAST(:levels AS text[]), l.level) DESC LIMIT 1
  ) AS higher ON true
), moved AS (
  UPDATE wallets w
  SET vip_level = r.level, total_xp = r.total_xp, xp = CASE WHEN r.level = r.vip_level THEN r.xp ELSE 0 END
  FROM reaching r WHERE w.player_id = r.player_id
  RETURNING w.player_id
), kept AS (
  INSERT INTO vip_level_changes (player_id, operator_id, from_level, to_level, reason, total_xp,
                                 changed_by, changed_at)
  SELECT player_id, operator_id, vip_level, level, reason, total_xp, :who, at
  FROM reaching WHERE level <> vip_level
)
SELECT count(*) FROM moved
""")


def add_xp_many(session: Session, gains: Sequence[Gain], *, actor: Actor) -> None:
    """Add xp to many players as `add_xp` does, in one statement; at most one gain a player.

    For the system: it does not ask whose operator they are. Locks the wallets in the order of
    their players. Raises NotFound for a player who has no wallet.
    """
    parameters = {
        "players": [gain.player_id for gain in gains],
        "xps": [gain.xp for gain in gains],
        "reasons": [gain.reason for gain in gains],
        "times": [gain.at for gain in gains],
        "levels": list(Level),
        "who": actor.reference,
    }
    if session.scalar(_ADD_XP_MANY, parameters) != len(gains):
        raise NotFound("There is no wallet for some of these players.")


def _refuse_out_of_range(figures: Figures) -> None:
    checks = [
        ("min_balance", figures.min_balance <= 0, "The minimum is a credit line: zero or below."),
        ("max_balance", figures.max_balance > 0, "The maximum must be above zero."),
        ("daily_limit", figures.daily_limit > 0, "The daily limit must be above zero."),
        (
            "weekly_limit",
            figures.weekly_limit >= figures.daily_limit,
            "The weekly limit must not be below the daily limit.",
        ),
        (
            "critical_threshold",
            figures.critical_threshold >= 0,
            "The critical threshold must not be negative.",
        ),
        (
            "warning_threshold",
            figures.warning_threshold >= figures.critical_threshold,
            "The warning threshold must not be below the critical threshold.",
        ),
        (
            "approval_threshold",
            figures.approval_threshold >= 0,
            "The approval threshold must not be negative.",
        ),
        ("drop_percent", 1 <= figures.drop_percent <= 100, "The drop is a percentage from 1 to 100."),
    ]
    for field, holds, message in checks:
        if not holds:
            raise Rejected(message, field=field)


def _lock_wallet(session: Session, player_id: int, actor: Actor) -> Row[Any]:
    wallet = session.execute(
        text("""
        SELECT player_id, operator_id, vip_level, xp, total_xp FROM wallets WHERE player_id = :p FOR UPDATE
        """),
        {"p": player_id},
    ).one_or_none()
    if wallet is None or not actor.serves(wallet.operator_id):
        raise NotFound("There is no such player.")
    return wallet


def _keep_level_change(
    session: Session,
    wallet: Row[Any],
    *,
    level: str,
    total_xp: int,
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> None:
    session.execute(
        insert(VipLevelChange).values(
            player_id=wallet.player_id,
            operator_id=wallet.operator_id,
            from_level=wallet.vip_level,
            to_level=level,
            reason=reason,
            total_xp=total_xp,
            changed_by=actor.reference,
            changed_at=now,
        )
    )
