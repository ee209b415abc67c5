"""Who may do what: verbs written `area:act`, by role. What does not stand here is not allowed."""

from collections.abc import Mapping

from dashboard.models.login import Role

OWN_SESSION = "session:own"
"""What everybody signed in may: see and end their own sessions."""

_READING = frozenset(
    {
        OWN_SESSION,
        "alerts:view",
        "anomalies:view",
        "approvals:view",
        "bonuses:view",
        "desk:view",
        "games:view",
        "loyalty:view",
        "players:view",
        "withdrawals:view",
    }
)
_AGENT = _READING | {
    "players:note",
    "balances:adjust",
    "balances:transfer",
    "balances:reverse",
    "bonuses:grant",
    "points:adjust",
    "points:move",
    "points:suspend",
    "wallets:freeze",
    "withdrawals:pay",
    "withdrawals:request",
    "alerts:acknowledge",
    "alerts:handle",
    "anomalies:mark",
}
_MANAGER = _AGENT | {
    "alerts:reassign",
    "analytics:view",
    "approvals:decide",
    "audit:view",
    "balances:override",
    "bets:place",
    "bonuses:edit",
    "bulk:run",
    "bulk:view",
    "data:export",
    "games:deal",
    "games:edit",
    "loyalty:close",
    "loyalty:edit",
    "partners:approve",
    "partners:edit",
    "partners:view",
    "reports:edit",
    "reports:view",
    "vip:view",
    "wallets:close",
}

VERBS_BY_ROLE: Mapping[Role, frozenset[str]] = {
    Role.AGENT: _AGENT,
    Role.MANAGER: _MANAGER,
    Role.ADMIN: _MANAGER
    | {"audit:verify", "settings:edit", "settings:view", "staff:edit", "staff:view", "vip:edit"},
    Role.AUDITOR: _READING
    | {
        "analytics:view",
        "audit:verify",
        "audit:view",
        "bulk:view",
        "data:export",
        "partners:view",
        "reports:view",
        "settings:view",
        "staff:view",
        "vip:view",
    },
    Role.PARTNER: frozenset({OWN_SESSION, "earnings:edit", "earnings:view", "payouts:request"}),
}

VERBS = frozenset().union(*VERBS_BY_ROLE.values())
"""Every verb there is: a route that names another one stops the start."""


def allows(role: Role, verb: str) -> bool:
    """Whether people of that role may do that."""
    return verb in VERBS_BY_ROLE[role]
