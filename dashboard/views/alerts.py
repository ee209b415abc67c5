"""The inbox of alerts, and saying that one has seen an alert."""

from typing import Any

from flask import Blueprint, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, live
from dashboard.forms.alerts import AcknowledgementForm, AlertFilterForm
from dashboard.queries import alerts as queries
from dashboard.queries import staff
from dashboard.services import alert_life
from dashboard.views import access, htmx, lists
from dashboard.views.access import requires
from dashboard.views.auth import safe_path

bp = Blueprint("alerts", __name__)


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


@bp.get("/players/<int:player_id>/alerts/<int:alert_id>/acknowledgement")
@requires("alerts:acknowledge")
def show_acknowledgement(player_id: int, alert_id: int) -> ResponseReturnValue:
    """The form for a note, as a dialog or a page."""
    came_from = htmx.current_path() if htmx.is_htmx() else request.args.get("next", "")
    form = AcknowledgementForm(formdata=None, data={"next": safe_path(came_from)})
    return _form(player_id, alert_id, form)


@bp.post("/players/<int:player_id>/alerts/<int:alert_id>/acknowledgement")
@requires("alerts:acknowledge")
def create_acknowledgement(player_id: int, alert_id: int) -> ResponseReturnValue:
    """Say that one has seen it; whoever comes second is told who was first."""
    form, who = AcknowledgementForm(), access.current_actor()
    if not form.validate():
        return make_response(_form(player_id, alert_id, form), 422)
    with db.writing() as session:
        keys = [alert_life.AlertKey(player_id, alert_id)]
        alert_life.the_only(
            alert_life.acknowledge(session, keys=keys, actor=who, note=form.note.data, now=clock.now())
        )
    live.tell(live.player(player_id), live.alerts_of(who.operator_id), live.operator_of(who.operator_id))
    message = "The alert is acknowledged."
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(safe_path(form.next.data or "") or url_for("alerts.index"), message)
    with db.reading() as session:
        alert = queries.get_alert(
            session, operator_id=who.operator_id, player_id=player_id, alert_id=alert_id
        )
        names = staff.names_by_id(session, operator_id=who.operator_id)
        row = render_template("alerts/_acknowledged.html", alert=alert, names=names)
        answer = htmx.with_toast(row, message)
    return htmx.trigger(answer, "dialog:close")


def _form(player_id: int, alert_id: int, form: AcknowledgementForm) -> str:
    operator_id = access.current_operator().id
    template = "alerts/_acknowledgement.html" if htmx.wants_partial() else "alerts/acknowledgement.html"
    with db.reading() as session:
        alert = queries.get_alert(session, operator_id=operator_id, player_id=player_id, alert_id=alert_id)
        return render_template(template, alert=alert, form=form)


def _context(session: Session) -> dict[str, Any]:
    operator, who, now = access.current_operator(), access.current_actor(), clock.now()
    names = staff.names_by_id(session, operator_id=operator.id)
    form = AlertFilterForm(request.args, names=names, me=who.id)
    form.validate()
    wanted = form.wanted(now)
    page = queries.page_of_alerts(
        session,
        operator_id=operator.id,
        wanted=wanted,
        after=request.args.get("after", ""),
        through=lists.through(),
    )
    player_name = None
    if wanted.player_id is not None:
        player_name = queries.find_player_name(session, operator_id=operator.id, player_id=wanted.player_id)
    return {
        "form": form,
        "page": page,
        "names": names,
        "counts": queries.count_by_state(session, operator_id=operator.id, wanted=wanted),
        "count_max": queries.COUNT_MAX,
        "state": wanted.state,
        "player_name": player_name,
        "now": now,
    }
