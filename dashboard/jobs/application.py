"""The application as the worker uses it: with few connections, and time to work."""

from functools import cache

from flask import Flask

import dashboard

# A job may take minutes where a request may take seconds.
_ENGINE = {
    "pool_size": 3,
    "hide_parameters": True,
    "connect_args": {
        "application_name": "purser-worker",
        "options": "-c statement_timeout=10min -c idle_in_transaction_session_timeout=10min",
    },
}


@cache
def application() -> Flask:
    """Made once in the process."""
    return dashboard.create_app(SQLALCHEMY_ENGINE_OPTIONS=_ENGINE)
