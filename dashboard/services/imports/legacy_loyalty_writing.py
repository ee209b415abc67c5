"""Write members who move in: tiers, wallets, entries, cards, and the record of what each old row became.

A set of members is one transaction of the caller's, a few statements whatever its size; points move
through `points_replay.write`.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models import LegacyTier
from dashboard.models.loyalty import LoyaltyTier
from dashboard.services import players, points_replay
from dashboard.services.imports import legacy_loyalty_plan, legacy_writing
from dashboard.services.imports.legacy_files import Row
from dashboard.services.imports.legacy_loyalty_plan import Card, House
from dashboard.services.imports.legacy_loyalty_replay import Played
from dashboard.services.imports.legacy_loyalty_tiers import CardType
from dashboard.services.loyalty_tiers import Tier
from dashboard.services.points_replay import Replay

# Some hundred histories are played within a transaction, which takes longer than a page may.
_PATIENCE = text("""
SELECT set_config('statement_timeout', '2min', true),
       set_config('idle_in_transaction_session_timeout', '2min', true)
""")
_CARDS = text("""
INSERT INTO loyalty_cards (player_id, operator_id, number, tier_id, issued_on, expires_on, is_active)
SELECT * FROM unnest(
  CAST(:player_id AS bigint[]), CAST(:operator_id AS bigint[]), CAST(:number AS text[]),
  CAST(:tier_id AS bigint[]), CAST(:issued_on AS date[]), CAST(:expires_on AS date[]),
  CAST(:is_active AS boolean[]))
RETURNING id, number
""")
# What is ours is read from our tables: with what the files said it must add up, or the row is refused.
_MEMBERS = text("""
INSERT INTO legacy_members (player_id, operator_id, run_id, is_new, digest, loaded, redeemed, inactive,
                            deleted, expired, short, balance, made)
SELECT g.player_id, w.operator_id, :run, g.is_new, g.digest, g.loaded, g.redeemed, g.inactive, g.deleted,
       w.expired, g.short, w.balance, g.made
FROM unnest(
  CAST(:player_id AS bigint[]), CAST(:is_new AS boolean[]), CAST(:digest AS bytea[]),
  CAST(:loaded AS bigint[]), CAST(:redeemed AS bigint[]), CAST(:inactive AS bigint[]),
  CAST(:deleted AS bigint[]), CAST(:short AS bigint[]), CAST(:made AS text[])
) AS g(player_id, is_new, digest, loaded, redeemed, inactive, deleted, short, made)
JOIN loyalty_wallets w ON w.player_id = g.player_id
""")
_ROWS = text("""
INSERT INTO legacy_loyalty_rows (player_id, old_table, old_id, line, digest, kept, outcome, short, sequence,
                                 card_id)
SELECT * FROM unnest(
  CAST(:player_id AS bigint[]), CAST(:old_table AS text[]), CAST(:old_id AS text[]), CAST(:line AS bigint[]),
  CAST(:digest AS bytea[]), CAST(:kept AS text[]), CAST(:outcome AS text[]), CAST(:short AS bigint[]),
  CAST(:sequence AS bigint[]), CAST(:card_id AS bigint[]))
""")
_STANDING = text("""
SELECT w.player_id, CAST(jsonb_build_object(
  'loyalty wallet', jsonb_build_array(w.status, w.tier_id, w.discount_bp, w.tier_valid_until, w.balance,
                                      w.owed, w.version, encode(w.head, 'hex')),
  'batches', (
    SELECT coalesce(jsonb_agg(jsonb_build_array(b.number, b.expires_on, b.remaining) ORDER BY b.number), '[]')
    FROM points_batches b WHERE b.player_id = w.player_id),
  'cards', (
    SELECT coalesce(jsonb_agg(jsonb_build_array(c.number, c.is_active) ORDER BY c.number), '[]')
    FROM loyalty_cards c WHERE c.player_id = w.player_id),
  'tier history', (SELECT count(*) FROM tier_history h WHERE h.player_id = w.player_id)
) AS text) AS made
FROM loyalty_wallets w WHERE w.player_id = ANY(:players)
""")


@dataclass(frozen=True, slots=True)
class NewMember:
    """A member whom an import makes, and what the old figures were (points, as `LegacyMember` has them)."""

    replay: Replay
    is_new: bool
    digest: bytes
    loaded: int
    redeemed: int
    inactive: int = 0
    deleted: int = 0
    short: int = 0


def make_tiers(
    session: Session, types: Mapping[str, CardType], *, operator_id: int, run_id: int
) -> dict[str, Tier]:
    """The tier of each old type of card, by code; those that are not there yet are made."""
    made = {}
    for code, one in types.items():
        tier = one.tier
        if not one.is_there:
            values = {name: value for name, value in asdict(tier).items() if name != "id"}
            made_id = session.execute(
                insert(LoyaltyTier).values(operator_id=operator_id, **values).returning(LoyaltyTier.id)
            ).scalar_one()
            tier = replace(tier, id=made_id)
            record = {"tier_id": made_id, "operator_id": operator_id, "run_id": run_id, "old_id": one.old_id}
            session.execute(insert(LegacyTier).values(**record, made=json.dumps(values, sort_keys=True)))
        made[code] = tier
    return made


def register(
    session: Session, names: Mapping[str, str], *, operator_id: int, now: dt.datetime
) -> dict[str, int]:
    """Make players of those who are none yet, named by old id; their ids by it. Raises Conflict.

    The first step of a set: from here on the transaction may take its time.
    """
    session.execute(_PATIENCE)
    new = [players.NewPlayer(old_id, name) for old_id, name in names.items()]
    return players.register(session, operator_id=operator_id, players=new, now=now) if new else {}


def write(
    session: Session, played: Sequence[tuple[Played, bool]], house: House, *, run_id: int, now: dt.datetime
) -> None:
    """Make these members, new players or not. Raises Conflict where one is a member by now."""
    points_replay.write(session, [one.replay for one, _ in played])
    cards = _make_cards(session, [one for one, _ in played], house, now)
    members = [
        NewMember(
            replay=one.replay,
            is_new=is_new,
            digest=one.moving.digest(),
            loaded=one.moving.loaded,
            redeemed=one.moving.redeemed,
            inactive=one.moving.inactive,
            deleted=one.moving.deleted,
            short=one.short,
        )
        for one, is_new in played
    ]
    record(session, members, run_id=run_id)
    rows = [_row(one, row, cards) for one, _ in played for row in one.moving.rows]
    session.execute(_ROWS, _columns(rows))


def record(session: Session, members: Sequence[NewMember], *, run_id: int) -> None:
    """Write down whom a run made, and how the old figures became ours."""
    standing = standing_of(session, {member.replay.player_id: member.is_new for member in members})
    rows = [
        {
            "player_id": member.replay.player_id,
            "is_new": member.is_new,
            "digest": member.digest,
            "loaded": member.loaded,
            "redeemed": member.redeemed,
            "inactive": member.inactive,
            "deleted": member.deleted,
            "short": member.short,
            "made": standing[member.replay.player_id],
        }
        for member in members
    ]
    session.execute(_MEMBERS, {**_columns(rows), "run": run_id})


def standing_of(session: Session, is_new: Mapping[int, bool]) -> dict[int, str]:
    """How members stand, by id: JSON text of all that can move about them; of new players, the rest too."""
    member = session.execute(_STANDING, {"players": list(is_new)}).all()
    player = legacy_writing.standing_of(session, [id_ for id_, new in is_new.items() if new])
    return {
        row.player_id: json.dumps({**json.loads(row.made), **json.loads(player.get(row.player_id, "{}"))})
        for row in member
    }


def _make_cards(session: Session, played: Sequence[Played], house: House, now: dt.datetime) -> dict[str, int]:
    """Make the cards that have a number of ours; their ids by number. One that has ended is not in use."""
    today = clock.local(now, house.programme.timezone).date()
    rows = [
        _card(one, card, house.operator_id, today)
        for one in played
        for card in one.moving.cards
        if card.number
    ]
    if not rows:
        return {}
    return {row.number: row.id for row in session.execute(_CARDS, _columns(rows))}


def _card(played: Played, card: Card, operator_id: int, today: dt.date) -> dict[str, Any]:
    tiers = {tier.code: tier.id for tier in played.replay.tiers}
    return {
        "player_id": played.replay.player_id,
        "operator_id": operator_id,
        "number": card.number,
        "tier_id": tiers[card.code],
        "issued_on": card.issued_on,
        "expires_on": card.expires_on,
        "is_active": card.is_active and card.expires_on >= today,
    }


def _row(played: Played, row: Row, cards: Mapping[str, int]) -> dict[str, Any]:
    number = next((card.number for card in played.moving.cards if card.row is row), "")
    return {
        "player_id": played.replay.player_id,
        "old_table": row.table,
        "old_id": legacy_loyalty_plan.old_id(row),
        "line": row.line,
        "digest": row.digest(),
        "kept": json.dumps(row.kept(), sort_keys=True, ensure_ascii=False),
        "outcome": played.moving.outcomes.get(id(row), "moved"),
        "short": played.shorts.get(id(row), 0),
        "sequence": played.sequences.get(id(row)),
        "card_id": cards.get(number) if number else None,
    }


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows as arrays, one for each column; there is at least one row."""
    return {column: [row[column] for row in rows] for column in rows[0]}
