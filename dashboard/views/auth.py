"""Signing in by password and code, signing out, and one's own sessions."""

import re
from urllib.parse import urlsplit

from flask import Blueprint, Response, g, make_response, render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_login import login_user
from flask_wtf.csrf import generate_csrf

from dashboard import clock, db, keys
from dashboard.forms.auth import CodeForm, EndSessionForm, SignInForm
from dashboard.queries import account
from dashboard.services import second_factor, sessions, sign_in
from dashboard.services.sessions import Step
from dashboard.services.sign_in import Opened
from dashboard.views import access, htmx
from dashboard.views.access import public, requires

bp = Blueprint("auth", __name__)


@bp.get("/sign-in")
@public
def show() -> ResponseReturnValue:
    """The page for signing in; whoever is signed in goes home."""
    found = access.holder()
    if found is not None and found.step is not Step.CODE:
        return htmx.see(access.home_of(found.actor))
    form = SignInForm(formdata=None, data={"next": safe_path(request.args.get("next", ""))})
    return render_template("auth/sign_in.html", form=form, ended=False)


@bp.post("/sign-in")
@public
def create() -> ResponseReturnValue:
    """Sign in, with a new session id and a new CSRF token; where there is a second factor, up to its code."""
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
    leave()
    login_user(access.User(opened.session_id))
    target = safe_path(form.next.data or "")
    if opened.step is Step.CODE:
        return _ask_for_code(target)
    return _arrived(opened, target)


@bp.get("/sign-in/code")
@requires("session:own", also_at=[Step.CODE])
def show_code() -> ResponseReturnValue:
    """The page that asks for the code; whoever owes none goes home."""
    found = access.current_holder()
    if found.step is None:
        return htmx.see(access.home_of(found.actor))
    form = CodeForm(formdata=None, data={"next": safe_path(request.args.get("next", ""))})
    return render_template("auth/code.html", form=form, who=found.actor.name)


@bp.post("/sign-in/code")
@requires("session:own", also_at=[Step.CODE])
def create_code() -> ResponseReturnValue:
    """Finish signing in, under another session id and another CSRF token."""
    found = access.current_holder()
    if found.step is None:
        return htmx.see(access.home_of(found.actor))
    form = CodeForm()
    if not form.validate():
        return _invalid_code(form)
    code, key = form.code.data or "", keys.second_factor_key()
    opened = db.transact(
        lambda session: sign_in.enter_code(session, found, code=code, key=key, now=clock.now())
    )
    if opened is None:
        form.show(sign_in.CodeRefused())
        return _invalid_code(form)
    _forget_cookie()
    login_user(access.User(opened.session_id))
    return _arrived(opened, safe_path(form.next.data or ""))


@bp.post("/sign-out")
@requires("session:own", also_at=list(Step))
def delete() -> ResponseReturnValue:
    """End this session."""
    leave()
    return htmx.see(url_for("auth.show"))


@bp.get("/account")
@requires("session:own")
def index() -> ResponseReturnValue:
    """One's own account: the second factor, and the sessions, each with a button that ends it."""
    actor = access.current_actor()
    with db.reading() as session:
        rows = account.list_sessions(session, login_id=actor.id, now=clock.now())
        status = second_factor.status(session, login_id=actor.id)
    return render_template(
        "auth/account.html",
        rows=rows,
        status=status,
        current_key=access.current_holder().session_key,
        form=EndSessionForm(formdata=None),
    )


@bp.post("/account/ended-sessions")
@requires("session:own")
def create_ended_session() -> ResponseReturnValue:
    """End one of one's own sessions."""
    form = EndSessionForm()
    if form.validate():
        with db.writing() as session:
            sessions.end(
                session,
                session_key=form.session_key.data or "",
                actor=access.current_actor(),
                now=clock.now(),
            )
    return htmx.redirect_with_toast(url_for("auth.index"), "The session has ended.")


@bp.post("/account/ended-sessions/others")
@requires("session:own")
def create_ended_others() -> ResponseReturnValue:
    """End all of one's own sessions but this one."""
    with db.writing() as session:
        ended = sessions.end_others(session, access.current_holder(), now=clock.now())
    said = "1 other session has ended." if ended == 1 else f"{ended} other sessions have ended."
    return htmx.redirect_with_toast(url_for("auth.index"), said)


@bp.get("/account/session")
@requires("session:own")
def show_session() -> ResponseReturnValue:
    """Whether there still is one: asked before a plain form is sent, which would be lost without."""
    return Response(status=204)


def leave() -> None:
    """End the session that this browser has, if any, and forget all that its cookie says."""
    found = access.holder()
    if found is not None:
        with db.writing() as session:
            sessions.sign_out(session, found, now=clock.now())
    _forget_cookie()


def safe_path(path: str) -> str:
    """The path if it leads to a page of ours, else the empty string: sign-in never forwards elsewhere."""
    if not re.fullmatch(r"/(?![/\\])[\x21-\x7e]*", path) or "\\" in path:
        return ""
    parts = urlsplit(path)
    is_sign_in = parts.path in {"/sign-in", "/sign-in/code"}
    return "" if parts.scheme or parts.netloc or is_sign_in else path


def _arrived(opened: Opened, target: str) -> Response:
    """The answer to who is signed in now: above a page it goes on, otherwise the page begins."""
    if htmx.is_htmx():
        arrived = {"csrf_token": generate_csrf(), "login": opened.actor.id}
        answer = make_response(render_template("auth/_signed_in_again.html"))
        return htmx.trigger(answer, "signed-in", arrived)
    left = opened.recovery_codes_left
    if left is not None:
        said = f"That recovery code is used up; {left} left."
        htmx.toast_later(said, href=url_for("auth.index"), link="Your account", kind="warn")
    # The root is the desk's: whoever has another home begins there.
    return htmx.see(target.rstrip("/") or access.home_of(opened.actor))


def _ask_for_code(target: str) -> Response:
    if not htmx.is_htmx():
        return htmx.see(url_for("auth.show_code", next=target or None))
    answer = make_response(render_template("auth/_code_again.html", form=CodeForm(formdata=None)))
    # The whole dialog anew, so that the code's field takes the focus.
    answer.headers.update({"HX-Retarget": "#sign-in-dialog", "HX-Reswap": "innerHTML"})
    return answer


def _invalid(form: SignInForm) -> Response:
    template = "auth/_sign_in_again.html" if htmx.is_htmx() else "auth/sign_in.html"
    return make_response(render_template(template, form=form, ended=False), 422)


def _invalid_code(form: CodeForm) -> Response:
    template = "auth/_code_again.html" if htmx.is_htmx() else "auth/code.html"
    who = access.current_holder().actor.name
    return make_response(render_template(template, form=form, who=who), 422)


def _forget_cookie() -> None:
    cookie.clear()
    for name in ("csrf_token", "holder", "_login_user"):
        g.pop(name, None)
