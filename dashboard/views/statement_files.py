"""One statement as a file, for the partner and for the desk alike: shown figures."""

import datetime as dt
from collections.abc import Generator, Mapping
from dataclasses import dataclass

from flask import Response
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.models.partner_money import StatementState
from dashboard.queries import statements
from dashboard.queries.paging import Listing
from dashboard.queries.statements import EarningRow, Signatures, Statement, StatementRow, Sums
from dashboard.services import documents
from dashboard.views import access, partner_sheets, statement_document
from dashboard.views.exports import Wanted
from dashboard.views.statement_document import Content


@dataclass(frozen=True, slots=True)
class StatedRow:
    """A line of a statement's file: a round, a correction of one, or all rounds of few players."""

    currency: str
    kind: str
    rows: int
    bets: int
    payouts: int
    profit: int
    earned: int
    day: dt.date | None = None
    settled_at: dt.datetime | None = None
    game: str = ""
    round_number: int | None = None
    players: int | None = None


@dataclass(frozen=True, slots=True)
class Stated:
    """The lines of a statement's file, which add up to the statement."""

    head: StatementRow
    listing: Listing[EarningRow]
    few: Sums
    games: Mapping[int, str]

    def count(self, session: Session, at_most: int) -> int:
        """How many lines there are; counting stops at `at_most`."""
        return self.listing.count(session, at_most) + bool(self.few.rows)

    def read(self, session: Session) -> Generator[StatedRow, None, None]:
        """The lines, as they come."""
        for row in self.listing.read(session):
            yield StatedRow(
                currency=self.head.currency,
                kind=partner_sheets.CORRECTION if row.settlement_version > 1 else "Round",
                rows=1,
                bets=row.bets,
                payouts=row.payouts,
                profit=row.profit,
                earned=row.earned,
                day=row.day,
                settled_at=row.settled_at,
                game=self.games.get(row.game_id, ""),
                round_number=row.round_number,
                players=row.players,
            )
        few = self.few
        if few.rows:
            yield StatedRow(
                self.head.currency,
                partner_sheets.FEW_PLAYERS,
                few.rows,
                few.bets,
                few.payouts,
                few.profit,
                few.earned,
            )


def name_of(head: StatementRow) -> str:
    """What a file of it is called."""
    return f"statement-{head.month:%Y-%m}-{head.currency.lower()}"


def wanted(session: Session, found: Statement, games: Mapping[int, str]) -> Wanted:
    """Its rounds as a list; the workbook says its sums beside them."""
    head = found.head
    sums = (
        ("Opening", head.opening),
        ("Earned", head.earned),
        ("Written off", head.written_off),
        ("Closing", head.closing),
        ("Minimum", head.minimum),
        ("Payable", head.payable),
        ("Carried over", head.carried),
    )
    return Wanted(
        name_of(head),
        None,
        partner_sheets.stated_rounds(),
        _stated(session, head, games),
        about=[
            ("Month", f"{head.month:%Y-%m}"),
            ("State", head.state),
            *((label, f"{money.show(minor, head.currency)} {head.currency}") for label, minor in sums),
            ("Figures", statement_document.BASIS),
        ],
    )


def _stated(session: Session, head: StatementRow, games: Mapping[int, str]) -> Stated:
    listing = statements.rows_of_statement(statement_id=head.id, partner_id=head.partner_id)
    return Stated(head, listing, few_of(session, head), games)


def few_of(session: Session, head: StatementRow) -> Sums:
    """What it holds beside the rounds that may be seen; a declined one holds nothing any more."""
    if head.state == StatementState.DECLINED:
        return Sums(0, 0, 0, 0, 0)
    return statements.few_players(session, head)


def content(
    session: Session,
    found: Statement,
    *,
    partner_name: str,
    terms: Mapping[int, tuple[int, int]],
    games: Mapping[int, str],
    signatures: Signatures | None = None,
) -> Content:
    """All that its document says."""
    head = found.head
    few = few_of(session, head)
    whose = {"statement_id": head.id, "partner_id": head.partner_id}
    is_long = head.rows - few.rows > statement_document.ROUNDS_MOST
    return Content(
        operator=access.current_operator(),
        partner_name=partner_name,
        statement=found,
        terms=terms,
        rounds=() if is_long else list(statements.rows_of_statement(**whose).read(session)),
        days=statements.list_days(session, **whose) if is_long else (),
        few=few,
        games=games,
        signatures=signatures,
    )


def document(made_from: Content) -> Response:
    """The document, as an answer."""
    pdf = documents.typeset(
        documents.STATEMENT, statement_document.data_of(made_from), made_at=made_from.made_at
    )
    answer = Response(pdf, mimetype="application/pdf")
    name = name_of(made_from.statement.head)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.pdf"'
    return answer
