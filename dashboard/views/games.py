"""Games: their settings, whether the worker runs them, and how fair their deals were."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, live, money
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.forms.games import GameForm, NewGameForm
from dashboard.models.game import Dealing
from dashboard.queries import fairness_figures, rounds, vip_rules
from dashboard.queries import games as queries
from dashboard.queries.games import GameRow
from dashboard.services import games, rule_sets
from dashboard.views import access, charts, htmx
from dashboard.views.access import requires

bp = Blueprint("games", __name__, url_prefix="/games")

ROUNDS_SHOWN = 10


@bp.get("")
@requires("games:view")
def index() -> ResponseReturnValue:
    """Every game, with its live round and what this month came to."""
    operator = access.current_operator()
    month = clock.local(clock.now(), operator.timezone).date().replace(day=1)
    with db.reading() as session:
        rows = queries.list_games(session, operator_id=operator.id)
        months = queries.months_of_games(session, operator_id=operator.id, month=month)
        return render_template("games/index.html", games=rows, months=months, month=month)


@bp.get("/new")
@requires("games:edit")
def new() -> ResponseReturnValue:
    """A form for a new game."""
    return _new(None)


@bp.post("")
@requires("games:edit")
def create() -> ResponseReturnValue:
    """Make it."""
    form = NewGameForm()
    if not form.validate():
        return _new(form, 422)
    if not money.is_currency(form.currency.data or ""):
        form.show(Rejected("Choose a currency.", field="currency"))
        return _new(form, 422)
    try:
        game_id = db.transact(
            lambda session: games.create(
                session,
                settings=form.settings(),
                currency=form.currency.data or "",
                dealing=Dealing(form.dealing.data),
                actor=access.current_actor(),
                now=clock.now(),
            )
        )
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _new(form, 409 if isinstance(refused, Conflict) else 422)
    return htmx.redirect_with_toast(
        url_for("games.show", game_id=game_id), f"{form.name.data} can be played."
    )


@bp.get("/<int:game_id>")
@requires("games:view")
def show(game_id: int) -> ResponseReturnValue:
    """One game: its settings, its months, its last rounds."""
    operator_id = access.current_operator().id
    with db.reading() as session:
        game = _game(session, game_id)
        return render_template(
            "games/show.html",
            game=game,
            months=queries.list_months(session, game_id=game_id),
            rounds=rounds.list_latest(session, operator_id=operator_id, game_id=game_id, limit=ROUNDS_SHOWN),
        )


@bp.get("/<int:game_id>/edit")
@requires("games:edit")
def edit(game_id: int) -> ResponseReturnValue:
    """A form for other settings."""
    return _edit(game_id, None)


@bp.post("/<int:game_id>")
@requires("games:edit")
def update(game_id: int) -> ResponseReturnValue:
    """Put them in force."""
    with db.reading() as session:
        form = GameForm(currency=_game(session, game_id).currency)
    if not form.validate():
        return _edit(game_id, form, 422)
    try:
        _do(partial(games.edit, game_id=game_id, settings=form.settings()))
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _edit(game_id, form, 409 if isinstance(refused, Conflict) else 422)
    live.tell(live.game(game_id))
    return htmx.redirect_with_toast(url_for("games.show", game_id=game_id), "The settings are in force.")


@bp.post("/<int:game_id>/running")
@requires("games:edit")
def create_running(game_id: int) -> ResponseReturnValue:
    """Let the worker open, deal and settle its rounds, or stop after the one that is played."""
    running = request.form.get("running") == "y"
    _do(partial(games.set_running, game_id=game_id, running=running))
    live.tell(live.game(game_id))
    said = "The worker plays this game." if running else "No further round opens by itself."
    return htmx.redirect_with_toast(_way_back(game_id), said)


@bp.get("/<int:game_id>/retirement")
@requires("games:edit")
def new_retirement(game_id: int) -> ResponseReturnValue:
    """What retiring it means."""
    template = "games/_retirement.html" if htmx.wants_partial() else "games/retirement.html"
    with db.reading() as session:
        return render_template(template, game=_game(session, game_id))


@bp.post("/<int:game_id>/retirement")
@requires("games:edit")
def create_retirement(game_id: int) -> ResponseReturnValue:
    """Retire it for good."""
    _do(partial(games.retire, game_id=game_id))
    live.tell(live.game(game_id))
    return htmx.redirect_with_toast(
        url_for("games.show", game_id=game_id), "The game is retired.", kind="info"
    )


@bp.get("/fairness")
@requires("games:view")
def show_fairness() -> ResponseReturnValue:
    """How the deals of a game compare with chance, and what it paid with what it should have."""
    operator_id = access.current_operator().id
    with db.reading() as session:
        names = queries.names_by_id(session, operator_id=operator_id)
        game_id = _asked_game(session, names)
        figures = fairness_figures.compare(
            fairness_figures.deals(session, game_id=game_id) if game_id else []
        )
        months = queries.list_months(session, game_id=game_id) if game_id else []
        game = _game(session, game_id) if game_id else None
    returns = fairness_figures.in_order(months)
    return render_template(
        "games/fairness.html",
        names=names,
        game=game,
        figures=figures,
        months=months,
        lengths=charts.rounds_by_length(figures.by_length),
        returns=charts.returns_by_month(returns),
    )


def _asked_game(session: Session, names: dict[int, str]) -> int | None:
    """The game that the URL names, else the busiest; None where there is none. Raises NotFound."""
    asked = request.args.get("game", "")
    if not asked:
        return fairness_figures.busiest_game(session, operator_id=access.current_operator().id)
    if not (asked.isascii() and asked.isdecimal() and int(asked[:18]) in names):
        raise NotFound("There is no such game.")
    return int(asked[:18])


def _do(work: Callable[..., None]) -> None:
    who, now = access.current_actor(), clock.now()
    db.transact(lambda session: work(session, actor=who, now=now))


def _game(session: Session, game_id: int) -> GameRow:
    return queries.get_game(session, operator_id=access.current_operator().id, game_id=game_id)


def _way_back(game_id: int) -> str:
    """To the live page where it was pressed there, else to the game."""
    on_live = request.form.get("at") == "live"
    return url_for("live_round.show" if on_live else "games.show", game_id=game_id)


def _new(form: NewGameForm | None, status: int = 200) -> Response:
    operator = access.current_operator()
    given: dict[str, Any] = {"currency": operator.currency, "betting_seconds": 30, "pause_seconds": 10}
    with db.reading() as session:
        offered = queries.list_rule_sets(session, operator_id=operator.id)
        usual = next((row.id for row in offered if row.name == rule_sets.DEFAULT_NAME), None)
        form = form or NewGameForm(formdata=None, data={**given, "rule_set_id": usual and str(usual)})
        form.offer(offered)
        codes = {rule.currency for rule in vip_rules.list_rules(session, operator_id=operator.id)}
        form.offer_currencies(sorted(codes, key=lambda code: (code != operator.currency, code)))
        return make_response(render_template("games/new.html", form=form), status)


def _edit(game_id: int, form: GameForm | None, status: int = 200) -> Response:
    with db.reading() as session:
        game = _game(session, game_id)
        form = form or GameForm(formdata=None, obj=game, currency=game.currency)
        form.offer(
            queries.list_rule_sets(
                session, operator_id=access.current_operator().id, and_also=game.rule_set_id
            )
        )
        if form.rule_set_id.data is not None:
            form.rule_set_id.data = str(form.rule_set_id.data)
        return make_response(render_template("games/edit.html", game=game, form=form), status)
