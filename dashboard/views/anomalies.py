"""Odd entries and odd hours: the lists, and what one says of one when one has looked."""

import datetime as dt
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.clock import local
from dashboard.forms.anomalies import AnomalyFilterForm, HourFilterForm, MarkForm, SeenForm
from dashboard.queries import anomalies as queries
from dashboard.queries import staff
from dashboard.queries.anomalies import AnomalyFilter
from dashboard.services import anomalies, hourly
from dashboard.services.anomalies import ENTRIES_LEAST, FIT_DAYS, SAYS, AnomalyKey
from dashboard.views import access, htmx, lists
from dashboard.views.access import requires
from dashboard.views.auth import safe_path

bp = Blueprint("anomalies", __name__, url_prefix="/analytics")

_FIGURE_WIDTH, _FIGURE_HEIGHT = 168, 32


@bp.get("/anomalies")
@requires("anomalies:view")
def index() -> ResponseReturnValue:
    """The page; for htmx the list as far as it is open, or more rows of it."""
    with db.reading() as session:
        context = _anomalies(session)
        if htmx.wants_partial() and "after" in request.args:
            return render_template("anomalies/_anomaly_rows.html", **context)
        context |= _around(session, context["wanted"])
        if not htmx.wants_partial():
            return render_template("anomalies/index.html", **context)
        answer = make_response(render_template("anomalies/_anomalies.html", **context))
    return lists.with_address(answer, "anomalies.index", context["form"])


@bp.get("/anomalies/<int:player_id>/<string(length=3):currency>/<int:sequence>/mark")
@requires("anomalies:mark")
def new_mark(player_id: int, currency: str, sequence: int) -> ResponseReturnValue:
    """The form that asks what it was, as a dialog or a page."""
    key = AnomalyKey(player_id, currency, sequence)
    with db.reading() as session:
        row = queries.get_anomaly(session, operator_id=access.current_operator().id, key=key)
    came_from = htmx.current_path() if htmx.is_htmx() else request.args.get("next", "")
    given = {"said": row.mark, "was": row.mark or "", "note": row.note, "next": safe_path(came_from)}
    return _mark_form(key, MarkForm(formdata=None, data=given))


@bp.post("/anomalies/<int:player_id>/<string(length=3):currency>/<int:sequence>/mark")
@requires("anomalies:mark")
def create_mark(player_id: int, currency: str, sequence: int) -> ResponseReturnValue:
    """Say what it was; whoever comes second is told who was first."""
    key, form = AnomalyKey(player_id, currency, sequence), MarkForm()
    if not form.validate():
        return _mark_form(key, form, 422)
    db.transact(
        lambda session: anomalies.mark(
            session,
            key=key,
            said=form.mark,
            was=form.before,
            note=form.note.data or "",
            actor=access.current_actor(),
            now=clock.now(),
        )
    )
    return _done(f"Marked: {SAYS[form.mark].lower()}.", form.next.data, "anomalies.index")


@bp.get("/hours")
@requires("anomalies:view")
def list_hours() -> ResponseReturnValue:
    """The odd hours, each with its week; for htmx the list as far as it is open, or more rows of it."""
    with db.reading() as session:
        context = _hours(session)
        if not htmx.wants_partial():
            return render_template("anomalies/hours.html", **context)
        if "after" in request.args:
            return render_template("anomalies/_hour_rows.html", **context)
        answer = make_response(render_template("anomalies/_hours.html", **context))
    return lists.with_address(answer, "anomalies.list_hours", context["form"])


@bp.get("/hours/<int:alert_id>/note")
@requires("anomalies:mark")
def new_note(alert_id: int) -> ResponseReturnValue:
    """The form that asks what an odd hour was, as a dialog or a page."""
    with db.reading() as session:
        row = queries.get_hour(session, operator_id=access.current_operator().id, alert_id=alert_id)
    came_from = htmx.current_path() if htmx.is_htmx() else request.args.get("next", "")
    return _seen_form(
        alert_id, SeenForm(formdata=None, data={"note": row.note, "next": safe_path(came_from)})
    )


@bp.post("/hours/<int:alert_id>/note")
@requires("anomalies:mark")
def create_note(alert_id: int) -> ResponseReturnValue:
    """Say that one has looked into it; whoever comes second is told who was first."""
    form = SeenForm()
    if not form.validate():
        return _seen_form(alert_id, form, 422)
    db.transact(
        lambda session: hourly.see(
            session,
            alert_id=alert_id,
            note=form.note.data or "",
            actor=access.current_actor(),
            now=clock.now(),
        )
    )
    return _done("The hour is marked as looked at.", form.next.data, "anomalies.list_hours")


@bp.app_template_filter("hour_span")
def hour_span(hour: dt.datetime) -> str:
    """`Mon 2 Mar 2026, 12:00–13:00`, on the operator's wall."""
    zone = access.current_operator().timezone
    begins, ends = local(hour, zone), local(hour + hourly.HOUR, zone)
    return f"{begins:%a} {begins.day} {begins:%b %Y, %H:%M}–{ends:%H:%M}"


def _anomalies(session: Session) -> dict[str, Any]:
    operator = access.current_operator()
    form = AnomalyFilterForm(request.args)
    form.validate()
    wanted = form.wanted(operator.timezone)
    page = queries.page_of_anomalies(
        session,
        operator_id=operator.id,
        wanted=wanted,
        after=request.args.get("after", ""),
        through=lists.through(),
    )
    names = staff.names_by_id(session, operator_id=operator.id)
    return {"form": form, "page": page, "tab": wanted.tab, "wanted": wanted, "names": names, "says": SAYS}


def _around(session: Session, wanted: AnomalyFilter) -> dict[str, Any]:
    """What stands around the rows: counts, the model, and how often it was right."""
    operator, now = access.current_operator(), clock.now()
    of: dict[str, Any] = {"operator_id": operator.id}
    player_name = None
    if wanted.player_id is not None:
        player_name = queries.find_player_name(session, **of, player_id=wanted.player_id)
    model = queries.find_model(session, **of)
    today = local(now, operator.timezone).date()
    return {
        "counts": queries.count_by_tab(session, **of, wanted=wanted),
        "count_max": queries.COUNT_MAX,
        "player_name": player_name,
        "model": model,
        "entries": 0 if model else queries.count_entries(session, **of, today=today),
        "entries_least": ENTRIES_LEAST,
        "fit_days": FIT_DAYS,
        "precision": queries.precision(session, **of, now=now),
    }


def _hours(session: Session) -> dict[str, Any]:
    operator = access.current_operator()
    form = HourFilterForm(request.args)
    form.validate()
    page = queries.page_of_hours(
        session,
        operator_id=operator.id,
        wanted=form.wanted(operator.timezone),
        after=request.args.get("after", ""),
        through=lists.through(),
    )
    weeks = queries.weeks_around(session, operator_id=operator.id, rows=page.rows, now=clock.now())
    return {"form": form, "page": page, "drawn": {each: _drawn(values) for each, values in weeks.items()}}


def _drawn(values: list[int]) -> dict[str, Any]:
    """The line of a week, and where on it the hour in its middle stands."""
    low, high = min(0, *values), max(1, *values)
    tall = _FIGURE_HEIGHT - 6

    def y(value: int) -> float:
        return round(_FIGURE_HEIGHT - 3 - tall * (value - low) / (high - low), 1)

    middle = int(queries.AROUND / hourly.HOUR)
    return {
        "width": _FIGURE_WIDTH,
        "height": _FIGURE_HEIGHT,
        "points": " ".join(f"{at},{y(value)}" for at, value in enumerate(values)),
        "x": middle,
        "y": y(values[middle]),
    }


def _mark_form(key: AnomalyKey, form: MarkForm, status: int = 200) -> Response:
    template = "anomalies/_mark.html" if htmx.wants_partial() else "anomalies/mark.html"
    operator_id = access.current_operator().id
    with db.reading() as session:
        row = queries.get_anomaly(session, operator_id=operator_id, key=key)
        html = render_template(
            template,
            row=row,
            form=form,
            address=url_for("anomalies.create_mark", **key._asdict()),
            back=safe_path(form.next.data or "") or url_for("anomalies.index"),
        )
    return make_response(html, status)


def _seen_form(alert_id: int, form: SeenForm, status: int = 200) -> Response:
    template = "anomalies/_note.html" if htmx.wants_partial() else "anomalies/note.html"
    with db.reading() as session:
        row = queries.get_hour(session, operator_id=access.current_operator().id, alert_id=alert_id)
        html = render_template(
            template,
            row=row,
            form=form,
            address=url_for("anomalies.create_note", alert_id=alert_id),
            back=safe_path(form.next.data or "") or url_for("anomalies.list_hours"),
        )
    return make_response(html, status)


def _done(message: str, back: str | None, endpoint: str) -> ResponseReturnValue:
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(safe_path(back or "") or url_for(endpoint), message)
    # An answer without content: the list fetches itself anew.
    answer = htmx.with_toast(Response(status=204), message)
    return htmx.trigger(htmx.trigger(answer, "dialog:close"), "anomalies:marked")
