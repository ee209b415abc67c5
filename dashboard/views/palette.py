"""The command palette: whom, what and where somebody means by a few letters, and what may be done there."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import db, money
from dashboard.forms.filters import spoken
from dashboard.forms.palette import PaletteForm
from dashboard.models.partner import PartnerStatus
from dashboard.models.wallet import WalletStatus
from dashboard.queries import palette as queries
from dashboard.queries import partners
from dashboard.queries.palette import FoundEntry, FoundPlayer
from dashboard.services.actors import Actor
from dashboard.views import access, htmx, navigation, player_page
from dashboard.views.access import requires

bp = Blueprint("palette", __name__)

ACT_LETTERS_MIN = 2
_ACTIVE = frozenset({WalletStatus.ACTIVE})
_FROZEN = frozenset({WalletStatus.FROZEN})
_NOT_CLOSED = _ACTIVE | _FROZEN
_ANY = frozenset(WalletStatus)


@dataclass(frozen=True)
class Item:
    """One line: a place to go to, an act to begin, or the words of an act to be completed."""

    label: str
    href: str
    icon: str
    note: str = ""
    opens_dialog: bool = False
    completes: str = ""
    """What goes into the field instead of anywhere else."""


@dataclass(frozen=True)
class Group:
    """Lines of one kind, under their heading."""

    title: str
    items: Sequence[Item]

    @property
    def size(self) -> int:
        """How many lines."""
        return len(self.items)


@dataclass(frozen=True)
class Act:
    """Something to do about one player."""

    word: str
    """What one types, and what stands before the name."""
    verb: str
    """Who may: see `permissions.py`."""
    icon: str
    statuses: frozenset[WalletStatus]
    """Wallets that it is for."""
    address: Callable[[int], str]
    opens_dialog: bool = False


ACTS = (
    Act(
        "Adjust",
        "balances:adjust",
        icon="plus-minus",
        statuses=_ACTIVE,
        address=lambda player_id: player_page.player_url(player_id, _anchor="adjust-amount"),
    ),
    Act(
        "Withdraw",
        "withdrawals:request",
        icon="cash",
        statuses=_ACTIVE,
        address=lambda player_id: url_for("movements.new_withdrawal", player_id=player_id),
        opens_dialog=True,
    ),
    Act(
        "Transfer",
        "balances:transfer",
        icon="arrows-exchange",
        statuses=_ACTIVE,
        address=lambda player_id: url_for("movements.new_transfer", player_id=player_id),
        opens_dialog=True,
    ),
    Act(
        "Freeze",
        "wallets:freeze",
        icon="snowflake",
        statuses=_ACTIVE,
        address=lambda player_id: url_for("wallets.new_freeze", player_id=player_id),
        opens_dialog=True,
    ),
    Act(
        "Unfreeze",
        "wallets:freeze",
        icon="lock-open",
        statuses=_FROZEN,
        address=lambda player_id: url_for("wallets.new_unfreeze", player_id=player_id),
        opens_dialog=True,
    ),
    Act(
        "Close",
        "wallets:close",
        icon="archive",
        statuses=_NOT_CLOSED,
        address=lambda player_id: url_for("wallets.new_closure", player_id=player_id),
        opens_dialog=True,
    ),
    Act(
        "Note",
        "players:note",
        icon="note",
        statuses=_ANY,
        address=lambda player_id: player_page.player_url(player_id, tab="notes", _anchor="note-body"),
    ),
    Act(
        "Explain",
        "players:view",
        icon="help-circle",
        statuses=_ANY,
        address=lambda player_id: url_for("explain.show", player_id=player_id),
        opens_dialog=True,
    ),
    Act(
        "Partner",
        "partners:edit",
        icon="heart-handshake",
        statuses=_ANY,
        address=lambda player_id: url_for("referrals.new", player_id=player_id),
        opens_dialog=True,
    ),
    Act(
        "Limits",
        "players:view",
        icon="gauge",
        statuses=_ANY,
        address=lambda player_id: player_page.player_url(player_id, tab="limits"),
    ),
)


class _Place(NamedTuple):
    label: str
    endpoint: str
    icon: str


_MORE_PLACES = (
    _Place("Cash flow", "desk.show_cash_flow", icon="chart-bar"),
    _Place("Alert figures", "alerts.show_figures", icon="chart-bar"),
    _Place("Rounds", "rounds.index", icon="history"),
    _Place("Statements of partners", "partner_statements.index", icon="file-text"),
    _Place("Payouts of partners", "partner_payouts.index", icon="cash"),
    _Place("Close a month", "partner_statements.new", icon="calendar-check"),
    _Place("New partner", "partners.new", icon="plus"),
    _Place("Fairness of deals", "games.show_fairness", icon="scale"),
    _Place("Trial balance", "audit.show_trial_balance", icon="scale"),
    _Place("Your sessions", "auth.index", icon="devices"),
)
"""Pages that may be opened by their name besides those of the navigation."""


@bp.get("/palette")
@requires("session:own")
def index() -> ResponseReturnValue:
    """What fits the typed text: the list for the dialog, or a page of its own."""
    form = PaletteForm(request.args)
    form.validate()
    typed = str(form.good("q") or "").strip()
    with db.reading() as session:
        groups = _groups(session, typed)
    template = "palette/_palette_results.html" if htmx.wants_partial() else "palette/index.html"
    return render_template(template, form=form, typed=typed, groups=groups)


def _groups(session: Session, typed: str) -> list[Group]:
    who = access.current_actor()
    acts = [act for act in ACTS if who.may(act.verb)] if who.may("players:view") else []
    found = [_about_this_page(session, who, acts, typed), _acts(session, who, acts, typed)]
    if typed and who.may("players:view"):
        found += [_players(session, who, typed), _entries(session, who, typed)]
    if typed and who.may("partners:view"):
        found.append(_partners(session, who, typed))
    if typed and who.may("games:view"):
        found += [_games(session, who, typed), _rounds(session, who, typed)]
    found.append(Group("Go to", _places(who, typed)))
    return [group for group in found if group.items]


def _about_this_page(session: Session, who: Actor, acts: Sequence[Act], typed: str) -> Group:
    """What may be done about the player whose page is open."""
    here = re.match(r"/players/([0-9]{1,18})(?![0-9])", htmx.current_path())
    wanted = [act for act in acts if act.word.lower().startswith(typed.lower())]
    if not here or not wanted:
        return Group("", ())
    player = queries.find_player(session, operator_id=who.operator_id, player_id=int(here[1]))
    if player is None:
        return Group("", ())
    return Group("This player", [_act_on(act, player) for act in wanted if player.status in act.statuses])


def _acts(session: Session, who: Actor, acts: Sequence[Act], typed: str) -> Group:
    """`fre mira`: freezing whoever that may be. The word alone is completed."""
    word, _, whom = typed.lower().partition(" ")
    wanted = [act for act in acts if len(word) >= ACT_LETTERS_MIN and act.word.lower().startswith(word)]
    if not whom.strip():
        return Group(
            "Do",
            [
                Item(
                    f"{act.word}…",
                    url_for("palette.index", q=f"{act.word} "),
                    act.icon,
                    note="then type whom",
                    completes=f"{act.word} ",
                )
                for act in wanted
            ],
        )
    if not wanted:
        return Group("", ())
    players = _find(session, who, whom)
    return Group(
        "Do",
        [_act_on(act, player) for player in players for act in wanted if player.status in act.statuses],
    )


def _act_on(act: Act, player: FoundPlayer) -> Item:
    return Item(
        f"{act.word} {player.name}",
        act.address(player.id),
        act.icon,
        note=player.external_id,
        opens_dialog=act.opens_dialog,
    )


def _players(session: Session, who: Actor, typed: str) -> Group:
    found = _find(session, who, typed)
    lines = [
        Item(
            player.name,
            player_page.player_url(player.id),
            icon="user",
            note=player.external_id + ("" if player.status == WalletStatus.ACTIVE else f" · {player.status}"),
        )
        for player in found
    ]
    if len(found) == queries.PLAYERS_MAX:
        everybody = url_for("player_list.index", q=typed)
        lines.append(Item("Show all of them", everybody, icon="list-search", note="in the list of players"))
    return Group("Players", lines)


def _find(session: Session, who: Actor, search: str) -> list[FoundPlayer]:
    currency = access.current_operator().currency
    return queries.find_players(
        session, operator_id=who.operator_id, currency=currency, search=search.strip()
    )


def _entries(session: Session, who: Actor, typed: str) -> Group:
    found = queries.find_entries(session, operator_id=who.operator_id, reference=typed)
    return Group("Entries by reference", [_entry(entry) for entry in found])


def _entry(entry: FoundEntry) -> Item:
    moved = money.show(entry.real_delta, entry.currency, signed=True)
    return Item(
        entry.reference,
        url_for(
            "wallets.show_entry",
            player_id=entry.player_id,
            currency=entry.currency,
            sequence=entry.sequence,
        ),
        icon="receipt",
        note=f"{spoken(entry.change_type)} {moved} {entry.currency} · {entry.player_name}",
        opens_dialog=True,
    )


def _partners(session: Session, who: Actor, typed: str) -> Group:
    found = partners.find_partners(session, operator_id=who.operator_id, typed=typed)
    lines = [
        Item(
            partner.name,
            url_for("partners.show", partner_id=partner.id),
            icon="heart-handshake",
            note=partner.code + ("" if partner.status == PartnerStatus.ACTIVE else f" · {partner.status}"),
        )
        for partner in found
    ]
    return Group("Partners", lines)


def _games(session: Session, who: Actor, typed: str) -> Group:
    found = queries.find_games(session, operator_id=who.operator_id, typed=typed)
    lines = [
        Item(
            game.name,
            url_for("live_round.show", game_id=game.id),
            icon="cards",
            note="running" if game.is_running else "",
        )
        for game in found
    ]
    return Group("Games, live", lines)


def _rounds(session: Session, who: Actor, typed: str) -> Group:
    found = queries.find_rounds(session, operator_id=who.operator_id, typed=typed)
    lines = [
        Item(
            f"Round {round_.number:,}",
            url_for("rounds.show", round_id=round_.id),
            icon="history",
            note=f"{round_.game_name} · {round_.state}",
        )
        for round_ in found
    ]
    return Group("Rounds", lines)


def _places(who: Actor, typed: str) -> list[Item]:
    """Pages that the role may open, by the beginning of any of their words."""
    known = [Item(item.label, item.href, item.icon) for item in navigation.items(who)]
    known += [
        Item(place.label, url_for(place.endpoint), place.icon)
        for place in _MORE_PLACES
        if navigation.may_open(who, place.endpoint)
    ]
    beginnings = typed.lower().split()
    return [
        item
        for item in known
        if all(
            any(word.startswith(beginning) for word in item.label.lower().split()) for beginning in beginnings
        )
    ]
