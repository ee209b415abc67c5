"""One player's analytics: where a balance was, what moved it, and how risky that is."""

from typing import Any, NamedTuple

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, money
from dashboard.forms.analytics import PeriodForm
from dashboard.queries import player_figures as queries
from dashboard.queries import players
from dashboard.queries.player_figures import PlayerFigures, Scope
from dashboard.queries.players import Header
from dashboard.services.exports import Amount, Column
from dashboard.services.figures import Figures
from dashboard.services.trends import Course
from dashboard.views import access, analytics_charts, analytics_pages, htmx
from dashboard.views.access import requires
from dashboard.views.analytics_pages import Tile

bp = Blueprint("analytics_player", __name__, url_prefix="/players/<int:player_id>")

_ACTIVITY = (
    ("Deposits", "deposits"),
    ("Withdrawals", "withdrawals"),
    ("Stakes", "stakes"),
    ("Payouts", "payouts"),
    ("Net gaming revenue", "revenue"),
    ("Bonuses granted", "bonuses"),
    ("Adjustments", "adjustments"),
    ("Changes", "entries"),
)


class _Asked(NamedTuple):
    form: PeriodForm
    header: Header
    scope: Scope
    figures: PlayerFigures


class _Line(NamedTuple):
    """A bucket as a row of the file."""

    bucket: analytics_pages.Bucket
    figures: Figures
    course: queries.BucketCourse


@bp.get("/analytics")
@requires("players:view")
def show(player_id: int) -> ResponseReturnValue:
    """The page; for htmx the part that its filters change."""
    with db.reading() as session:
        asked = _read(session, player_id)
    context = _context(asked)
    if not htmx.wants_partial():
        return render_template("analytics/player.html", **context)
    answer = make_response(render_template("analytics/_player.html", **context))
    answer.headers["HX-Push-Url"] = _href("analytics_player.show", asked)
    return answer


@bp.get("/analytics.csv")
@requires("players:view")
def show_csv(player_id: int) -> Response:
    """The figures of each bucket, as a file."""
    with db.reading() as session:
        asked = _read(session, player_id)
    found = asked.figures
    lines = [
        _Line(*line)
        for line in zip(analytics_pages.buckets(found.period), found.buckets, found.courses, strict=True)
    ]
    name = f"{asked.header.external_id}-{asked.scope.currency}-{found.period.span.start:%Y-%m-%d}"
    return analytics_pages.file(_columns(asked.scope.currency), lines, name)


def _read(session: Session, player_id: int) -> _Asked:
    operator = access.current_operator()
    header = players.get_header(session, player_id=player_id, operator_id=operator.id)
    form = PeriodForm(
        request.args,
        currencies=queries.list_currencies(
            session, operator_id=operator.id, player_id=player_id, home=operator.currency
        ),
    )
    form.validate()
    currency = form.good("currency") or operator.currency
    scope = Scope(operator.id, operator.timezone, player_id, currency)
    now = clock.now()
    period = form.wanted(now=now, zone=operator.timezone)
    return _Asked(form, header, scope, queries.read(session, scope, period, now=now))


def _context(asked: _Asked) -> dict[str, Any]:
    found, currency = asked.figures, asked.scope.currency
    drawn = {"currency": currency, "timezone": asked.scope.timezone}
    return {
        "form": asked.form,
        "player": asked.header,
        "found": found,
        "currency": currency,
        "buckets": analytics_pages.buckets(found.period),
        "tiles": [_tile(label, name, found) for label, name in _ACTIVITY],
        "mean": money.rounded(found.course.mean),
        "change_percent": _percent(found.course),
        "balance": analytics_charts.course(found.period, found.courses, found.trend, **drawn),
        "activity": analytics_charts.activity(found.period, found.by_type, **drawn),
        "columns": [
            (label, [getattr(each, name) for each in found.buckets], _kind(name)) for label, name in _ACTIVITY
        ],
        "csv_href": _href("analytics_player.show_csv", asked),
    }


def _href(endpoint: str, asked: _Asked) -> str:
    query: dict[str, Any] = {**asked.form.asked(), "player_id": asked.header.id}
    return url_for(endpoint, **query)


def _tile(label: str, name: str, found: PlayerFigures) -> Tile:
    values = [getattr(bucket, name) for bucket in found.buckets]
    now, before = getattr(found.whole, name), getattr(found.before, name)
    return analytics_pages.tile(label, now, before, values, is_count=name == "entries")


def _kind(name: str) -> str:
    return {"entries": "count", "revenue": "delta", "adjustments": "delta"}.get(name, "amount")


def _percent(course: Course) -> float | None:
    return None if course.change_percent is None else float(course.change_percent)


def _columns(currency: str) -> list[Column]:
    def of_course(label: str, name: str) -> Column:
        return Column(label, "amount", lambda line: Amount(getattr(line.course, name), currency))

    def of_activity(label: str, name: str) -> Column:
        return Column(label, "amount", lambda line: Amount(getattr(line.figures, name), currency))

    return [
        Column("From", "time", lambda line: line.bucket.start),
        of_course("Closing balance", "closing"),
        of_course("Lowest", "low"),
        of_course("Highest", "high"),
        of_course("Bonus money at the end", "bonus"),
        *(of_activity(label, name) for label, name in _ACTIVITY if name != "entries"),
        Column("Changes", "number", lambda line: line.figures.entries),
    ]
