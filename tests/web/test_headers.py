"""The headers that every answer carries, errors and files included."""

import gzip
import re

import pytest
from flask import Flask

from dashboard.views import compression
from dashboard.views.presenting import asset
from tests.pages import PageClient


@pytest.mark.parametrize("path", ["/sign-in", "/nothing", "/account", "/healthz"])
def test_every_answer_is_guarded(client: PageClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert "HX-Request" in headers["Vary"]
    assert re.fullmatch("[0-9a-f]{12}", headers["X-Request-Id"])
    assert "Strict-Transport-Security" not in headers


def test_the_content_policy_names_this_answers_nonce(client: PageClient) -> None:
    first, second = client.get("/sign-in"), client.get("/sign-in")
    policies = []
    for answer in (first, second):
        match = re.search(r"<script nonce=\"([\w-]+)\"", answer.text)
        assert match
        policies.append(answer.headers["Content-Security-Policy"])
        assert policies[-1] == (
            f"default-src 'none'; script-src 'self' 'nonce-{match[1]}'; style-src 'self' 'nonce-{match[1]}';"
            " img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; form-action 'self';"
            " base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
        )
    assert policies[0] != policies[1]


def test_a_foreign_host_name_is_refused(client: PageClient) -> None:
    answer = client.get("/sign-in", headers={"Host": "evil.test"})
    assert answer.status_code == 400
    assert "evil.test" not in answer.text
    assert "X-Request-Id" in answer.headers


def test_files_are_kept_for_ever_and_compressed(app: Flask) -> None:
    client = app.test_client()
    with client.get(asset("app.css"), headers={"Accept-Encoding": "br"}) as answer:
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Encoding"] == "br"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/static/css/app.css").status_code == 404


def test_pages_are_compressed_for_browsers_that_take_it(client: PageClient) -> None:
    plain = client.get("/sign-in")
    assert "Content-Encoding" not in plain.headers
    packed = client.get("/sign-in", headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert {"HX-Request", "Accept-Encoding"} <= set(packed.vary)
    assert "Accept-Encoding" in plain.vary
    assert len(packed.data) == int(packed.headers["Content-Length"]) < 0.7 * len(plain.data)
    unpacked = gzip.decompress(packed.data).decode()
    assert nameless(unpacked) == nameless(plain.text)
    assert "Content-Encoding" not in client.get("/healthz", headers={"Accept-Encoding": "gzip"}).headers


def nameless(page: str) -> str:
    """A page without what is drawn anew for each answer."""
    return re.sub(r'(nonce|value|content)="[^"]*"', "", page)


def test_the_length_of_a_compressed_page_tells_nothing() -> None:
    page = b"<!doctype html>" * 500
    sizes = {len(compression.packed(page)) for _try in range(50)}
    assert len(sizes) > 10
    assert max(sizes) - min(sizes) < compression.PADDING_MOST
