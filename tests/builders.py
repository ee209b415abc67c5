"""What tests are made of, with quiet defaults: a test states only what it is about."""

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from dashboard.models import Allowance, Bet, Game, Login, Operator, Round, RuleSet, VipRule
from dashboard.models.game import Dealing, RoundState, RuleSetState
from dashboard.models.login import Role
from dashboard.models.operator import MoneyMode
from dashboard.models.partner import PartnerStatus
from dashboard.models.wallet import ChangeType
from dashboard.services import (
    andar_bahar,
    balances,
    bonuses,
    fairness,
    operators,
    partners,
    passwords,
    players,
    rule_sets,
    vip,
)
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.bonus_terms import Terms
from dashboard.services.partner_terms import Terms as PartnerTerms

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
"""A Monday, 13:00 in Malta."""
PASSWORD = "three blue whales sing"

_numbers = count(1)


def make_operator(
    session: Session,
    *,
    slug: str | None = None,
    currency: str = "USD",
    currencies: Sequence[str] = (),
    timezone: str = "Europe/Malta",
    defaults: operators.Defaults | None = None,
    undo_seconds: int = 0,
    approval_threshold: int | None = 10**15,
) -> int:
    """An operator with the VIP table in its own currency and in `currencies`; its id.

    Changes by hand are posted at once, and none waits for a second person, unless a test says so.
    """
    operator_id = operators.create(
        session,
        slug=slug or f"operator-{next(_numbers)}",
        name="Harbour Games",
        currency=currency,
        timezone=timezone,
        money_mode=MoneyMode.PLAY,
        currencies=currencies,
        defaults=defaults or operators.Defaults(),
        now=NOW,
    )
    session.execute(update(Operator).filter_by(id=operator_id).values(undo_seconds=undo_seconds))
    if approval_threshold is not None:
        rules = update(VipRule).filter_by(operator_id=operator_id)
        session.execute(rules.values(approval_threshold=approval_threshold))
    return operator_id


def allow(
    session: Session, login_id: int, *, per_change: int, per_day: int | None = None, currency: str = "USD"
) -> None:
    """Give somebody an allowance in minor units; a day holds one change unless `per_day` says more."""
    day = per_change if per_day is None else per_day
    session.merge(
        Allowance(
            login_id=login_id,
            currency=currency,
            operator_id=session.scalars(select(Login.operator_id).filter_by(id=login_id)).one(),
            per_change=per_change,
            per_day=day,
            changed_at=NOW,
        )
    )
    session.flush()


def make_login(
    session: Session,
    *,
    operator_id: int | None = None,
    role: Role = Role.AGENT,
    email: str | None = None,
    name: str = "Ana Reyes",
    active: bool = True,
    allowance: int = 10**15,
    partner_id: int | None = None,
) -> Login:
    """Somebody who can sign in with PASSWORD, at an operator of their own unless one is given.

    A partner user without a partner gets an active one. They may move nearly everything in every
    currency of the operator unless `allowance` says less.
    """
    operator_id = operator_id or make_operator(session)
    if role == Role.PARTNER and partner_id is None:
        partner_id = make_partner(session, operator_id=operator_id)
    login = Login(
        operator_id=operator_id,
        partner_id=partner_id,
        email=email or f"{role}-{next(_numbers)}@harbour.test",
        name=name,
        role=role,
        password_hash=passwords.hash_of(PASSWORD),
        active=active,
        created_at=NOW,
    )
    session.add(login)
    session.flush()
    currencies = select(VipRule.currency).filter_by(operator_id=login.operator_id).distinct()
    for currency in session.scalars(currencies).all():
        allow(session, login.id, per_change=allowance, currency=currency)
    return login


def make_partner(
    session: Session,
    *,
    operator_id: int,
    name: str = "Harbour Media",
    code: str | None = None,
    terms: PartnerTerms | None = None,
    valid_from: dt.date = dt.date(2020, 1, 1),
    minimums: Mapping[str, int] | None = None,
    status: PartnerStatus = PartnerStatus.ACTIVE,
    now: dt.datetime = NOW,
) -> int:
    """A partner with one contract, half of the figures shown and a tenth of the profit earned; its id."""
    partner_id = partners.create(
        session,
        name=name,
        code=code or f"partner-{next(_numbers)}",
        contract=partners.Contract(
            terms or PartnerTerms(share_bp=5_000, rate_bp=1_000), valid_from, minimums or {"USD": 50_00}
        ),
        actor=SYSTEM,
        now=now,
        operator_id=operator_id,
    )
    if status != PartnerStatus.PENDING:
        partners.set_status(
            session, partner_id=partner_id, status=status, reason="Agreed", actor=SYSTEM, now=now
        )
    return partner_id


def refer(session: Session, partner_id: int, *player_ids: int, now: dt.datetime = NOW) -> None:
    """Make players a partner's."""
    partners.refer(session, player_ids=player_ids, partner_id=partner_id, actor=SYSTEM, now=now)


def actor_of(login: Login) -> Actor:
    """What a service gets when this person does something."""
    return Actor(
        id=login.id,
        operator_id=login.operator_id,
        role=Role(login.role),
        name=login.name,
        partner_id=login.partner_id,
    )


def make_actor(session: Session, *, operator_id: int, role: Role = Role.AGENT) -> Actor:
    """A member of staff of that operator, as services get them."""
    return actor_of(make_login(session, operator_id=operator_id, role=role))


def make_player(
    session: Session,
    *,
    operator_id: int,
    balance_minor: int = 0,
    agent_id: int | None = None,
    external_id: str | None = None,
    name: str = "Mira Holm",
) -> int:
    """A player with wallet and balance; `balance_minor` comes by an opening, which uses no limit."""
    new = players.NewPlayer(external_id or f"P-{next(_numbers)}", name, agent_id=agent_id)
    (player_id,) = players.register(session, operator_id=operator_id, players=[new], now=NOW).values()
    if balance_minor:
        change(session, player_id, balance_minor, ChangeType.OPENING)
    return player_id


def change_request(
    player_id: int,
    amount_minor: int,
    change_type: ChangeType = ChangeType.ADJUSTMENT,
    *,
    currency: str = "USD",
    key: str | None = None,
    reason: str = "Goodwill",
    reference: str | None = None,
) -> balances.Request:
    """A request with a key of its own unless one is given."""
    return balances.Request(
        player_id=player_id,
        currency=currency,
        change_type=change_type,
        real_delta=amount_minor,
        reason=reason,
        idempotency_key=key or f"key-{next(_numbers)}",
        reference=reference,
    )


def override(**figures: int) -> vip.Override:
    """Other figures than the rule's, for one change."""
    return vip.Override("Agreed with the board", **figures)


def change(
    session: Session,
    player_id: int,
    amount_minor: int,
    change_type: ChangeType = ChangeType.ADJUSTMENT,
    *,
    currency: str = "USD",
    actor: Actor = SYSTEM,
    now: dt.datetime = NOW,
) -> balances.BalanceChange:
    """One change through the one door, by the system unless an actor is given."""
    request = change_request(player_id, amount_minor, change_type, currency=currency)
    return balances.change(session, request=request, actor=actor, now=now)


def make_rule_set(session: Session, *, operator_id: int, name: str = "standard") -> int:
    """An active rule set with the rules shipped under that name; the operator's own where it has one."""
    wanted = select(RuleSet.id).filter_by(operator_id=operator_id, name=name, state=RuleSetState.ACTIVE)
    known = session.scalars(wanted.order_by(RuleSet.version.desc())).first()
    if known is not None:
        return known
    new = insert(RuleSet).values(
        operator_id=operator_id,
        name=name,
        version=1,
        definition=rule_sets.write(rule_sets.SHIPPED[name]),
        state=RuleSetState.ACTIVE,
        made_by="system",
        made_at=NOW,
    )
    return session.scalars(new.returning(RuleSet.id)).one()


def make_game(
    session: Session,
    *,
    operator_id: int,
    name: str | None = None,
    rules: str = "standard",
    currency: str = "USD",
    dealing: Dealing = Dealing.AUTOMATIC,
    **given: Any,
) -> int:
    """A game that is played under shipped rules, with bets from 1.00 to 1,000.00; its id."""
    values = {
        "public_salt": "harbour",
        "min_bet": 100,
        "max_bet": 100_000,
        "exposure_max": None,
        "betting_seconds": 30,
        "pause_seconds": 5,
        "made_at": NOW,
        **given,
    }
    new = insert(Game).values(
        operator_id=operator_id,
        name=name or f"Table {next(_numbers)}",
        currency=currency,
        rule_set_id=make_rule_set(session, operator_id=operator_id, name=rules),
        dealing=dealing,
        **values,
    )
    return session.scalars(new.returning(Game.id)).one()


def make_round(session: Session, *, game_id: int, number: int | None = None, **given: Any) -> int:
    """A row of a round as it stands, by the game's settings; its id.

    Scheduled unless `state` says more: what the tables then ask for is filled in. No service has
    played it, so that nobody was paid.
    """
    game = session.get_one(Game, game_id)
    state = given.pop("state", RoundState.SCHEDULED)
    number = number or next(_numbers)
    seed = number.to_bytes(32, "big")
    deck = fairness.deck(seed, game.public_salt, number)
    values: dict[str, Any] = {"joker": deck[0], "opened_at": NOW, "opened_by": "system"}
    if game.dealing == Dealing.AUTOMATIC:
        values["commitment"] = fairness.commitment(seed)
        values["seed_sealed"] = fairness.seal(seed, game_id=game_id, number=number)
    if state == RoundState.BETTING:
        values["betting_ends_at"] = NOW + dt.timedelta(days=36_500)
    if state in {RoundState.SETTLED, RoundState.VOIDED}:
        values |= {"ended_at": NOW + dt.timedelta(minutes=1)}
        values |= {"seed": seed} if game.dealing == Dealing.AUTOMATIC else {}
    if state == RoundState.SETTLED:
        first = rule_sets.read(session.get_one(RuleSet, game.rule_set_id).definition).first_side(deck[0])
        dealt = andar_bahar.dealt(deck, first=first)
        values |= {"cards": list(dealt.cards), "winner": dealt.winner, "version": 1}
    if state == RoundState.VOIDED:
        values["void_reason"] = "The table lost power"
    new = insert(Round).values(
        operator_id=game.operator_id,
        game_id=game_id,
        number=number,
        rule_set_id=game.rule_set_id,
        dealing=game.dealing,
        currency=game.currency,
        public_salt=game.public_salt,
        state=state,
        **{**values, **given},
    )
    return session.scalars(new.returning(Round.id)).one()


def make_bet(
    session: Session, *, round_id: int, player_id: int, selection: str = "andar", amount: int = 1_000
) -> int:
    """A pending bet of real money with the entry that took its stake, whatever the round's state; its id."""
    played = session.get_one(Round, round_id)
    taken = change(session, player_id, -amount, ChangeType.WAGER, currency=played.currency)
    new = insert(Bet).values(
        player_id=player_id,
        operator_id=played.operator_id,
        currency=played.currency,
        round_id=round_id,
        selection=selection,
        stage=played.stage,
        amount=amount,
        real_part=amount,
        wager_sequence=taken.entry.sequence,
        idempotency_key=f"bet-{next(_numbers)}",
        placed_by="system",
        placed_at=NOW,
    )
    return session.scalars(new.returning(Bet.id)).one()


def give_bonus(
    session: Session,
    player_id: int,
    amount_minor: int,
    *,
    now: dt.datetime = NOW,
    **terms: Any,
) -> int:
    """An active grant by hand, wagered once unless the terms say more; its id."""
    granted = bonuses.grant(
        session,
        player_id=player_id,
        currency="USD",
        reason="Welcome back",
        actor=SYSTEM,
        idempotency_key=f"bonus-{next(_numbers)}",
        now=now,
        terms=Terms(**{"name": "Goodwill", **terms}),
        amount=amount_minor,
    )
    return granted.bonus_id
