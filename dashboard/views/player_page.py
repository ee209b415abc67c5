"""What the page of a player is made of, whole or in parts: for the views that show it and those that post
from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from dashboard import clock, db, money
from dashboard.errors import NotFound
from dashboard.forms.filters import day_span
from dashboard.forms.past import PastForm
from dashboard.forms.wallets import AdjustmentForm, JournalFilterForm, NoteForm
from dashboard.models.change_request import RequestState
from dashboard.models.wallet import WalletStatus
from dashboard.queries import alerts, bets, bonuses, journal, notes, players, staff
from dashboard.queries.bets import BetRow
from dashboard.queries.paging import Page
from dashboard.queries.players import PlayerPage
from dashboard.services import allowances
from dashboard.services.allowances import Allowance
from dashboard.services.balances import Judgement
from dashboard.services.journal import Entry
from dashboard.services.submissions import Course, Weighed
from dashboard.services.vip import LimitUse
from dashboard.views import access

TABS = ("activity", "bets", "bonuses", "limits", "alerts", "notes")


@dataclass(frozen=True)
class Outlook:
    """What stands below the amount while it is typed: the consequence, or why there is none to show."""

    limits: Sequence[LimitUse] = ()
    judgement: Judgement | None = None
    unreadable: str = ""
    """What is wrong with what has been typed so far."""
    busy: bool = False
    """Somebody else holds the balance: the preview tries again by itself."""
    known: Entry | None = None
    """This very form has been posted already, as this entry."""
    reused: Entry | None = None
    """This form has been posted already, with other content."""
    has_moved: bool = False
    """The balance is no longer the one that the form was opened on."""
    weighed: Weighed | None = None
    """How the change stands to whoever makes it; None while it would be refused."""
    undo_seconds: int = 0
    """How long it would be held."""
    kept: RequestState | None = None
    """This very form has been sent already, and became a request, which is in this state."""
    is_reused: bool = False
    """This form has been sent already, with other content that is not posted yet."""

    @property
    def asks_again(self) -> bool:
        """Whether the amount must be typed a second time."""
        return self.weighed is not None and self.weighed.is_unusually_large

    @property
    def opens(self) -> list[str]:
        """Types of the alerts that the change would open; one of a limit, if it is refused for that."""
        if self.judgement is None:
            return []
        raised = [hit.type.value for hit in self.judgement.alerts.hits] if self._would_stand else []
        if any(use.is_exceeded for use in self.limits):
            raised.append("limit_exceeded")
        return [kind for kind in raised if kind not in self.judgement.open_alerts]

    @property
    def closes(self) -> list[str]:
        """Types of the alerts that the change would close."""
        if self.judgement is None or not self._would_stand:
            return []
        return [kind.value for kind in self.judgement.alerts.closes]

    @property
    def _would_stand(self) -> bool:
        return self.judgement is not None and self.judgement.validation.is_valid


@dataclass(frozen=True)
class Journal:
    """A page of the journal, and the filters that it was asked with."""

    form: JournalFilterForm
    page: journal.EntriesPage
    filters: dict[str, str]
    """As they stand in the URL."""
    latest: int
    """Sequence of the last entry there was, whether it is shown or not."""
    as_of_form: PastForm
    """The way to the page as of a moment."""


def act(real_delta: int, currency: str, *, waits: bool = False) -> str:
    """What a button does that sends this: `Credit 250.00 USD`, `Ask for approval: credit 600.00 USD`."""
    if not real_delta:
        return "Adjust balance"
    amount = f"{money.show(abs(real_delta), currency)} {currency}"
    does = "credit" if real_delta > 0 else "debit"
    return f"Ask for approval: {does} {amount}" if waits else f"{does.capitalize()} {amount}"


def blocked(page: PlayerPage) -> str:
    """Why the balance takes no change by hand; empty where it does."""
    if page.player.status == WalletStatus.FROZEN:
        return f"The wallet is frozen: {page.player.status_reason}"
    if page.player.status == WalletStatus.CLOSED:
        return f"The wallet is closed: {page.player.status_reason}"
    if page.balance.updated_at is not None and page.rule is None:
        return f"There is no VIP rule for {page.balance.currency}: changes in it are refused."
    return ""


def fresh_form(page: PlayerPage, change_type: str | None = None) -> AdjustmentForm:
    """An empty form for the balance as it is now, with a key of its own."""
    given = {"currency": page.balance.currency, "seen_version": page.balance.version}
    if change_type:
        given["change_type"] = change_type
    return AdjustmentForm(formdata=None, data=given)


def asked_currency() -> str | None:
    """The currency that the URL names; None for the operator's own."""
    return request.args.get("currency") or None


def get_page(session: Session, player_id: int, currency: str | None = None) -> PlayerPage:
    """The player as whoever asks may see them. Raises NotFound."""
    return players.get_page(
        session,
        player_id=player_id,
        currency=currency or asked_currency(),
        actor=access.current_actor(),
        now=clock.now(),
    )


def whole(
    player_id: int,
    *,
    currency: str | None = None,
    tab: str | None = None,
    form: AdjustmentForm | None = None,
    note_form: NoteForm | None = None,
    **given: Any,
) -> str:
    """The whole page; `form` and what else is given stand in it as an earlier answer left them."""
    with db.reading() as session:
        page = get_page(session, player_id, currency)
        return render_template(
            "players/show.html",
            **tab_context(session, page, tab or request.args.get("tab"), note_form),
            **form_context(session, page, form, **given),
        )


def form_context(
    session: Session,
    page: PlayerPage,
    form: AdjustmentForm | None = None,
    *,
    outlook: Outlook | None = None,
    **given: Any,
) -> dict[str, Any]:
    """What the adjust form asks for; `stale` and `reused` are the conflicts that it has met."""
    form = form or fresh_form(page)
    outlook = outlook or Outlook(limits=page.limits)
    return {
        "page": page,
        "form": form,
        "blocked": blocked(page),
        "act": act_of(form, outlook, page.balance.currency),
        "outlook": outlook,
        "allowance": allowance(session, page),
        "stale": None,
        "reused": None,
        "was_reused": False,
        **given,
    }


def act_of(form: AdjustmentForm, outlook: Outlook, currency: str) -> str:
    """What the button of the form does."""
    waits = outlook.weighed is not None and outlook.weighed.course is Course.WAIT
    is_known = outlook.judgement is not None or not form.amount.errors
    return act(form.real_delta if is_known else 0, currency, waits=waits)


def allowance(session: Session, page: PlayerPage) -> Allowance | None:
    """What whoever asks may move in the shown currency, and has moved today; None for readers."""
    who = access.current_actor()
    if not who.may("balances:adjust"):
        return None
    return allowances.look(
        session,
        actor=who,
        currency=page.balance.currency,
        timezone=access.current_operator().timezone,
        now=clock.now(),
        player_id=page.player.id,
    )


def tab_context(
    session: Session, page: PlayerPage, tab: str | None, note_form: NoteForm | None = None
) -> dict[str, Any]:
    """What the chosen tab shows, and nothing of the others."""
    tab = tab if tab in TABS else TABS[0]
    scope = {"player_id": page.player.id, "operator_id": operator_id()}
    return {
        "tab": tab,
        "journal": read_journal(session, page) if tab == "activity" else None,
        "bets": read_bets(session, page) if tab == "bets" else None,
        **(read_bonuses(session, page) if tab == "bonuses" else {}),
        "alerts": alerts.list_latest_of(session, **scope, now=clock.now()) if tab == "alerts" else [],
        "notes": notes.list_notes(session, **scope) if tab == "notes" else [],
        "note_form": note_form or NoteForm(formdata=None),
    }


def operator_id() -> int:
    """The operator of whoever asks."""
    return access.current_operator().id


def read_journal(session: Session, page: PlayerPage, *, after: int | None = None) -> Journal:
    """A page of the journal by the filters of the URL."""
    operator, balance = access.current_operator(), page.balance
    form = journal_form(session, balance.currency)
    entries = journal.page_of_entries(
        session,
        player_id=page.player.id,
        currency=balance.currency,
        where=journal_filter(form, operator.timezone),
        before=sequence_argument("before"),
        after=after,
    )
    return Journal(form, entries, form.asked(), balance.version, as_of_form())


def read_bets(session: Session, page: PlayerPage) -> Page[BetRow]:
    """A page of the player's bets, from where the URL goes on."""
    return bets.page_of_player(
        session,
        player_id=page.player.id,
        currency=page.balance.currency,
        after=request.args.get("after", ""),
    )


def read_bonuses(session: Session, page: PlayerPage) -> dict[str, Any]:
    """The player's bonuses in the shown currency, and what came from each source."""
    scope: dict[str, Any] = {
        "operator_id": operator_id(),
        "player_id": page.player.id,
        "currency": page.balance.currency,
    }
    open_ones, ended = bonuses.list_grants(session, **scope, after=request.args.get("after", ""))
    return {"open": open_ones, "ended": ended, "sources": bonuses.list_sources(session, **scope)}


def as_of_form() -> PastForm:
    """The moment that the URL names; empty, and not complained about, where it names none."""
    asked = request.args if request.args.get("as_of") else None
    form = PastForm(asked, timezone=access.current_operator().timezone, now=clock.now())
    if asked:
        form.validate()
    return form


def journal_form(session: Session, currency: str) -> JournalFilterForm:
    """The filters of a journal as the URL has them."""
    names = staff.names_by_id(session, operator_id=operator_id())
    form = JournalFilterForm(request.args, currency=currency, names=names)
    form.validate()
    return form


def journal_filter(form: JournalFilterForm, timezone: str) -> journal.Filter:
    """The same for the query; amounts are compared without their sign."""
    start, end = day_span(form.good("since"), form.good("until"), timezone)
    least, most = form.good("least"), form.good("most")
    return journal.Filter(
        change_type=form.good("change_type") or "",
        direction=form.good("direction") or "",
        performed_by=form.good("by") or "",
        start=start,
        end=end,
        least=None if least is None else abs(least),
        most=None if most is None else abs(most),
    )


def sequence_argument(name: str) -> int | None:
    """A place in the journal from the URL; None for what is no such number."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def url(page: PlayerPage, **more: Any) -> str:
    """The address of the player's page for the balance that is shown."""
    currency = page.balance.currency
    return player_url(page.player.id, None if currency == page.player.home_currency else currency, **more)


def redirect_to_page(player_id: int, **more: str) -> Response:
    """Send whoever wanted a part without htmx to the page that holds it, with the same question."""
    query = urlencode({**request.args.to_dict(), **more})
    return redirect(f"{player_url(player_id)}?{query}" if query else player_url(player_id), 303)


def player_url(player_id: int, currency: str | None = None, **more: Any) -> str:
    """The address of a player's page; without a currency it shows the operator's own."""
    return url_for("players.show", player_id=player_id, currency=currency, **more)


def entry_url(entry: Entry) -> str:
    """The address of one entry."""
    return url_for(
        "wallets.show_entry",
        player_id=entry.player_id,
        currency=entry.currency,
        sequence=entry.sequence,
    )


def get_entry(session: Session, player_id: int, currency: str, sequence: int) -> journal.EntryDetail:
    """One entry, as whoever asks may see it. Raises NotFound, for numbers that no journal has too."""
    if not 0 < sequence < 2**62:
        raise NotFound("There is no such entry.")
    return journal.get_entry(
        session, player_id=player_id, currency=currency, sequence=sequence, operator_id=operator_id()
    )
