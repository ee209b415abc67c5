"""What the page of one player shows, besides journal and notes."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models.change_request import RequestState
from dashboard.queries import alerts, approvals
from dashboard.queries.alerts import AlertRow
from dashboard.queries.approvals import OpenRequest
from dashboard.services import standings, vip
from dashboard.services.actors import Actor


@dataclass(frozen=True, slots=True)
class Header:
    """Who the player is, and how the wallet stands."""

    id: int
    external_id: str
    name: str
    email: str | None
    country: str | None
    created_at: dt.datetime
    agent: str | None
    """Name of the member of staff in charge."""
    home_currency: str
    status: str
    status_reason: str | None
    status_by: str | None
    """Name of whoever froze or closed it."""
    status_at: dt.datetime | None
    vip_level: str
    xp: int
    total_xp: int
    next_level: str | None
    """The level that xp reach next; None at the top."""
    next_xp: int | None
    """From which total xp on."""
    notes: int
    alerts: int
    """How many alerts there ever were."""
    partner_id: int | None
    """Whose player it is now, if anybody's."""
    partner: str | None
    """Name of that partner."""
    referred_at: dt.datetime | None
    """Since when; of who is nobody's player again, since then."""


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """A balance in one currency, in minor units; zeros and version 0 where nothing ever moved."""

    currency: str
    real: int
    bonus: int
    pending: int
    version: int
    deposited: int
    withdrawn: int
    updated_at: dt.datetime | None
    """None: there is no balance yet; the first change makes it."""
    last_risk: int | None
    """Risk score of the last entry, if it has one."""

    @property
    def withdrawable(self) -> int:
        """Real money that is not locked for withdrawals."""
        return vip.withdrawable(self.real, self.pending)


@dataclass(frozen=True, slots=True)
class PlayerPage:
    """One player and one of their balances, all of one instant."""

    player: Header
    balances: tuple[BalanceRow, ...]
    """The home currency first; then those in use, then those that rules allow."""
    balance: BalanceRow
    """The one that is shown."""
    open_alerts: tuple[AlertRow, ...]
    """Not resolved, in every currency, the gravest first."""
    rule: vip.Rule | None
    limits: tuple[vip.LimitUse, ...]
    """The day's and the week's use; empty without a balance or a rule."""
    requests: tuple[OpenRequest, ...]
    """Held or waiting, and held ones of whoever asks that have just ended; in every currency."""

    @property
    def held(self) -> list[OpenRequest]:
        """What is held for undo, and what became of one's own."""
        return [request for request in self.requests if request.state != RequestState.WAITING]

    @property
    def held_back(self) -> int:
        """How much of the shown balance's pending is for held debits."""
        return sum(
            request.set_aside for request in self.requests if request.currency == self.balance.currency
        )

    @property
    def waiting(self) -> int:
        """How many changes wait for a second person."""
        return sum(request.state == RequestState.WAITING for request in self.requests)


_HEADER = text("""
SELECT p.id, p.external_id, p.name, p.email, p.country, p.created_at, a.name AS agent,
       o.currency AS home_currency, w.status, w.status_reason, s.name AS status_by, w.status_at,
       w.vip_level, w.xp, w.total_xp, n.level AS next_level, n.xp_from AS next_xp,
       (SELECT count(*) FROM player_notes pn WHERE pn.player_id = p.id) AS notes,
       (SELECT count(*) FROM alerts al WHERE al.player_id = p.id) AS alerts,
       f.partner_id, t.name AS partner, f.since AS referred_at
FROM players p
JOIN operators o ON o.id = p.operator_id
JOIN wallets w ON w.player_id = p.id
LEFT JOIN logins a ON a.id = p.agent_id
LEFT JOIN logins s ON s.id = w.status_by
LEFT JOIN LATERAL (
  SELECT r.partner_id, r.since FROM referrals r WHERE r.player_id = p.id ORDER BY r.since DESC LIMIT 1
) AS f ON true
LEFT JOIN partners t ON t.id = f.partner_id
LEFT JOIN LATERAL (
  SELECT l.level, l.xp_from FROM vip_levels l
  WHERE l.operator_id = p.operator_id AND l.xp_from > w.total_xp ORDER BY l.xp_from LIMIT 1) n ON true
WHERE p.id = :p AND p.operator_id = :operator
""")

_BALANCES = text("""
SELECT c.currency, coalesce(b.real, 0) AS real, coalesce(b.bonus, 0) AS bonus,
       coalesce(b.pending, 0) AS pending, coalesce(b.version, 0) AS version,
       coalesce(b.deposited, 0) AS deposited, coalesce(b.withdrawn, 0) AS withdrawn, b.updated_at,
       e.risk_score AS last_risk
FROM (SELECT currency FROM balances WHERE player_id = :p
      UNION
      SELECT currency FROM vip_rules WHERE operator_id = :operator AND level = :level) c
LEFT JOIN balances b ON b.player_id = :p AND b.currency = c.currency
LEFT JOIN wallet_entries e ON e.player_id = :p AND e.currency = c.currency AND e.sequence = b.version
ORDER BY c.currency <> :home, b.version IS NULL, c.currency
""")


def get_page(
    session: Session, *, player_id: int, currency: str | None, actor: Actor, now: dt.datetime
) -> PlayerPage:
    """The player with the balance in `currency`, or in the operator's own. At most six statements.

    Raises NotFound for a player of another operator, and for a currency in which nothing can be.
    """
    player = get_header(session, player_id=player_id, operator_id=actor.operator_id)
    scope = {"p": player_id, "operator": actor.operator_id}
    rows = session.execute(_BALANCES, {**scope, "level": player.vip_level, "home": player.home_currency})
    balances = tuple(BalanceRow(**row) for row in rows.mappings())
    wanted = currency or player.home_currency
    balance = next((row for row in balances if row.currency == wanted), None)
    if balance is None:
        raise NotFound("This player has no balance in that currency.")
    rule, limits = _limits(session, player_id, balance, actor, now)
    return PlayerPage(
        player=player,
        balances=balances,
        balance=balance,
        open_alerts=tuple(
            alerts.list_unresolved_of(session, operator_id=actor.operator_id, player_id=player_id, now=now)
        ),
        rule=rule,
        limits=limits,
        requests=approvals.list_open_of(
            session, operator_id=actor.operator_id, player_id=player_id, login_id=actor.id, now=now
        ),
    )


def get_header(session: Session, *, player_id: int, operator_id: int) -> Header:
    """Who the player is and how the wallet stands. Raises NotFound."""
    row = session.execute(_HEADER, {"p": player_id, "operator": operator_id}).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such player.")
    return Header(**row)


def _limits(
    session: Session, player_id: int, balance: BalanceRow, actor: Actor, now: dt.datetime
) -> tuple[vip.Rule | None, tuple[vip.LimitUse, ...]]:
    if balance.updated_at is None:
        return None, ()
    located = standings.look(session, player_id=player_id, currency=balance.currency, actor=actor)
    if located.rule is None:
        return None, ()
    today, week = standings.used(session, player_id=player_id, located=located, now=now)
    standing = located.standing(used_today=today, used_this_week=week, now=now)
    return located.rule, tuple(vip.limit_uses(standing, located.rule, 0))
