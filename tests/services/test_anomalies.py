"""New entries are scored once by their operator's model, what is odd is kept, and people say what it was."""

import datetime as dt
import json
from dataclasses import replace

import pytest
from sqlalchemy import NullPool, create_engine, select, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, Forbidden, NotFound
from dashboard.models import Anomaly, AnomalyModel, StaffLog
from dashboard.models.anomaly import Mark
from dashboard.models.login import Role
from dashboard.services import anomalies, anomaly_fitting, anomaly_model, anomaly_scoring, rollups
from dashboard.services.anomalies import AnomalyKey
from dashboard.services.anomaly_fitting import Fitted
from dashboard.services.anomaly_model import Kind
from dashboard.services.anomaly_scoring import Scored
from tests.builders import NOW, make_actor, make_operator, make_player
from tests.conftest import database_url
from tests.services.anomaly_history import (
    DAY,
    USUAL,
    Posted,
    install,
    large_amounts,
    make_history,
    ordinary,
    roll,
    write,
)

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def operator_id(session: Session) -> int:
    return make_operator(session)


def score(session: Session, operator_id: int, **given: int) -> Scored:
    """One batch by the operator's newest model."""
    loaded = anomaly_scoring.load(session, operator_id=operator_id)
    assert loaded is not None
    scored = anomaly_scoring.score(session, loaded, now=NOW, **given)
    assert scored is not None
    return scored


def found(session: Session, operator_id: int) -> list[Anomaly]:
    wanted = select(Anomaly).filter_by(operator_id=operator_id)
    return list(session.scalars(wanted.order_by(Anomaly.happened_at, Anomaly.player_id)))


def plant(session: Session, operator_id: int, *amounts: int) -> int:
    """A player with an ordinary month, and then these amounts, an hour apart, the last one an hour ago."""
    player_id = make_player(session, operator_id=operator_id)
    odd = [Posted(NOW - (len(amounts) - at) * HOUR, amount) for at, amount in enumerate(amounts)]
    write(session, player_id, [*ordinary(1, days=30, until=NOW - DAY), *odd])
    roll(session)
    return player_id


# Fitting


def test_a_fitted_model_finds_what_was_planted(session: Session, operator_id: int) -> None:
    players = make_history(session, operator_id)
    gathered = anomaly_fitting.gather(session, operator_id=operator_id, now=NOW)
    assert gathered is not None
    fitted = anomaly_fitting.fit(gathered, now=NOW)
    assert fitted is not None
    model_id = anomaly_fitting.keep(session, operator_id=operator_id, fitted=fitted, now=NOW)
    while score(session, operator_id).journals:
        pass
    before = len(found(session, operator_id))

    night = NOW.replace(hour=2)
    write(session, players[0], [Posted(night, 60 * USUAL)])
    write(session, players[1], [Posted(night + HOUR, 50 * USUAL)])
    write(session, players[2], [Posted(NOW - HOUR, USUAL)])
    roll(session)
    assert score(session, operator_id) == Scored(3, 3, 2)

    new = [row for row in found(session, operator_id) if row.sequence > 60]
    assert len(found(session, operator_id)) == before + 2
    assert [row.player_id for row in new] == players[:2]
    assert {row.model_id for row in new} == {model_id}
    assert all(row.score >= anomaly_fitting.as_score(fitted.model.hit_from) for row in new)
    assert all(json.loads(row.reasons) for row in new)


def test_what_is_fitted_is_told(session: Session, operator_id: int) -> None:
    make_history(session, operator_id)
    gathered = anomaly_fitting.gather(session, operator_id=operator_id, now=NOW)
    assert gathered is not None
    assert (len(gathered.rows), gathered.entries) == (1_200, 1_200)
    assert gathered.usual["USD", "adjustment in"] == pytest.approx(USUAL, rel=0.05)
    fitted = anomaly_fitting.fit(gathered, now=NOW)
    assert fitted is not None
    assert (fitted.model.kind, fitted.entries, fitted.marked) == (Kind.FOREST, 1_200, 0)
    # A two-hundredth of what was fitted on: 6 of 1,200.
    assert fitted.metrics == {"days": 90, "hits_a_day": round(6 / 90, 1), "judged_on": 0}


def test_too_few_entries_have_no_model(session: Session, operator_id: int) -> None:
    make_history(session, operator_id, players=16, days=62)
    assert anomalies.ENTRIES_LEAST > 16 * 62
    assert anomaly_fitting.gather(session, operator_id=operator_id, now=NOW) is None
    assert anomaly_fitting.without_model(session, now=NOW) == []
    make_history(session, operator_id, players=1, days=8)
    assert anomaly_fitting.without_model(session, now=NOW) == [operator_id]
    install(session, operator_id)
    assert anomaly_fitting.without_model(session, now=NOW) == []
    assert anomaly_fitting.without_model(session, now=NOW, since=NOW) == [operator_id]
    assert anomaly_fitting.without_model(session, now=NOW, since=NOW - HOUR) == []


@pytest.mark.parametrize(("most", "least_rows", "most_rows"), [(1_200, 1_200, 1_200), (600, 300, 600)])
def test_no_more_than_so_many_are_fitted_on(
    session: Session, operator_id: int, most: int, least_rows: int, most_rows: int
) -> None:
    make_history(session, operator_id)
    gathered = anomaly_fitting.gather(session, operator_id=operator_id, now=NOW, most=most)
    assert gathered is not None
    assert least_rows <= len(gathered.rows) <= most_rows
    assert gathered.entries == 1_200


def test_marks_are_learnt_from_once_there_are_enough(session: Session, operator_id: int) -> None:
    """Large amounts are amiss where a member of staff posted them; from the system they are not."""
    players = make_history(session, operator_id, days=80)
    model_id = install(session, operator_id)
    by = f"staff:{make_actor(session, operator_id=operator_id).id}"
    for number in range(62):
        is_amiss = number % 2 == 0
        player_id = players[number % 20]
        at = NOW - (62 - number) * DAY + 2 * HOUR
        write(
            session, player_id, [Posted(at, (20 if is_amiss else 15) * USUAL, by if is_amiss else "system")]
        )
        if number < 58:
            mark_by_hand(session, operator_id, model_id, player_id, at, is_amiss=is_amiss)
    roll(session)
    gathered = anomaly_fitting.gather(session, operator_id=operator_id, now=NOW)
    assert gathered is not None
    # What was marked counts from seven days after the entry on.
    assert [int((gathered.said == said).sum()) for said in (1, 0)] == [28, 27]
    fitted = anomaly_fitting.fit(gathered, now=NOW)
    assert fitted is not None
    assert fitted.model.kind == Kind.FOREST

    later = anomaly_fitting.gather(session, operator_id=operator_id, now=NOW + 8 * DAY)
    assert later is not None
    assert [int((later.said == said).sum()) for said in (1, 0)] == [29, 29]
    for number in range(4):
        at = NOW - (30 - number) * DAY + 3 * HOUR
        write(session, players[number], [Posted(at, 20 * USUAL, by)])
        mark_by_hand(session, operator_id, model_id, players[number], at, is_amiss=number % 2 == 0)
    roll(session)
    enough = anomaly_fitting.gather(session, operator_id=operator_id, now=NOW + 8 * DAY)
    assert enough is not None
    fitted = anomaly_fitting.fit(enough, now=NOW + 8 * DAY)
    assert fitted is not None
    assert (fitted.model.kind, fitted.marked) == (Kind.MARKED, 62)
    assert "judged_on" in fitted.metrics


def mark_by_hand(
    session: Session, operator_id: int, model_id: int, player_id: int, at: dt.datetime, *, is_amiss: bool
) -> None:
    """A find of the player's last entry, marked within the hour."""
    session.execute(
        text("""
        INSERT INTO anomalies (player_id, currency, sequence, operator_id, model_id, score, reasons,
                               happened_at, found_at, mark, marked_by, marked_at)
        SELECT b.player_id, b.currency, b.version, :operator, :model, 90, '[]', :at, :at, :mark,
               (SELECT min(id) FROM logins WHERE operator_id = :operator), :at
        FROM balances b WHERE b.player_id = :player
        """),
        {
            "operator": operator_id,
            "model": model_id,
            "player": player_id,
            "at": at,
            "mark": "right" if is_amiss else "wrong",
        },
    )


def test_old_models_are_emptied_and_never_loaded(session: Session, operator_id: int) -> None:
    fitted = Fitted(large_amounts(), entries=1_200, marked=0, metrics={})
    count = anomaly_fitting.CONTENTS_KEPT + 2
    ids = [
        anomaly_fitting.keep(session, operator_id=operator_id, fitted=fitted, now=NOW) for _ in range(count)
    ]
    wanted = select(AnomalyModel.content).filter_by(operator_id=operator_id).order_by(AnomalyModel.id)
    assert [bool(content) for content in session.scalars(wanted)] == [False, False, *[True] * (count - 2)]
    loaded = anomaly_scoring.load(session, operator_id=operator_id)
    assert loaded is not None
    assert loaded.id == ids[-1]
    assert anomaly_scoring.load(session, operator_id=operator_id, known=loaded) is loaded


def test_a_model_of_other_features_scores_nothing(session: Session, operator_id: int) -> None:
    install(session, operator_id)
    session.execute(
        text("UPDATE anomaly_models SET content = :content"), {"content": anomaly_model.MAGIC + b"\0" * 8}
    )
    assert anomaly_scoring.load(session, operator_id=operator_id) is None


# Scoring


def test_each_entry_is_scored_once(session: Session, operator_id: int) -> None:
    install(session, operator_id)
    player_id = plant(session, operator_id, 9 * USUAL, USUAL, -20 * USUAL)
    assert score(session, operator_id) == Scored(1, 9, 2)
    assert score(session, operator_id) == Scored(0, 0, 0)
    assert [(row.player_id, row.sequence, row.score) for row in found(session, operator_id)] == [
        (player_id, 31, 93),
        (player_id, 33, 93),
    ]
    reasons = json.loads(found(session, operator_id)[1].reasons)
    assert reasons == [["amount_to_house", "amount is 20.0 times what is usual at the house"]]


def test_a_long_journal_takes_several_batches(session: Session, operator_id: int) -> None:
    install(session, operator_id)
    plant(session, operator_id, *[9 * USUAL] * 4)
    other = plant(session, operator_id, 9 * USUAL)
    batches = []
    while (scored := score(session, operator_id, balances=1, entries=20)).journals:
        batches.append((scored.entries, scored.hits))
    assert batches == [(0, 0), (10, 4), (0, 0), (7, 1)]
    assert [row.player_id for row in found(session, operator_id)].count(other) == 1


def test_what_is_dated_long_ago_is_not_scored(session: Session, operator_id: int) -> None:
    install(session, operator_id)
    player_id = make_player(session, operator_id=operator_id)
    edge = NOW - anomaly_scoring.FRESH_DAYS * DAY
    write(session, player_id, [Posted(edge - HOUR / 60, 50 * USUAL), Posted(edge, 60 * USUAL)])
    roll(session)
    assert score(session, operator_id) == Scored(1, 1, 1)
    assert [row.sequence for row in found(session, operator_id)] == [2]


def test_entries_that_are_counted_anew_are_found_once(session: Session, operator_id: int) -> None:
    install(session, operator_id)
    plant(session, operator_id, 9 * USUAL)
    score(session, operator_id)
    rollups.forget(session, operator_id=operator_id)
    roll(session)
    assert score(session, operator_id) == Scored(1, 7, 0)
    assert len(found(session, operator_id)) == 1


def test_a_score_does_not_depend_on_the_batch(session: Session, operator_id: int) -> None:
    """The past that is loaded gives the same figures as the whole of it, which a fitting reads."""
    players = make_history(session, operator_id, days=70)
    euro = make_player(session, operator_id=operator_id)
    session.execute(
        text("""
        INSERT INTO balances (player_id, currency, operator_id, updated_at)
        VALUES (:player, 'EUR', :operator, :now)
        """),
        {"player": players[0], "operator": operator_id, "now": NOW},
    )
    write(session, players[0], ordinary(40, days=9), currency="EUR")
    write(session, euro, [Posted(NOW - HOUR, 3 * USUAL)])
    roll(session)
    gathered = anomaly_fitting.gather(session, operator_id=operator_id, now=NOW)
    assert gathered is not None
    fitted = anomaly_fitting.fit(gathered, now=NOW)
    assert fitted is not None
    edge = (NOW - anomaly_scoring.FRESH_DAYS * DAY).timestamp()
    expected = anomaly_model.score(fitted.model, gathered.rows[gathered.made >= edge])

    all_of_them = replace(fitted, model=replace(fitted.model, hit_from=0.0))
    anomaly_fitting.keep(session, operator_id=operator_id, fitted=all_of_them, now=NOW)
    while score(session, operator_id, balances=3, entries=50).journals:
        pass
    assert [row.score for row in found(session, operator_id)] == [
        anomaly_fitting.as_score(value) for value in expected
    ]


def test_another_operators_entries_are_left_alone(session: Session, operator_id: int) -> None:
    install(session, operator_id)
    other = make_operator(session)
    plant(session, other, 9 * USUAL)
    assert score(session, operator_id) == Scored(0, 0, 0)
    assert found(session, other) == []


def test_of_two_that_score_at_once_one_does(database: str) -> None:
    engine = create_engine(database_url("app", database), poolclass=NullPool)
    with Session(engine) as session:
        operator_id = make_operator(session)
        install(session, operator_id)
        plant(session, operator_id, 9 * USUAL)
        session.commit()
    with Session(engine) as one, Session(engine) as other:
        loaded = anomaly_scoring.load(one, operator_id=operator_id)
        assert loaded is not None
        assert anomaly_scoring.score(one, loaded, now=NOW) == Scored(1, 7, 1)
        assert anomaly_scoring.score(other, loaded, now=NOW) is None
        one.commit()
        other.rollback()
        assert anomaly_scoring.score(other, loaded, now=NOW) == Scored(0, 0, 0)
        assert len(found(other, operator_id)) == 1
    engine.dispose()


# Marks


@pytest.fixture
def key(session: Session, operator_id: int) -> AnomalyKey:
    """An anomaly that nobody has looked at."""
    install(session, operator_id)
    player_id = plant(session, operator_id, 9 * USUAL)
    score(session, operator_id)
    return AnomalyKey(player_id, "USD", 31)


def marked(session: Session, operator_id: int) -> tuple[str | None, str | None, int | None]:
    (row,) = found(session, operator_id)
    session.refresh(row)
    return row.mark, row.note, row.marked_by


@pytest.mark.parametrize("said", list(Mark))
def test_somebody_says_what_it_was(session: Session, operator_id: int, key: AnomalyKey, said: Mark) -> None:
    agent = make_actor(session, operator_id=operator_id)
    anomalies.mark(session, key=key, said=said, was=None, note="Asked the bank", actor=agent, now=NOW)
    assert marked(session, operator_id) == (said, "Asked the bank", agent.id)
    logged = session.scalars(select(StaffLog).filter_by(action="anomaly.marked")).one()
    assert json.loads(logged.details) == {
        "currency": "USD",
        "sequence": 31,
        "mark": said,
        "was": None,
        "note": "Asked the bank",
    }


def test_whoever_comes_second_is_told(session: Session, operator_id: int, key: AnomalyKey) -> None:
    one, other = (make_actor(session, operator_id=operator_id) for _ in range(2))
    given = {"key": key, "note": "", "now": NOW}
    anomalies.mark(session, said=Mark.RIGHT, was=None, actor=one, **given)
    with pytest.raises(Conflict, match="Ana Reyes has marked it meanwhile: something was wrong"):
        anomalies.mark(session, said=Mark.WRONG, was=None, actor=other, **given)
    assert marked(session, operator_id) == ("right", None, one.id)
    anomalies.mark(session, said=Mark.WRONG, was=Mark.RIGHT, actor=other, **given)
    assert marked(session, operator_id) == ("wrong", None, other.id)


def test_who_may_not_mark(session: Session, operator_id: int, key: AnomalyKey) -> None:
    given = {"said": Mark.RIGHT, "was": None, "note": "", "now": NOW}
    auditor = make_actor(session, operator_id=operator_id, role=Role.AUDITOR)
    stranger = make_actor(session, operator_id=make_operator(session))
    agent = make_actor(session, operator_id=operator_id)
    with pytest.raises(Forbidden):
        anomalies.mark(session, key=key, actor=auditor, **given)
    with pytest.raises(NotFound):
        anomalies.mark(session, key=key, actor=stranger, **given)
    with pytest.raises(NotFound):
        anomalies.mark(session, key=key._replace(sequence=1), actor=agent, **given)
    assert marked(session, operator_id) == (None, None, None)
