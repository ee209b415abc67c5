"""What htmx asks for and what it is told, for views that answer it and plain browsers alike."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Response, flash, make_response, redirect, request
from flask.typing import ResponseReturnValue

from dashboard import clock


@dataclass(frozen=True)
class Undo:
    """A way back that a toast offers until an instant: a POST to `url`, with nothing but the CSRF token.

    The toast stays, and counts down, as long as that; it follows its reader to the next pages. The view at
    `url` answers htmx with what it has to say, as a toast of its own (`with_toast` of a 204 will do), and a
    plain form with `redirect_with_toast`. Whether it is too late is the service's to say.
    """

    url: str
    until: dt.datetime


def is_htmx() -> bool:
    """Whether htmx sent this, and will put the answer into the page that is open."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def wants_partial() -> bool:
    """Whether a part of a page is the right answer; a boosted link and the back button want all of it."""
    return is_htmx() and "HX-Boosted" not in request.headers


def wants_events() -> bool:
    """Whether the event stream asks. Its address tells: htmx says in every request that it takes events."""
    return request.endpoint == "live.stream"


def current_path() -> str:
    """Path and query of the page that htmx stands on, or of this request where it does not say."""
    if "HX-Current-URL" not in request.headers:
        return request.full_path.rstrip("?")
    url = urlsplit(request.headers["HX-Current-URL"])
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def trigger(response: Response, name: str, detail: dict[str, Any] | None = None) -> Response:
    """Have the browser send itself the event `name`; several may ride on one answer."""
    events = json.loads(response.headers.get("HX-Trigger", "{}"))
    response.headers["HX-Trigger"] = json.dumps({**events, name: detail or {}})
    return response


def with_toast(
    answer: ResponseReturnValue,
    message: str,
    undo: Undo | None = None,
    /,
    *,
    href: str | None = None,
    link: str | None = None,
    kind: str = "ok",
) -> Response:
    """The answer to an htmx request, with a toast. `kind`: ok, info, warn, bad; `link`: what `href` says."""
    toast: dict[str, Any] = {**_toast(message, href, link, kind, undo)}
    if undo is not None:
        # Counted here: the browser's clock may be wrong.
        toast["undo_seconds"] = seconds_until(undo.until)
    return trigger(make_response(answer), "toast", toast)


def redirect_with_toast(
    location: str,
    message: str,
    undo: Undo | None = None,
    /,
    *,
    href: str | None = None,
    link: str | None = None,
    kind: str = "ok",
) -> Response:
    """See `location` (303), where the page then shows the toast; htmx is sent there too."""
    toast_later(message, undo, href=href, link=link, kind=kind)
    return see(location)


def toast_later(
    message: str,
    undo: Undo | None = None,
    /,
    *,
    href: str | None = None,
    link: str | None = None,
    kind: str = "ok",
) -> None:
    """Have the next page that this browser opens show the toast."""
    flash(_toast(message, href, link, kind, undo), kind)  # type: ignore[arg-type]  # any JSON value goes through


def see(location: str) -> Response:
    """Have the browser open a page next, whichever way it asked."""
    if is_htmx():
        return Response(status=204, headers={"HX-Redirect": location})
    return make_response(redirect(location, 303))


def seconds_until(instant: dt.datetime | str) -> int:
    """Whole seconds that are left until then, never less than 0; takes ISO text, as a toast carries it."""
    until = dt.datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return max(0, int((until - clock.now()).total_seconds()))


def _toast(message: str, href: str | None, link: str | None, kind: str, undo: Undo | None) -> dict[str, str]:
    given = {
        "message": message,
        "href": href,
        "link": link,
        "kind": kind,
        "undo": undo.url if undo else None,
        "undo_until": undo.until.isoformat() if undo else None,
    }
    return {name: value for name, value in given.items() if value is not None}
