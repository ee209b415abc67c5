"""One more thread for the demo, which waits for the database most of the time, as this one does."""

import contextvars
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

from sqlalchemy.orm import Session

from dashboard.services.transact import Transact

T = TypeVar("T")
Work = Callable[[Session], T]
_TURN_SECONDS = 0.0005
"""So long a thread computes while the other has its answer; ten times that would cost more than it gains."""


class Beside:
    """Does transactions of its own, in the order in which they were begun, beside those of this thread."""

    def __init__(self, thread: ThreadPoolExecutor, transact: Transact) -> None:
        self._thread, self._transact = thread, transact
        self._is_over = Event()

    def begin(self, work: Work[T]) -> Future[T]:
        """Do it as soon as what was begun before is done."""
        return self._submit(lambda: self._transact(work))

    def begin_each(self, works: Sequence[Work[None]]) -> Future[None]:
        """Do one after the other, in a transaction each; what goes wrong ends it."""

        def each() -> None:
            for work in works:
                if self._is_over.is_set():
                    break
                self._transact(work)

        return self._submit(each)

    def end(self) -> None:
        """Begin nothing more; what is being done is done when this returns."""
        self._is_over.set()
        self._thread.shutdown(cancel_futures=True)

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        # The edge's transactions look for their engine in the context of whoever runs them.
        return self._thread.submit(contextvars.copy_context().run, work)


@contextmanager
def beside(transact: Transact) -> Iterator[Beside]:
    """Such a thread; at the end, or on an error, nothing more is begun in it."""
    turn = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    other = Beside(ThreadPoolExecutor(1), transact)
    try:
        yield other
    finally:
        other.end()
        sys.setswitchinterval(turn)
