"""The home of the desk: what waits, today's figures, what changed of late."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.clock import Span
from dashboard.forms.desk import RecentFilterForm
from dashboard.queries import desk, staff
from dashboard.views import access, charts, htmx, lists
from dashboard.views.access import requires

bp = Blueprint("desk", __name__)

CASH_DAYS = 30
PAST_KEPT = dt.timedelta(minutes=5)


@bp.get("/")
@requires("desk:view")
def index() -> ResponseReturnValue:
    """The whole page."""
    with db.reading() as session:
        return render_template(
            "desk/index.html", **_figures(session), **_recent(session), day_name=_day_name()
        )


@bp.get("/figures")
@requires("desk:view")
def show_figures() -> ResponseReturnValue:
    """What waits and today's figures, for a page that keeps itself fresh."""
    if not htmx.wants_partial():
        return lists.whole_page("desk.index")
    with db.reading() as session:
        return render_template("desk/_refreshed.html", **_figures(session))


@bp.get("/recent-changes")
@requires("desk:view")
def show_recent() -> ResponseReturnValue:
    """The recent changes by other filters, as far as they are open, or more of them."""
    if not htmx.wants_partial():
        return lists.whole_page("desk.index")
    with db.reading() as session:
        context = _recent(session)
        if "after" in request.args:
            return render_template("desk/_recent_rows.html", **context)
        answer = make_response(render_template("desk/_recent_changes.html", **context))
    return lists.with_address(answer, "desk.index", context["form"])


@bp.get("/cash-flow")
@requires("desk:view")
def show_cash_flow() -> ResponseReturnValue:
    """The last 30 days of cash, as a figure and a table: a page of its own, or the part of the desk."""
    operator = access.current_operator()
    days = clock.last_days(clock.now(), operator.timezone, CASH_DAYS)
    with db.reading() as session:
        cash = desk.cash_by_day(session, operator_id=operator.id, currency=operator.currency, days=days)
        pairs = list(zip(days, cash, strict=True))
        template = "desk/_cash_flow.html" if htmx.wants_partial() else "desk/cash_flow.html"
        return render_template(
            template,
            days=[(clock.local(span.start, operator.timezone).date(), day) for span, day in pairs],
            total=_total(cash),
            figure=charts.cash_by_day(pairs, currency=operator.currency, timezone=operator.timezone),
        )


def _figures(session: Session) -> dict[str, Any]:
    operator, now = access.current_operator(), clock.now()
    yesterday, today = clock.last_days(now, operator.timezone, 2)
    return {
        "today": _figures_of(session, today),
        "yesterday": _figures_of_past(session, yesterday, now),
        "waiting": desk.waiting(session, operator_id=operator.id, now=now),
    }


def _figures_of_past(session: Session, day: Span, now: dt.datetime) -> desk.DayFigures:
    """A day that is over, summed at most every five minutes: only an import still changes it."""
    kept: dict[int, tuple[Span, dt.datetime, desk.DayFigures]]
    kept = current_app.extensions.setdefault("past_days", {})
    operator_id = access.current_operator().id
    known = kept.get(operator_id)
    if known is not None and known[0] == day and now < known[1] + PAST_KEPT:
        return known[2]
    figures = _figures_of(session, day)
    kept[operator_id] = (day, now, figures)
    return figures


def _figures_of(session: Session, day: Span) -> desk.DayFigures:
    operator = access.current_operator()
    (figures,) = desk.figures_by_day(session, operator_id=operator.id, currency=operator.currency, days=[day])
    return figures


def _recent(session: Session) -> dict[str, Any]:
    operator = access.current_operator()
    names = staff.names_by_id(session, operator_id=operator.id)
    form = recent_form(names)
    page = desk.page_of_recent(
        session,
        operator_id=operator.id,
        wanted=recent_filter(form),
        after=request.args.get("after", ""),
        through=lists.through(),
    )
    return {"form": form, "page": page, "names": names}


def recent_form(names: Mapping[int, str]) -> RecentFilterForm:
    """The filters of the recent changes as the URL has them."""
    form = RecentFilterForm(request.args, names=names, me=access.current_actor().id)
    form.validate()
    return form


def recent_filter(form: RecentFilterForm) -> desk.RecentFilter:
    """The same for the query."""
    return desk.RecentFilter(
        since=clock.now() - desk.RECENT,
        agent_id=form.chosen_id("agent"),
        performed_by=form.good("by") or "",
        change_type=form.good("change_type") or "",
    )


def _day_name() -> str:
    """`Saturday 21 November 2026`, by the operator's calendar."""
    wall = clock.local(clock.now(), access.current_operator().timezone)
    return f"{wall:%A} {wall.day} {wall:%B %Y}"


def _total(days: list[desk.CashDay]) -> desk.CashDay:
    return desk.CashDay(
        sum(day.deposits for day in days),
        sum(day.withdrawals for day in days),
        sum(day.net for day in days),
    )
