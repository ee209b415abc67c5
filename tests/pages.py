"""What every page owes, checked whenever a test opens one by `client.page(url)`."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
UNLABELLED = {"hidden", "submit", "button", "reset", "image"}


@dataclass
class Element:
    """A tag with its attributes, the text within it, and the elements that it stands in."""

    tag: str
    attributes: dict[str, str]
    ancestors: tuple["Element", ...] = ()
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text with white space made single."""
        return " ".join("".join(self.pieces).split())

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def get(self, name: str, default: str | None = None) -> str | None:
        """An attribute, or the default."""
        return self.attributes.get(name, default)

    def is_within(self, other: "Element") -> bool:
        """Whether it stands somewhere inside the other."""
        return any(ancestor is other for ancestor in self.ancestors)


class Page(HTMLParser):
    """A parsed answer. `page.all("tr")`, `page.one("form", id="adjust")`, `page.text`."""

    def __init__(self, response: TestResponse) -> None:
        super().__init__(convert_charrefs=True)
        self.response = response
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(response.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """HTMLParser's callback."""
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """HTMLParser's callback for `<path/>`."""
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}, tuple(self._open)))

    def handle_endtag(self, tag: str) -> None:
        """HTMLParser's callback."""
        for depth in range(len(self._open) - 1, -1, -1):
            if self._open[depth].tag == tag:
                del self._open[depth:]
                return

    def handle_data(self, data: str) -> None:
        """HTMLParser's callback."""
        for element in self._open:
            element.pieces.append(data)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Every element of this tag and these attributes; `class_` asks for one of its classes."""
        return [element for element in self.elements if element.tag == tag and _has(element, attributes)]

    def one(self, tag: str, **attributes: str) -> Element:
        """The only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of <{tag}> with {attributes}, not one"
        return found[0]

    def by_id(self, name: str) -> Element:
        """The element of this id."""
        found = [element for element in self.elements if element.get("id") == name]
        assert len(found) == 1, f"{len(found)} elements with the id {name}"
        return found[0]

    @property
    def text(self) -> str:
        """All text of the body, white space made single."""
        return self.one("body").text

    def token(self) -> str:
        """The CSRF token that a form or a request of this page carries."""
        fields = self.all("input", name="csrf_token")
        assert fields, "no form carries a CSRF token"
        return fields[0]["value"]


class PageClient(FlaskClient):
    """Flask's test client, with pages checked as they are opened."""

    def page(self, url: str, *, status: int = 200) -> Page:
        """GET a whole page, follow redirects, and check all that every page owes."""
        response = self.get(url, follow_redirects=True)
        assert response.status_code == status, f"{url} answers {response.status_code}, not {status}"
        return checked(response)


def checked(response: TestResponse) -> Page:
    """The parsed page, after checking what every page owes."""
    page = Page(response)
    problems = [*_frame(page), *_ids(page), *_labels(page), *_forms(page), *_content_policy(page)]
    assert not problems, f"{response.request.path}: " + "; ".join(problems)
    return page


def _frame(page: Page) -> list[str]:
    titles, headings = page.all("title"), page.all("h1")
    if len(titles) != 1 or len(headings) != 1:
        return [f"{len(titles)} titles and {len(headings)} h1, not one each"]
    title, heading = titles[0].text, headings[0].text
    return (
        []
        if heading and title.startswith(heading)
        else [f"title {title!r} does not start with h1 {heading!r}"]
    )


def _ids(page: Page) -> list[str]:
    seen: set[str] = set()
    problems = []
    for element in page.elements:
        name = element.get("id")
        if name is not None and (not name or name in seen):
            problems.append(f"the id {name!r} is empty or stands twice")
        seen.add(name or "")
    return problems


def _labels(page: Page) -> list[str]:
    labelled = {label.get("for") for label in page.all("label")}
    known = {element.get("id") for element in page.elements}
    problems = [f"a label is for {name!r}, which is not there" for name in labelled - known if name]
    for element in page.elements:
        if element.tag not in {"input", "select", "textarea"} or element.get("type") in UNLABELLED:
            continue
        wrapped = any(ancestor.tag == "label" for ancestor in element.ancestors)
        named = element.get("aria-label") or element.get("aria-labelledby")
        if not (wrapped or named or element.get("id") in labelled):
            problems.append(f"the field {element.get('name')!r} has no label")
    return problems


def _forms(page: Page) -> list[str]:
    problems = []
    for form in page.all("form"):
        name = form.get("id") or form.get("action")
        if not form.get("action"):
            problems.append(f"the form {name!r} has no action")
        tokens = [token for token in page.all("input", name="csrf_token") if token.is_within(form)]
        if form.get("method", "get").lower() == "post" and len(tokens) != 1:
            problems.append(f"the form {name!r} carries {len(tokens)} CSRF tokens")
    return problems


def _content_policy(page: Page) -> list[str]:
    problems = []
    for element in page.elements:
        is_data = element.get("type") == "application/json"
        if element.tag == "script" and "src" not in element.attributes and not is_data:
            problems.append("there is an inline script")
        for attribute in element.attributes:
            if attribute == "style" or re.match(r"on[a-z]|hx-on", attribute):
                problems.append(f"<{element.tag}> has the attribute {attribute}")
    return problems


def _has(element: Element, wanted: dict[str, str]) -> bool:
    for name, value in wanted.items():
        if name == "class_":
            if value not in (element.get("class") or "").split():
                return False
        elif element.get(name.replace("_", "-")) != value:
            return False
    return True
