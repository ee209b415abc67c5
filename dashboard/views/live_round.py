"""The live page of a game: the round that is played, what is staked on it, and a bet to try it out."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, live, money
from dashboard.errors import Conflict, Forbidden, PurserError, Rejected
from dashboard.forms.rounds import BetForm
from dashboard.models.game import RoundState
from dashboard.models.operator import MoneyMode
from dashboard.queries import bets as bet_queries
from dashboard.queries import games, player_list, round_totals, rounds
from dashboard.queries.games import GameRow
from dashboard.queries.rounds import RoundRow
from dashboard.services import bets, rule_sets
from dashboard.services import rounds as playing
from dashboard.services.andar_bahar import Deal
from dashboard.services.rule_sets import Rules
from dashboard.views import access, cards, htmx
from dashboard.views.access import requires
from dashboard.views.rounds import deal_of

bp = Blueprint("live_round", __name__, url_prefix="/games/<int:game_id>")

LATEST_SHOWN = 13
BETS_SHOWN = 10


@dataclass(frozen=True)
class Board:
    """What can be done with a round by hand, in the state in which it is."""

    played: RoundRow
    rules: Rules
    deal: Deal | None

    @property
    def wants_joker(self) -> bool:
        """Whether staff have to enter the joker now."""
        shown_at = RoundState.LOCKED if self.rules.hides_joker else RoundState.SCHEDULED
        return self.played.is_manual and self.played.joker is None and self.played.state == shown_at

    @property
    def opens_stage(self) -> int | None:
        """The betting stage that can be opened now, if any."""
        played = self.played
        if played.state == RoundState.SCHEDULED:
            return 1 if played.joker is not None or self.rules.hides_joker else None
        if played.state != RoundState.DEALING or played.winner or played.stage >= len(self.rules.stages):
            return None
        return played.stage + 1 if len(played.cards) == self.rules.stages[played.stage] else None

    @property
    def can_deal(self) -> bool:
        """Whether a shuffled deck can be dealt now."""
        return not self.played.is_manual and self.played.state == RoundState.LOCKED

    @property
    def takes_cards(self) -> bool:
        """Whether staff enter the next card now."""
        is_dealing = self.played.state in {RoundState.LOCKED, RoundState.DEALING}
        waits = self.deal is None or self.deal.winner is not None or self.opens_stage is not None
        return self.played.is_manual and is_dealing and not waits

    @property
    def can_undo(self) -> bool:
        """Whether the last card can be taken back."""
        played = self.played
        is_dealing = played.is_manual and played.state == RoundState.DEALING and played.winner is None
        return is_dealing and len(played.cards) > self.rules.stages[played.stage - 1]

    @property
    def can_settle(self) -> bool:
        """Whether the result stands and nobody has been paid yet."""
        return self.played.state == RoundState.DEALING and self.played.winner is not None

    @property
    def lying(self) -> frozenset[int]:
        """The cards that lie on the table."""
        return frozenset(self.played.cards) | (
            {self.played.joker} if self.played.joker is not None else set()
        )


@bp.get("/live")
@requires("games:view")
def show(game_id: int) -> ResponseReturnValue:
    """The page; for htmx what changes of it while one looks."""
    with db.reading() as session:
        context = context_of(session, game_id)
        if htmx.wants_partial():
            return render_template("live_round/_live_round.html", **context)
        return render_template("live_round/show.html", form=fresh_form(context["game"]), **context)


@bp.post("/rounds")
@requires("games:deal")
def create_round(game_id: int) -> ResponseReturnValue:
    """Open the game's next round."""
    who, now = access.current_actor(), clock.now()
    db.transact(lambda session: playing.open(session, game_id=game_id, actor=who, now=now))
    return answer(game_id)


@bp.post("/bets")
@requires("bets:place")
def create_bet(game_id: int) -> ResponseReturnValue:
    """Place a bet for a player, with play money only."""
    if access.current_operator().money != MoneyMode.PLAY:
        raise Forbidden("Test bets are placed with play money only.")
    with db.reading() as session:
        game = _game(session, game_id)
        form = _offering(BetForm(currency=game.currency), game)
        valid = form.validate()
        player_id = _player(session, form) if valid else None
    if player_id is None or form.errors:
        return _bet_form(game, form, 422)
    try:
        placed = _place(game, form, player_id)
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _bet_form(game, form, 409 if isinstance(refused, Conflict) else 422)
    live.tell(live.game(game_id))
    live.tell_player(operator_id=game_operator(), player_id=player_id)
    said = _said(game, form, placed)
    href = url_for("players.show", player_id=player_id, tab="bets")
    if not htmx.wants_partial():
        location = url_for("live_round.show", game_id=game_id)
        return htmx.redirect_with_toast(location, said, href=href, link="Bets")
    fresh = fresh_form(game, player=form.player.data, selection=form.selection.data)
    return htmx.with_toast(_bet_form(game, fresh, 200), said, href=href, link="Bets")


def answer(game_id: int) -> ResponseReturnValue:
    """After a step of a round: tell the open pages, and show what stands on the table now."""
    live.tell(live.game(game_id))
    if not htmx.wants_partial():
        return htmx.see(url_for("live_round.show", game_id=game_id))
    with db.reading() as session:
        return render_template("live_round/_live_round.html", **context_of(session, game_id))


def context_of(session: Session, game_id: int, *, refused: PurserError | None = None) -> dict[str, Any]:
    """What the page shows of the round that is played, or of the last one."""
    operator_id = access.current_operator().id
    game = _game(session, game_id)
    latest = rounds.list_latest(session, operator_id=operator_id, game_id=game_id, limit=LATEST_SHOWN)
    context: dict[str, Any] = {"game": game, "latest": latest, "board": None, "refused": refused}
    if latest:
        played = latest[0]
        rules = rule_sets.read(played.definition)
        context |= {
            "board": Board(played, rules, deal_of(played, rules)),
            "totals": round_totals.totals(session, round_id=played.id, rules=rules),
            "bets": bet_queries.list_latest(session, round_id=played.id, limit=BETS_SHOWN),
            "database_clock": rounds.database_clock(session),
        }
    return context


def fresh_form(game: GameRow, **given: Any) -> BetForm:
    """An empty form for a bet at that game, with a key of its own."""
    return _offering(BetForm(formdata=None, currency=game.currency, data=given), game)


def game_operator() -> int:
    """The operator of whoever asks."""
    return access.current_operator().id


def _game(session: Session, game_id: int) -> GameRow:
    return games.get_game(session, operator_id=access.current_operator().id, game_id=game_id)


def _offering(form: BetForm, game: GameRow) -> BetForm:
    """Every selection of every stage: the form outlives the stage that it was opened in."""
    form.offer([(name, cards.selection_name(name)) for name in rule_sets.read(game.definition).selections(1)])
    return form


def _player(session: Session, form: BetForm) -> int | None:
    found = player_list.find_only(session, operator_id=game_operator(), search=form.player.data or "")
    if found is None:
        form.show(
            Rejected(
                "There is no such player: enter an external id, an e-mail or our number.", field="player"
            )
        )
    return found


def _place(game: GameRow, form: BetForm, player_id: int) -> bets.Placed:
    if game.round_id is None:
        raise Conflict("No round is being played.")
    wager = bets.Wager(
        player_id=player_id,
        round_id=game.round_id,
        selection=form.selection.data,
        amount=form.amount.data or 0,
        idempotency_key=form.idempotency_key.data or "",
    )
    who, now = access.current_actor(), clock.now()
    return db.transact(lambda session: bets.place(session, wager=wager, actor=who, now=now))


def _said(game: GameRow, form: BetForm, placed: bets.Placed) -> str:
    amount = f"{money.show(form.amount.data or 0, game.currency)} {game.currency}"
    stands = "stood already" if placed.repeated else "stands"
    return f"{amount} on {cards.selection_name(form.selection.data)}: the bet {stands}."


def _bet_form(game: GameRow, form: BetForm, status: int) -> Response:
    if htmx.wants_partial():
        made = make_response(render_template("live_round/_bet_form.html", game=game, form=form), status)
        # A conflict would go to the notices by the page's own rule; here it is the form that shows it.
        made.headers.update({"HX-Retarget": "#bet-form", "HX-Reswap": "outerHTML"})
        return made
    with db.reading() as session:
        page = render_template("live_round/show.html", form=form, **context_of(session, game.id))
    return make_response(page, status)
