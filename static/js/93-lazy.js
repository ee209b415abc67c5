// A part that fetches itself, with a skeleton in its place, and did not come: it says so, and can be asked for
// again.
(() => {
  "use strict";
  const wanting = new WeakMap();

  const tell = (part) => {
    const skeleton = part.querySelector(".skeleton");
    if (!skeleton) return;
    const before = part.cloneNode(true);
    const words = document.createElement("p");
    const button = document.createElement("button");
    const place = document.createElement("div");
    words.textContent = "This part could not be loaded.";
    button.textContent = "Try again";
    button.className = "button is-plain";
    button.type = "button";
    place.className = "not-loaded";
    place.append(words, button);
    skeleton.nextElementSibling?.remove();
    skeleton.replaceWith(place);
    wanting.set(button, { part, before });
  };

  for (const name of ["htmx:response:error", "htmx:error"]) {
    document.addEventListener(name, (event) => {
      const part = event.detail.ctx?.sourceElement;
      if (part?.matches("[hx-trigger=load]")) tell(part);
    });
  }

  document.addEventListener("click", (event) => {
    const found = wanting.get(event.target);
    if (!found) return;
    found.part.replaceWith(found.before);
    htmx.process(found.before);
    found.before.tabIndex = -1;
    found.before.focus();
  });
})();
