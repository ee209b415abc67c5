// Keys: an element with data-shortcut="a" is pressed, or takes the focus if one types into it. `?` lists
// those that the page has now, by data-shortcut-says or their own words, apart from those that every page has;
// data-shortcut-also="Mod K" names a chord that does the same. Nothing happens while somebody is typing; Escape
// leaves the field.
(() => {
  "use strict";
  const typedInto = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
  const ofThePage = "main, .toasts";
  const mod = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl";

  const usable = () =>
    [...document.querySelectorAll("[data-shortcut]")].filter((element) => element.checkVisibility());

  const saying = (element) =>
    element.dataset.shortcutSays ??
    element.labels?.[0]?.textContent ??
    element.ariaLabel ??
    element.textContent;

  const line = (text, ...chords) => {
    const row = document.createElement("div");
    const words = document.createElement("dt");
    const keys = document.createElement("dd");
    words.textContent = text.trim();
    for (const chord of chords) {
      if (keys.hasChildNodes()) keys.append(" or ");
      for (const key of chord.split(" ")) {
        const cap = document.createElement("kbd");
        cap.textContent = key === "Mod" ? mod : key;
        keys.append(cap);
      }
    }
    row.append(words, keys);
    return row;
  };

  const lineOf = (element) => {
    const { shortcut, shortcutAlso } = element.dataset;
    return line(saying(element), ...[shortcut, shortcutAlso].filter(Boolean));
  };

  const list = () => {
    const [here, everywhere] = ["here", "everywhere"].map((name) =>
      document.querySelector(`[data-shortcut-list=${name}]`),
    );
    const known = usable();
    const own = known.filter((element) => element.closest(ofThePage));
    here.replaceChildren(...own.map(lineOf));
    here.closest("section").hidden = own.length === 0;
    everywhere.replaceChildren(
      ...known.filter((element) => !own.includes(element)).map(lineOf),
      line("Show this list", "?"),
      line("Leave a field; close a dialog or a menu", "Esc"),
    );
  };

  const isTyping = (element) => element.matches(typedInto);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (isTyping(event.target)) {
      // Where the next Tab begins stays with the field.
      if (event.key === "Escape" && !document.querySelector(".menu:popover-open")) event.target.blur();
      return;
    }
    const shown = document.getElementById("shortcuts");
    if (event.key === "?" && shown) {
      event.preventDefault();
      list();
      shown.dispatchEvent(new CustomEvent("dialog:open", { bubbles: true }));
      return;
    }
    const element = usable().find((candidate) => candidate.dataset.shortcut === event.key);
    if (!element) return;
    event.preventDefault();
    if (isTyping(element)) {
      element.focus();
      element.select?.();
    } else {
      element.click();
    }
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-dialog=shortcuts]")) list();
  }, true);
})();
