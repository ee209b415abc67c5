"""The operator's staff: the list, one person, inviting somebody, and what an admin can do about a login."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.config import settings
from dashboard.errors import Conflict, Rejected
from dashboard.forms.base import DeskForm
from dashboard.forms.staff import InvitationForm, RoleChangeForm
from dashboard.models.login import LinkPurpose, Role
from dashboard.queries import settings as settings_queries
from dashboard.queries import staff as queries
from dashboard.services import settings_requests, staff
from dashboard.services.links import LIFETIME
from dashboard.views import access, htmx, proposals
from dashboard.views.access import requires

bp = Blueprint("staff", __name__, url_prefix="/staff")


class Act(StrEnum):
    """What is asked about before it is done."""

    LINK = "link"
    DEACTIVATION = "deactivation"
    ACTIVATION = "activation"
    ENDED_SESSIONS = "ended-sessions"
    SECOND_FACTOR_REMOVAL = "second-factor-removal"


class _Asked(NamedTuple):
    title: str
    lost: str
    button: str
    kind: str = "danger"


_ASKED = {
    Act.LINK: _Asked(
        "Make a one-time link",
        "Whoever has the link sets the password, once. The password until now goes on working until then;"
        " links made before open nothing any more.",
        "Make the link",
        kind="primary",
    ),
    Act.DEACTIVATION: _Asked(
        "Deactivate",
        "The login is refused from now on, its sessions end, and what is typed there and not sent is lost."
        " What this person did stays as it is, and you can activate the login again.",
        "Deactivate",
    ),
    Act.ACTIVATION: _Asked(
        "Activate",
        "The login works again, with the password and the second factor that it had.",
        "Activate",
        kind="primary",
    ),
    Act.ENDED_SESSIONS: _Asked(
        "End all sessions",
        "Every browser of this person is signed out. A form that is open there stays, and can be sent after"
        " signing in again.",
        "End all sessions",
    ),
    Act.SECOND_FACTOR_REMOVAL: _Asked(
        "Remove the second factor",
        "The authenticator and the recovery codes of this person are forgotten, and their sessions end. Until"
        " they set up another one the password alone signs them in: make sure who is asking you.",
        "Remove the second factor",
    ),
}


@bp.get("")
@requires("staff:view")
def index() -> ResponseReturnValue:
    """Everybody of the staff."""
    operator = access.current_operator()
    with db.reading() as session:
        people = queries.list_people(session, operator_id=operator.id, now=clock.now())
        required = queries.is_second_factor_required(session, operator_id=operator.id)
    return render_template("staff/index.html", people=people, required=required, now=clock.now())


@bp.get("/new")
@requires("staff:edit")
def new() -> ResponseReturnValue:
    """The form of an invitation."""
    return render_template("staff/new.html", form=InvitationForm(formdata=None))


@bp.post("")
@requires("staff:edit")
def create() -> ResponseReturnValue:
    """Invite somebody, and show their link, once."""
    form = InvitationForm()
    if not form.validate():
        return _invalid(form)
    try:
        with db.writing() as session:
            invited = staff.invite(
                session,
                email=form.email.data or "",
                name=form.name.data or "",
                role=form.chosen(),
                actor=access.current_actor(),
                now=clock.now(),
            )
    except (Rejected, Conflict) as error:
        form.show(error)
        return _invalid(form)
    return _link_page(invited.login_id, LinkPurpose.INVITATION, invited.token)


@bp.get("/<int:login_id>")
@requires("staff:view")
def show(login_id: int) -> ResponseReturnValue:
    """One person of the staff."""
    return _person_page(login_id, None)


@bp.post("/<int:login_id>/role")
@requires("staff:edit")
def create_role(login_id: int) -> ResponseReturnValue:
    """Give somebody another role."""
    form = RoleChangeForm()
    if not form.validate():
        return make_response(_person_page(login_id, form), 422)

    def change(session: Session) -> settings_requests.Change:
        before = queries.get_person(
            session, operator_id=access.current_operator().id, login_id=login_id, now=clock.now()
        )
        return settings_requests.role(login_id, before=Role(before.role), after=form.chosen())

    proposed = proposals.propose(change, form, form.reason.data or "")
    if proposed.refused_as:
        return make_response(_person_page(login_id, form), 422)
    said = f"The role is {form.chosen()} now, from the next click on."
    return proposals.told(proposed, url_for("staff.show", login_id=login_id), said)


@bp.get("/<int:login_id>/<staff_act:act>")
@requires("staff:edit")
def new_act(login_id: int, act: Act) -> ResponseReturnValue:
    """Asks before it is done, naming what is lost."""
    return _ask(login_id, act, DeskForm(formdata=None))


@bp.post("/<int:login_id>/<staff_act:act>")
@requires("staff:edit")
def create_act(login_id: int, act: Act) -> ResponseReturnValue:
    """Do it."""
    try:
        if act is Act.LINK:
            purpose, token = db.transact(
                lambda session: staff.make_link(
                    session, login_id=login_id, actor=access.current_actor(), now=clock.now()
                )
            )
            return _link_page(login_id, purpose, token)
        said = db.transact(lambda session: _DONE[act](session, login_id))
    except (Rejected, Conflict) as error:
        form = DeskForm(formdata=None)
        form.show(error)
        return make_response(_ask(login_id, act, form), 422)
    return htmx.redirect_with_toast(url_for("staff.show", login_id=login_id), said)


def _deactivate(session: Session, login_id: int) -> str:
    ended = staff.deactivate(session, login_id=login_id, actor=access.current_actor(), now=clock.now())
    return f"The login is deactivated; {_sessions(ended)}."


def _activate(session: Session, login_id: int) -> str:
    staff.activate(session, login_id=login_id, actor=access.current_actor(), now=clock.now())
    return "The login is active again."


def _end_sessions(session: Session, login_id: int) -> str:
    ended = staff.end_sessions(session, login_id=login_id, actor=access.current_actor(), now=clock.now())
    return f"Signed out everywhere: {_sessions(ended)}."


def _remove_second_factor(session: Session, login_id: int) -> str:
    ended = staff.remove_second_factor(
        session, login_id=login_id, actor=access.current_actor(), now=clock.now()
    )
    return f"The second factor is removed; {_sessions(ended)}."


_DONE: dict[Act, Callable[[Session, int], str]] = {
    Act.DEACTIVATION: _deactivate,
    Act.ACTIVATION: _activate,
    Act.ENDED_SESSIONS: _end_sessions,
    Act.SECOND_FACTOR_REMOVAL: _remove_second_factor,
}


def _sessions(ended: int) -> str:
    return "1 session ended" if ended == 1 else f"{ended or 'no'} sessions ended"


def _person_page(login_id: int, form: RoleChangeForm | None) -> str:
    operator = access.current_operator()
    with db.reading() as session:
        person = queries.get_person(session, operator_id=operator.id, login_id=login_id, now=clock.now())
        return render_template(
            "staff/show.html",
            person=person,
            is_oneself=person.id == access.current_actor().id,
            required=queries.is_second_factor_required(session, operator_id=operator.id),
            form=form or RoleChangeForm(formdata=None, data={"role": person.role}),
            allowances=settings_queries.list_allowances(session, operator_id=operator.id, login_id=login_id),
            has_other_admin=staff.has_other_admin(session, actor=access.current_actor()),
            now=clock.now(),
        )


def _ask(login_id: int, act: Act, form: DeskForm) -> str:
    with db.reading() as session:
        person = queries.get_person(
            session, operator_id=access.current_operator().id, login_id=login_id, now=clock.now()
        )
    template = "staff/_act.html" if htmx.wants_partial() else "staff/act.html"
    return render_template(template, person=person, act=act, asked=_ASKED[act], form=form)


def _invalid(form: InvitationForm) -> Response:
    return make_response(render_template("staff/new.html", form=form), 422)


def _link_page(login_id: int, purpose: LinkPurpose, token: str) -> str:
    """Shows the link: the only time that anybody but its holder can read it."""
    scheme = "https" if settings().secure_cookies else None
    with db.reading() as session:
        person = queries.get_person(
            session, operator_id=access.current_operator().id, login_id=login_id, now=clock.now()
        )
    return render_template(
        "staff/link.html",
        person=person,
        purpose=purpose,
        link=url_for("links.show", token=token, _external=True, _scheme=scheme),
        expires_at=clock.now() + LIFETIME[purpose],
    )
