"""The demo's second thread: in order, in the caller's context, and never silent about what goes wrong."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, TypeVar, cast

import pytest
from sqlalchemy.orm import Session

from dashboard.services.demo.beside import beside

T = TypeVar("T")
WHERE: ContextVar[str] = ContextVar("where", default="nowhere")


def transact(work: Callable[[Session], T]) -> T:
    """A transaction of nothing: what is done there is what is asked about."""
    return work(cast(Session, None))


def test_everything_is_done_in_order_in_one_other_thread() -> None:
    done: list[tuple[int, int]] = []

    def note(number: int) -> Callable[[Any], None]:
        return lambda _session: done.append((number, threading.get_ident()))

    with beside(transact) as other:
        other.begin(note(1))
        other.begin_each([note(2), note(3)])
        assert other.begin(lambda _session: "last").result() == "last"

    assert [number for number, _ in done] == [1, 2, 3]
    assert {thread for _, thread in done}.isdisjoint({threading.get_ident()})


def test_it_runs_in_the_context_of_who_began_it() -> None:
    WHERE.set("in the application")
    with beside(transact) as other:
        assert other.begin(lambda _session: WHERE.get()).result() == "in the application"


def test_what_goes_wrong_ends_the_rest_of_it_and_is_raised() -> None:
    done: list[str] = []

    def fail(_session: Session) -> None:
        raise LookupError("no such table")

    with beside(transact) as other, pytest.raises(LookupError, match="no such table"):
        other.begin_each([fail, lambda _session: done.append("after it")]).result()
    assert done == []


def test_an_error_here_begins_nothing_more_there() -> None:
    begun: list[Future[None]] = []
    done: list[str] = []
    before = sys.getswitchinterval()

    def go_wrong() -> None:
        with beside(transact) as other:
            is_over = threading.Event()
            other.begin(lambda _session: is_over.wait(5))
            begun.append(other.begin(lambda _session: done.append("too late")))
            begun[0].add_done_callback(lambda _future: is_over.set())
            raise LookupError

    with pytest.raises(LookupError):
        go_wrong()
    assert begun[0].cancelled()
    assert done == []
    assert sys.getswitchinterval() == before


def test_an_error_here_ends_a_row_of_works_there_after_the_present_one() -> None:
    done: list[str] = []
    begun, is_over = threading.Event(), threading.Event()

    def first(_session: Session) -> None:
        begun.set()
        is_over.wait(5)
        done.append("first")

    def go_wrong() -> None:
        with beside(transact) as other:
            other.begin_each([first, lambda _session: done.append("second")])
            last = other.begin(lambda _session: None)
            last.add_done_callback(lambda _future: is_over.set())
            begun.wait(5)
            raise LookupError

    with pytest.raises(LookupError):
        go_wrong()
    assert done == ["first"]
