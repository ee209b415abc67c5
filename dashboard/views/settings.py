"""Settings of the operator, allowances of staff, and changes of both that wait for another admin."""

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, live
from dashboard.errors import Conflict, NotFound, PurserError, Rejected
from dashboard.forms.approvals import APPROVE, DecisionForm
from dashboard.forms.settings import AllowanceForm, OperatorForm
from dashboard.queries import settings as queries
from dashboard.queries import staff as people
from dashboard.services import settings_requests, staff
from dashboard.services.settings_requests import Change
from dashboard.views import access, htmx, proposals
from dashboard.views.access import requires

bp = Blueprint("settings", __name__, url_prefix="/settings")


@bp.get("")
@requires("settings:view")
def index() -> ResponseReturnValue:
    """The operator's settings."""
    return _page(None)


@bp.post("")
@requires("settings:edit")
def create() -> ResponseReturnValue:
    """Put other settings in force, or ask another admin to."""
    form = OperatorForm()
    if not form.validate():
        return _page(form, 422)

    def change(session: Session) -> Change:
        before = queries.get_settings(session, operator_id=access.current_operator().id)
        return settings_requests.operator(before, form.settings())

    proposed = proposals.propose(change, form, form.reason.data or "")
    if proposed.refused_as:
        return _page(form, proposed.refused_as)
    return proposals.told(proposed, url_for("settings.index"), "The settings are in force.")


@bp.get("/allowances/<int:login_id>/<string(length=3):currency>")
@requires("settings:edit")
def edit_allowance(login_id: int, currency: str) -> ResponseReturnValue:
    """How much somebody may move in one currency."""
    return _allowance(login_id, currency, None)


@bp.post("/allowances/<int:login_id>/<string(length=3):currency>")
@requires("settings:edit")
def create_allowance(login_id: int, currency: str) -> ResponseReturnValue:
    """Set it, or ask another admin to."""
    form = AllowanceForm(currency=currency)
    if not form.validate():
        return _allowance(login_id, currency, form, 422)

    def change(session: Session) -> Change:
        row = _allowance_row(session, login_id, currency)
        return settings_requests.allowance(
            login_id,
            currency,
            before=(row.per_change, row.per_day),
            per_change=form.per_change.data or 0,
            per_day=form.per_day.data or 0,
        )

    proposed = proposals.propose(change, form, form.reason.data or "")
    if proposed.refused_as:
        return _allowance(login_id, currency, form, proposed.refused_as)
    location = url_for("staff.show", login_id=login_id)
    return proposals.told(proposed, location, "The allowance is in force.")


@bp.get("/requests")
@requires("settings:view")
def list_requests() -> ResponseReturnValue:
    """Changes of settings that wait for another admin, and what became of the last ones."""
    operator = access.current_operator()
    with db.reading() as session:
        rows = queries.list_requests(session, operator_id=operator.id)
    return render_template("settings/requests.html", rows=rows)


@bp.get("/requests/<int:request_id>")
@requires("settings:view")
def show_request(request_id: int) -> ResponseReturnValue:
    """One of them, with the form that decides it."""
    return _request(request_id, DecisionForm(formdata=None))


@bp.post("/requests/<int:request_id>/decision")
@requires("settings:edit")
def create_decision(request_id: int) -> ResponseReturnValue:
    """Approve or decline, as another admin."""
    form, who, now = DecisionForm(), access.current_actor(), clock.now()
    if not form.validate():
        return _request(request_id, form, 422)
    is_approved = form.decision.data == APPROVE
    decide = settings_requests.approve if is_approved else settings_requests.decline
    try:
        db.transact(
            lambda session: decide(
                session, request_id=request_id, reason=form.reason.data or "", actor=who, now=now
            )
        )
    except (Conflict, Rejected) as refused:
        form.show(PurserError(refused.message))
        return _request(request_id, form, 409 if isinstance(refused, Conflict) else 422)
    live.tell(live.approvals_of(who.operator_id))
    said = "Approved: it is in force." if is_approved else "Declined: nothing was changed."
    return htmx.redirect_with_toast(url_for("settings.list_requests"), said)


def _page(form: OperatorForm | None, status: int = 200) -> Response:
    operator, who = access.current_operator(), access.current_actor()
    with db.reading() as session:
        settings = queries.get_settings(session, operator_id=operator.id)
        html = render_template(
            "settings/index.html",
            settings=settings,
            form=form or OperatorForm(formdata=None, obj=settings),
            has_other_admin=staff.has_other_admin(session, actor=who),
        )
    return make_response(html, status)


def _allowance(login_id: int, currency: str, form: AllowanceForm | None, status: int = 200) -> Response:
    operator, who, now = access.current_operator(), access.current_actor(), clock.now()
    with db.reading() as session:
        row = _allowance_row(session, login_id, currency)
        person = people.get_person(session, operator_id=operator.id, login_id=login_id, now=now)
        has_other_admin = staff.has_other_admin(session, actor=who)
    form = form or AllowanceForm(currency=currency, formdata=None, obj=row)
    template = "settings/_allowance.html" if htmx.wants_partial() else "settings/allowance.html"
    html = render_template(template, person=person, row=row, form=form, has_other_admin=has_other_admin)
    return make_response(html, status)


def _allowance_row(session: Session, login_id: int, currency: str) -> queries.AllowanceRow:
    operator_id = access.current_operator().id
    for row in queries.list_allowances(session, operator_id=operator_id, login_id=login_id):
        if row.currency == currency:
            return row
    raise NotFound("There are no rules in that currency.")


def _request(request_id: int, form: DecisionForm, status: int = 200) -> Response:
    operator_id = access.current_operator().id
    with db.reading() as session:
        row = queries.get_request(session, operator_id=operator_id, request_id=request_id)
    return make_response(render_template("settings/request.html", row=row, form=form), status)
