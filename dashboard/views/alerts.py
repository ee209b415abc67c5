"""The inbox of alerts, one alert with its life, and the figures of all."""

from typing import Any

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.forms.alerts import AlertFilterForm
from dashboard.queries import alert_figures, staff
from dashboard.queries import alerts as queries
from dashboard.views import access, charts, htmx, lists
from dashboard.views.access import requires

bp = Blueprint("alerts", __name__)

FIGURE_DAYS = 30


@bp.get("/alerts")
@requires("alerts:view")
def index() -> ResponseReturnValue:
    """The page; for htmx the list as far as it is open, or more rows of it."""
    with db.reading() as session:
        context = _context(session)
        if not htmx.wants_partial():
            return render_template("alerts/index.html", **context)
        if "after" in request.args:
            return render_template("alerts/_alert_rows.html", **context)
        answer = make_response(render_template("alerts/_alerts.html", **context))
    return lists.with_address(answer, "alerts.index", context["form"])


@bp.get("/alerts/count")
@requires("alerts:view")
def show_count() -> ResponseReturnValue:
    """How many are open, for the navigation of a page that keeps itself fresh."""
    if not htmx.wants_partial():
        return lists.whole_page("alerts.index")
    return render_template("alerts/_alert_count.html")


@bp.get("/players/<int:player_id>/alerts/<int:alert_id>")
@requires("alerts:view")
def show(player_id: int, alert_id: int) -> ResponseReturnValue:
    """One alert: what happened, who works on it, its life, what else there is about the player."""
    operator_id = access.current_operator().id
    scope: dict[str, Any] = {"operator_id": operator_id, "player_id": player_id, "now": clock.now()}
    template = "alerts/_alert.html" if htmx.wants_partial() else "alerts/show.html"
    with db.reading() as session:
        alert = queries.get_alert(session, alert_id=alert_id, **scope)
        others = queries.list_unresolved_of(session, **scope)
        return render_template(
            template,
            alert=alert,
            life=queries.life_of(session, operator_id=operator_id, alert=alert),
            others=[other for other in others if other.id != alert.id],
        )


@bp.get("/alerts/figures")
@requires("alerts:view")
def show_figures() -> ResponseReturnValue:
    """How many alerts were raised by day and type, and how long they waited to be seen."""
    operator = access.current_operator()
    days = clock.last_days(clock.now(), operator.timezone, FIGURE_DAYS)
    with db.reading() as session:
        figures = alert_figures.by_type(session, operator_id=operator.id, days=days)
    return render_template(
        "alerts/figures.html",
        days=[clock.local(day.start, operator.timezone).date() for day in days],
        figures=figures,
        figure=charts.alerts_by_day(days, figures, timezone=operator.timezone),
    )


def filter_form(session: Session) -> AlertFilterForm:
    """The filters of the inbox as the URL has them."""
    names = staff.names_by_id(session, operator_id=access.current_operator().id)
    form = AlertFilterForm(request.args, names=names, me=access.current_actor().id)
    form.validate()
    return form


def _context(session: Session) -> dict[str, Any]:
    operator, now = access.current_operator(), clock.now()
    form = filter_form(session)
    wanted = form.wanted(now)
    page = queries.page_of_alerts(
        session,
        operator_id=operator.id,
        wanted=wanted,
        now=now,
        after=request.args.get("after", ""),
        through=lists.through(),
    )
    player_name = None
    if wanted.player_id is not None:
        player_name = queries.find_player_name(session, operator_id=operator.id, player_id=wanted.player_id)
    return {
        "form": form,
        "page": page,
        "counts": queries.count_by_tab(session, operator_id=operator.id, wanted=wanted, now=now),
        "count_max": queries.COUNT_MAX,
        "tab": wanted.tab,
        "player_name": player_name,
    }
