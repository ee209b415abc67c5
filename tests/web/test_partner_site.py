"""What a partner sees: pages, filters, ways down to the rounds, and what may be typed there."""

from tests.web.partner_site import Site

BASIS = "Figures are calculated on the agreed share basis."
PAGES = (
    "/earnings",
    "/earnings?by=month",
    "/earnings?currency=JPY",
    "/earnings/rounds",
    "/earnings/days",
    "/earnings/months",
    "/earnings/games",
    "/earnings/statements",
    "/earnings/payouts",
    "/earnings/profile",
    "/account",
    "/palette",
)


def test_every_page_says_what_its_figures_are(site: Site) -> None:
    paths = [*PAGES, f"/earnings/statements/{site.history.statement_id}"]
    missing = [path for path in paths if BASIS not in site.browser.page(path).text]
    assert missing == []
    assert BASIS in site.browser.page("/players", status=403).text
    assert BASIS in site.browser.page("/earnings/statements/987654321", status=404).text
