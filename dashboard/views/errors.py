"""Refusals and failures as answers: a page for a browser, a notice for htmx, never a trace."""

from flask import Flask, Response, g, make_response, render_template
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError

from dashboard import log
from dashboard.errors import Conflict, Forbidden, NotFound, OutcomeUnknown, PurserError, Rejected
from dashboard.services.addresses import TooManyAttempts
from dashboard.views import htmx

RETRY_AFTER_SECONDS = 5

STATUS_BY_KIND: dict[type[PurserError], int] = {
    Rejected: 422,
    Conflict: 409,
    NotFound: 404,
    Forbidden: 403,
    OutcomeUnknown: 503,
    TooManyAttempts: 429,
}

_TITLES = {
    400: "That did not work",
    403: "Not for your role",
    404: "Not found",
    405: "Not possible here",
    409: "Somebody was first",
    413: "Too large",
    415: "Not understood",
    422: "Refused",
    429: "A moment, please",
    500: "Something went wrong",
    503: "Not available right now",
}
_MESSAGES = {
    400: "The request could not be understood. Nothing was changed.",
    404: "There is nothing at this address, or it is not yours to see.",
    405: "This address does not take that kind of request. Nothing was changed.",
    413: "What was sent is larger than this page takes. Nothing was changed.",
    415: "What was sent is of a kind that this page does not take. Nothing was changed.",
    500: "This is our mistake. Nothing was changed unless the page said so before.",
}
_TOKEN = "This page was open for too long. Reload it, then send it again: nothing was changed."  # noqa: S105
_UNREACHABLE = "The database cannot be reached. It is tried again by itself: reload in a moment."
_BUSY = "Somebody else is working on the same thing. Nothing was changed: try again in a moment."
_BUSY_STATES = {"55P03", "57014", "40001", "40P01"}  # lock or statement timeout, serialization, deadlock


def init_app(app: Flask) -> None:
    """Turn every kind of error into an answer."""
    app.logger.disabled = True  # it would print the message of an error and what was typed: _failed logs it
    app.register_error_handler(PurserError, _refused)
    app.register_error_handler(CSRFError, lambda _error: answer(400, _TOKEN))
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(PoolTimeout, _unavailable)
    app.register_error_handler(InternalServerError, _failed)


def answer(status: int, message: str, *, reference: str | None = None) -> Response:
    """The page or notice that says so; needs no database and no session."""
    if htmx.wants_events():
        return Response(status=status)
    template = "errors/_notice.html" if htmx.is_htmx() else "errors/show.html"
    response = make_response(
        render_template(
            template,
            status=status,
            title=_TITLES.get(status, "Refused"),
            message=message,
            reference=reference,
        ),
        status,
    )
    if status == 422:
        # Every other status goes to the notices by the page's own rule; a 422 is usually a form.
        response.headers.update({"HX-Retarget": "#notices", "HX-Reswap": "innerHTML"})
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _refused(error: PurserError) -> Response:
    status = next((code for kind, code in STATUS_BY_KIND.items() if isinstance(error, kind)), None)
    if status is None:
        raise error  # no refusal that a person can act on: goes on to _failed
    if isinstance(error, OutcomeUnknown):
        log.failure("outcome unknown", error, request_id=g.request_id)
    response = answer(status, error.message)
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    response = answer(status, _MESSAGES.get(status, _MESSAGES[400]))
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _database(error: DBAPIError) -> Response:
    if getattr(error.orig, "sqlstate", None) in _BUSY_STATES:
        log.failure("database busy", error, request_id=g.request_id)
        return answer(503, _BUSY)
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        return _unavailable(error)
    raise error  # our bug: goes on to _failed


def _unavailable(error: Exception) -> Response:
    log.failure("database unreachable", error, request_id=g.request_id)
    return answer(503, _UNREACHABLE)


def _failed(error: InternalServerError) -> Response:
    log.failure("failed", error.original_exception or error, request_id=g.request_id)
    return answer(500, _MESSAGES[500], reference=g.request_id)
