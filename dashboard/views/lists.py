"""What the lists of the desk ask of a request, and the addresses they write."""

from collections.abc import Collection, Mapping
from urllib.parse import urlencode

from flask import Flask, Response, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from dashboard.forms.filters import FilterForm, spoken
from dashboard.queries import staff
from dashboard.views import navigation


def init_app(app: Flask) -> None:
    """Give the templates of lists their words and addresses."""
    app.jinja_env.filters.update(spoken=spoken, who=who, capped=capped)
    app.jinja_env.globals.update(
        address=address,
        open_alerts=navigation.open_alerts,
        requests_to_decide=navigation.requests_to_decide,
        partners_to_decide=navigation.partners_to_decide,
    )


def through() -> str:
    """How far the list is open that asks to be refreshed: each part of it has sent its last place."""
    places = request.args.getlist("through")
    return places[-1] if places else ""


def whole_page(endpoint: str) -> Answer:
    """For a part that is asked for as a page: to the page that holds it, with the same query."""
    query = request.query_string.decode("ascii", "ignore")
    return redirect(url_for(endpoint) + (f"?{query}" if query else ""), 303)


def with_address(answer: Response, endpoint: str, form: FilterForm) -> Response:
    """The answer to new filters, with which the browser's address shows them; a refresh leaves it alone."""
    if "through" not in request.args:
        answer.headers["HX-Push-Url"] = address(endpoint, form.asked())
    return answer


def address(
    endpoint: str,
    query: Mapping[str, str],
    *,
    without: str = "",
    only: Collection[str] | None = None,
    **more: str,
) -> str:
    """The address of a list by these filters: all but one, or only some, and with what is added."""
    wanted = {
        name: value
        for name, value in {**query, **more}.items()
        if value and name != without and (only is None or name in only)
    }
    return url_for(endpoint) + (f"?{urlencode(wanted)}" if wanted else "")


def capped(count: int, at_most: int) -> str:
    """A count that stops at `at_most`: `9,812`, or `10,000+`."""
    return f"{at_most:,}+" if count > at_most else f"{count:,}"


def who(reference: str, names: dict[int, str]) -> str:
    """A name for `staff:<id>`, `system` or `anonymous`."""
    return staff.name_of(reference, names)
