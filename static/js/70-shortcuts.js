// Keys: an element with data-shortcut="a" is pressed, or takes the focus if one types into it. `?` lists
// those of the page, by data-shortcut-says or their own words. Nothing happens while somebody is typing.
(() => {
  "use strict";
  const typedInto = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

  const usable = () =>
    [...document.querySelectorAll("[data-shortcut]")].filter((element) => element.checkVisibility());

  const saying = (element) =>
    element.dataset.shortcutSays ??
    element.labels?.[0]?.textContent ??
    element.ariaLabel ??
    element.textContent;

  const line = (key, text) => {
    const row = document.createElement("div");
    const words = document.createElement("dt");
    const cap = document.createElement("dd");
    const kbd = document.createElement("kbd");
    words.textContent = text.trim();
    kbd.textContent = key;
    cap.append(kbd);
    row.append(words, cap);
    return row;
  };

  const list = () => {
    const known = usable().map((element) => line(element.dataset.shortcut, saying(element)));
    document
      .querySelector("[data-shortcut-list]")
      .replaceChildren(...known, line("?", "Show this list"), line("Esc", "Close a dialog or a menu"));
  };

  const isTyping = (element) => element.matches(typedInto);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const shown = document.getElementById("shortcuts");
    if (event.key === "?" && shown) {
      event.preventDefault();
      list();
      shown.showModal();
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
