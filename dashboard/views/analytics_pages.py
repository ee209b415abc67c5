"""What the pages of analytics share: tiles, the names of buckets, currencies to choose from, files."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from flask import Flask, Response, make_response, render_template, request
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.forms.filters import FilterForm
from dashboard.queries import bonus_offers
from dashboard.services import exports, figures
from dashboard.services.exports import Column, Sheet
from dashboard.services.periods import Period, Unit
from dashboard.views import access, analytics_charts, htmx, lists

MANIFOLD = 1_000
"""In percent: of what grew by more, people read the multiple."""


class Tile(NamedTuple):
    """One figure of the period, what it was in the one before, and how it went."""

    label: str
    now: int
    before: int
    percent: float | None
    line: str
    """Points of its sparkline."""
    is_count: bool = False


class Bucket(NamedTuple):
    """A bucket in the tables below the charts."""

    start: dt.datetime
    name: str
    """When it began, by the operator's calendar."""


def answer(page: str, part: str, form: FilterForm, context: Mapping[str, Any]) -> Response:
    """The page; for htmx the part that its filters change, and the address that shows it."""
    if not htmx.wants_partial():
        return make_response(render_template(page, **context))
    found = make_response(render_template(part, **context))
    return lists.with_address(found, str(request.endpoint), form)


def init_app(app: Flask) -> None:
    """Give the templates the words of analytics."""
    app.jinja_env.filters.update(percent_change=percent_change, duration=duration)


def tile(label: str, now: int, before: int, values: Sequence[int], *, is_count: bool = False) -> Tile:
    """A figure with its change against the one before and the sparkline of its buckets."""
    line = analytics_charts.sparkline(values)
    return Tile(label, now, before, figures.change_percent(now, before), line, is_count)


def buckets(period: Period) -> list[Bucket]:
    """The buckets of a period with their names."""
    zone = access.current_operator().timezone
    return [
        Bucket(bucket.start, bucket_name(clock.local(bucket.start, zone), period.unit))
        for bucket in period.buckets
    ]


def bucket_name(wall: dt.datetime, unit: Unit) -> str:
    """`Mon 2 Mar, 14:00`, `Mon 2 Mar 2026`, `March 2026`."""
    if unit == Unit.HOUR:
        return f"{wall:%a} {wall.day} {wall:%b, %H:%M}"
    return f"{wall:%B %Y}" if unit == Unit.MONTH else f"{wall:%a} {wall.day} {wall:%b %Y}"


def currencies(session: Session) -> list[str]:
    """What figures can be asked for in, the operator's own first."""
    operator = access.current_operator()
    found = bonus_offers.list_currencies(session, operator_id=operator.id)
    return [operator.currency, *(code for code in found if code != operator.currency)]


def percent_change(percent: float | None) -> str:
    """`+3.1 %`, `−0.4 %`, and `12 ×` of what has grown more than tenfold; a dash of none."""
    if percent is not None and percent >= MANIFOLD:
        return f"{1 + percent / 100:,.0f} ×"
    return "–" if percent is None else f"{percent:+,.1f} %".replace("-", "\u2212")


def duration(length: dt.timedelta | None) -> str:
    """`42 s`, `12 min`, `3 h 20 min`, `2 d 4 h`; a dash of none."""
    if length is None:
        return "–"
    return " ".join(list(_pieces(round(length.total_seconds())))[:2]) or "0 s"


def _pieces(seconds: int) -> Iterator[str]:
    if seconds < 60:
        yield f"{seconds} s"
        return
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        count, seconds = divmod(seconds, size)
        if count:
            yield f"{count} {name}"


def file(columns: Sequence[Column], rows: Sequence[object], name: str) -> Response:
    """A table as a CSV of that name."""
    sheet = Sheet(columns, rows, access.current_operator().timezone)
    answer = Response(exports.csv_pieces(sheet), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer
