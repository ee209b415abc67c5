"""The event stream of an open page: names of what has changed, never the content."""

import time
from collections.abc import Iterator

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from dashboard import db, live
from dashboard.models import Player
from dashboard.views.access import current_actor, requires

bp = Blueprint("live", __name__)

KEEPALIVE_SECONDS = 10.0
"""Also how a page that has gone is noticed: writing to it fails."""
LIFETIME_SECONDS = 600.0
"""Then the stream ends and the browser asks again, so that whoever may no longer is refused."""


@bp.get("/events")
@requires("session:own")
def stream() -> ResponseReturnValue:
    """Server-sent events for the topics asked for, each named after its kind: `live:player`, `live:alerts`.

    `topics` are `alerts`, `approvals` and `operator` (of whoever asks) and `player:<id>`; others are left
    out. A stream that is taken up again begins with all of them, for whatever was missed in between.
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
    player_ids = [int(topic[7:]) for topic in asked if topic.startswith("player:") and topic[7:].isdecimal()]
    if player_ids and who.may("players:view"):
        with db.reading() as session:
            known = session.scalars(
                select(Player.id).where(Player.id.in_(player_ids[:10]), Player.operator_id == who.operator_id)
            )
            topics |= {live.player(player_id): "live:player" for player_id in known}
    return topics


def _events(bus: live.Bus, topics: dict[str, str], *, resumed: bool) -> Iterator[str]:
    # Runs after the view: it may touch neither the request nor the database.
    with bus.subscribed(frozenset(topics)) as subscription:
        yield "retry: 1000\nid: 1\n\n"
        if resumed:
            subscription.mark(topics)
        ends = time.monotonic() + LIFETIME_SECONDS
        while time.monotonic() < ends:
            changed = subscription.wait(KEEPALIVE_SECONDS)
            events = sorted({topics[topic] for topic in changed})
            yield "".join(f"id: 1\nevent: {event}\ndata: \n\n" for event in events) or ": still here\n\n"
