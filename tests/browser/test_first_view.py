"""What a browser that knows nothing fetches for a first view, compressed, fonts included."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext

from dashboard.screens import settle
from tests.browser.demo_desk import DemoDesk

MOST = 200_000


@pytest.mark.parametrize("path", ["/players", "/players/{player}", "/alerts", "/reports"])
def test_a_page_without_a_chart_is_light(
    demo_desk: DemoDesk, new_context: Callable[..., BrowserContext], path: str
) -> None:
    context = new_context(storage_state=demo_desk.state("manager"))
    page = context.new_page()
    fetched: dict[str, int] = {}
    addresses: dict[str, str] = {}
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    wire.on(
        "Network.requestWillBeSent",
        lambda said: addresses.update({said["requestId"]: said["request"]["url"]}),
    )
    wire.on(
        "Network.loadingFinished",
        lambda said: fetched.update({addresses[said["requestId"]]: int(said["encodedDataLength"])}),
    )
    page.goto(demo_desk.url + path.format(**demo_desk.subjects))
    settle(page)
    names = " ".join(fetched)
    # That something was counted at all: the page, its style, its scripts and its font.
    assert all(part in names for part in (path.split("{", maxsplit=1)[0], "app.", "htmx.", "inter."))
    assert "plotly" not in names
    assert sum(fetched.values()) < MOST, fetched
