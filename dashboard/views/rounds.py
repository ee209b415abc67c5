"""Rounds: the history over all games, one round with its bets, how it was settled, and its proof."""

import json
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.config import ROOT
from dashboard.errors import NotFound
from dashboard.forms.games import RoundFilterForm
from dashboard.queries import bets, games, round_requests, staff
from dashboard.queries import rounds as queries
from dashboard.queries.round_requests import RoundRequestRow
from dashboard.queries.rounds import RoundRow
from dashboard.services import andar_bahar, rule_sets
from dashboard.services.andar_bahar import Deal
from dashboard.services.rule_sets import Rules
from dashboard.views import access, htmx, lists
from dashboard.views.access import requires

bp = Blueprint("rounds", __name__, url_prefix="/rounds")

SCRIPT = ROOT / "dashboard" / "verifier" / "verify_round.py"


@bp.get("")
@requires("games:view")
def index() -> ResponseReturnValue:
    """The history; for htmx the list by other filters, or more rows of it."""
    operator = access.current_operator()
    with db.reading() as session:
        form = filter_form(session)
        page = queries.page_of_rounds(
            session,
            operator_id=operator.id,
            wanted=form.wanted(operator.timezone),
            after=request.args.get("after", ""),
            through=lists.through(),
        )
        context = {"form": form, "page": page}
        if not htmx.wants_partial():
            return render_template("rounds/index.html", **context)
        if "after" in request.args:
            return render_template("rounds/_round_rows.html", **context)
        answer = make_response(render_template("rounds/_rounds.html", **context))
    return lists.with_address(answer, "rounds.index", form)


@bp.get("/<int:round_id>")
@requires("games:view")
def show(round_id: int) -> ResponseReturnValue:
    """One round: cards, bets, payouts, settlements; for htmx more of its bets."""
    with db.reading() as session:
        played = _round(session, round_id)
        page = bets.page_of_round(session, round_id=round_id, after=request.args.get("after", ""))
        if htmx.wants_partial() and "after" in request.args:
            return render_template("rounds/_bet_rows.html", round=played, page=page)
        return render_template("rounds/show.html", page=page, **_context(session, played))


@bp.get("/<int:round_id>/verify")
@requires("games:view")
def show_verify(round_id: int) -> ResponseReturnValue:
    """The deck computed in the browser from the seed, once that is known, beside what was dealt."""
    with db.reading() as session:
        played = _round(session, round_id)
    deal = deal_of(played, rule_sets.read(played.definition))
    return render_template("rounds/verify.html", round=played, deal=deal)


@bp.get("/<int:round_id>/proof")
@requires("games:view")
def show_proof(round_id: int) -> ResponseReturnValue:
    """What the stand-alone script reads, as a file. Raises NotFound while the seed is not to be known."""
    with db.reading() as session:
        played = _round(session, round_id)
    if played.seed is None or played.commitment is None:
        raise NotFound("This round has no seed to show.")
    deal = deal_of(played, rule_sets.read(played.definition))
    proof = {
        "format": "purser.round.1",
        "game": played.game_name,
        "number": played.number,
        "salt": played.public_salt,
        "commitment": played.commitment.hex(),
        "seed": played.seed.hex(),
        "joker": andar_bahar.name(deal.joker) if deal else None,
        "cards": [andar_bahar.name(card) for card in played.cards],
        "first": deal.first if deal else None,
        "winner": played.winner,
    }
    answer = Response(json.dumps(proof, indent=1) + "\n", mimetype="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="round-{played.id}.json"'
    return answer


@bp.get("/verifier")
@requires("games:view")
def show_script() -> ResponseReturnValue:
    """The stand-alone script, which needs nothing of Purser."""
    answer = Response(SCRIPT.read_bytes(), mimetype="text/x-python")
    answer.headers["Content-Disposition"] = f'attachment; filename="{SCRIPT.name}"'
    return answer


def filter_form(session: Session) -> RoundFilterForm:
    """The filters of the history as the URL has them."""
    names = games.names_by_id(session, operator_id=access.current_operator().id)
    form = RoundFilterForm(request.args, names=names)
    form.validate()
    return form


def deal_of(played: RoundRow, rules: Rules) -> Deal | None:
    """What lies on the table; None before the joker does."""
    if played.joker is None:
        return None
    return Deal(played.joker, rules.first_side(played.joker), tuple(played.cards))


def wanted_deal(asked: RoundRequestRow | None, rules: Rules) -> Deal | None:
    """What lay on the table as a request says; None for a void."""
    if asked is None or asked.joker is None or asked.cards is None:
        return None
    return Deal(asked.joker, rules.first_side(asked.joker), tuple(asked.cards))


def _round(session: Session, round_id: int) -> RoundRow:
    return queries.get_round(session, operator_id=access.current_operator().id, round_id=round_id)


def _context(session: Session, played: RoundRow) -> dict[str, Any]:
    rules = rule_sets.read(played.definition)
    operator_id = access.current_operator().id
    waiting = round_requests.find_waiting(session, operator_id=operator_id, round_id=played.id)
    return {
        "round": played,
        "rules": rules,
        "deal": deal_of(played, rules),
        "settlements": queries.list_settlements(session, round_id=played.id),
        "waiting": waiting,
        "wanted": wanted_deal(waiting, rules),
        "names": staff.names_by_id(session, operator_id=operator_id),
    }
