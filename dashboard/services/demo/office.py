"""The staff of the demo and their days: they answer alerts, freeze, close, refuse and take notes."""

import datetime as dt
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from secrets import token_urlsafe

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.models.alert import AlertState, AlertType
from dashboard.models.login import Role
from dashboard.models.vip import Level
from dashboard.models.wallet import ChangeType
from dashboard.services import (
    alert_life,
    alerts,
    allowances,
    balances,
    passwords,
    players,
    refusals,
    staff,
    staff_log,
    standings,
    vip,
    vip_rules,
    wallets,
)
from dashboard.services.actors import Actor
from dashboard.services.demo.life import Ending

STAFF = (
    ("agent@example.com", "A. Lindqvist", Role.AGENT),
    ("manager@example.com", "M. Okafor", Role.MANAGER),
    ("admin@example.com", "R. Castellanos", Role.ADMIN),
    ("auditor@example.com", "T. Nakagawa", Role.AUDITOR),
    ("s.haddad@example.com", "S. Haddad", Role.AGENT),
    ("j.novotna@example.com", "J. Novotná", Role.AGENT),
    ("k.mensah@example.com", "K. Mensah", Role.AGENT),
)
_ALLOWANCES = {
    Role.AGENT: (1_000, 5_000),
    Role.MANAGER: (50_000, 250_000),
    Role.ADMIN: (50_000, 250_000),
}
"""Per change and per day, in whole units."""
_ANSWERED = {
    AlertType.WARNING: 0.7,
    AlertType.CRITICAL: 0.85,
    AlertType.NEGATIVE: 0.65,
    AlertType.LIMIT_EXCEEDED: 0.9,
    AlertType.SIGNIFICANT_DROP: 0.97,
    AlertType.UNUSUAL: 0.75,
    AlertType.HELD_REFUSED: 0.5,
    AlertType.POINTS_EXPIRING: 0.6,
    AlertType.TIER_ENDING: 0.6,
}
"""How many of each type somebody acknowledges, where they have not closed by themselves before."""
_ANSWERS = {
    AlertType.WARNING: ("Known, plays down to the line every month.", "Told the player by mail.", ""),
    AlertType.CRITICAL: ("Nearly empty, no reason to act.", "Offered a call.", ""),
    AlertType.NEGATIVE: ("Fee took it below zero; waived if it stays.", "Asked the player to settle.", ""),
    AlertType.LIMIT_EXCEEDED: ("Explained the limit by phone.", "Player will try again on Monday.", ""),
    AlertType.SIGNIFICANT_DROP: (
        "Payout, checked against the request.",
        "Large payout, documents in order.",
        "",
    ),
    AlertType.UNUSUAL: ("Called back: it was the player.", "Compared devices, looks right. Watching.", ""),
    AlertType.HELD_REFUSED: ("Entered again after a call.", "Not needed any more.", ""),
    AlertType.POINTS_EXPIRING: ("Reminded by mail.", "Offered a treatment for them.", ""),
    AlertType.TIER_ENDING: ("Told what is missing.", "Knows, lets it end.", ""),
}
_COMES_BACK = {AlertType.WARNING, AlertType.CRITICAL, AlertType.NEGATIVE}
"""What closes by itself; the others somebody must resolve."""
_RESOLUTIONS = (
    "Spoke to the player, nothing left to do.",
    "Checked with payments, all in order.",
    "Same matter as last week, settled there.",
)
_SNOOZES = (
    "Salary comes on the first, asked to wait",
    "Waiting for the bank's answer",
    "Player is abroad until the weekend",
)
_FREEZES = (
    "Card reported stolen, waiting for the bank",
    "Identity papers expired",
    "Two accounts from one device, under review",
    "Player asked for a pause of 30 days",
    "Disputed card payment",
)
_UNFREEZES = ("Papers received and checked", "Bank withdrew the dispute", "Pause is over, player confirmed")
_CLOSES = (
    "At the player's own request",
    "Second account of the same person",
    "Self-exclusion for five years",
)
_NOTES = (
    "Prefers to be called in the evening.",
    "Asked how the weekly limit is counted; sent the explanation.",
    "Changed the bank account, papers checked.",
    "Wants statements by mail at the end of the month.",
    "Friendly, knows the rules better than we do.",
    "Complained about a slow payout; it left the same day.",
    "Travels in autumn: sign-ins from abroad are expected.",
    "Proof of address renewed.",
    "Asked to lower the own daily limit, forwarded.",
)
_HAND_SET = "Welcomed back after a year away"


@dataclass(frozen=True, slots=True)
class Member:
    """A player of the demo, as the office knows them."""

    player_id: int
    external_id: str
    agent: Actor


class Office:
    """Acts day by day, within the caller's transactions; what it decides depends on the seed alone."""

    def __init__(
        self, *, seed: int, timezone: str, currency: str, staff_by_email: Mapping[str, Actor]
    ) -> None:
        self._seed = seed
        self._timezone = timezone
        self._currency = currency
        self._staff = staff_by_email
        self._due: list[tuple[dt.datetime, str, str, int, int]] = []
        self._by_id: dict[int, Member] = {}

    @property
    def agents(self) -> list[Actor]:
        """Whom players can have in charge."""
        return [actor for actor in self._staff.values() if actor.role == Role.AGENT]

    @property
    def manager(self) -> Actor:
        """Who closes wallets and sets levels by hand."""
        return self._staff["manager@example.com"]

    @property
    def admin(self) -> Actor:
        """Who edits the rules, and agrees where a second person has to."""
        return self._staff["admin@example.com"]

    def beside(self) -> "Office":
        """The same staff for other players, whom they do not know yet."""
        return Office(
            seed=self._seed, timezone=self._timezone, currency=self._currency, staff_by_email=self._staff
        )

    def know(self, members: Sequence[Member]) -> None:
        """Whom the office looks after."""
        self._by_id = {member.player_id: member for member in members}

    def sign_in(self, session: Session, start: dt.datetime, now: dt.datetime) -> None:
        """Who comes to work on the day that begins at `start`, and when."""
        rng = self._rng("sign-in", start)
        is_weekend = clock.local(start, self._timezone).weekday() >= 5
        for actor in self._staff.values():
            at = start + dt.timedelta(minutes=rng.uniform(7.5 * 60, 10 * 60))
            if at < now and rng.random() < (0.25 if is_weekend else 0.85):
                staff_log.record(session, actor, "session.started", now=at)

    def answer_alerts(self, session: Session, *, start: dt.datetime, end: dt.datetime) -> None:
        """Look at what is new among the alerts since `start`, and acknowledge what falls due before `end`.

        Of those whom this office looks after.
        """
        found = session.execute(
            text("""
            SELECT player_id, id, type, raised_at FROM alerts
            WHERE operator_id = :operator AND state = 'open' AND last_hit_at >= :start AND raised_at >= :start
            ORDER BY player_id, id
            """),
            {"operator": self.manager.operator_id, "start": start},
        )
        for row in found:
            if row.player_id not in self._by_id:
                continue
            self._plan_answer(row.player_id, row.id, AlertType(row.type), row.raised_at)
        while self._due and self._due[0][0] < end:
            at, _, alert_type, player_id, alert_id = heapq.heappop(self._due)
            self._answer(session, at, AlertType(alert_type), player_id, alert_id)

    def _plan_answer(
        self, player_id: int, alert_id: int, alert_type: AlertType, raised_at: dt.datetime
    ) -> None:
        external_id = self._by_id[player_id].external_id
        rng = self._rng(external_id, alert_type, raised_at)
        if rng.random() > _ANSWERED[alert_type]:
            return
        at = raised_at + dt.timedelta(minutes=min(rng.lognormvariate(3.4, 1.1), 2_000))
        hour = clock.local(at, self._timezone).hour
        if not 8 <= hour < 23:
            # The desk is empty then: it waits until somebody comes.
            at += dt.timedelta(hours=(8 - hour) % 24, minutes=rng.uniform(0, 90))
        heapq.heappush(self._due, (at, external_id, alert_type, player_id, alert_id))

    def _answer(
        self, session: Session, at: dt.datetime, alert_type: AlertType, player_id: int, alert_id: int
    ) -> None:
        member = self._by_id[player_id]
        rng = self._rng("answer", member.external_id, alert_type, at)
        actor = member.agent if rng.random() < 0.7 else rng.choice(self.agents)
        note = rng.choice(_ANSWERS[alert_type])
        # Refused where the balance came back before anybody looked.
        keys = [alert_life.AlertKey(player_id, alert_id)]
        alert_life.acknowledge(session, keys=keys, actor=actor, note=note, now=at)
        if alert_type not in _COMES_BACK and rng.random() < 0.8:
            note = rng.choice(_RESOLUTIONS)
            alert_life.resolve(session, keys=keys, actor=actor, note=note, now=at)

    def leave_desk(self, session: Session, *, now: dt.datetime) -> None:
        """How the inbox stands when the demo begins: some alerts given, taken, put off, ended by hand."""
        found = session.execute(
            text("""
            SELECT player_id, id, type, raised_at, state,
                   greatest(last_hit_at, acknowledged_at) AS touched_at
            FROM alerts WHERE operator_id = :operator AND state <> 'resolved'
            ORDER BY raised_at DESC, player_id, id
            """),
            {"operator": self.manager.operator_id},
        ).all()
        # Of the open ones the first are what a small demo must have: one taken, one given, one put off.
        certain = iter((0.5, 0.7, 0.3))
        for row in found:
            member = self._by_id[row.player_id]
            rng = self._rng("desk", member.external_id, row.type, row.raised_at)
            key, at = alert_life.AlertKey(row.player_id, row.id), self._lately(rng, row.touched_at, now)
            is_open = row.state == AlertState.OPEN
            chance = rng.random()
            if is_open:
                chance = next(certain, chance)
            self._touch(session, rng, chance, key=key, is_open=is_open, at=at)

    def _touch(
        self,
        session: Session,
        rng: Random,
        chance: float,
        *,
        key: alert_life.AlertKey,
        is_open: bool,
        at: dt.datetime,
    ) -> None:
        agent = rng.choice(self.agents)
        if chance < (0.12 if is_open else 0.25):
            note = rng.choice(_RESOLUTIONS)
            alert_life.resolve(session, keys=[key], actor=agent, note=note, now=at)
        elif chance < 0.38:
            until = at + dt.timedelta(days=rng.randint(2, 9), hours=rng.randint(0, 6))
            reason = rng.choice(_SNOOZES)
            alert_life.snooze(session, keys=[key], actor=agent, reason=reason, until=until, now=at)
        elif chance < 0.56 and is_open:
            alert_life.take(session, keys=[key], actor=agent, now=at)
        elif chance < 0.74 and is_open:
            alert_life.assign(session, keys=[key], actor=self.manager, to=agent.id, now=at)

    @staticmethod
    def _lately(rng: Random, touched_at: dt.datetime, now: dt.datetime) -> dt.datetime:
        """Some moment of the last hours, after anything happened to it."""
        return max(touched_at, now - dt.timedelta(hours=rng.uniform(0.1, 30)))

    def end_life(self, session: Session, member: Member, ending: Ending, at: dt.datetime) -> None:
        """Freeze or close a wallet."""
        rng = self._rng("ending", member.external_id)
        if ending == Ending.CLOSE:
            reason = rng.choice(_CLOSES)
            wallets.close(session, player_id=member.player_id, reason=reason, actor=self.manager, now=at)
        else:
            reason = rng.choice(_FREEZES)
            wallets.freeze(session, player_id=member.player_id, reason=reason, actor=member.agent, now=at)

    def unfreeze(self, session: Session, member: Member, at: dt.datetime) -> None:
        """Let a frozen wallet go."""
        reason = self._rng("unfreeze", member.external_id).choice(_UNFREEZES)
        wallets.unfreeze(session, player_id=member.player_id, reason=reason, actor=self.manager, now=at)

    def note(self, session: Session, member: Member, at: dt.datetime) -> None:
        """Write something down about a player."""
        body = self._rng("note", member.external_id, at).choice(_NOTES)
        players.add_note(session, player_id=member.player_id, body=body, actor=member.agent, now=at)

    def raise_level(self, session: Session, member: Member, at: dt.datetime) -> None:
        """Give a player the next level by hand, where there is one."""
        _, rule = self._look(session, member)
        ranks = list(Level)
        level = ranks[min(ranks.index(Level(rule.level)) + 1, len(ranks) - 1)]
        if level != rule.level:
            vip_rules.set_level(
                session, player_id=member.player_id, level=level, reason=_HAND_SET, actor=self.manager, now=at
            )

    def be_refused(self, session: Session, member: Member, at: dt.datetime) -> None:
        """Try what the rules forbid: beyond a limit, or more than there is."""
        rng = self._rng("refused", member.external_id, at)
        located, rule = self._look(session, member)
        if rng.random() < 0.7:
            change_type, reason = ChangeType.DEPOSIT, "Bank transfer, announced by phone"
            amount = rule.daily_limit + money.from_whole(rng.randrange(1, 20) * 500, self._currency)
        else:
            change_type, reason = ChangeType.WITHDRAWAL, "Payout asked for by phone"
            amount = -(max(0, located.real) + money.from_whole(rng.randrange(1, 9) * 100, self._currency))
        request = balances.Request(
            player_id=member.player_id,
            currency=self._currency,
            change_type=change_type,
            real_delta=amount,
            reason=reason,
            idempotency_key=f"demo-refused:{at.isoformat()}",
            reference=f"TICKET-{rng.randrange(10_000, 99_999)}",
        )
        try:
            balances.change(session, request=request, actor=member.agent, now=at)
        except balances.ChangeRefused as refused:
            refusals.record(session, refused=refused, actor=member.agent, now=at)
            if rng.random() < 0.25:  # it had been held, and was refused when its time came
                alerts.raise_held_refused(
                    session,
                    player_id=member.player_id,
                    currency=self._currency,
                    amount_minor=amount,
                    agent_id=member.agent.id,
                    now=at,
                )

    def edit_rule(self, session: Session, at: dt.datetime, daily_limit: int) -> None:
        """Give gold another daily limit, in whole units, and four times that a week."""
        rule = session.execute(
            text("SELECT * FROM vip_rules WHERE operator_id = :o AND level = :l AND currency = :c"),
            {"o": self.manager.operator_id, "l": Level.GOLD, "c": self._currency},
        ).one()
        figures = vip_rules.Figures(
            min_balance=rule.min_balance,
            max_balance=rule.max_balance,
            daily_limit=money.from_whole(daily_limit, self._currency),
            weekly_limit=money.from_whole(daily_limit * 4, self._currency),
            warning_threshold=rule.warning_threshold,
            critical_threshold=rule.critical_threshold,
            drop_percent=rule.drop_percent,
            approval_threshold=rule.approval_threshold,
        )
        vip_rules.edit_rule(
            session,
            level=Level.GOLD,
            currency=self._currency,
            figures=figures,
            seen_version=rule.version,
            actor=self.admin,
            now=at,
        )

    def _look(self, session: Session, member: Member) -> tuple[standings.Located, vip.Rule]:
        located = standings.look(
            session, player_id=member.player_id, currency=self._currency, actor=member.agent
        )
        if located.rule is None:
            raise LookupError(f"no rule for {self._currency}")
        return located, located.rule

    def _rng(self, *what: object) -> Random:
        return Random(f"{self._seed}/{'/'.join(map(str, what))}")  # noqa: S311 - a demo, no secret


def hire(session: Session, *, operator_id: int, currency: str, now: dt.datetime) -> dict[str, Actor]:
    """Make the staff and say what each may move; by e-mail.

    Those who are not there to be signed in as get a password nobody knows.
    """
    hired = {}
    for email, name, role in STAFF:
        known = email in passwords.DEMO_EMAILS
        login_id = staff.create(
            session,
            operator_id=operator_id,
            email=email,
            name=name,
            role=role,
            password=passwords.DEMO_PASSWORD if known else token_urlsafe(24),
            now=now,
        )
        hired[email] = Actor(id=login_id, operator_id=operator_id, role=role, name=name)
    for actor in hired.values():
        if actor.role in _ALLOWANCES:
            per_change, per_day = _ALLOWANCES[actor.role]
            allowances.grant(
                session,
                login_id=actor.id,
                operator_id=operator_id,
                currency=currency,
                per_change=money.from_whole(per_change, currency),
                per_day=money.from_whole(per_day, currency),
                actor=hired["admin@example.com"],
                now=now,
            )
    return hired
