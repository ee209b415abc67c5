"""One's own second factor: setting it up, its recovery codes, removing it."""

import segno
from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_user
from markupsafe import Markup

from dashboard import clock, db, keys
from dashboard.forms.auth import CodeForm, PasswordForm
from dashboard.services import second_factor, sessions, sign_in
from dashboard.services.sessions import Step
from dashboard.views import access, auth, htmx
from dashboard.views.access import requires

bp = Blueprint("second_factor", __name__, url_prefix="/account")


@bp.get("/second-factor")
@requires("session:own", also_at=[Step.ENROLMENT])
def show() -> ResponseReturnValue:
    """Setting it up: why, or the secret and the form for the first code; who has one goes to the account."""
    return _page(CodeForm(formdata=None, data={"next": auth.safe_path(request.args.get("next", ""))}))


@bp.post("/second-factor")
@requires("session:own", also_at=[Step.ENROLMENT])
def create() -> ResponseReturnValue:
    """Make the secret that the authenticator is to be given."""
    form = CodeForm()
    with db.writing() as session:
        second_factor.begin(
            session, actor=access.current_holder().actor, key=keys.second_factor_key(), now=clock.now()
        )
    return htmx.see(url_for("second_factor.show", next=auth.safe_path(form.next.data or "") or None))


@bp.post("/second-factor/confirmation")
@requires("session:own", also_at=[Step.ENROLMENT])
def create_confirmation() -> ResponseReturnValue:
    """Put it in force by the first code, under another session id; shows the recovery codes, once."""
    form = CodeForm()
    if not form.validate():
        return make_response(_page(form), 422)
    found = access.current_holder()
    try:
        with db.writing() as session:
            codes = second_factor.confirm(
                session,
                actor=found.actor,
                code=form.code.data or "",
                key=keys.second_factor_key(),
                now=clock.now(),
            )
            session_id = sessions.renew(session, found)
    except second_factor.FirstCodeRefused as error:
        form.show(error)
        return make_response(_page(form), 422)
    # The cookie keeps its CSRF token: forms that are open beside this one are not lost.
    login_user(access.User(session_id))
    onward = auth.safe_path(form.next.data or "") or access.home_of(found.actor)
    return _codes(codes, title="Second factor set up", onward=onward)


@bp.get("/second-factor/removal")
@requires("session:own")
def new_removal() -> ResponseReturnValue:
    """Asks for the password before the second factor is removed."""
    return _ask("removal", PasswordForm(formdata=None))


@bp.post("/second-factor/removal")
@requires("session:own")
def create_removal() -> ResponseReturnValue:
    """Remove it."""
    form = PasswordForm()
    if not _password_fits(form):
        return make_response(_ask("removal", form), 422)
    with db.writing() as session:
        second_factor.remove(session, actor=access.current_actor(), now=clock.now())
    return htmx.redirect_with_toast(url_for("auth.index"), "The second factor is removed.", kind="warn")


@bp.get("/recovery-codes/renewal")
@requires("session:own")
def new_recovery_codes() -> ResponseReturnValue:
    """Asks for the password before the recovery codes are replaced."""
    return _ask("recovery-codes", PasswordForm(formdata=None))


@bp.post("/recovery-codes/renewal")
@requires("session:own")
def create_recovery_codes() -> ResponseReturnValue:
    """Replace them, and show the new ones, once."""
    form = PasswordForm()
    if not _password_fits(form):
        return make_response(_ask("recovery-codes", form), 422)
    with db.writing() as session:
        codes = second_factor.renew_recovery_codes(session, actor=access.current_actor(), now=clock.now())
    return _codes(codes, title="New recovery codes", onward=url_for("auth.index"))


def _page(form: CodeForm) -> ResponseReturnValue:
    found = access.current_holder()
    with db.reading() as session:
        if second_factor.status(session, login_id=found.actor.id).confirmed_at is not None:
            return htmx.see(url_for("auth.index"))
        secret = second_factor.find_unconfirmed(session, actor=found.actor, key=keys.second_factor_key())
    return render_template(
        "second_factor/show.html",
        form=form,
        secret=secret,
        qr=_drawn(secret.uri) if secret else None,
        required=found.step is Step.ENROLMENT,
    )


def _ask(what: str, form: PasswordForm) -> str:
    return render_template(f"second_factor/{what.replace('-', '_')}.html", form=form)


def _codes(codes: list[str], *, title: str, onward: str) -> Response:
    return make_response(render_template("second_factor/codes.html", codes=codes, title=title, onward=onward))


def _password_fits(form: PasswordForm) -> bool:
    """Whether the password was typed that belongs to who asks; a wrong one counts like one of a sign-in."""
    if not form.validate():
        return False
    actor = access.current_actor()
    with db.writing() as session:
        attempt = sign_in.begin_again(session, actor=actor, now=clock.now())
    fits = attempt.fits(form.password.data or "")
    with db.writing() as session:
        fits = sign_in.finish_again(session, attempt, fits=fits, now=clock.now())
    if not fits:
        form.show(sign_in.PasswordAgainRefused())
    return fits


def _drawn(uri: str) -> Markup:
    """The QR code as SVG, which takes its size from the style sheet."""
    drawn = segno.make(uri, error="m").svg_inline(omitsize=True, border=3, svgclass="qr", lineclass=None)
    return Markup(drawn)  # noqa: S704 - drawn of squares alone: no text of anybody's stands in it
