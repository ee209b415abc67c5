"""Signing in and out, and one's own sessions."""

import re
from urllib.parse import urlsplit

from flask import Blueprint, Response, g, make_response, render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_login import login_user
from flask_wtf.csrf import generate_csrf

from dashboard import clock, db
from dashboard.forms.auth import EndSessionForm, SignInForm
from dashboard.queries import account
from dashboard.services import sign_in
from dashboard.views import access, htmx
from dashboard.views.access import public, requires

bp = Blueprint("auth", __name__)


@bp.get("/sign-in")
@public
def show() -> ResponseReturnValue:
    """The page for signing in; whoever is signed in goes home."""
    known = access.signed_in()
    if known is not None:
        return htmx.see(access.home_of(known.actor))
    form = SignInForm(formdata=None, data={"next": safe_path(request.args.get("next", ""))})
    return render_template("auth/sign_in.html", form=form, ended=False)


@bp.post("/sign-in")
@public
def create() -> ResponseReturnValue:
    """Sign in, with a new session id and a new CSRF token."""
    form = SignInForm()
    if not form.validate():
        return _invalid(form)
    with db.writing() as session:
        attempt = sign_in.begin(
            session,
            email=form.email.data or "",
            address=request.remote_addr,
            request_id=g.request_id,
            now=clock.now(),
        )
    fits = attempt.fits(form.password.data or "")
    with db.writing() as session:
        opened = sign_in.finish(
            session, attempt, fits=fits, user_agent=request.user_agent.string, now=clock.now()
        )
    if opened is None:
        form.show(sign_in.SignInRefused())
        return _invalid(form)
    _leave()
    login_user(access.User(opened.session_id))
    if htmx.is_htmx():
        token = {"csrf_token": generate_csrf()}
        return htmx.trigger(make_response(render_template("auth/_signed_in_again.html")), "signed-in", token)
    return htmx.see(safe_path(form.next.data or "") or access.home_of(opened.actor))


@bp.post("/sign-out")
@requires("session:own")
def delete() -> ResponseReturnValue:
    """End this session."""
    _leave()
    return htmx.see(url_for("auth.show"))


@bp.get("/account")
@requires("session:own")
def index() -> ResponseReturnValue:
    """One's own sessions, each with a button that ends it."""
    with db.reading() as session:
        rows = account.list_sessions(session, login_id=access.current_actor().id, now=clock.now())
    known = access.signed_in()
    return render_template(
        "auth/account.html", rows=rows, current_key=known.session_key if known else "", form=EndSessionForm()
    )


@bp.post("/account/ended-sessions")
@requires("session:own")
def create_ended_session() -> ResponseReturnValue:
    """End one of one's own sessions."""
    form = EndSessionForm()
    if form.validate():
        with db.writing() as session:
            sign_in.end_session(
                session,
                session_key=form.session_key.data or "",
                actor=access.current_actor(),
                now=clock.now(),
            )
    return htmx.redirect_with_toast(url_for("auth.index"), "The session has ended.")


def safe_path(path: str) -> str:
    """The path if it leads to a page of ours, else the empty string: sign-in never forwards elsewhere."""
    if not re.fullmatch(r"/(?![/\\])[\x21-\x7e]*", path) or "\\" in path:
        return ""
    parts = urlsplit(path)
    return "" if parts.scheme or parts.netloc or parts.path == "/sign-in" else path


def _invalid(form: SignInForm) -> Response:
    template = "auth/_sign_in_again.html" if htmx.is_htmx() else "auth/sign_in.html"
    return make_response(render_template(template, form=form, ended=False), 422)


def _leave() -> None:
    """End the session that this browser has, if any, and forget all that its cookie says."""
    known = access.signed_in()
    if known is not None:
        with db.writing() as session:
            sign_in.sign_out(session, known, now=clock.now())
    cookie.clear()
    for name in ("csrf_token", "signed_in", "_login_user"):
        g.pop(name, None)
