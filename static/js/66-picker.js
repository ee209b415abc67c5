// The cards of a live table ([data-picker]): a rank and a suit typed one after the other, wherever on the page no
// field is typed into, choose one; arrow keys go from card to card, and Enter enters it. The Tab key comes by
// once, to the card that one was at.
(() => {
  "use strict";
  const across = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const typedInto = "input, textarea, select, [contenteditable]";
  const forgets = 1500;
  let at = "";
  let rank = "";
  let typedAt = 0;

  const rowsOf = (picker) =>
    [...picker.querySelectorAll(".picker-suit")].map((row) => [...row.querySelectorAll(".pick")]);

  const stop = (picker) => {
    const cards = [...picker.querySelectorAll(".pick")];
    const here = cards.find((card) => card.id === at) ?? cards[0];
    for (const card of cards) card.tabIndex = card === here ? 0 : -1;
  };

  const go = (picker, card) => {
    at = card.id;
    stop(picker);
    card.focus();
  };

  const step = (picker, from, [down, right]) => {
    const rows = rowsOf(picker);
    const row = rows.findIndex((cards) => cards.includes(from));
    const column = rows[row].indexOf(from);
    const next = rows[(row + down + rows.length) % rows.length];
    go(picker, next[(column + right + next.length) % next.length]);
  };

  const type = (picker, key) => {
    const now = performance.now();
    if (now - typedAt > forgets) rank = "";
    typedAt = now;
    const letter = key.toUpperCase();
    const card = rank && document.getElementById(`pick-${rank}${letter}`);
    if (card && picker.contains(card)) {
      rank = "";
      go(picker, card);
      return true;
    }
    // The ten is typed as T, or as 1 and 0.
    rank = letter === "1" || letter === "0" ? "T" : letter;
    return document.getElementById(`pick-${rank}S`) !== null;
  };

  document.addEventListener("keydown", (event) => {
    const picker = document.querySelector("[data-picker]");
    if (!picker || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches?.(typedInto) || document.querySelector("dialog[open]")) return;
    const from = event.target.closest?.("[data-picker] .pick");
    if (from && event.key in across) {
      event.preventDefault();
      step(picker, from, across[event.key]);
    } else if (/^[a-z0-9]$/i.test(event.key) && type(picker, event.key)) {
      // Not a shortcut of the page: a card is being named.
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);

  document.addEventListener("focusin", (event) => {
    const card = event.target.closest?.("[data-picker] .pick");
    if (!card) return;
    at = card.id;
    stop(card.closest("[data-picker]"));
  });

  const scan = () => document.querySelectorAll("[data-picker]").forEach(stop);
  document.addEventListener("htmx:after:settle", scan);
  scan();
})();
