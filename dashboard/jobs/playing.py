"""Games that run by themselves: rounds are opened, closed, dealt and settled, one small step after the other.

Each step is a transaction of its own that begins from what stands in the database: a worker that was
killed leaves a round between two steps, and the next one goes on from there. Of two workers the second
is told that somebody was first. Settling has a thread of its own, so that a large round keeps no other
table waiting.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from sqlalchemy.exc import DBAPIError

from dashboard import clock, db, live
from dashboard.errors import Conflict, PurserError
from dashboard.jobs.application import application
from dashboard.services import game_clock, rounds, settlement
from dashboard.services.actors import SYSTEM
from dashboard.services.game_clock import Due, Step

EVERY_SECONDS = 0.25
IDLE_SECONDS = 2.0
"""Between two looks while nothing runs and nobody can bet."""
REST_SECONDS = 60.0
"""How long a game is left alone after something that will not mend itself, such as a lost key."""
RESUME_EVERY_SECONDS = 5.0
PASSES_MAX = 20
"""Steps of one game that follow each other without a wait; then the loop looks at the time again."""

_log = logging.getLogger(__name__)
SETTLING = frozenset({Step.SETTLE})
"""The steps of the one loop,"""
STEPPING = frozenset(Step) - SETTLING
"""and those of the other."""
_STEPS: Mapping[Step, Callable[..., object]] = {
    Step.OPEN_BETTING: rounds.open_betting,
    Step.LOCK: rounds.lock,
    Step.DEAL: rounds.deal,
    Step.NEXT_STAGE: rounds.next_stage,
}


class Player:
    """Does what is due of certain steps; remembers which games it has to leave alone for a while."""

    def __init__(self, steps: frozenset[Step]) -> None:
        self._steps = steps
        self._rests_until: dict[int, float] = {}

    def play(self, now: Callable[[], dt.datetime]) -> int:
        """Do steps until none is due; how many were done."""
        done = 0
        for _pass in range(PASSES_MAX):
            with db.reading() as session:
                due = game_clock.due(session, now=now())
            did = sum(self._do(each, now()) for each in due if each.step in self._steps)
            if not did:
                break
            done += did
        return done

    def _do(self, due: Due, now: dt.datetime) -> bool:
        """One step; False where somebody else was first, or the game is left alone."""
        if self._rests_until.get(due.game_id, 0.0) > time.monotonic():
            return False
        try:
            _step(due, now)
        except Conflict:
            return False
        except DBAPIError:
            raise
        except Exception as error:  # a fault of one table stops no other
            self._rests_until[due.game_id] = time.monotonic() + REST_SECONDS
            told = error.message if isinstance(error, PurserError) else None
            _log.error(
                "game %s cannot %s: %s", due.game_id, due.step, told or "a fault", exc_info=told is None
            )
            return False
        _tell(due)
        return True


def resume(now: dt.datetime) -> int:
    """Go on with every settlement that was left half-way, whoever began it; how many there were."""
    with db.reading() as session:
        left = settlement.unfinished(session)
    for round_id in left:
        settlement.resume(db.transact, round_id=round_id, now=now)
        _tell_settled(round_id)
    return len(left)


def keep_playing(stop: threading.Event) -> None:
    """Open, close and deal until `stop` is set. A database that is away is asked again."""
    _keep(stop, Player(STEPPING))


def keep_settling(stop: threading.Event) -> None:
    """Settle until `stop` is set, and go on with what was left half-way."""
    _keep(stop, Player(SETTLING), resumes=True)


def _keep(stop: threading.Event, player: Player, *, resumes: bool = False) -> None:
    resumed_at, pause = float("-inf"), EVERY_SECONDS
    with application().app_context():
        while not stop.wait(pause):
            try:
                if resumes and time.monotonic() >= resumed_at + RESUME_EVERY_SECONDS:
                    resumed_at = time.monotonic()
                    resume(clock.now())
                player.play(clock.now)
                with db.reading() as session:
                    pause = EVERY_SECONDS if game_clock.is_busy(session) else IDLE_SECONDS
            except DBAPIError:
                _log.exception("playing")


def _step(due: Due, now: dt.datetime) -> None:
    if due.round_id is None:
        db.transact(partial(rounds.open, game_id=due.game_id, actor=SYSTEM, now=now))
    elif due.step is Step.SETTLE:
        settlement.settle(db.transact, round_id=due.round_id, actor=SYSTEM, now=now)
    else:
        db.transact(partial(_STEPS[due.step], round_id=due.round_id, actor=SYSTEM, now=now))


def _tell(due: Due) -> None:
    if due.step is Step.SETTLE and due.round_id is not None:
        _tell_settled(due.round_id)
    else:
        live.tell(live.game(due.game_id))


def _tell_settled(round_id: int) -> None:
    with db.reading() as session:
        told = rounds.who_is_told(session, round_id)
    live.tell_settled(**told)
