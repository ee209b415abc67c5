"""The page of one player: reading it, in whole and in the parts that keep themselves fresh; and notes."""

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from dashboard import clock, db, live
from dashboard.forms.wallets import NoteForm
from dashboard.queries import notes as note_queries
from dashboard.queries import players as queries
from dashboard.services import players
from dashboard.views import access, htmx, past, player_page
from dashboard.views.access import requires

bp = Blueprint("players", __name__, url_prefix="/players")


@bp.get("/<int:player_id>")
@requires("players:view")
def show(player_id: int) -> ResponseReturnValue:
    """The whole page, or as it was at a moment; for htmx the tab alone, so that what one types stays."""
    if past.is_asked():
        return past.show(player_id)
    if not htmx.wants_partial():
        return player_page.whole(player_id)
    with db.reading() as session:
        page = player_page.get_page(session, player_id)
        context = player_page.tab_context(session, page, request.args.get("tab"))
        answer = make_response(render_template("players/_tab.html", page=page, **context))
    journal = context["journal"]
    if journal is not None and "before" not in request.args:
        # A form sends its empty fields too; the address shows the filters in force.
        answer.headers["HX-Push-Url"] = player_page.player_url(
            player_id, page.balance.currency, **journal.filters
        )
    return answer


@bp.get("/<int:player_id>/header")
@requires("players:view")
def show_header(player_id: int) -> ResponseReturnValue:
    """Name, status, level and risk."""
    return _part(player_id, "players/_header.html")


@bp.get("/<int:player_id>/balance-card")
@requires("players:view")
def show_balance(player_id: int) -> ResponseReturnValue:
    """The four figures of one balance, and the currencies there are."""
    return _part(player_id, "players/_balance_card.html")


@bp.get("/<int:player_id>/alerts")
@requires("alerts:view")
def show_alerts(player_id: int) -> ResponseReturnValue:
    """The alerts that are not resolved."""
    return _part(player_id, "players/_alerts.html", tab="alerts")


@bp.get("/<int:player_id>/journal")
@requires("players:view")
def show_journal(player_id: int) -> ResponseReturnValue:
    """More of the journal: what came after a sequence, or the page before one; plainly, the page."""
    if not htmx.wants_partial():
        return player_page.redirect_to_page(player_id)
    if past.is_asked():
        return past.more(player_id)
    after = player_page.sequence_argument("after")
    with db.reading() as session:
        page = player_page.get_page(session, player_id)
        journal = player_page.read_journal(session, page, after=after)
        template = "players/_journal_rows.html" if after is None else "players/_journal_head.html"
        return render_template(template, page=page, journal=journal, coming=after is not None)


@bp.get("/<int:player_id>/bets")
@requires("players:view")
def show_bets(player_id: int) -> ResponseReturnValue:
    """More of the player's bets; plainly, the page that holds them."""
    if not htmx.wants_partial():
        return player_page.redirect_to_page(player_id, tab="bets")
    with db.reading() as session:
        page = player_page.get_page(session, player_id)
        bets = player_page.read_bets(session, page)
        return render_template("players/_player_bet_rows.html", page=page, bets=bets)


@bp.get("/<int:player_id>/notes")
@requires("players:view")
def show_notes(player_id: int) -> ResponseReturnValue:
    """What staff wrote about the player."""
    return _part(player_id, "players/_note_list.html", tab="notes")


@bp.post("/<int:player_id>/notes")
@requires("players:note")
def create_note(player_id: int) -> ResponseReturnValue:
    """Keep a note."""
    form = NoteForm()
    if not form.validate():
        if htmx.wants_partial():
            return _notes(player_id, form), 422
        return player_page.whole(player_id, tab="notes", note_form=form), 422
    who = access.current_actor()
    with db.writing() as session:
        players.add_note(session, player_id=player_id, body=form.body.data or "", actor=who, now=clock.now())
    live.tell_player(operator_id=who.operator_id, player_id=player_id)
    if htmx.wants_partial():
        answer = make_response(_notes(player_id, NoteForm(formdata=None)))
        return htmx.with_toast(answer, "The note is kept.")
    location = player_page.player_url(player_id, player_page.asked_currency(), tab="notes")
    return htmx.redirect_with_toast(location, "The note is kept.")


def _part(player_id: int, template: str, **where: str) -> ResponseReturnValue:
    """A part of the page for htmx; whoever else asks gets the page that holds it."""
    if not htmx.wants_partial():
        return player_page.redirect_to_page(player_id, **where)
    with db.reading() as session:
        page = player_page.get_page(session, player_id)
        scope = {"player_id": player_id, "operator_id": player_page.operator_id()}
        rows = note_queries.list_notes(session, **scope) if where.get("tab") == "notes" else []
        return render_template(template, page=page, notes=rows)


def _notes(player_id: int, form: NoteForm) -> str:
    with db.reading() as session:
        scope = {"player_id": player_id, "operator_id": player_page.operator_id()}
        player = queries.get_header(session, **scope)
        rows = note_queries.list_notes(session, **scope)
    return render_template("players/_notes.html", player=player, notes=rows, note_form=form)
