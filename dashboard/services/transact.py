"""What a service is given that needs several transactions: the edge still owns each of them."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

T = TypeVar("T")


class Transact(Protocol):
    """Runs a piece of work in a transaction of its own, and commits it: `db.transact`."""

    def __call__(self, work: Callable[[Session], T]) -> T: ...
