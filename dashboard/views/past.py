"""The page of a player as of a moment: what was, with nothing that acts."""

import datetime as dt
from dataclasses import dataclass

from flask import Response, make_response, render_template, request
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.queries import past
from dashboard.queries.past import Moment, PastPage
from dashboard.views import access, player_page, presenting


@dataclass(frozen=True)
class Twin:
    """A moment that the operator's wall shows twice, because the clocks went back over it."""

    is_second: bool
    other: dt.datetime


def is_asked() -> bool:
    """Whether the URL names a moment."""
    return bool(request.args.get("as_of"))


def show(player_id: int) -> Response:
    """The whole page; where the moment cannot be, the present page with what is wrong at the field."""
    form = player_page.as_of_form()
    at = form.as_of.data
    if at is None or form.errors:
        return make_response(player_page.whole(player_id, tab="activity"), 422)
    moment = _moment(at)
    with db.reading() as session:
        page = _page(session, player_id, moment)
        entries = past.page_of_entries(
            session, player_id=player_id, balance=page.balance, before=player_page.sequence_argument("before")
        )
        return make_response(
            render_template(
                "past/show.html",
                page=page,
                entries=entries,
                form=form,
                twin=_twin(moment.at),
                why_not=why_not(moment.at),
                asked=_asked(moment),
            )
        )


def more(player_id: int) -> str:
    """The next page of that journal, for htmx. A moment that cannot be has no journal."""
    form = player_page.as_of_form()
    moment = _moment(form.as_of.data or clock.now())
    with db.reading() as session:
        page = _page(session, player_id, moment)
        entries = past.page_of_entries(
            session, player_id=player_id, balance=page.balance, before=player_page.sequence_argument("before")
        )
        return render_template("past/_past_rows.html", page=page, entries=entries, asked=_asked(moment))


def idle() -> dict[str, str]:
    """Why nothing can be done, for what is opened from such a page; empty at the present."""
    at = player_page.as_of_form().as_of.data
    return {"why_not": why_not(at)} if at else {}


def why_not(at: dt.datetime) -> str:
    """Why nothing can be done on such a page."""
    wall = clock.local(at, access.current_operator().timezone)
    return f"This is the page as of {wall.day} {wall:%b %Y, %H:%M}: go back to now to act."


def _page(session: Session, player_id: int, moment: Moment) -> PastPage:
    operator = access.current_operator()
    return past.get_page(
        session,
        player_id=player_id,
        currency=player_page.asked_currency(),
        moment=moment,
        operator_id=operator.id,
        timezone=operator.timezone,
    )


def _moment(at: dt.datetime) -> Moment:
    return Moment(at, player_page.sequence_argument("through"))


def _asked(moment: Moment) -> dict[str, str | int]:
    """The moment as further addresses carry it."""
    through = {} if moment.through is None else {"through": moment.through}
    return {"as_of": presenting.instant_name(moment.at), **through}


def _twin(at: dt.datetime) -> Twin | None:
    zone = access.current_operator().timezone
    told = clock.instants(clock.local(at, zone).replace(tzinfo=None), zone)
    if len(told) < 2:
        return None
    return Twin(at == told[1], told[0] if at == told[1] else told[1])
