"""Who is asking, and whether they may: one guard before every view, closed by default.

A view says what it needs with `@requires("area:act")`, or that anybody may open it with `@public`. A
route that says nothing, or names a verb that nobody has, stops the start.
"""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user

from dashboard import clock, db, permissions
from dashboard.errors import Forbidden
from dashboard.forms.auth import CodeForm, SignInForm
from dashboard.services import sessions
from dashboard.services.actors import Actor
from dashboard.services.sessions import OperatorFacts, SignedIn, Step
from dashboard.views import htmx

PUBLIC = "public"

View = TypeVar("View", bound=Callable[..., Any])


def requires(verb: str, *, also_at: Collection[Step] = ()) -> Callable[[View], View]:
    """Let in those whose role has this verb (`permissions.py`), and nobody else.

    A session that still has a step to take opens nothing but the views that name it in `also_at`; these
    ask `current_holder`, not `current_actor`.
    """

    def mark(view: View) -> View:
        view.permission = verb  # type: ignore[attr-defined]
        view.also_at = frozenset(also_at)  # type: ignore[attr-defined]
        return view

    return mark


def public(view: View) -> View:
    """Let in anybody: sign-in and health alone."""
    view.permission = PUBLIC  # type: ignore[attr-defined]
    return view


def permission_of(app: Flask, endpoint: str) -> str | None:
    """What the route needs: a verb, `public`, or None where its view forgot to say."""
    return getattr(app.view_functions[endpoint], "permission", None)


def check_routes(app: Flask) -> None:
    """Raise RuntimeError for a route whose permission is missing or unknown; the start ends there."""
    for rule in app.url_map.iter_rules():
        permission = permission_of(app, rule.endpoint)
        if permission is None:
            raise RuntimeError(f"{rule.endpoint} ({rule}) names no permission: add @requires or @public.")
        if permission != PUBLIC and permission not in permissions.VERBS:
            raise RuntimeError(
                f"{rule.endpoint} ({rule}) needs {permission!r}, which no role has: see permissions.py."
            )


class User(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    """What Flask-Login keeps of a request: the session's id, and whose it is."""

    def __init__(self, session_id: str, signed_in: SignedIn | None = None) -> None:
        self.id = session_id
        self.signed_in = signed_in


def init_app(app: Flask) -> None:
    """Resolve sessions for every request."""
    # Without its context processor: that would ask the database again to render why it cannot be asked.
    login = LoginManager(app, add_context_processor=False)
    login.session_protection = None  # the session stands in the database: an address may change within it
    login.user_loader(_load)


def guard() -> ResponseReturnValue | None:
    """Before every view: let pass, send to sign-in, or raise Forbidden."""
    permission = permission_of(current_app, request.endpoint) if request.endpoint else PUBLIC
    if permission == PUBLIC:
        return None
    found = holder()
    if found is None:
        return _unauthorized()
    if found.step is not None and found.step not in _steps_of(request.endpoint):
        return _step_first(found.step)
    if permission is None or not found.actor.may(permission):
        raise Forbidden("Your role does not include this.")
    return None


def holder() -> SignedIn | None:
    """Whose session this request has, even if it still has a step to take; None where it has none.

    Reads the database at most once.
    """
    return current_user.signed_in if current_user.is_authenticated else None


def current_holder() -> SignedIn:
    """Whose session it is, within a view that requires a permission and is open at a step too."""
    found = holder()
    if found is None:
        raise RuntimeError("Nobody has a session here: this view must not be public.")
    return found


def signed_in() -> SignedIn | None:
    """Who is signed in, with no step left to take; None for anybody else."""
    found = holder()
    return found if found is not None and found.step is None else None


def current_actor() -> Actor:
    """Who is asking, within a view that requires a permission."""
    return _required().actor


def current_partner_id() -> int:
    """Whose figures are shown, within a view that requires what only partners may."""
    partner_id = current_actor().partner_id
    if partner_id is None:
        raise RuntimeError("Whoever asks here is no partner: this view needs another permission.")
    return partner_id


def current_operator() -> OperatorFacts:
    """For which operator they work, within a view that requires a permission."""
    return _required().operator


def known() -> SignedIn | None:
    """Like `signed_in`, but asks nothing: for error pages, logs and templates."""
    found: SignedIn | None = g.get("holder")
    return found if found is not None and found.step is None else None


def home_of(who: Actor) -> str:
    """The page where this person begins."""
    return "/" if who.may("desk:view") else url_for("earnings.index")


def _required() -> SignedIn:
    found = signed_in()
    if found is None:
        raise RuntimeError("Nobody is signed in: this view must not be public.")
    return found


def _load(session_id: str) -> User | None:
    with db.writing() as session:
        found = sessions.resolve(
            session, session_id, address=request.remote_addr, request_id=g.request_id, now=clock.now()
        )
    g.holder = found
    return User(session_id, found) if found else None


def _unauthorized() -> Response:
    """A page is sent to sign-in; under htmx it opens above the page, where a form may be half typed."""
    if htmx.wants_events():
        return Response(status=401)
    reading = request.method in {"GET", "HEAD"}
    if htmx.is_htmx():
        again = render_template("auth/_sign_in_again.html", form=SignInForm(formdata=None))
        return make_response(again, 401)
    if reading:
        return make_response(redirect(url_for("auth.show", next=htmx.current_path()), 303))
    return make_response(
        render_template("auth/sign_in.html", form=SignInForm(formdata=None), ended=True), 401
    )


def _steps_of(endpoint: str | None) -> frozenset[Step]:
    steps: frozenset[Step] = getattr(current_app.view_functions[endpoint or ""], "also_at", frozenset())
    return steps


def _step_first(step: Step) -> Response:
    """Lead to what is still to be done; under htmx above the page, where a form may be half typed."""
    if htmx.wants_events():
        return Response(status=401)
    if htmx.is_htmx():
        return make_response(_step_dialog(step), 401)
    endpoint = {Step.CODE: "auth.show_code", Step.ENROLMENT: "second_factor.show"}[step]
    reading = request.method in {"GET", "HEAD"}
    return make_response(redirect(url_for(endpoint, next=htmx.current_path() if reading else None), 303))


def _step_dialog(step: Step) -> str:
    if step is Step.CODE:
        return render_template("auth/_code_again.html", form=CodeForm(formdata=None))
    return render_template("auth/_enrol_first.html")
