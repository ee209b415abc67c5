// A box that a list's button has opened closes again: by Escape, and by a click beside it.
(() => {
  "use strict";
  const opened = () => document.querySelector(".drop[open]");

  document.addEventListener("click", (event) => {
    const drop = opened();
    if (!drop || drop.contains(event.target)) return;
    // What a box has opened lies above it; the box stays until that is closed.
    if (!event.target.closest("dialog")) drop.open = false;
  });

  document.addEventListener("keydown", (event) => {
    const drop = opened();
    if (event.key !== "Escape" || !drop || document.querySelector("dialog[open]")) return;
    drop.open = false;
    drop.querySelector("summary").focus();
  });
})();
