"""What one does about alerts: acknowledge, resolve, snooze, assign, take, release; one or a selection.

Each act that needs words has a form, the same for one alert and for many, as a dialog or a page.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, live
from dashboard.errors import Rejected
from dashboard.forms.alerts import (
    SELECTION_MAX,
    AcknowledgementForm,
    ActForm,
    AssignmentForm,
    ResolutionForm,
    SnoozeForm,
    read_selection,
)
from dashboard.queries import alerts as queries
from dashboard.services import alert_life
from dashboard.services.alert_life import Acted, AlertKey
from dashboard.views import access, htmx
from dashboard.views.access import requires
from dashboard.views.auth import safe_path

bp = Blueprint("alert_acts", __name__)

Work = Callable[[Session, Sequence[AlertKey], Any], list[Acted]]


@dataclass(frozen=True)
class Act:
    """Something one does about alerts, and its words."""

    noun: str
    """In addresses and endpoints."""
    verb: str
    """On the button: `Snooze`, then how many."""
    done: str
    """What became of each: `snoozed`."""
    work: Work
    form: type[ActForm] = ActForm
    consequence: str = ""


def _acknowledge(session: Session, keys: Sequence[AlertKey], form: AcknowledgementForm) -> list[Acted]:
    return alert_life.acknowledge(
        session, keys=keys, actor=access.current_actor(), note=form.note.data, now=clock.now()
    )


def _resolve(session: Session, keys: Sequence[AlertKey], form: ResolutionForm) -> list[Acted]:
    note = form.note.data or ""
    return alert_life.resolve(session, keys=keys, actor=access.current_actor(), note=note, now=clock.now())


def _snooze(session: Session, keys: Sequence[AlertKey], form: SnoozeForm) -> list[Acted]:
    now = clock.now()
    return alert_life.snooze(
        session,
        keys=keys,
        actor=access.current_actor(),
        reason=form.reason.data or "",
        until=form.ends_at(now, access.current_operator().timezone),
        now=now,
    )


def _assign(session: Session, keys: Sequence[AlertKey], form: AssignmentForm) -> list[Acted]:
    to = int(form.assignee.data)
    return alert_life.assign(session, keys=keys, actor=access.current_actor(), to=to, now=clock.now())


def _wake(session: Session, keys: Sequence[AlertKey], _form: ActForm) -> list[Acted]:
    return alert_life.wake(session, keys=keys, actor=access.current_actor(), now=clock.now())


def _take(session: Session, keys: Sequence[AlertKey], _form: ActForm) -> list[Acted]:
    return alert_life.take(session, keys=keys, actor=access.current_actor(), now=clock.now())


def _release(session: Session, keys: Sequence[AlertKey], _form: ActForm) -> list[Acted]:
    return alert_life.release(session, keys=keys, actor=access.current_actor(), now=clock.now())


ACKNOWLEDGEMENT = Act("acknowledgement", "Acknowledge", "acknowledged", _acknowledge, AcknowledgementForm)
RESOLUTION = Act(
    "resolution",
    "Resolve",
    "resolved",
    _resolve,
    ResolutionForm,
    "Nothing more is to be done about it. If it happens again, a new alert is raised.",
)
SNOOZE = Act(
    "snooze",
    "Snooze",
    "snoozed",
    _snooze,
    SnoozeForm,
    "Until then it is out of the inbox and of every count; what happens meanwhile is counted on it.",
)
ASSIGNMENT = Act("assignment", "Assign", "assigned", _assign, AssignmentForm)
TAKING = Act("taking", "Take", "yours: you are working on it", _take)
RELEASE = Act("release", "Release", "released: anybody may take it", _release)
WAKING = Act("waking", "Wake", "back in the inbox", _wake)
IN_BULK = {act.noun: act for act in (ACKNOWLEDGEMENT, RESOLUTION, SNOOZE, ASSIGNMENT)}


@bp.get("/players/<int:player_id>/alerts/<int:alert_id>/acknowledgement")
@requires("alerts:acknowledge")
def new_acknowledgement(player_id: int, alert_id: int) -> ResponseReturnValue:
    """The form for a note, as a dialog or a page."""
    return _ask(ACKNOWLEDGEMENT, AlertKey(player_id, alert_id))


@bp.post("/players/<int:player_id>/alerts/<int:alert_id>/acknowledgement")
@requires("alerts:acknowledge")
def create_acknowledgement(player_id: int, alert_id: int) -> ResponseReturnValue:
    """Say that one has seen it; whoever comes second is told who was first."""
    return _do(ACKNOWLEDGEMENT, AlertKey(player_id, alert_id))


@bp.get("/players/<int:player_id>/alerts/<int:alert_id>/resolution")
@requires("alerts:handle")
def new_resolution(player_id: int, alert_id: int) -> ResponseReturnValue:
    """The form that asks what became of it."""
    return _ask(RESOLUTION, AlertKey(player_id, alert_id))


@bp.post("/players/<int:player_id>/alerts/<int:alert_id>/resolution")
@requires("alerts:handle")
def create_resolution(player_id: int, alert_id: int) -> ResponseReturnValue:
    """End it by hand."""
    return _do(RESOLUTION, AlertKey(player_id, alert_id))


@bp.get("/players/<int:player_id>/alerts/<int:alert_id>/snooze")
@requires("alerts:handle")
def new_snooze(player_id: int, alert_id: int) -> ResponseReturnValue:
    """The form that asks until when, and why."""
    return _ask(SNOOZE, AlertKey(player_id, alert_id))


@bp.post("/players/<int:player_id>/alerts/<int:alert_id>/snooze")
@requires("alerts:handle")
def create_snooze(player_id: int, alert_id: int) -> ResponseReturnValue:
    """Put it off."""
    return _do(SNOOZE, AlertKey(player_id, alert_id))


@bp.get("/players/<int:player_id>/alerts/<int:alert_id>/assignment")
@requires("alerts:handle")
def new_assignment(player_id: int, alert_id: int) -> ResponseReturnValue:
    """The form that asks to whom."""
    return _ask(ASSIGNMENT, AlertKey(player_id, alert_id))


@bp.post("/players/<int:player_id>/alerts/<int:alert_id>/assignment")
@requires("alerts:handle")
def create_assignment(player_id: int, alert_id: int) -> ResponseReturnValue:
    """Give it to somebody."""
    return _do(ASSIGNMENT, AlertKey(player_id, alert_id))


@bp.post("/players/<int:player_id>/alerts/<int:alert_id>/taking")
@requires("alerts:handle")
def create_taking(player_id: int, alert_id: int) -> ResponseReturnValue:
    """Begin to work on it; whoever comes second is told who was first."""
    return _do(TAKING, AlertKey(player_id, alert_id))


@bp.post("/players/<int:player_id>/alerts/<int:alert_id>/release")
@requires("alerts:handle")
def create_release(player_id: int, alert_id: int) -> ResponseReturnValue:
    """Give it back."""
    return _do(RELEASE, AlertKey(player_id, alert_id))


@bp.post("/players/<int:player_id>/alerts/<int:alert_id>/waking")
@requires("alerts:handle")
def create_waking(player_id: int, alert_id: int) -> ResponseReturnValue:
    """Bring it back before its time."""
    return _do(WAKING, AlertKey(player_id, alert_id))


@bp.post("/alerts/next")
@requires("alerts:handle")
def create_next() -> ResponseReturnValue:
    """Take the most urgent alert that is nobody's, and open it."""
    who, now = access.current_actor(), clock.now()
    key = db.transact(lambda session: alert_life.take_next(session, actor=who, now=now))
    if key is None:
        message = "There is nothing to take: every open alert has somebody."
        if htmx.wants_partial():
            return htmx.with_toast(Response(status=204), message, kind="info")
        return htmx.redirect_with_toast(url_for("alerts.index"), message, kind="info")
    _tell([key])
    return htmx.see(_address(key))


@bp.get("/alerts/selection")
@requires("alerts:handle")
def new_selection() -> ResponseReturnValue:
    """The form of one act for several alerts, which the query names as `alert=42-7`."""
    act, keys = _selection(request.args)
    came_from = htmx.current_path() if htmx.is_htmx() else request.args.get("next", "")
    return _selection_form(act, keys, _form(act, formdata=None, data={"next": safe_path(came_from)}))


@bp.post("/alerts/selection")
@requires("alerts:handle")
def create_selection() -> ResponseReturnValue:
    """Do it to each, and say of each what became of it."""
    act, keys = _selection(request.form)
    form = _form(act)
    if not form.validate():
        return make_response(_selection_form(act, keys, form), 422)
    try:
        acted = db.transact(lambda session: act.work(session, keys, form))
    except Rejected as error:
        form.show(error)
        return make_response(_selection_form(act, keys, form), 422)
    done = [one.key for one in acted if one.refusal is None]
    _tell(done)
    template = "alerts/_acted.html" if htmx.wants_partial() else "alerts/acted.html"
    with db.reading() as session:
        html = render_template(
            template,
            title=_said(act, len(done), len(acted)),
            act=act,
            acted=sorted(acted, key=lambda one: one.refusal is None),
            rows=_rows_by_key(session, keys),
            back=safe_path(form.next.data or "") or url_for("alerts.index"),
        )
    return htmx.trigger(make_response(html), "live:alerts")


def _ask(act: Act, key: AlertKey) -> Response:
    came_from = htmx.current_path() if htmx.is_htmx() else request.args.get("next", "")
    return _act_form(act, key, _form(act, formdata=None, data={"next": safe_path(came_from)}))


def _do(act: Act, key: AlertKey) -> ResponseReturnValue:
    form = _form(act)
    if not form.validate():
        return _act_form(act, key, form, 422)
    try:
        db.transact(lambda session: alert_life.the_only(act.work(session, [key], form)))
    except Rejected as error:
        form.show(error)
        return _act_form(act, key, form, 422)
    _tell([key])
    message = f"The alert is {act.done}."
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(safe_path(form.next.data or "") or _address(key), message)
    # An answer without content: what stands open fetches itself anew.
    answer = htmx.with_toast(Response(status=204), message)
    for event in ("dialog:close", "live:alerts", "live:player"):
        answer = htmx.trigger(answer, event)
    return answer


def _form(act: Act, **given: Any) -> Any:
    form = act.form(**given)
    if isinstance(form, AssignmentForm):
        who = access.current_actor()
        with db.reading() as session:
            form.offer(queries.names_of_handlers(session, operator_id=who.operator_id), who.id)
    return form


def _act_form(act: Act, key: AlertKey, form: ActForm, status: int = 200) -> Response:
    template = "alerts/_act.html" if htmx.wants_partial() else "alerts/act.html"
    with db.reading() as session:
        alert = queries.get_alert(
            session,
            operator_id=access.current_operator().id,
            player_id=key.player_id,
            alert_id=key.alert_id,
            now=clock.now(),
        )
        address = url_for(f"alert_acts.create_{act.noun}", player_id=key.player_id, alert_id=key.alert_id)
        html = render_template(
            template, act=act, alerts=[alert], form=form, address=address, back=_address(key), many=False
        )
    return make_response(html, status)


def _selection_form(act: Act, keys: Sequence[AlertKey], form: ActForm) -> str:
    template = "alerts/_act.html" if htmx.wants_partial() else "alerts/act.html"
    with db.reading() as session:
        return render_template(
            template,
            act=act,
            alerts=list(_rows_by_key(session, keys).values()),
            form=form,
            address=url_for("alert_acts.create_selection"),
            back=form.next.data or url_for("alerts.index"),
            many=True,
        )


def _selection(given: Any) -> tuple[Act, list[AlertKey]]:
    """The act and the alerts that a request names. Raises Rejected."""
    act = IN_BULK.get(given.get("act", ""))
    if act is None:
        raise Rejected("Choose what to do with the alerts.")
    keys = read_selection(given.getlist("alert"))
    if not keys:
        raise Rejected("Select at least one alert: tick its box, or press x on it.")
    if len(keys) > SELECTION_MAX:
        raise Rejected(f"Select at most {SELECTION_MAX} alerts at a time; these are {len(keys)}.")
    return act, keys


def _rows_by_key(session: Session, keys: Sequence[AlertKey]) -> dict[AlertKey, queries.AlertRow]:
    operator_id = access.current_operator().id
    rows = queries.list_by_key(session, operator_id=operator_id, keys=keys, now=clock.now())
    return {AlertKey(row.player_id, row.id): row for row in rows}


def _said(act: Act, done: int, all_of_them: int) -> str:
    """`12 alerts acknowledged`, `10 of 12 alerts acknowledged`."""
    counted = f"{done} of {all_of_them}" if done < all_of_them else str(done)
    return f"{counted} {'alert' if all_of_them == 1 else 'alerts'} {act.done}"


def _tell(keys: Sequence[AlertKey]) -> None:
    operator_id = access.current_operator().id
    players = {live.player(key.player_id) for key in keys}
    live.tell(*sorted(players), live.alerts_of(operator_id), live.operator_of(operator_id))


def _address(key: AlertKey) -> str:
    return url_for("alerts.show", player_id=key.player_id, alert_id=key.alert_id)
