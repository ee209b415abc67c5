"""The life of a round up to its result: opening, closing of bets, dealing. Settlement is `settlement`'s.

Each step is one guarded update on the expected state: whoever comes second changes nothing and is told.
The seed is drawn here, and leaves this file sealed or not at all; of the deck no more is written down
than lies on the table.
"""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.game import Dealing, GameState, RoundState, RuleSetState, Side
from dashboard.services import andar_bahar, fairness, games, rule_sets, staff_log
from dashboard.services.actors import Actor
from dashboard.services.andar_bahar import Deal
from dashboard.services.rule_sets import Rules
from dashboard.services.transact import Transact


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a round is."""

    state: RoundState
    stage: int
    winner: Side | None


class _Named(NamedTuple):
    """Which round it is, as the log names it."""

    operator_id: int
    game_id: int
    number: int


_NEXT = text("""
SELECT s.name, s.state, s.definition,
       (SELECT coalesce(max(number), 0) + 1 FROM rounds WHERE game_id = :game_id) AS number,
       EXISTS (SELECT FROM rounds WHERE game_id = :game_id
         AND state IN ('scheduled', 'betting', 'locked', 'dealing', 'settling')) AS is_played
FROM rule_sets s WHERE s.id = :rule_set_id
""")
_INSERT = text("""
INSERT INTO rounds (operator_id, game_id, number, rule_set_id, dealing, currency, public_salt, opened_at,
                    opened_by, commitment, seed_sealed, joker, state, betting_ends_at)
VALUES (:operator_id, :game_id, :number, :rule_set_id, :dealing, :currency, :public_salt, :now,
        :who, :commitment, :seed_sealed, :joker, :state,
        CASE WHEN :state = 'betting' THEN clock_timestamp() + make_interval(secs => :betting_seconds) END)
RETURNING id
""")
_LOOK = text("""
SELECT r.*, s.definition
FROM rounds r JOIN rule_sets s ON s.id = r.rule_set_id
WHERE r.id = :id
""")
_OPEN = text("""
UPDATE rounds r
SET state = 'betting', stage = :stage,
    betting_ends_at = clock_timestamp() + make_interval(secs => g.betting_seconds)
FROM games g
WHERE r.id = :id AND g.id = r.game_id
  AND (r.state = 'scheduled' AND :stage = 1
       OR r.state = 'dealing' AND r.stage = :stage - 1 AND r.winner IS NULL AND cardinality(r.cards) = :dealt)
RETURNING r.id
""")
# The row keeps new bets off: it is committed before the lock is asked for, which then waits for no
# more than the bets that have begun.
_ANNOUNCE = text("""
INSERT INTO round_closings (round_id, stage, closed_at)
SELECT id, stage, clock_timestamp() FROM rounds
WHERE id = :id AND state = 'betting' AND stage = :stage AND :operator IN (operator_id, 0)
ON CONFLICT DO NOTHING
RETURNING round_id
""")
_LOCK = text("""
UPDATE rounds r
SET state = 'locked', joker = coalesce(r.joker, :joker), betting_ends_at = least(r.betting_ends_at, :now)
WHERE r.id = :id AND r.state = 'betting' AND r.stage = :stage
  AND (r.betting_ends_at <= clock_timestamp()
       OR EXISTS (SELECT FROM round_closings c WHERE c.round_id = r.id AND c.stage = r.stage))
RETURNING r.id
""")
# A statement of its own: it sees every bet that the update above has waited for.
_TOTALS = text("""
UPDATE rounds r
SET bets = t.bets, players = t.players, staked = t.staked, staked_andar = t.andar, staked_bahar = t.bahar
FROM (
  SELECT count(*) AS bets, count(DISTINCT player_id) AS players,
         coalesce(sum(amount), 0)::bigint AS staked,
         coalesce(sum(amount) FILTER (WHERE selection = 'andar'), 0)::bigint AS andar,
         coalesce(sum(amount) FILTER (WHERE selection = 'bahar'), 0)::bigint AS bahar
  FROM bets WHERE round_id = :id
) AS t
WHERE r.id = :id
""")
_SET_JOKER = text("""
UPDATE rounds SET joker = :joker
WHERE id = :id AND state = :state AND dealing = 'manual' AND cardinality(cards) = 0
RETURNING id
""")
_DEAL = text("""
UPDATE rounds SET state = 'dealing', cards = CAST(:cards AS smallint[]), winner = :winner
WHERE id = :id AND state = :state AND stage = :stage AND winner IS NULL
  AND joker = :joker AND cards = CAST(:before AS smallint[])
RETURNING id
""")
_PLAYERS = text("SELECT DISTINCT player_id FROM bets WHERE round_id = :id")
_DUE = text("""
SELECT id FROM rounds r
WHERE state = 'betting'
  AND (betting_ends_at <= clock_timestamp()
       OR EXISTS (SELECT FROM round_closings c WHERE c.round_id = r.id AND c.stage = r.stage))
ORDER BY betting_ends_at LIMIT :limit
""")


def schedule(session: Session, *, game_id: int, actor: Actor, now: dt.datetime) -> int:
    """Make the game's next round without opening its bets; returns its id.

    Where the deck is shuffled its commitment stands from here on, and so does the joker unless the
    rule set hides it. Raises NotFound; Rejected for a rule set that is not active; Conflict for a
    retired game, or while another round is being played.
    """
    return _make(session, game_id, actor, now, opens=False)


def open(session: Session, *, game_id: int, actor: Actor, now: dt.datetime) -> int:
    """Make the game's next round and open its bets; returns its id.

    Where staff deal and the joker is shown first, it stays scheduled until `enter_joker` and
    `open_betting`. Raises as `schedule` does.
    """
    return _make(session, game_id, actor, now, opens=True)


def enter_joker(session: Session, *, round_id: int, card: int, actor: Actor, now: dt.datetime) -> None:
    """Set the joker of a round that staff deal; another one replaces it until bets or cards depend on it.

    It is entered before betting opens, or, where the rule set hides it, once betting has closed.
    Raises NotFound, Rejected (field `card`), Conflict when the round is elsewhere.
    """
    row = _look(session, round_id, actor)
    _expect_manual(row)
    if not 0 <= card < andar_bahar.CARDS:
        raise Rejected("There is no such card.", field="card")
    state = RoundState.LOCKED if _rules(row).hides_joker else RoundState.SCHEDULED
    parameters = {"id": round_id, "joker": card, "state": state}
    _step(session, _SET_JOKER, parameters, expected=f"no longer {state}")
    details = {"joker": andar_bahar.name(card)}
    _log(session, "round.joker_entered", row, details=details, actor=actor, now=now)


def open_betting(session: Session, *, round_id: int, actor: Actor, now: dt.datetime) -> None:
    """Open the bets of a scheduled round, for its game's betting seconds by the database's clock.

    Raises NotFound, Rejected while a joker that must be shown is missing, Conflict when it is open.
    """
    row = _look(session, round_id, actor)
    if row.joker is None and not _rules(row).hides_joker:
        raise Rejected("Enter the joker first: it is shown before betting opens.", field="card")
    _step(session, _OPEN, {"id": round_id, "stage": 1, "dealt": 0}, expected="no longer scheduled")
    _log(session, "round.opened", row, actor=actor, now=now)


def next_stage(session: Session, *, round_id: int, actor: Actor, now: dt.datetime) -> None:
    """Open the next betting stage, when the cards before it lie on the table and none was the match.

    Raises NotFound; Conflict when its time has not come, or has gone.
    """
    row = _look(session, round_id, actor)
    stages = _rules(row).stages
    if row.stage >= len(stages):
        raise Conflict("This was the last betting stage.")
    parameters = {"id": round_id, "stage": row.stage + 1, "dealt": stages[row.stage]}
    _step(session, _OPEN, parameters, expected="not at the next betting stage")
    _log(session, "round.opened", row, details={"stage": row.stage + 1}, actor=actor, now=now)


def close(transact: Transact, *, round_id: int, stage: int, actor: Actor, now: dt.datetime) -> None:
    """Close a stage's bets by hand, before their time: two transactions, so that bettors stay away.

    Raises NotFound; Conflict when somebody else was first, or the round is at another stage.
    """
    transact(partial(announce_close, round_id=round_id, stage=stage, actor=actor))
    transact(partial(lock, round_id=round_id, actor=actor, now=now))


def announce_close(session: Session, *, round_id: int, stage: int, actor: Actor) -> None:
    """Keep new bets off this stage. Once that is committed, `lock` follows.

    Raises NotFound, Conflict when the bets of that stage are not open.
    """
    announced = session.execute(_ANNOUNCE, {"id": round_id, "stage": stage, "operator": actor.operator_id})
    if announced.one_or_none() is not None:
        return
    row = _look(session, round_id, actor)
    if row.state != RoundState.BETTING or row.stage != stage:
        raise _elsewhere(row, "not open for bets of this stage")


def lock(session: Session, *, round_id: int, actor: Actor, now: dt.datetime) -> None:
    """Take no more bets, wait for those that have begun, and write down what they come to.

    Needs the stage's time to be over by the database's clock, or its closing to be announced. A
    joker that was hidden is shown. Raises NotFound, Conflict.
    """
    row = _look(session, round_id, actor)
    if row.state != RoundState.BETTING:
        raise _elsewhere(row, "not open for bets")
    joker = row.joker
    if joker is None and row.dealing == Dealing.AUTOMATIC:
        joker = _deck(row)[0]
    parameters = {"id": round_id, "stage": row.stage, "joker": joker, "now": now}
    _step(session, _LOCK, parameters, expected="still taking bets, or was closed by somebody else")
    session.execute(_TOTALS, {"id": round_id})
    _log(session, "round.locked", row, details={"stage": row.stage}, actor=actor, now=now)


def standing(session: Session, *, round_id: int, actor: Actor) -> Standing:
    """How far the round is at this moment. Raises NotFound."""
    row = _look(session, round_id, actor)
    return Standing(RoundState(row.state), row.stage, Side(row.winner) if row.winner else None)


def who_is_told(session: Session, round_id: int) -> dict[str, Any]:
    """The round's operator, its game, and who bet on it: what `live.tell_settled` takes."""
    row = session.execute(_LOOK, {"id": round_id}).one()
    players = session.scalars(_PLAYERS, {"id": round_id}).all()
    return {"operator_id": row.operator_id, "game_id": row.game_id, "player_ids": players}


def due_to_lock(session: Session, *, limit: int = 100) -> list[int]:
    """The rounds whose bets are to be closed: their time is over, or somebody has announced it."""
    return list(session.scalars(_DUE, {"limit": limit}))


def deal(session: Session, *, round_id: int, actor: Actor, now: dt.datetime) -> Deal:
    """Deal a shuffled deck, once its bets are closed: up to the next betting stage, or to the match.

    Returns what lies on the table. Raises NotFound, Rejected where staff deal, Conflict.
    """
    row = _look(session, round_id, actor)
    if row.dealing != Dealing.AUTOMATIC:
        raise Rejected("Staff deal at this table: enter each card.")
    if row.state != RoundState.LOCKED:
        raise _elsewhere(row, "not waiting to be dealt")
    rules = _rules(row)
    dealt = andar_bahar.dealt(_deck(row), first=rules.first_side(row.joker), most=_most(row, rules))
    _write(session, row, dealt)
    _log(session, "round.dealt", row, details={"cards": len(dealt.cards)}, actor=actor, now=now)
    return dealt


def deal_card(
    session: Session, *, round_id: int, position: int, card: int, actor: Actor, now: dt.datetime
) -> Deal:
    """Put one card on the table, where staff deal; the side alternates, and the match ends it.

    `position` is the card's number after the joker, from 1, so that of two who enter a card at once
    one is told. Returns what lies on the table. Raises NotFound; Rejected (field `card`) for a card
    that lies there; Conflict.
    """
    row = _look(session, round_id, actor)
    rules = _expect_dealing(row, seen=position - 1)
    if len(row.cards) >= _most(row, rules):
        raise Conflict("The next betting stage comes before the next card.")
    dealt = _table(row, rules).with_card(card)
    _write(session, row, dealt)
    if dealt.winner is not None:
        _log(session, "round.dealt", row, details={"cards": len(dealt.cards)}, actor=actor, now=now)
    return dealt


def undo_card(session: Session, *, round_id: int, position: int, actor: Actor, now: dt.datetime) -> Deal:
    """Take the last card back, which has that position, before a match and before others bet on it.

    Returns what lies on the table. Raises NotFound, Rejected, Conflict as `deal_card` does.
    """
    row = _look(session, round_id, actor)
    rules = _expect_dealing(row, seen=position)
    if len(row.cards) <= rules.stages[row.stage - 1]:
        raise Rejected("There is no card to take back in this stage.")
    taken = row.cards[-1]
    dealt = _table(row, rules).without_last()
    _write(session, row, dealt)
    details: staff_log.Details = {"position": position, "card": andar_bahar.name(taken)}
    _log(session, "round.card_undone", row, details=details, actor=actor, now=now)
    return dealt


def _make(session: Session, game_id: int, actor: Actor, now: dt.datetime, *, opens: bool) -> int:
    game = games.lock(session, game_id, actor)
    if game.state == GameState.RETIRED:
        raise Conflict("This game is retired: it has no more rounds.")
    # Behind the game's lock: nobody else makes a round of it now, and the index is the backstop.
    coming = session.execute(_NEXT, {"game_id": game_id, "rule_set_id": game.rule_set_id}).one()
    if coming.is_played:
        raise Conflict("A round of this game is being played already.")
    if coming.state != RuleSetState.ACTIVE:
        raise Rejected(f"The rule set {coming.name} is not active: give the game another one.")
    rules = rule_sets.read(coming.definition)
    deck = _deck_of(game, coming.number, rules)
    is_open = opens and (deck["joker"] is not None or rules.hides_joker)
    new = {
        "operator_id": game.operator_id,
        "game_id": game_id,
        "number": coming.number,
        "rule_set_id": game.rule_set_id,
        "dealing": game.dealing,
        "currency": game.currency,
        "public_salt": game.public_salt,
        "who": actor.reference,
        "now": now,
        "state": RoundState.BETTING if is_open else RoundState.SCHEDULED,
        "betting_seconds": game.betting_seconds,
        **deck,
    }
    round_id: int = session.execute(_INSERT, new).scalar_one()
    made = _Named(game.operator_id, game_id, coming.number)
    _log(session, "round.opened" if is_open else "round.scheduled", made, actor=actor, now=now)
    return round_id


def _deck_of(game: Row[Any], number: int, rules: Rules) -> dict[str, Any]:
    """What a new round says of its deck: commitment and sealed seed, and the joker where it is shown."""
    if game.dealing == Dealing.MANUAL:
        return {"commitment": None, "seed_sealed": None, "joker": None}
    seed = fairness.new_seed()
    return {
        "commitment": fairness.commitment(seed),
        "seed_sealed": fairness.seal(seed, game_id=game.id, number=number),
        "joker": None if rules.hides_joker else fairness.deck(seed, game.public_salt, number)[0],
    }


def _deck(row: Row[Any]) -> tuple[int, ...]:
    seed = fairness.unseal(bytes(row.seed_sealed), game_id=row.game_id, number=row.number)
    return fairness.deck(seed, row.public_salt, row.number)


def _rules(row: Row[Any]) -> Rules:
    return rule_sets.read(row.definition)


def _table(row: Row[Any], rules: Rules) -> Deal:
    return Deal(row.joker, rules.first_side(row.joker), tuple(row.cards))


def _most(row: Row[Any], rules: Rules) -> int:
    """How many cards may lie there before the next betting stage."""
    return rules.stages[row.stage] if row.stage < len(rules.stages) else andar_bahar.LONGEST


def _expect_manual(row: Row[Any]) -> None:
    if row.dealing != Dealing.MANUAL:
        raise Rejected("The deck of this round is shuffled: no card is entered.")


def _expect_dealing(row: Row[Any], *, seen: int) -> Rules:
    """The rules of a round to which staff may add a card, or take one back. Raises Conflict, Rejected."""
    _expect_manual(row)
    if row.state not in {RoundState.LOCKED, RoundState.DEALING}:
        raise _elsewhere(row, "not being dealt")
    if row.joker is None:
        raise Rejected("Enter the joker first.", field="card")
    if len(row.cards) != seen:
        raise Conflict(f"Somebody else was first: {len(row.cards)} cards lie on the table.")
    return _rules(row)


def _write(session: Session, row: Row[Any], dealt: Deal) -> None:
    parameters = {
        "id": row.id,
        "stage": row.stage,
        "joker": dealt.joker,
        "cards": list(dealt.cards),
        "winner": dealt.winner,
        "state": row.state,
        "before": row.cards,
    }
    _step(session, _DEAL, parameters, expected="no longer as it was shown")


def _step(session: Session, statement: Any, parameters: dict[str, Any], *, expected: str) -> None:
    """One guarded update. Raises Conflict when it found the round elsewhere."""
    if session.execute(statement, parameters).one_or_none() is None:
        raise _elsewhere(session.execute(_LOOK, {"id": parameters["id"]}).one(), expected)


def _elsewhere(row: Row[Any], expected: str) -> Conflict:
    return Conflict(f"Round {row.number} is {expected}: it is {row.state} now.")


def _look(session: Session, round_id: int, actor: Actor) -> Row[Any]:
    row = session.execute(_LOOK, {"id": round_id}).one_or_none()
    if row is None or not actor.serves(row.operator_id):
        raise NotFound("There is no such round.")
    return row


def _log(
    session: Session,
    action: str,
    row: Row[Any] | _Named,
    *,
    actor: Actor,
    now: dt.datetime,
    details: staff_log.Details | None = None,
) -> None:
    """What people did; what the worker does by itself stands on the round."""
    if actor.role is None:
        return
    told = {"game": row.game_id, "round": row.number, **(details or {})}
    staff_log.record(session, actor, action, details=told, operator_id=row.operator_id, now=now)
