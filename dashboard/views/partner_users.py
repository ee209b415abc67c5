"""Who signs in for a partner: inviting somebody by a one-time link, another link, letting go."""

from enum import StrEnum
from typing import NamedTuple

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.config import settings
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.forms.base import DeskForm
from dashboard.forms.partners import UserForm
from dashboard.models.login import LinkPurpose
from dashboard.queries import partners as queries
from dashboard.queries.partners import UserRow
from dashboard.services import partner_users
from dashboard.services.links import LIFETIME
from dashboard.views import access, htmx, partner_pages
from dashboard.views.access import requires

bp = Blueprint("partner_users", __name__, url_prefix="/partners/<int:partner_id>/users")


class UserAct(StrEnum):
    """What is asked about before it is done."""

    LINK = "link"
    DEACTIVATION = "deactivation"
    ACTIVATION = "activation"


class _Asked(NamedTuple):
    title: str
    lost: str
    button: str
    kind: str


_ASKED = {
    UserAct.LINK: _Asked(
        "Make a one-time link",
        "Whoever has the link sets the password, once; links made before open nothing any more.",
        "Make the link",
        "primary",
    ),
    UserAct.DEACTIVATION: _Asked(
        "Deactivate",
        "The login is refused from now on, and its sessions end. Earnings and payouts stay as they are.",
        "Deactivate",
        "danger",
    ),
    UserAct.ACTIVATION: _Asked(
        "Activate", "The login works again, with the password that it had.", "Activate", "primary"
    ),
}


@bp.get("/new")
@requires("partners:edit")
def new(partner_id: int) -> ResponseReturnValue:
    """The form of an invitation."""
    return _form_page(partner_id, UserForm(formdata=None))


@bp.post("")
@requires("partners:edit")
def create(partner_id: int) -> ResponseReturnValue:
    """Invite somebody, and show their link, once."""
    form = UserForm()
    if not form.validate():
        return _form_page(partner_id, form, 422)
    try:
        invited = db.transact(
            lambda session: partner_users.invite(
                session,
                partner_id=partner_id,
                email=form.email.data or "",
                name=form.name.data or "",
                actor=access.current_actor(),
                now=clock.now(),
            )
        )
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _form_page(partner_id, form, 409 if isinstance(refused, Conflict) else 422)
    return _link_page(partner_id, invited.login_id, LinkPurpose.INVITATION, invited.token)


@bp.get("/<int:login_id>/<partner_user_act:act>")
@requires("partners:edit")
def new_act(partner_id: int, login_id: int, act: UserAct) -> ResponseReturnValue:
    """Asks before it is done."""
    return _ask(partner_id, login_id, act, DeskForm(formdata=None))


@bp.post("/<int:login_id>/<partner_user_act:act>")
@requires("partners:edit")
def create_act(partner_id: int, login_id: int, act: UserAct) -> ResponseReturnValue:
    """Do it."""
    scope = {"partner_id": partner_id, "login_id": login_id}
    who, now = access.current_actor(), clock.now()
    try:
        if act is UserAct.LINK:
            purpose, token = db.transact(
                lambda session: partner_users.make_link(session, **scope, actor=who, now=now)
            )
            return _link_page(partner_id, login_id, purpose, token)
        change = partner_users.activate if act is UserAct.ACTIVATION else partner_users.deactivate
        db.transact(lambda session: change(session, **scope, actor=who, now=now))
    except (Rejected, Conflict) as refused:
        form = DeskForm(formdata=None)
        form.show(refused)
        return _ask(partner_id, login_id, act, form, 409 if isinstance(refused, Conflict) else 422)
    said = "The login is active again." if act is UserAct.ACTIVATION else "The login is deactivated."
    return htmx.redirect_with_toast(url_for("partners.show", partner_id=partner_id), said)


def _form_page(partner_id: int, form: UserForm, status: int = 200) -> Response:
    with db.reading() as session:
        partner = partner_pages.get(session, partner_id)
    return make_response(render_template("partners/user.html", partner=partner, form=form), status)


def _ask(partner_id: int, login_id: int, act: UserAct, form: DeskForm, status: int = 200) -> Response:
    with db.reading() as session:
        partner = partner_pages.get(session, partner_id)
        person = _user(session, partner_id, login_id)
    template = "partners/_user_act.html" if htmx.wants_partial() else "partners/user_act.html"
    html = render_template(template, partner=partner, person=person, act=act, asked=_ASKED[act], form=form)
    return make_response(html, status)


def _user(session: Session, partner_id: int, login_id: int) -> UserRow:
    for row in queries.list_users(session, partner_id=partner_id, now=clock.now()):
        if row.id == login_id:
            return row
    raise NotFound("This partner has no such user.")


def _link_page(partner_id: int, login_id: int, purpose: LinkPurpose, token: str) -> str:
    """Shows the link: the only time that anybody but its holder can read it."""
    scheme = "https" if settings().secure_cookies else None
    with db.reading() as session:
        partner = partner_pages.get(session, partner_id)
        person = _user(session, partner_id, login_id)
    return render_template(
        "partners/link.html",
        partner=partner,
        person=person,
        purpose=purpose,
        link=url_for("links.show", token=token, _external=True, _scheme=scheme),
        expires_at=clock.now() + LIFETIME[purpose],
    )
