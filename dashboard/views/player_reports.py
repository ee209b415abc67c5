"""One player's comprehensive balance report, as a page and as a document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.forms.filters import spoken
from dashboard.forms.reports import PlayerReportForm, query_of
from dashboard.models.report import ReportFormat
from dashboard.queries import players, report_subjects
from dashboard.queries import reports as queries
from dashboard.queries.players import Header
from dashboard.queries.report_fields import Source
from dashboard.queries.reports import Bounds, Row
from dashboard.services import documents, exports, report_definitions, report_documents
from dashboard.services.report_definitions import Definition, Field, Filter, Operation
from dashboard.services.report_documents import day_words, span_words
from dashboard.views import access, htmx, report_files, reports
from dashboard.views.access import requires

bp = Blueprint("player_reports", __name__, url_prefix="/players")

PAGE_ROWS, DOCUMENT_ROWS = 50, 500
"""How many rows a section has at most; the report of its subject has all of them."""
_SECTIONS: Sequence[tuple[str, Source, tuple[str, ...]]] = (
    (
        "Balances now",
        report_subjects.BALANCES,
        ("currency", "real", "bonus", "pending", "withdrawable", "deposited", "withdrawn", "changed"),
    ),
    (
        "Days",
        report_subjects.PLAYER_DAYS,
        (
            *("day", "currency", "opening", "deposits", "bonuses", "stakes", "payouts", "withdrawals"),
            *("other", "closing"),
        ),
    ),
    (
        "Alerts",
        report_subjects.ALERTS,
        ("raised", "type", "severity", "state", "currency", "peak", "hits", "acknowledged_by", "resolved"),
    ),
    (
        "Bonuses",
        report_subjects.BONUSES,
        ("granted", "name", "state", "currency", "amount", "remaining", "converted", "forfeited"),
    ),
    (
        "Changes",
        report_subjects.CHANGES,
        ("at", "sequence", "type", "currency", "real", "bonus", "real_after", "reason", "by"),
    ),
)


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one subject about the player."""

    title: str
    subject: str
    columns: tuple[Field, ...]
    rows: list[Row]
    has_more: bool
    query: Mapping[str, str]
    """What the whole of it is asked for by."""


@dataclass(frozen=True, slots=True)
class Found:
    """The whole report."""

    form: PlayerReportForm
    player: Header
    bounds: Bounds
    sections: list[Section]


@bp.get("/<int:player_id>/balance-report")
@requires("reports:view")
def show(player_id: int) -> ResponseReturnValue:
    """The page; for htmx the part that another period changes."""
    with db.reading() as session:
        found = _read(session, player_id, PAGE_ROWS)
        partial = htmx.wants_partial()
        answer = make_response(
            render_template(
                "reports/_player_report.html" if partial else "reports/player.html",
                found=found,
                form=found.form,
                player=found.player,
            )
        )
    if partial:
        query = found.form.filters()
        answer.headers["HX-Push-Url"] = reports.address_with(
            "player_reports.show", query, player_id=player_id
        )
    return answer


@bp.get("/<int:player_id>/balance-report.pdf")
@requires("data:export")
def show_document(player_id: int) -> Response:
    """The same as PDF."""
    now, actor = clock.now(), access.current_actor()
    with db.reading() as session:
        found = _read(session, player_id, DOCUMENT_ROWS)
    pdf = documents.typeset(documents.REPORT, _data_of(found), made_at=now)
    with db.writing() as session:
        exports.record(
            session,
            actor,
            what="balance-report",
            file_format=ReportFormat.PDF,
            filters=found.form.filters(),
            rows=sum(len(each.rows) for each in found.sections),
            is_whole=True,
            player_id=player_id,
            now=now,
        )
    return report_files.document(pdf, f"balance-report-{player_id}")


def _read(session: Session, player_id: int, at_most: int) -> Found:
    operator = access.current_operator()
    player = players.get_header(session, player_id=player_id, operator_id=operator.id)
    form = PlayerReportForm(request.args)
    form.validate()
    period = form.wanted(report_subjects.PLAYER_DAYS.subject)
    mine = Filter("player_id", Operation.IS, str(player_id))
    about = Definition("", filters=(mine,), period=period)
    bounds = queries.bounds(
        about,
        operator_id=operator.id,
        timezone=operator.timezone,
        currency=operator.currency,
        now=clock.now(),
    )
    sections = [_section(session, each, about, bounds, at_most) for each in _SECTIONS]
    return Found(form, player, bounds, sections)


def _section(
    session: Session,
    of: tuple[str, Source, tuple[str, ...]],
    about: Definition,
    bounds: Bounds,
    at_most: int,
) -> Section:
    title, source, columns = of
    subject = source.subject
    definition = replace(about, subject=subject.name, columns=columns)
    rows = queries.first_rows(session, definition, bounds, at_most + 1)
    query = query_of(replace(about, group=subject.usual_group), subject)
    return Section(
        title,
        subject.name,
        report_definitions.shown(definition, subject),
        rows[:at_most],
        len(rows) > at_most,
        query,
    )


def _data_of(found: Found) -> dict[str, object]:
    player, now = found.player, clock.now()
    zone = access.current_operator().timezone
    facts = [
        ["Player", f"{player.name}, {player.external_id}"],
        ["Player id", str(player.id)],
        ["Wallet", spoken(player.status)],
        ["VIP level", spoken(player.vip_level)],
        ["Agent in charge", player.agent or "–"],
        ["Since", day_words(clock.local(player.created_at, zone).date())],
        ["Period", span_words(found.bounds.span, zone)],
    ]
    return report_documents.frame(
        "Balance report",
        "What the player holds, and all that led there.",
        facts,
        [_table(each) for each in found.sections],
        is_wide=True,
        house=report_files.house(),
        made_by=access.current_actor().name,
        made_at=now,
    )


def _table(section: Section) -> dict[str, object]:
    zone = access.current_operator().timezone
    made = report_documents.rows_section(section.title, section.rows, section.columns, zone, is_wide=True)
    return {**made, "note": f"These are the first {len(section.rows):,}."} if section.has_more else made
