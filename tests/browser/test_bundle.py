"""htmx with its two extensions, as bundled: the guard guards, and the stream connects on every load."""

import threading
from collections.abc import Iterator

import pytest
from flask import Flask, Response, g, send_from_directory
from playwright.sync_api import expect
from werkzeug.serving import make_server

from tests.unit.test_assets import DIST, MANIFEST

PAGE = """<!doctype html><html lang="en"><title>Bundle</title>
<meta name="htmx-config" content='{{"extensions": "hx-csp,sse", "includeIndicatorCSS": false}}'>
<script nonce="{nonce}" defer src="/dist/{htmx}"></script>
<div id="ours" hx-get="/part" hx-trigger="load" hx-nonce="{nonce}">before</div>
<div id="stream" hx-sse:connect="/events" hx-nonce="{nonce}">before</div>
<div id="injected" hx-get="/part" hx-trigger="load">before</div>
"""


@pytest.fixture
def site() -> Iterator[str]:
    """A page with three parts under the strict policy: two of ours, one that somebody slipped in."""
    app = Flask("bundle")
    policy = "default-src 'none'; script-src 'self' 'nonce-{}'; connect-src 'self'"

    @app.before_request
    def nonce() -> None:
        g.nonce = "bundle-test-nonce"

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy.format(g.nonce)
        return response

    answers = {
        "/": lambda: PAGE.format(nonce=g.nonce, htmx=MANIFEST["htmx.js"]),
        "/favicon.ico": lambda: Response(status=204),
        "/dist/<name>": lambda name: send_from_directory(DIST, name),
        "/part": lambda: "after",
        "/events": lambda: Response("data: after\n\n", mimetype="text/event-stream"),
    }
    for path, answer in answers.items():
        app.add_url_rule(path, path, answer)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join(5)
    server.server_close()


def test_ours_works_and_what_was_injected_does_not(browser, site):
    context = browser.new_context()
    page = context.new_page()
    blocked = []
    page.on("console", lambda message: blocked.append(message.text) if message.type == "error" else None)
    for _load in range(5):
        blocked.clear()
        page.goto(site)
        expect(page.locator("#ours")).to_have_text("after")
        expect(page.locator("#stream")).to_have_text("after")
        assert page.inner_text("#injected") == "before"
        assert [line for line in blocked if "blocked <div#injected>" in line]
    context.close()
