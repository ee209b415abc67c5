// The focus after a part of the page was exchanged: on the first faulty field, or where the new part
// begins if what had the focus is gone; never nowhere.
(() => {
  "use strict";
  const able =
    "a[href], button:not(:disabled), input:not([type=hidden], :disabled), select, textarea, [tabindex]";
  const faulty = ["[aria-invalid=true]", ".error-summary"];
  const asked = (event) => ["click", "submit"].includes(event.detail.ctx?.sourceEvent?.type);
  let added = [];

  // A group of choices is faulty as a whole, and reached by its first choice.
  const reach = (element) => (element.matches(able) ? element : element.querySelector(able)).focus();
  const lost = () => !document.activeElement || document.activeElement === document.body;
  const within = (selector) => {
    for (const element of added) {
      const found = [element, ...element.querySelectorAll(selector)].find(
        (part) => part.matches(selector) && part.checkVisibility(),
      );
      if (found) return found;
    }
    return null;
  };

  document.addEventListener("htmx:before:request", (event) => {
    if (!asked(event)) return;
    for (const region of document.querySelectorAll("[data-notices]")) region.replaceChildren();
  });

  document.addEventListener("htmx:before:swap", () => {
    added = [];
  });

  document.addEventListener("htmx:after:settle", (event) => {
    added.push(...event.detail.newContent.filter((node) => node instanceof Element && node.isConnected));
  });

  document.addEventListener("htmx:after:swap", (event) => {
    if (!asked(event)) return;
    const region = added[0]?.closest("[data-notices]");
    if (region) {
      region.focus();
      region.scrollIntoView({ block: "nearest" });
      return;
    }
    const fault = faulty.map(within).find(Boolean);
    if (fault) {
      reach(fault);
      return;
    }
    if (!lost() || document.querySelector("dialog[open]")) return;
    const row = added.find((element) => element.matches("tr"));
    const next = within("[data-focus], [autofocus]") ?? row ?? within(able);
    if (next && !next.matches(able)) next.tabIndex = -1;
    next?.focus({ preventScroll: true });
  });

  // A link in the summary of errors leads to the field itself, not to its neighbourhood.
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".error-summary a");
    const field = link && document.getElementById(link.hash.slice(1));
    if (!field) return;
    event.preventDefault();
    reach(field);
  });

  const fault = faulty.map((selector) => document.querySelector(selector)).find(Boolean);
  if (fault) reach(fault);
})();
