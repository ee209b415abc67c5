"""What people do with alerts: both sides of each rule, and what stays as it was where one is refused."""

import datetime as dt
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import alert_life, alerts
from dashboard.services.actors import Actor
from dashboard.services.alert_life import Acted, AlertKey
from tests.builders import NOW, actor_of, change, make_actor, make_login, make_operator, make_player

MINUTE = dt.timedelta(minutes=1)
LATER = NOW + dt.timedelta(hours=4)


@pytest.fixture
def operator(session: Session) -> int:
    return make_operator(session)


@pytest.fixture
def agent(session: Session, operator: int) -> Actor:
    return make_actor(session, operator_id=operator)


def colleague(session: Session, operator: int, role: Role = Role.AGENT, name: str = "Bo Lind") -> Actor:
    return actor_of(make_login(session, operator_id=operator, role=role, name=name))


def low(session: Session, operator: int, *, drop: int = 700_00, at: dt.datetime = NOW) -> AlertKey:
    """An alert of a player whose balance fell below the warning threshold; by 1,450.00: critical too."""
    player = make_player(session, operator_id=operator, balance_minor=1_500_00)
    change(session, player, -drop, ChangeType.WITHDRAWAL, now=at)
    query = text("SELECT id FROM alerts WHERE player_id = :p ORDER BY severity, type LIMIT 1")
    return AlertKey(player, session.execute(query, {"p": player}).scalar_one())


def row(session: Session, key: AlertKey) -> Row[Any]:
    query = text("SELECT * FROM alerts WHERE player_id = :p AND id = :id")
    return session.execute(query, {"p": key.player_id, "id": key.alert_id}).one()


def logged(session: Session, key: AlertKey) -> list[tuple[str, dict[str, Any], str]]:
    query = text("""
        SELECT action, details::jsonb AS details, performed_by FROM staff_log
        WHERE player_id = :p AND action LIKE 'alert.%' ORDER BY id
    """)
    return [tuple(line) for line in session.execute(query, {"p": key.player_id})]


def refusal(acted: Sequence[Acted]) -> str | None:
    (one,) = acted
    return one.refusal.message if one.refusal else None


class TestAcknowledging:
    def test_it_keeps_who_when_and_what_they_said(
        self, session: Session, operator: int, agent: Actor
    ) -> None:
        key = low(session, operator)

        acted = alert_life.acknowledge(session, keys=[key], actor=agent, note="Rang them", now=NOW + MINUTE)

        seen = row(session, key)
        assert acted == [Acted(key, None)]
        assert (seen.state, seen.acknowledged_by, seen.note) == ("acknowledged", agent.id, "Rang them")
        assert seen.acknowledged_at == NOW + MINUTE
        details = {"alert": key.alert_id, "type": "warning", "note": "Rang them"}
        assert logged(session, key) == [("alert.acknowledged", details, agent.reference)]

    def test_the_second_is_told_who_was_first(self, session: Session, operator: int, agent: Actor) -> None:
        key, second = low(session, operator), colleague(session, operator)
        alert_life.acknowledge(session, keys=[key], actor=agent, note="Mine", now=NOW)

        acted = alert_life.acknowledge(session, keys=[key], actor=second, note="", now=NOW)

        assert refusal(acted) == "Ana Reyes has already acknowledged this alert."
        with pytest.raises(Conflict, match="already acknowledged"):
            alert_life.the_only(acted)
        assert (row(session, key).acknowledged_by, row(session, key).note) == (agent.id, "Mine")
        assert len(logged(session, key)) == 1

    def test_a_resolved_one_is_over(self, session: Session, operator: int, agent: Actor) -> None:
        key = low(session, operator)
        change(session, key.player_id, 900_00, ChangeType.DEPOSIT)

        assert (
            refusal(alert_life.acknowledge(session, keys=[key], actor=agent, note="", now=NOW))
            == "This alert is already resolved."
        )

    def test_what_is_not_there_or_not_ours_does_not_exist(
        self, session: Session, operator: int, agent: Actor
    ) -> None:
        key, other = low(session, operator), low(session, operator)
        stranger = make_actor(session, operator_id=make_operator(session), role=Role.ADMIN)
        for wrong, actor in (
            (key, stranger),
            (AlertKey(key.player_id, other.alert_id), agent),
            (AlertKey(other.player_id, key.alert_id), agent),
        ):
            acted = alert_life.acknowledge(session, keys=[wrong], actor=actor, note="", now=NOW)
            with pytest.raises(NotFound):
                alert_life.the_only(acted)
        assert row(session, key).state == "open"

    def test_a_further_hit_and_the_closing_keep_who_saw_it(
        self, session: Session, operator: int, agent: Actor
    ) -> None:
        key = low(session, operator)
        alert_life.acknowledge(session, keys=[key], actor=agent, note="", now=NOW)

        change(session, key.player_id, 240_00, ChangeType.SETTLEMENT)
        change(session, key.player_id, -100_00, ChangeType.FEE)
        hit = row(session, key)
        change(session, key.player_id, 900_00, ChangeType.SETTLEMENT)
        closed = row(session, key)

        assert (hit.state, hit.hits, hit.note) == ("acknowledged", 2, None)
        assert (closed.state, closed.resolved_by, closed.acknowledged_by) == ("resolved", "system", agent.id)


class TestResolving:
    @pytest.mark.parametrize("seen_before", [False, True])
    def test_by_hand_is_told_apart_from_by_itself(
        self, session: Session, operator: int, agent: Actor, seen_before: bool
    ) -> None:
        key = low(session, operator)
        if seen_before:
            alert_life.acknowledge(session, keys=[key], actor=agent, note="", now=NOW)

        alert_life.the_only(
            alert_life.resolve(session, keys=[key], actor=agent, note="Told the player", now=LATER)
        )

        ended = row(session, key)
        assert (ended.state, ended.resolved_by, ended.resolution) == (
            "resolved",
            agent.reference,
            "Told the player",
        )
        assert ended.resolved_at == LATER
        assert logged(session, key)[-1][0] == "alert.resolved"

    def test_it_ends_once(self, session: Session, operator: int, agent: Actor) -> None:
        key = low(session, operator)
        alert_life.resolve(session, keys=[key], actor=agent, note="Done", now=NOW)

        acted = alert_life.resolve(session, keys=[key], actor=agent, note="Again", now=LATER)

        assert refusal(acted) == "This alert is already resolved."
        assert row(session, key).resolution == "Done"

    def test_the_next_crossing_raises_a_new_one(self, session: Session, operator: int, agent: Actor) -> None:
        key = low(session, operator)
        alert_life.resolve(session, keys=[key], actor=agent, note="Done", now=NOW)

        # Back within the band, which would not have closed it, and down again.
        change(session, key.player_id, 240_00, ChangeType.SETTLEMENT)
        change(session, key.player_id, -100_00, ChangeType.FEE)

        states = session.scalars(
            text("SELECT state FROM alerts WHERE player_id = :p ORDER BY id"), {"p": key.player_id}
        )
        assert list(states) == ["resolved", "open"]


class TestSnoozing:
    def test_it_keeps_reason_end_and_who(self, session: Session, operator: int, agent: Actor) -> None:
        key = low(session, operator)

        self.snoozed(session, key, agent)

        asleep = row(session, key)
        assert (asleep.state, asleep.snoozed_until, asleep.snooze_reason, asleep.snoozed_by) == (
            "open",
            LATER,
            "Pays on Friday",
            agent.id,
        )
        details = {
            "alert": key.alert_id,
            "type": "warning",
            "reason": "Pays on Friday",
            "until": LATER.isoformat(),
        }
        assert logged(session, key) == [("alert.snoozed", details, agent.reference)]

    def test_hits_go_on_counting(self, session: Session, operator: int, agent: Actor) -> None:
        key = low(session, operator)
        self.snoozed(session, key, agent)

        change(session, key.player_id, 240_00, ChangeType.SETTLEMENT)
        change(session, key.player_id, -500_00, ChangeType.FEE)

        asleep = row(session, key)
        assert (asleep.hits, asleep.peak, asleep.snoozed_until) == (2, 540_00, LATER)

    @pytest.mark.parametrize(
        ("until", "accepted"),
        [
            (NOW, False),
            (NOW + dt.timedelta(microseconds=1), True),
            (NOW + alert_life.SNOOZE_MAX, True),
            (NOW + alert_life.SNOOZE_MAX + dt.timedelta(microseconds=1), False),
        ],
    )
    def test_the_end_lies_ahead_and_not_too_far(
        self, session: Session, operator: int, agent: Actor, until: dt.datetime, accepted: bool
    ) -> None:
        key = low(session, operator)
        with nullcontext() if accepted else pytest.raises(Rejected, match="within the next 31 days"):
            alert_life.snooze(session, keys=[key], actor=agent, reason="Later", until=until, now=NOW)
        assert row(session, key).snoozed_until == (until if accepted else None)

    def test_it_can_be_woken_before(self, session: Session, operator: int, agent: Actor) -> None:
        key = low(session, operator)
        self.snoozed(session, key, agent)

        alert_life.the_only(alert_life.wake(session, keys=[key], actor=agent, now=NOW + MINUTE))

        awake = row(session, key)
        assert (awake.snoozed_until, awake.snooze_reason, awake.snoozed_by) == (None, None, None)

    def test_what_does_not_sleep_cannot_be_woken(self, session: Session, operator: int, agent: Actor) -> None:
        never, over = low(session, operator), low(session, operator)
        self.snoozed(session, over, agent)
        for key in (never, over):
            acted = alert_life.wake(session, keys=[key], actor=agent, now=LATER)
            assert refusal(acted) == "This alert is not snoozed any more."

    @staticmethod
    def snoozed(session: Session, key: AlertKey, agent: Actor) -> None:
        acted = alert_life.snooze(
            session, keys=[key], actor=agent, reason="Pays on Friday", until=LATER, now=NOW
        )
        alert_life.the_only(acted)


class TestAssigning:
    def test_it_is_theirs_and_not_begun(self, session: Session, operator: int, agent: Actor) -> None:
        key, bo = low(session, operator), colleague(session, operator)

        alert_life.the_only(alert_life.assign(session, keys=[key], actor=agent, to=bo.id, now=NOW))

        given = row(session, key)
        assert (given.assigned_to, given.assigned_at, given.taken_at) == (bo.id, NOW, None)
        details = {"alert": key.alert_id, "type": "warning", "to": bo.id, "name": "Bo Lind"}
        assert logged(session, key) == [("alert.assigned", details, agent.reference)]

    @pytest.mark.parametrize(
        ("role", "allowed"),
        [(Role.AGENT, True), (Role.ADMIN, True), (Role.AUDITOR, False), (Role.PARTNER, False)],
    )
    def test_only_to_those_who_work_on_alerts(
        self, session: Session, operator: int, agent: Actor, role: Role, allowed: bool
    ) -> None:
        key, to = low(session, operator), colleague(session, operator, role)
        with nullcontext() if allowed else pytest.raises(Rejected, match="somebody who works on alerts"):
            alert_life.assign(session, keys=[key], actor=agent, to=to.id, now=NOW)
        assert (row(session, key).assigned_to == to.id) is allowed

    def test_not_to_somebody_who_left_or_works_elsewhere(
        self, session: Session, operator: int, agent: Actor
    ) -> None:
        key = low(session, operator)
        left = make_login(session, operator_id=operator, active=False)
        for to in (left.id, make_actor(session, operator_id=make_operator(session)).id, 0):
            with pytest.raises(Rejected, match="somebody who works on alerts"):
                alert_life.assign(session, keys=[key], actor=agent, to=to, now=NOW)

    def test_an_agent_passes_on_their_own_and_a_manager_any(
        self, session: Session, operator: int, agent: Actor
    ) -> None:
        key, bo = low(session, operator), colleague(session, operator)
        third = colleague(session, operator, name="Cy Tan")
        manager = colleague(session, operator, Role.MANAGER)
        alert_life.assign(session, keys=[key], actor=agent, to=bo.id, now=NOW)

        def assign(actor: Actor, to: Actor) -> str | None:
            return refusal(alert_life.assign(session, keys=[key], actor=actor, to=to.id, now=NOW))

        assert assign(agent, third) == "This alert is Bo Lind's: they or a manager can pass it on."
        assert assign(bo, third) is None
        assert assign(manager, agent) is None
        assert assign(manager, agent) == "It is assigned to Ana Reyes already."
        assert row(session, key).assigned_to == agent.id

    def test_releasing_follows_the_same_rule(self, session: Session, operator: int, agent: Actor) -> None:
        key, bo = low(session, operator), colleague(session, operator)
        manager = colleague(session, operator, Role.MANAGER)

        def release(actor: Actor) -> str | None:
            return refusal(alert_life.release(session, keys=[key], actor=actor, now=NOW))

        assert release(agent) == "This alert is assigned to nobody."
        alert_life.take(session, keys=[key], actor=bo, now=NOW)
        assert release(agent) == "This alert is Bo Lind's: they or a manager can pass it on."
        assert row(session, key).taken_at == NOW
        assert release(bo) is None
        given_back = row(session, key)
        assert (given_back.assigned_to, given_back.assigned_at, given_back.taken_at) == (None, None, None)
        alert_life.take(session, keys=[key], actor=bo, now=NOW)
        assert release(manager) is None


class TestTaking:
    def test_one_works_on_it_and_the_other_is_told_who(
        self, session: Session, operator: int, agent: Actor
    ) -> None:
        key, bo = low(session, operator), colleague(session, operator)

        def take(actor: Actor, now: dt.datetime = NOW) -> str | None:
            return refusal(alert_life.take(session, keys=[key], actor=actor, now=now))

        assert take(bo) is None
        assert take(agent) == "Bo Lind is working on this already."
        assert take(bo, LATER) == "You are working on this already."
        assert (row(session, key).assigned_to, row(session, key).taken_at) == (bo.id, NOW)

    def test_what_is_assigned_is_begun_by_its_own(
        self, session: Session, operator: int, agent: Actor
    ) -> None:
        key, bo = low(session, operator), colleague(session, operator)
        alert_life.assign(session, keys=[key], actor=agent, to=bo.id, now=NOW)

        refused = alert_life.take(session, keys=[key], actor=agent, now=NOW)
        alert_life.the_only(alert_life.take(session, keys=[key], actor=bo, now=LATER))

        assert refusal(refused) == "Bo Lind has this assigned to them."
        assert row(session, key).taken_at == LATER

    def test_next_is_the_gravest_then_the_oldest(self, session: Session, operator: int, agent: Actor) -> None:
        newest, oldest = low(session, operator), low(session, operator, at=NOW - 9 * MINUTE)
        grave = low(session, operator, drop=1_450_00, at=NOW + MINUTE)
        rest = self.others_of(session, grave)

        def take() -> AlertKey | None:
            return alert_life.take_next(session, actor=agent, now=LATER)

        critical = {grave, *(key for key in rest if row(session, key).severity == "critical")}
        assert {take() for _ in critical} == critical
        assert [take(), take()] == [oldest, newest]
        assert (row(session, oldest).assigned_to, row(session, oldest).taken_at) == (agent.id, LATER)
        assert logged(session, oldest) == [
            (
                "alert.taken",
                {"alert": oldest.alert_id, "type": "warning", "next": True},
                agent.reference,
            )
        ]

    def test_next_passes_over_what_is_not_free(self, session: Session, operator: int, agent: Actor) -> None:
        seen, given, asleep, ended = (low(session, operator) for _ in range(4))
        low(session, make_operator(session))
        alert_life.acknowledge(session, keys=[seen], actor=agent, note="", now=NOW)
        alert_life.assign(session, keys=[given], actor=agent, to=agent.id, now=NOW)
        alert_life.snooze(session, keys=[asleep], actor=agent, reason="Later", until=LATER, now=NOW)
        alert_life.resolve(session, keys=[ended], actor=agent, note="Done", now=NOW)

        before = alert_life.take_next(session, actor=agent, now=LATER - MINUTE)
        after = alert_life.take_next(session, actor=agent, now=LATER)

        assert (before, after) == (None, asleep)

    @staticmethod
    def others_of(session: Session, key: AlertKey) -> list[AlertKey]:
        query = text("SELECT player_id, id FROM alerts WHERE player_id = :p AND id <> :id")
        return [
            AlertKey(*found) for found in session.execute(query, {"p": key.player_id, "id": key.alert_id})
        ]


def test_a_set_says_of_each_what_became_of_it(session: Session, operator: int, agent: Actor) -> None:
    free, seen, ended = (low(session, operator) for _ in range(3))
    nothing = AlertKey(free.player_id, 10**9)
    alert_life.acknowledge(session, keys=[seen], actor=agent, note="", now=NOW)
    alert_life.resolve(session, keys=[ended], actor=agent, note="Done", now=NOW)

    acted = alert_life.acknowledge(
        session, keys=[ended, free, nothing, seen, free], actor=agent, note="All of them", now=LATER
    )

    told = {one.key: one.refusal.message if one.refusal else None for one in acted}
    assert [one.key for one in acted] == [ended, free, nothing, seen]
    assert told == {
        ended: "This alert is already resolved.",
        free: None,
        nothing: "There is no such alert.",
        seen: "Ana Reyes has already acknowledged this alert.",
    }
    assert (row(session, free).note, row(session, seen).note) == ("All of them", None)


class TestHeldRefused:
    def test_it_is_assigned_to_the_agent(self, session: Session, operator: int, agent: Actor) -> None:
        key = self.refused(session, make_player(session, operator_id=operator), -250_00, agent)

        alert = row(session, key)
        assert (alert.type, alert.severity, alert.state) == ("held_refused", "critical", "open")
        assert (alert.peak, alert.hits, alert.assigned_to, alert.assigned_at) == (250_00, 1, agent.id, NOW)

    def test_another_opens_it_again_for_whose_change_it_was(
        self, session: Session, operator: int, agent: Actor
    ) -> None:
        player, bo = make_player(session, operator_id=operator), colleague(session, operator)
        key = self.refused(session, player, 250_00, agent)
        alert_life.take(session, keys=[key], actor=agent, now=NOW)
        alert_life.acknowledge(session, keys=[key], actor=agent, note="Asked again", now=NOW)
        alert_life.snooze(session, keys=[key], actor=agent, reason="Later", until=LATER, now=NOW)

        assert self.refused(session, player, 100_00, bo) == key

        alert = row(session, key)
        assert (alert.state, alert.hits, alert.peak) == ("open", 2, 250_00)
        assert (alert.assigned_to, alert.taken_at, alert.snoozed_until) == (bo.id, None, None)

    @staticmethod
    def refused(session: Session, player: int, amount_minor: int, agent: Actor) -> AlertKey:
        alerts.raise_held_refused(
            session, player_id=player, currency="USD", amount_minor=amount_minor, agent_id=agent.id, now=NOW
        )
        query = text("SELECT id FROM alerts WHERE player_id = :p")
        return AlertKey(player, session.execute(query, {"p": player}).scalar_one())
