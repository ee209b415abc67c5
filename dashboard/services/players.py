"""Players: registering them with wallet and balance, and what staff note about them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound
from dashboard.services.actors import Actor


@dataclass(frozen=True, slots=True)
class NewPlayer:
    """Who is to be registered."""

    external_id: str
    name: str
    email: str | None = None
    agent_id: int | None = None
    country: str | None = None
    created_at: dt.datetime | None = None
    """None: now."""


# One statement, so that a player never stands without wallet and balance in the home currency.
_REGISTER = text("""
WITH given AS (
  SELECT * FROM unnest(CAST(:external_ids AS text[]), CAST(:names AS text[]), CAST(:emails AS text[]),
                       CAST(:agents AS bigint[]), CAST(:countries AS text[]), CAST(:created AS timestamptz[]))
    AS g(external_id, name, email, agent_id, country, created_at)
), player AS (
  INSERT INTO players (operator_id, external_id, name, email, agent_id, country, created_at)
  SELECT :operator, external_id, name, lower(email), agent_id, country, created_at FROM given
  RETURNING id, external_id, email, created_at
), handle AS (
  INSERT INTO player_handles (operator_id, kind, handle, player_id)
  SELECT :operator, 'external_id', lower(external_id), id FROM player
  UNION ALL
  SELECT :operator, 'email', email, id FROM player WHERE email IS NOT NULL
  ON CONFLICT DO NOTHING
  RETURNING player_id
), wallet AS (
  INSERT INTO wallets (player_id, operator_id) SELECT id, :operator FROM player
), balance AS (
  INSERT INTO balances (player_id, currency, operator_id, updated_at)
  SELECT p.id, o.currency, o.id, p.created_at FROM player p JOIN operators o ON o.id = :operator
)
SELECT p.external_id, p.id, (SELECT count(*) FROM handle) AS handles,
       (SELECT count(*) + count(email) FROM player) AS wanted
FROM player p
""")


def register(
    session: Session, *, operator_id: int, players: Sequence[NewPlayer], now: dt.datetime
) -> dict[str, int]:
    """Make players, each with a wallet and a balance in the operator's currency; ids by external id.

    Raises Conflict, and nothing may be committed then, when an external id or e-mail is taken.
    """
    rows = session.execute(
        _REGISTER,
        {
            "operator": operator_id,
            "external_ids": [player.external_id for player in players],
            "names": [player.name for player in players],
            "emails": [player.email for player in players],
            "agents": [player.agent_id for player in players],
            "countries": [player.country for player in players],
            "created": [player.created_at or now for player in players],
        },
    ).all()
    if rows and rows[0].handles != rows[0].wanted:
        raise Conflict("Another player of this operator already has that external id or e-mail.")
    return {row.external_id: row.id for row in rows}


def add_note(session: Session, *, player_id: int, body: str, actor: Actor, now: dt.datetime) -> None:
    """Keep what a member of staff has to say about a player. Raises NotFound."""
    added = session.scalar(
        text("""
        INSERT INTO player_notes (player_id, operator_id, body, written_by, written_at)
        SELECT id, operator_id, :body, :who, :now FROM players WHERE id = :p AND operator_id = :operator
        RETURNING id
        """),
        {"body": body, "who": actor.id, "now": now, "p": player_id, "operator": actor.operator_id},
    )
    if added is None:
        raise NotFound("There is no such player.")
