"""Purser. Importing this package needs the standard library alone: the set-up runs before anything is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask


def create_app(**overrides: Any) -> Flask:
    """The web application; `overrides` replace entries of its configuration."""
    from dashboard import web  # noqa: PLC0415  (third-party packages may not be there when we are imported)

    return web.create_app(**overrides)
