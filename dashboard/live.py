"""Tells open pages what has changed, after the commit: within this process at once, and through
PostgreSQL's LISTEN/NOTIFY to every other.

What travels is the name of a topic and nothing else (`player:42`, `alerts:1`, `operator:1`); a page
then fetches the part that changed, as whoever is signed in. An open stream holds no database
connection: each process has one that listens, and one that tells.
"""

import atexit
import contextlib
import json
import logging
import queue
import threading
import uuid
from collections.abc import Iterable, Iterator

import psycopg
from flask import Flask, current_app

from dashboard import roles
from dashboard.db import alchemy

CHANNEL = "purser_live"
RETRY_SECONDS = 1.0
COALESCE_SECONDS = 0.05
"""Changes within this time travel together."""
_NOTIFY_TOPICS = 200  # per message: PostgreSQL takes at most 8000 bytes
_LISTEN_POLL_SECONDS = 0.5  # how soon a listener notices that it shall end

Connection = psycopg.Connection[tuple[object, ...]]

_log = logging.getLogger(__name__)


def tell(*topics: str) -> None:
    """Say that something about these topics has changed. Call it after the commit, never before."""
    bus: Bus = current_app.extensions["live"]
    bus.tell(topics)


def player(player_id: int) -> str:
    """The topic of one player: balances, journal, status, notes."""
    return f"player:{player_id}"


def alerts_of(operator_id: int) -> str:
    """The topic of an operator's alerts."""
    return f"alerts:{operator_id}"


def approvals_of(operator_id: int) -> str:
    """The topic of an operator's requests that wait for a second person."""
    return f"approvals:{operator_id}"


def operator_of(operator_id: int) -> str:
    """The topic of everything that the operator's desk shows."""
    return f"operator:{operator_id}"


def game(game_id: int) -> str:
    """The topic of one game: its rounds from opening to result, and the bets on them, with nobody's name."""
    return f"game:{game_id}"


def tell_player(*, operator_id: int, player_id: int) -> None:
    """Something about a player changed: their page, the desk and the alerts look again."""
    tell(player(player_id), alerts_of(operator_id), operator_of(operator_id))


def tell_request(*, operator_id: int, player_id: int) -> None:
    """A request about a player waits, or has ended: their page, the desk and both inboxes look again."""
    tell_player(operator_id=operator_id, player_id=player_id)
    tell(approvals_of(operator_id))


def tell_settled(*, operator_id: int, game_id: int, player_ids: Iterable[int]) -> None:
    """A round was settled, or settled anew: its table, those who bet and the desk look again."""
    tell(game(game_id), operator_of(operator_id), *map(player, player_ids))


def init_app(app: Flask) -> None:
    """Give the application its bus. Threads start with the first page that listens or the first tale."""
    app.extensions["live"] = Bus(app)


class Subscription:
    """What one open page waits for. Changes that come while nobody waits are kept, once each."""

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self._changed: set[str] = set()
        self._wake = threading.Condition()

    def mark(self, topics: Iterable[str]) -> None:
        """Note what of these topics the page follows, and wake it."""
        followed = self.topics.intersection(topics)
        if followed:
            with self._wake:
                self._changed |= followed
                self._wake.notify()

    def wait(self, timeout_seconds: float) -> set[str]:
        """The topics that have changed since the last call; empty when none did in that time."""
        with self._wake:
            self._wake.wait_for(lambda: self._changed, timeout_seconds)
            changed, self._changed = self._changed, set()
            return changed


class Bus:
    """The subscriptions of one process, the thread that listens and the thread that tells."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._name = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._subscriptions: set[Subscription] = set()
        self._listener: threading.Thread | None = None
        self._teller: threading.Thread | None = None
        self._tales: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._closing = threading.Event()

    def count(self) -> int:
        """How many pages are open."""
        with self._lock:
            return len(self._subscriptions)

    @contextlib.contextmanager
    def subscribed(self, topics: frozenset[str]) -> Iterator[Subscription]:
        """Follow topics for as long as the block lasts."""
        subscription = Subscription(topics)
        with self._lock:
            self._subscriptions.add(subscription)
            if self._listener is None:
                self._listener = threading.Thread(target=self._listen, daemon=True, name="live-listener")
                self._listener.start()
        try:
            yield subscription
        finally:
            with self._lock:
                self._subscriptions.discard(subscription)

    def tell(self, topics: Iterable[str]) -> None:
        """Wake this process's pages now and the others' in a moment."""
        topics = list(topics)
        self._publish(topics)
        with self._lock:
            if self._teller is None:
                self._teller = threading.Thread(target=self._tell_others, daemon=True, name="live-teller")
                self._teller.start()
                atexit.register(self.close)
        for topic in topics:
            self._tales.put(topic)

    def close(self) -> None:
        """Let what is still to be told go out, and give the connections back; for a process that ends."""
        self._closing.set()
        self._tales.put(None)
        for thread in (self._teller, self._listener):
            if thread is not None:
                thread.join(RETRY_SECONDS * 2)

    def _publish(self, topics: Iterable[str] | None) -> None:
        with self._lock:
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.mark(subscription.topics if topics is None else topics)

    def _connect(self) -> Connection:
        with self._app.app_context():
            url = alchemy.engine.url.set(drivername="postgresql")
        return psycopg.connect(
            roles.plain(url),
            autocommit=True,
            application_name="purser-live",
            keepalives_idle=30,  # a server that vanished without a word shows within a minute or two
        )

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    # Whatever was told while nobody listened: let every page look again.
                    self._publish(None)
                    while not self._closing.is_set():
                        for note in connection.notifies(timeout=_LISTEN_POLL_SECONDS):
                            self._hear(note.payload)
            except psycopg.Error as error:
                _log.warning("live updates wait for the database: %s", type(error).__name__)
                self._closing.wait(RETRY_SECONDS)

    def _hear(self, payload: str) -> None:
        message = json.loads(payload)
        if message["from"] != self._name:
            self._publish(message["topics"])

    def _tell_others(self) -> None:
        connection, is_last = None, False
        while not is_last:
            topics, is_last = self._gather()
            # A connection that lay idle may have been cut: the second time with a new one.
            connection = self._notify(connection, topics) or self._notify(None, topics)
        if connection is not None:
            connection.close()

    def _notify(self, connection: Connection | None, topics: list[str]) -> Connection | None:
        """Tell the others, over a new connection unless one is given; None when it could not be done.

        Then the database itself is away, and their pages look again when their own connection comes back.
        """
        try:
            if connection is None:
                connection = self._connect()
                # A notification is no fact: it need not wait for the disk.
                connection.execute("SET synchronous_commit = off")
            for start in range(0, len(topics), _NOTIFY_TOPICS):
                message = {"from": self._name, "topics": topics[start : start + _NOTIFY_TOPICS]}
                connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, json.dumps(message)))
        except psycopg.Error as error:
            _log.warning("other processes were not told: %s", type(error).__name__)
            if connection is not None:
                connection.close()
            return None
        return connection

    def _gather(self) -> tuple[list[str], bool]:
        first = self._tales.get()
        if first is not None:
            self._closing.wait(COALESCE_SECONDS)
        tales = [first]
        with contextlib.suppress(queue.Empty):
            while True:
                tales.append(self._tales.get_nowait())
        topics = dict.fromkeys(topic for topic in tales if topic is not None)
        return list(topics), None in tales
