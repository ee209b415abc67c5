"""One-time links: whoever holds one sets a password of their own."""

from flask import Blueprint, Response, abort, g, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard import clock, db
from dashboard.forms.auth import NewPasswordForm
from dashboard.services import addresses, links, staff
from dashboard.services.links import LinkOver
from dashboard.services.passwords import LENGTH_MIN, PasswordRefused
from dashboard.views import auth, htmx
from dashboard.views.access import public

bp = Blueprint("links", __name__, url_prefix="/one-time-link")


@bp.get("")
@public
def show() -> ResponseReturnValue:
    """The form for a password. The token stands in the query: paths are logged."""
    token = request.args.get("token", "")
    if not token:
        abort(400)
    return _page(NewPasswordForm(formdata=None, data={"token": token}), 200)


@bp.post("")
@public
def create() -> ResponseReturnValue:
    """Set the password and use the link up; whoever was signed in here is not any more."""
    form = NewPasswordForm()
    if not form.validate():
        return _page(form, 422)
    try:
        link = db.transact(
            lambda session: staff.set_password_by_link(
                session,
                token=form.token.data or "",
                password=form.password.data or "",
                address=addresses.kept(request.remote_addr),
                request_id=g.request_id,
                now=clock.now(),
            )
        )
    except PasswordRefused as error:
        form.show(error)
        return _page(form, 422)
    except LinkOver as error:
        return _over(error)
    auth.leave()
    htmx.toast_later(f"The password is set. Sign in as {link.email}.")
    return htmx.see(url_for("auth.show"))


def _page(form: NewPasswordForm, status: int) -> Response:
    try:
        with db.reading() as session:
            link = links.get(session, token=form.token.data or "", now=clock.now())
    except LinkOver as error:
        return _over(error)
    page = render_template("links/show.html", form=form, link=link, length_min=LENGTH_MIN)
    return make_response(page, status)


def _over(error: LinkOver) -> Response:
    return make_response(render_template("links/over.html", message=error.message), 410)
