"""Games: the tables at which rounds are played, their limits, and whether the worker runs them."""

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, insert, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.game import Dealing, Game, GameState, RuleSetState
from dashboard.services import staff_log
from dashboard.services.actors import Actor

SECONDS_MAX = 3600
_SALT_BYTES = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be changed of a game. Amounts in minor units of its currency."""

    name: str
    rule_set_id: int
    """Of the rounds to come."""
    min_bet: int
    max_bet: int
    exposure_max: int | None
    """The most that the house may lose on one round; None: whatever the bets come to."""
    betting_seconds: int
    pause_seconds: int


# Opening a round takes the same lock: what it reads of its game holds until it is open.
_LOCK = text("SELECT * FROM games WHERE id = :id FOR NO KEY UPDATE")
_RULE_SET = text("SELECT operator_id, state FROM rule_sets WHERE id = :id FOR SHARE")
_HAS_CURRENCY = text("SELECT EXISTS (SELECT FROM vip_rules WHERE operator_id = :o AND currency = :c)")
_LIVE = text("""
SELECT number FROM rounds
WHERE game_id = :id AND state IN ('scheduled', 'betting', 'locked', 'dealing', 'settling')
""")


def create(
    session: Session,
    *,
    settings: Settings,
    currency: str,
    dealing: Dealing,
    actor: Actor,
    now: dt.datetime,
    operator_id: int | None = None,
) -> int:
    """Make a game with a public salt of its own; returns its id. It does not run by itself yet.

    `operator_id` is the actor's own unless the system acts for one. Raises Rejected at the field that
    is out of range, or for a rule set that is not active; Conflict for a name in use.
    """
    operator_id = operator_id or actor.operator_id
    _refuse_out_of_range(settings)
    _refuse_rule_set(session, settings.rule_set_id, operator_id)
    if not session.scalar(_HAS_CURRENCY, {"o": operator_id, "c": currency}):
        raise Rejected(f"Players have no balances in {currency}.", field="currency")
    new = insert(Game).values(
        **asdict(settings),
        operator_id=operator_id,
        currency=currency,
        dealing=dealing,
        public_salt=secrets.token_hex(_SALT_BYTES),
        made_at=now,
    )
    try:
        with session.begin_nested():
            game_id = session.scalars(new.returning(Game.id)).one()
    except IntegrityError as error:
        raise _name_in_use(error, settings.name) from error
    details = {**asdict(settings), "game": game_id, "currency": currency, "dealing": str(dealing)}
    _log(session, "game.created", details, operator_id=operator_id, actor=actor, now=now)
    return game_id


def edit(session: Session, *, game_id: int, settings: Settings, actor: Actor, now: dt.datetime) -> None:
    """Put other settings in force: limits at once, the rest from the next round on.

    A round keeps the rule set that it was opened with. Raises NotFound, Rejected as `create` does,
    Conflict for a retired game or a name in use.
    """
    _refuse_out_of_range(settings)
    game = lock(session, game_id, actor)
    _refuse_retired(game)
    if settings.rule_set_id != game.rule_set_id:
        _refuse_rule_set(session, settings.rule_set_id, game.operator_id)
    try:
        with session.begin_nested():
            session.execute(update(Game).filter_by(id=game_id).values(**asdict(settings)))
    except IntegrityError as error:
        raise _name_in_use(error, settings.name) from error
    changed = {
        name: f"{_shown(getattr(game, name))} → {_shown(value)}"
        for name, value in asdict(settings).items()
        if value != getattr(game, name)
    }
    details = {"game": game_id, **changed}
    _log(session, "game.edited", details, operator_id=game.operator_id, actor=actor, now=now)


def set_running(session: Session, *, game_id: int, running: bool, actor: Actor, now: dt.datetime) -> None:
    """Let the worker open, deal and settle the game's rounds by itself, or no longer open new ones.

    A round that the worker has opened is played to its end either way. Raises NotFound; Rejected where
    staff deal; Conflict for a retired game, or where it is so already.
    """
    game = lock(session, game_id, actor)
    _refuse_retired(game)
    if game.dealing == Dealing.MANUAL and running:
        raise Rejected("Staff deal at this table: it cannot run by itself.")
    if game.is_running == running:
        raise Conflict("The game runs by itself already." if running else "The game is stopped already.")
    session.execute(update(Game).filter_by(id=game_id).values(is_running=running))
    action = "game.started" if running else "game.stopped"
    _log(session, action, {"game": game_id}, operator_id=game.operator_id, actor=actor, now=now)


def retire(session: Session, *, game_id: int, actor: Actor, now: dt.datetime) -> None:
    """Let no more rounds be opened, for good. Raises NotFound; Conflict while a round is being played."""
    game = lock(session, game_id, actor)
    _refuse_retired(game)
    number = session.scalar(_LIVE, {"id": game_id})
    if number is not None:
        raise Conflict(f"Round {number} is being played: finish or void it first.")
    session.execute(update(Game).filter_by(id=game_id).values(state=GameState.RETIRED, is_running=False))
    _log(session, "game.retired", {"game": game_id}, operator_id=game.operator_id, actor=actor, now=now)


def lock(session: Session, game_id: int, actor: Actor) -> Row[Any]:
    """The game's row, locked until the transaction ends. Raises NotFound."""
    game = session.execute(_LOCK, {"id": game_id}).one_or_none()
    if game is None or not actor.serves(game.operator_id):
        raise NotFound("There is no such game.")
    return game


def _refuse_retired(game: Row[Any]) -> None:
    if game.state == GameState.RETIRED:
        raise Conflict("This game is retired.")


def _refuse_rule_set(session: Session, rule_set_id: int, operator_id: int) -> None:
    rule_set = session.execute(_RULE_SET, {"id": rule_set_id}).one_or_none()
    if rule_set is None or rule_set.operator_id != operator_id:
        raise Rejected("There is no such rule set.", field="rule_set_id")
    if rule_set.state != RuleSetState.ACTIVE:
        raise Rejected("Choose a rule set that is active.", field="rule_set_id")


def _refuse_out_of_range(settings: Settings) -> None:
    checks = [
        ("name", len(settings.name.strip()) >= 1 and len(settings.name) <= 60, "Between 1 and 60 letters."),
        ("min_bet", settings.min_bet > 0, "The lowest bet must be above zero."),
        (
            "max_bet",
            settings.max_bet >= settings.min_bet,
            "The highest bet must not be below the lowest one.",
        ),
        (
            "exposure_max",
            settings.exposure_max is None or settings.exposure_max > 0,
            "Above zero, or empty for no limit.",
        ),
        (
            "betting_seconds",
            1 <= settings.betting_seconds <= SECONDS_MAX,
            f"Between 1 and {SECONDS_MAX} seconds.",
        ),
        (
            "pause_seconds",
            0 <= settings.pause_seconds <= SECONDS_MAX,
            f"Between 0 and {SECONDS_MAX} seconds.",
        ),
    ]
    for field, holds, message in checks:
        if not holds:
            raise Rejected(message, field=field)


def _name_in_use(error: IntegrityError, name: str) -> Conflict:
    if "uq_games_operator_id_name" not in str(error.orig):
        raise error
    return Conflict(f"There is already a game called {name}.", field="name")


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _log(
    session: Session,
    action: str,
    details: Mapping[str, Any],
    *,
    operator_id: int,
    actor: Actor,
    now: dt.datetime,
) -> None:
    staff_log.record(session, actor, action, details=details, operator_id=operator_id, now=now)
