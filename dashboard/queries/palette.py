"""What the command palette finds: a few players, entries, games and rounds, quickly enough for every key."""

import re
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from dashboard.models import Game, Player, Round, Wallet
from dashboard.models.game import GameState
from dashboard.queries import player_list
from dashboard.queries.player_list import PlayerFilter

PLAYERS_MAX = 6
ENTRIES_MAX = 5
ROUNDS_MAX = 5
GAMES_MAX = 5
REFERENCE_LENGTH_MIN = 3
"""Shorter beginnings fit too many entries to be of use."""


@dataclass(frozen=True, slots=True)
class FoundPlayer:
    """A player whom the typed text fits."""

    id: int
    name: str
    external_id: str
    status: str


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """An entry whose reference begins with the typed text. Amounts in minor units."""

    player_id: int
    currency: str
    sequence: int
    reference: str
    change_type: str
    real_delta: int
    player_name: str


@dataclass(frozen=True, slots=True)
class FoundGame:
    """A game whose name the typed text fits."""

    id: int
    name: str
    is_running: bool


@dataclass(frozen=True, slots=True)
class FoundRound:
    """A round of the typed number."""

    id: int
    number: int
    game_name: str
    state: str


def find_games(session: Session, *, operator_id: int, typed: str) -> list[FoundGame]:
    """Up to GAMES_MAX games in play of which a word begins like this, in either case, by name."""
    beginning = re.sub(r"([\\%_])", r"\\\1", typed.strip().lower())
    rows = session.execute(
        select(Game.id, Game.name, Game.is_running)
        .where(
            Game.operator_id == operator_id,
            Game.state == GameState.ACTIVE,
            (" " + func.lower(Game.name)).like(f"% {beginning}%"),
        )
        .order_by(Game.name)
        .limit(GAMES_MAX)
    )
    return [FoundGame(*row) for row in rows]


def find_rounds(session: Session, *, operator_id: int, typed: str) -> list[FoundRound]:
    """Up to ROUNDS_MAX rounds of the number that is typed (`123`, `#123`, `round 123`), the latest first."""
    number = re.fullmatch(r"(?:round\s+)?#?([0-9]{1,15})", typed.strip().lower())
    if number is None:
        return []
    rows = session.execute(
        select(Round.id, Round.number, Game.name, Round.state)
        .join(Game, Game.id == Round.game_id)
        .where(Game.operator_id == operator_id, Round.number == int(number[1]))
        .order_by(Round.id.desc())
        .limit(ROUNDS_MAX)
    )
    return [FoundRound(*row) for row in rows]


def find_players(session: Session, *, operator_id: int, currency: str, search: str) -> list[FoundPlayer]:
    """Up to PLAYERS_MAX players by number, name, e-mail or external id: the exact one first, then the newest.

    `currency` is the home currency.
    """
    exact = player_list.find_only(session, operator_id=operator_id, search=search)
    first = None if exact is None else find_player(session, operator_id=operator_id, player_id=exact)
    known = [] if first is None else [first]
    wanted = PlayerFilter(search=search)
    total = player_list.count_players(session, operator_id=operator_id, wanted=wanted)
    page = player_list.page_of_players(
        session, operator_id=operator_id, currency=currency, wanted=wanted, total=total
    )
    rows = [FoundPlayer(row.id, row.name, row.external_id, row.status) for row in page.rows]
    return [*known, *(row for row in rows if row not in known)][:PLAYERS_MAX]


def find_player(session: Session, *, operator_id: int, player_id: int) -> FoundPlayer | None:
    """The player of that number, if the operator has one."""
    row = session.execute(
        select(Player.id, Player.name, Player.external_id, Wallet.status)
        .join(Wallet, Wallet.player_id == Player.id)
        .where(Player.id == player_id, Player.operator_id == operator_id)
    ).one_or_none()
    return None if row is None else FoundPlayer(*row)


def find_entries(session: Session, *, operator_id: int, reference: str) -> list[FoundEntry]:
    """Up to ENTRIES_MAX entries whose reference begins like this, in either case; the exact one first."""
    typed = reference.strip().lower()
    if len(typed) < REFERENCE_LENGTH_MIN:
        return []
    beginning = re.sub(r"([\\%_])", r"\\\1", typed) + "%"
    rows = session.execute(_ENTRIES, {"operator": operator_id, "beginning": beginning, "most": ENTRIES_MAX})
    return [FoundEntry(*row) for row in rows]


# In the order of the index, which begins with the shortest: what was typed in full. The players come after
# the limit.
_ENTRIES = text("""
SELECT e.player_id, e.currency, e.sequence, e.reference, e.change_type, e.real_delta, p.name
FROM (
  SELECT * FROM wallet_entries
  WHERE operator_id = :operator AND reference IS NOT NULL AND lower(reference) LIKE :beginning
  ORDER BY lower(reference) USING ~<~, player_id, currency, sequence LIMIT :most
) AS e
JOIN players p ON p.id = e.player_id AND p.operator_id = e.operator_id
ORDER BY lower(e.reference) USING ~<~, e.player_id, e.currency, e.sequence
""")
