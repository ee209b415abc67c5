"""Handing mail to a server. It says nothing of what the server knows beyond whether it took it."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from urllib.parse import unquote, urlsplit

from dashboard import clock
from dashboard.errors import PurserError

TIMEOUT_SECONDS = 20.0
_PORTS = {"smtp": 25, "smtps": 465}


class NotMailed(PurserError):
    """The server did not take it; the message says why, without anything secret."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with it."""

    name: str
    mime: str
    content: bytes


def send(
    url: str,
    *,
    sender: str,
    to: Sequence[str],
    subject: str,
    body: str,
    attachments: Sequence[Attachment] = (),
) -> None:
    """Hand it to the server at `url`: `smtp://` or `smtps://`, with name and password where it asks for them.

    Nobody sees the other recipients. A password goes only over TLS. Raises NotMailed.
    """
    message = EmailMessage()
    message["From"], message["To"] = sender, "undisclosed-recipients:;"
    message["Subject"] = " ".join(subject.split())
    message["Date"], message["Message-ID"] = format_datetime(clock.now()), make_msgid(domain="purser")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    for each in attachments:
        main, _, sub = each.mime.partition("/")
        message.add_attachment(each.content, maintype=main, subtype=sub, filename=each.name)
    try:
        with _connect(url) as server:
            refused = server.send_message(message, from_addr=sender, to_addrs=list(to))
    except (OSError, smtplib.SMTPException) as error:
        raise NotMailed(_said(error)) from None
    if refused:
        raise NotMailed(f"The server refused {', '.join(sorted(refused))}.")


def _connect(url: str) -> smtplib.SMTP:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    context = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    try:
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif parts.scheme == "smtp" and parts.username:
            raise NotMailed("The server offers no TLS, and a password is not sent without it.")
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        server.close()
        raise
    return server


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "The mail server does not take the name and password."
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"The mail server refused {', '.join(sorted(error.recipients))}."
    if isinstance(error, smtplib.SMTPResponseException):
        return f"The mail server said {error.smtp_code}."
    return f"The mail server cannot be reached ({type(error).__name__})."
