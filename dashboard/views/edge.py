"""What happens around every view: an id and a log line, and the checks that come before it.

The order matters: first whether the request comes from our own pages, then who asks, and only then the
CSRF token. So a form that outlived its session is answered with a sign-in (401), not with a bad token.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, request
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect
from werkzeug.exceptions import BadRequest
from werkzeug.middleware.proxy_fix import ProxyFix

from dashboard import log, metrics
from dashboard.config import settings
from dashboard.errors import Forbidden
from dashboard.views import access

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

csrf = CSRFProtect()

View = TypeVar("View", bound=Callable[..., Any])


def takes(content_bytes: int) -> Callable[[View], View]:
    """Let what is sent to this view be larger than elsewhere, once it is known that whoever sends it may."""

    def mark(view: View) -> View:
        view.content_bytes_max = content_bytes  # type: ignore[attr-defined]
        return view

    return mark


def init_app(app: Flask) -> None:
    """Surround every request of the application."""
    _believe_proxies(app)
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False  # `_check` does, after it knows who asks
    csrf.init_app(app)
    app.before_request(_begin)
    app.before_request(_check)
    app.after_request(_end)


def _believe_proxies(app: Flask) -> None:
    """Take the address of whoever asks, and whether they speak TLS, from the proxies before us, if any."""
    count = settings().trusted_proxies
    if count:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count)  # type: ignore[method-assign]


def _begin() -> None:
    g.request_id = secrets.token_hex(6)
    g.begun = time.perf_counter()


def _check() -> ResponseReturnValue | None:
    if request.routing_exception is not None:
        return None  # no such page or method; told as such
    if request.method not in SAFE_METHODS and not _is_from_here():
        raise Forbidden("This was sent from another site, and nothing was done.")
    refused = access.guard()
    if refused is None:
        _allow_size()
        _refuse_nul()
        csrf.protect()
    return refused


def _allow_size() -> None:
    """Before anything reads the form: the body of who may not is never read."""
    view = current_app.view_functions[request.endpoint] if request.endpoint else None
    limit = getattr(view, "content_bytes_max", None)
    if limit is not None:
        request.max_content_length = request.max_form_memory_size = limit


def _refuse_nul() -> None:
    """No key of a keyboard makes the character 0, and PostgreSQL's text cannot hold it."""
    values = [
        value for given in (request.args, request.form) for _, several in given.lists() for value in several
    ]
    if any("\0" in value for value in (request.path, *values)):
        raise BadRequest


def _is_from_here() -> bool:
    """Browsers say where a request comes from; whatever says nothing still needs the token."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def _end(response: Response) -> Response:
    who = access.known()
    seconds = time.perf_counter() - g.begun
    log.event(
        "request",
        request_id=g.request_id,
        user_id=who.actor.id if who else None,
        operator_id=who.operator.id if who else None,
        method=request.method,
        path=log.shown(request.path),
        endpoint=request.endpoint,
        status=response.status_code,
        duration_ms=round(seconds * 1000),
    )
    metrics.answered(
        endpoint=request.endpoint, method=request.method, status=response.status_code, seconds=seconds
    )
    return response
