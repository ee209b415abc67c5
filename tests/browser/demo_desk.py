"""The demo as the browser tests look at it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flask import Flask
from playwright.sync_api import Browser

from dashboard import screens


@dataclass
class DemoDesk:
    """A desk that is filled with the demo, and the cookies of those who have signed in there."""

    app: Flask
    url: str
    browser: Browser
    states: dict[str, Any] = field(default_factory=dict)

    def state(self, role: str | None) -> Any:
        """What a browser context of that person starts with; each signs in once."""
        if role is None:
            return None
        if role not in self.states:
            context = self.browser.new_context()
            screens.sign_in(context, self.url, screens.email_of(role))
            self.states[role] = context.storage_state()
            context.close()
        return self.states[role]

    @cached_property
    def subjects(self) -> dict[str, str]:
        """Whom the addresses of the screens are about."""
        context = self.browser.new_context(storage_state=self.state("admin"))
        found = screens.find_subjects(context, self.url)
        context.close()
        return found
