"""Who does something: a person who signed in, or the system itself."""

from dataclasses import dataclass, field

from dashboard import permissions
from dashboard.models.login import Role


@dataclass(frozen=True)
class Actor:
    """Somebody who acts, and from where; services ask it what they may and write down its reference."""

    id: int
    """The login's id; 0 for the system, which has none."""
    operator_id: int
    """0 for the system: it serves every operator."""
    role: Role | None
    name: str
    address: str | None = field(default=None, compare=False)
    """The network address of the request; None outside of one."""
    request_id: str | None = field(default=None, compare=False)
    partner_id: int | None = None
    """Whose figures a partner user sees; None for staff."""

    @property
    def reference(self) -> str:
        """How journals and logs name this actor: `staff:<login id>` or `system`."""
        return "system" if self.role is None else f"staff:{self.id}"

    def may(self, verb: str) -> bool:
        """Whether this actor is allowed to do that (`permissions.py`); the system may everything."""
        return self.role is None or permissions.allows(self.role, verb)

    def serves(self, operator_id: int) -> bool:
        """Whether that operator's rows are this actor's to see; anything else is NotFound to them."""
        return self.role is None or self.operator_id == operator_id


SYSTEM = Actor(id=0, operator_id=0, role=None, name="System")
