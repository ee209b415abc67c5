"""One member of the loyalty programme: the page, more of its lists, and one entry in full."""

from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.forms.loyalty import MemberJournalForm
from dashboard.queries import members as queries
from dashboard.queries.members import Member
from dashboard.services import loyalty_tiers
from dashboard.views import access, htmx, lists, member_flow, member_outcome
from dashboard.views.access import requires

bp = Blueprint("members", __name__, url_prefix="/players/<int:player_id>/loyalty")


@bp.get("")
@requires("loyalty:view")
def show(player_id: int) -> ResponseReturnValue:
    """The page; for htmx all that changes on it, or more rows of the journal."""
    with db.reading() as session:
        member = _member(session, player_id)
        context: dict[str, Any] = {"member": member, **_journal(session, member)}
        if htmx.wants_partial() and "after" in request.args:
            return render_template("members/_entry_rows.html", **context)
        context |= _standing(session, member)
        template = "members/_member.html" if htmx.wants_partial() else "members/show.html"
        return render_template(template, **context)


@bp.get("/card")
@requires("loyalty:view")
def show_card(player_id: int) -> ResponseReturnValue:
    """Tier, points and what expires next, for the player's page that keeps itself fresh."""
    if not htmx.wants_partial():
        return htmx.see(member_flow.member_url(player_id))
    with db.reading() as session:
        member = _member(session, player_id)
        calendar = queries.read_calendar(session, member=member, now=clock.now())
        return render_template("members/_loyalty_card.html", member=member, calendar=calendar)


@bp.get("/batches")
@requires("loyalty:view")
def show_batches(player_id: int) -> ResponseReturnValue:
    """All batches there ever were."""
    with db.reading() as session:
        member = _member(session, player_id)
        page = queries.page_of_batches(session, member=member, after=request.args.get("after", ""))
        is_more = htmx.wants_partial() and "after" in request.args
        template = "members/_batch_rows.html" if is_more else "members/batches.html"
        today = clock.local(clock.now(), member.timezone).date()
        return render_template(template, member=member, page=page, today=today)


@bp.get("/entries/<int:sequence>")
@requires("loyalty:view")
def show_entry(player_id: int, sequence: int) -> ResponseReturnValue:
    """One entry: what it did, to which batches, and what was given back of it."""
    with db.reading() as session:
        member = _member(session, player_id)
        detail = queries.get_entry(session, member=member, sequence=sequence)
        template = "members/_entry.html" if htmx.wants_partial() else "members/entry.html"
        return render_template(
            template,
            member=member,
            detail=detail,
            outcome=member_outcome.of_entry(detail, player_id, member.currency),
        )


def _member(session: Session, player_id: int) -> Member:
    return queries.get_member(session, player_id=player_id, operator_id=access.current_operator().id)


def _standing(session: Session, member: Member) -> dict[str, Any]:
    now, operator_id = clock.now(), access.current_operator().id
    progress = queries.read_progress(session, member=member, operator_id=operator_id, now=now)
    gain = loyalty_tiers.bonus_percent(progress.next, member.currency) if progress.next else None
    return {
        "calendar": queries.read_calendar(session, member=member, now=now),
        "progress": progress,
        "gain": None if gain is None else member_outcome.spoken_gain(gain),
        "changes": queries.list_tier_changes(session, member=member),
        "cards": queries.list_cards(session, member=member),
        "waiting": queries.list_waiting(session, member=member),
    }


def _journal(session: Session, member: Member) -> dict[str, Any]:
    form = MemberJournalForm(request.args)
    form.validate()
    page = queries.page_of_entries(
        session,
        member=member,
        kind=form.good("kind") or "",
        after=request.args.get("after", ""),
        through=lists.through(),
    )
    return {"form": form, "page": page}
