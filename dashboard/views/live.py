"""The event stream of an open page: names of what has changed, never the content."""

import time
from collections.abc import Iterator

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from dashboard import db, live
from dashboard.models import Game, Player
from dashboard.views.access import current_actor, requires

bp = Blueprint("live", __name__)

KEEPALIVE_SECONDS = 10.0
"""Also how a page that has gone is noticed: writing to it fails."""
PACE_SECONDS = 0.55
"""Between two events of one game, however fast its bets come; what came meanwhile is told by the second.

A little more than half a second: the way to the browser is not always equally long.
"""
LIFETIME_SECONDS = 600.0
"""Then the stream ends and the browser asks again, so that whoever may no longer is refused."""


@bp.get("/events")
@requires("session:own")
def stream() -> ResponseReturnValue:
    """Server-sent events for the topics asked for, each named after its kind: `live:player`, `live:alerts`.

    `topics` are `alerts`, `approvals` and `operator` (of whoever asks), `player:<id>` and `game:<id>`; others
    are left out. A stream that is taken up again begins with all of them, for whatever was missed in between.
    """
    topics = _topics(request.args.getlist("topics"))
    resumed = "Last-Event-ID" in request.headers
    bus = current_app.extensions["live"]
    response = Response(_events(bus, topics, resumed=resumed), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _topics(asked: list[str]) -> dict[str, str]:
    """The topics of the bus that this person may follow, each with the event it becomes."""
    who, topics = current_actor(), {}
    if "alerts" in asked and who.may("alerts:view"):
        topics[live.alerts_of(who.operator_id)] = "live:alerts"
    if "approvals" in asked and who.may("approvals:view"):
        topics[live.approvals_of(who.operator_id)] = "live:approvals"
    if "operator" in asked and who.may("desk:view"):
        topics[live.operator_of(who.operator_id)] = "live:operator"
    player_ids, game_ids = _ids(asked, "player"), _ids(asked, "game")
    if player_ids and who.may("players:view"):
        with db.reading() as session:
            known = session.scalars(
                select(Player.id).where(Player.id.in_(player_ids), Player.operator_id == who.operator_id)
            )
            topics |= {live.player(player_id): "live:player" for player_id in known}
    if game_ids and who.may("games:view"):
        with db.reading() as session:
            known = session.scalars(
                select(Game.id).where(Game.id.in_(game_ids), Game.operator_id == who.operator_id)
            )
            topics |= {live.game(game_id): "live:game" for game_id in known}
    return topics


def _ids(asked: list[str], kind: str) -> list[int]:
    """The first ten that are asked for as `kind:<id>`."""
    numbers = [topic.removeprefix(f"{kind}:") for topic in asked if topic.startswith(f"{kind}:")]
    return [int(number) for number in numbers if number.isdecimal() and len(number) < 19][:10]


def _events(bus: live.Bus, topics: dict[str, str], *, resumed: bool) -> Iterator[str]:
    # Runs after the view: it may touch neither the request nor the database.
    with bus.subscribed(frozenset(topics)) as subscription:
        yield "retry: 1000\nid: 1\n\n"
        if resumed:
            subscription.mark(topics)
        ends = time.monotonic() + LIFETIME_SECONDS
        pace = Pace()
        while time.monotonic() < ends:
            changed = subscription.wait(pace.patience(time.monotonic()))
            events = sorted({topics[topic] for topic in pace.let_through(changed, time.monotonic())})
            if events:
                yield "".join(f"id: 1\nevent: {event}\ndata: \n\n" for event in events)
            elif not changed:
                yield ": still here\n\n"


class Pace:
    """Holds back what comes too soon after the last of its kind, so that games have two events a second.

    Every `now` is of a clock that only goes forward, in seconds.
    """

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._next_at = 0.0

    def patience(self, now: float) -> float:
        """How many seconds one can wait for changes before something that is held must go."""
        return max(0.0, self._next_at - now) if self._held else KEEPALIVE_SECONDS

    def let_through(self, changed: set[str], now: float) -> set[str]:
        """What may be told now, of what has changed and what was held."""
        paced = {topic for topic in changed if topic.startswith("game:")}
        self._held |= paced
        if not self._held or now < self._next_at:
            return changed - paced
        told = (changed - paced) | self._held
        self._held, self._next_at = set(), now + PACE_SECONDS
        return told
