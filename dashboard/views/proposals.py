"""Changing a setting from a page: at once, or as a request to another admin."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response, url_for
from sqlalchemy.orm import Session

from dashboard import clock, db, live
from dashboard.errors import Conflict, Rejected
from dashboard.forms.base import DeskForm
from dashboard.services import settings_requests
from dashboard.services.settings_requests import Change
from dashboard.views import access, htmx


@dataclass(frozen=True)
class Proposed:
    """What became of it."""

    waits: bool = False
    """For another admin."""
    refused_as: int = 0
    """The status to answer with, where the form now says why it was refused; 0: it was not."""


def propose(change: Callable[[Session], Change], form: DeskForm, reason: str) -> Proposed:
    """Make the change, or keep it for another admin; a refusal stands in the form."""
    who, now = access.current_actor(), clock.now()
    try:
        kept = db.transact(
            lambda session: settings_requests.propose(
                session, change=change(session), reason=reason, actor=who, now=now
            )
        )
    except Rejected as refused:
        form.show(refused)
        return Proposed(refused_as=422)
    except Conflict as conflict:
        form.show(conflict)
        return Proposed(refused_as=409)
    live.tell(live.approvals_of(who.operator_id))
    return Proposed(waits=kept is not None)


def told(proposed: Proposed, location: str, done: str) -> Response:
    """See `location`, with a toast that says what became of it."""
    if not proposed.waits:
        return htmx.redirect_with_toast(location, done)
    requests = url_for("settings.list_requests")
    return htmx.redirect_with_toast(
        location, "This waits for another admin.", kind="info", href=requests, link="Requests"
    )
