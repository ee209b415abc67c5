"""Purser. Importing this package needs the standard library alone: the set-up runs before all else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask


def create_app(**overrides: Any) -> Flask:
    """The web application; `overrides` replace entries of its configuration."""
    # Third-party packages may not be there yet when we are imported.
    from dashboard.web import create_app as wired  # noqa: PLC0415

    return wired(**overrides)
