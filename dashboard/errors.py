"""The kinds of refusal. Nothing here knows HTTP: `views/errors.py` turns kinds into statuses."""


class PurserError(Exception):
    """Something a person can read and act on. `field` names the input it belongs to, if any."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Rejected(PurserError):
    """A rule says no; nothing was changed."""


class Conflict(PurserError):
    """Somebody else was first, or a key was used for something else; nothing was changed."""


class NotFound(PurserError):
    """There is no such thing for whoever asks."""


class Forbidden(PurserError):
    """It exists, but this person may not."""


class OutcomeUnknown(PurserError):
    """The connection was lost at commit: it may have been done. Sending the same key again is safe."""
