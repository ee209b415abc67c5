"""A partner with a quarter of history to look at in tests, and another one at the same operator.

Every figure that players see can be `factor` times as large: with a share that is as much smaller, what
the partner is shown stays as it is.
"""

import datetime as dt
from dataclasses import dataclass

from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard.models import Login, Operator, PartnerShownEarning, PartnerStatement
from dashboard.models.login import Role
from dashboard.models.partner_money import EarningState
from dashboard.models.wallet import ChangeType
from dashboard.services import (
    partner_approvals,
    partner_payouts,
    partner_statements,
    partner_terms,
    partners,
)
from dashboard.services.actors import SYSTEM
from dashboard.services.partner_terms import Terms
from tests import builders
from tests.builders import NOW, PASSWORD
from tests.pages import PageClient
from tests.services.house import House, lost, push, won
from tests.web.desk import Browser, Desk

DAY = dt.timedelta(days=1)
TODAY = NOW + 95 * DAY
"""When these pages are looked at: 5 June 2026, 14:00 in Malta."""
MANY = partner_terms.PLAYERS_MIN


@dataclass(frozen=True)
class History:
    """What was made."""

    operator_id: int
    partner_id: int
    other_id: int
    emails: dict[int, str]
    """Who signs in for each partner."""
    statement_id: int
    """Of the partner, and payable."""
    other_statement_id: int
    payout_id: int
    other_payout_id: int
    player_ids: list[int]
    other_player_id: int
    game_ids: list[int]


@dataclass
class Site:
    """A partner at its pages."""

    desk: Desk
    history: History
    browser: Browser


def enter(app: Flask, email: str) -> Browser:
    """A browser of that person, signed in."""
    client = app.test_client()
    assert isinstance(client, PageClient)
    token = client.page("/sign-in").token()
    answer = client.post("/sign-in", data={"csrf_token": token, "email": email, "password": PASSWORD})
    assert answer.status_code == 303
    return Browser(client, client.page("/account").token(), "Ida Falk")


def at_home(desk: Desk, partner_id: int) -> Site:
    """Somebody new of a partner without a history, at its pages."""
    history = History(desk.operator_id, partner_id, 0, {}, 0, 0, 0, 0, [], 0, [])
    return Site(desk, history, desk.sign_in(Role.PARTNER, partner_id=partner_id))


def fill(session: Session, *, share_bp: int = 5_000, factor: int = 1) -> History:
    """Two partners with rounds in two currencies, statements of March and April, payouts and new terms."""
    operator_id = builders.make_operator(session, currencies=["JPY"])
    session.execute(
        update(Operator).filter_by(id=operator_id).values(referral_url="https://play.test/?by={code}")
    )
    tables = [_table(session, operator_id, name, code) for name, code in _GAMES]
    terms = Terms(share_bp=share_bp, rate_bp=1_000)
    mine, theirs = (
        builders.make_partner(session, operator_id=operator_id, name=name, code=code, terms=terms)
        for name, code in (("Harbour Media", "harbour-media"), ("Elsewhere", "elsewhere"))
    )
    players = {partner: [_player(session, operator_id) for _ in range(MANY)] for partner in (mine, theirs)}
    for partner, found in players.items():
        builders.refer(session, partner, *found)
    for number in range(_ROUNDS):
        if number == _CORRECTED:
            _correct(tables[0], players[mine], factor)
        _play(tables[number % 3], players[mine], number, factor)
        if number % 12 == 0:
            _play(tables[0], players[theirs], number, factor)
    emails = {
        partner: builders.make_login(
            session, operator_id=operator_id, role=Role.PARTNER, partner_id=partner, name="Ida Falk"
        ).email
        for partner in (mine, theirs)
    }
    _reject(session, mine, operator_id)
    while partner_approvals.approve_due(session, now=TODAY):
        pass
    statements = _close(session, operator_id)
    payouts = {partner: _ask(session, partner, emails[partner]) for partner in (mine, theirs)}
    partners.agree(
        session,
        partner_id=mine,
        contract=partners.Contract(terms, (TODAY + 10 * DAY).date(), {"USD": 75_00}),
        actor=SYSTEM,
        now=TODAY,
    )
    return History(
        operator_id=operator_id,
        partner_id=mine,
        other_id=theirs,
        emails=emails,
        statement_id=statements[mine],
        other_statement_id=statements[theirs],
        payout_id=payouts[mine],
        other_payout_id=payouts[theirs],
        player_ids=players[mine],
        other_player_id=players[theirs][0],
        game_ids=[table.game_id for table in tables],
    )


_GAMES = (("Harbour table", "USD"), ("Night table", "USD"), ("Kyoto table", "JPY"))
_ROUNDS = 73
_CORRECTED = 60
_PACE = 1.3 * DAY


def _table(session: Session, operator_id: int, name: str, currency: str) -> House:
    game_id = builders.make_game(session, operator_id=operator_id, name=name, currency=currency)
    return House(session, operator_id, game_id, currency, "Europe/Malta")


def _player(session: Session, operator_id: int) -> int:
    player_id = builders.make_player(session, operator_id=operator_id)
    for currency in ("USD", "JPY"):
        builders.change(session, player_id, 1, ChangeType.OPENING, currency=currency)
    return player_id


def _play(table: House, players: list[int], number: int, factor: int) -> None:
    """A round: mostly of all players, now and then of two or of one."""
    some = players[: {3: 2, 7: 1}.get(number % 8, len(players))]
    stakes = [
        won(player, 40_000 * factor, 76_000 * factor)
        if (number + place) % 4 == 0
        else lost(player, (40_000 + 800 * place + 400 * number) * factor)
        for place, player in enumerate(some)
    ]
    table.settle(*stakes, at=NOW + number * _PACE)


def _correct(table: House, players: list[int], factor: int) -> None:
    """A round after which three stakes are given back, on the day after."""
    at = NOW + _CORRECTED * _PACE
    round_id = table.settle(*(lost(player, 50_000 * factor) for player in players), at=at)
    again = [push(player, 50_000 * factor) for player in players[:3]]
    again += [lost(player, 50_000 * factor) for player in players[3:]]
    table.settle_again(round_id, *again, at=at + DAY)


def _reject(session: Session, partner_id: int, operator_id: int) -> None:
    wanted = select(PartnerShownEarning.id).filter_by(partner_id=partner_id, state=EarningState.PENDING)
    last = session.scalars(wanted.order_by(PartnerShownEarning.id.desc()).limit(1)).one()
    partner_approvals.reject(
        session,
        partner_id=partner_id,
        earning_ids=[last],
        reason="Played on a test account",
        actor=builders.make_actor(session, operator_id=operator_id, role=Role.MANAGER),
        now=TODAY,
    )


def _close(session: Session, operator_id: int) -> dict[int, int]:
    """March and April closed and approved by two people; the last statement in USD of each partner."""
    closer, decider = (
        builders.make_actor(session, operator_id=operator_id, role=Role.MANAGER) for _ in range(2)
    )
    found: dict[int, int] = {}
    for month in (dt.date(2026, 3, 1), dt.date(2026, 4, 1)):
        closed = partner_statements.close_month(
            session, operator_id=operator_id, month=month, actor=closer, now=TODAY
        )
        for statement_id in closed:
            partner_statements.approve(
                session, statement_id=statement_id, reason="Checked", actor=decider, now=TODAY
            )
            statement = session.get_one(PartnerStatement, statement_id)
            if statement.currency == "USD":
                found[statement.partner_id] = statement_id
    return found


def _ask(session: Session, partner_id: int, email: str) -> int:
    """Payout details, and a payout of the least that can be asked for."""
    who = builders.actor_of(session.scalars(select(Login).filter_by(email=email)).one())
    partners.write_payout_details(
        session, partner_id=partner_id, details="MT31 MALT 0110", actor=who, now=TODAY
    )
    return partner_payouts.request(
        session,
        partner_id=partner_id,
        currency="USD",
        amount=50_00,
        idempotency_key=f"payout-{partner_id}",
        actor=who,
        now=TODAY,
    )
