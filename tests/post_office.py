"""A mail server for tests: it takes what it is given, on a port of its own."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class PostOffice:
    """What has been handed in, and how it answers."""

    url: str = ""
    refused: dict[str, str] = field(default_factory=dict)
    """Recipients whom it does not take, and what it says of them."""
    sender_answer: str = "250 yes"
    """What it says to whoever a letter is from."""
    content_answer: str = "250 taken"
    """What it says to a letter's content."""
    heard: list[str] = field(default_factory=list)
    """Every command that was given to it."""
    letters: list[tuple[list[str], EmailMessage]] = field(default_factory=list)


@contextmanager
def opened() -> Iterator[PostOffice]:
    """A server that listens for as long as the block lasts."""
    office = PostOffice()

    class Clerk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            _serve(office, self)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Clerk) as server:
        office.url = f"smtp://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield office
        server.shutdown()
        thread.join()


def _serve(office: PostOffice, clerk: socketserver.StreamRequestHandler) -> None:
    def say(line: str) -> None:
        clerk.wfile.write(f"{line}\r\n".encode())

    to: list[str] = []
    say("220 here")
    while line := clerk.rfile.readline():
        office.heard.append(line.decode().strip())
        word, _, rest = office.heard[-1].partition(" ")
        match word.upper():
            case "MAIL":
                say(office.sender_answer)
            case "RCPT":
                address = rest.partition("<")[2].partition(">")[0]
                if address in office.refused:
                    say(office.refused[address])
                else:
                    to.append(address)
                    say("250 yes")
            case "DATA":
                say("354 go on")
                content = b""
                while (piece := clerk.rfile.readline()) != b".\r\n":
                    content += piece.removeprefix(b".")
                office.letters.append((to, message_from_bytes(content, policy=policy.default)))
                to = []
                say(office.content_answer)
            case "RSET":
                to = []
                say("250 yes")
            case "QUIT":
                say("221 bye")
                return
            case _:
                say("250 yes")
