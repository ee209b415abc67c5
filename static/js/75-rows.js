// Rows by keys: j, k and the arrows move, x ticks the box, other keys press what stands in the row. What one
// does with a selection takes the row one is on where nothing is ticked. The row keeps the focus when the
// list fetches itself anew.
(() => {
  "use strict";
  const list = () => document.querySelector("[data-rows]");
  const rows = () => [...(list()?.querySelectorAll("tr[data-row]") ?? [])];
  const boxes = () => [...(list()?.querySelectorAll("[data-row-key=x]") ?? [])];
  const current = () => document.activeElement?.closest?.("tr[data-row]");
  let place = -1;

  const go = (number) => {
    const all = rows();
    const row = all[Math.max(0, Math.min(number, all.length - 1))];
    if (!row) return;
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  };

  const step = (by) => {
    const row = current();
    go(row ? rows().indexOf(row) + by : Math.max(place, 0));
  };

  const press = (key) => {
    const row = current();
    const wanted = key === "o" ? row?.querySelector(".lead a") : row?.querySelector(`[data-row-key="${key}"]`);
    wanted?.click();
    if (key === "x" && row) row.focus({ preventScroll: true });
  };

  const count = () => {
    const all = boxes();
    const ticked = all.filter((box) => box.checked).length;
    const every = document.querySelector("[data-select-all]");
    const words = document.querySelector("[data-selected-count]");
    if (every) {
      every.checked = ticked > 0 && ticked === all.length;
      every.indeterminate = ticked > 0 && ticked < all.length;
    }
    const text = ticked ? `${ticked} selected` : "";
    if (words && words.textContent !== text) words.textContent = text;
  };

  document.addEventListener("click", (event) => {
    const mover = event.target.closest("[data-row-step]");
    if (mover) step(Number(mover.dataset.rowStep));
    const presser = event.target.closest("[data-row-press]");
    if (presser) press(presser.dataset.rowPress);
    // Before htmx collects what is ticked.
    if (event.target.closest("[data-selection]") && !boxes().some((box) => box.checked)) {
      const box = current()?.querySelector("[data-row-key=x]") ?? rows()[place]?.querySelector("[data-row-key=x]");
      if (box) box.checked = true;
      count();
    }
  }, true);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const row = current();
    if (!row || document.activeElement !== row) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") {
      event.preventDefault();
      press("o");
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) {
      for (const box of boxes()) box.checked = event.target.checked;
    }
    if (event.target.matches("[data-select-all], [data-row-key=x]")) count();
  });

  document.addEventListener("focusin", () => {
    const row = current();
    if (row) place = rows().indexOf(row);
    else if (!document.querySelector("dialog[open]")) place = -1;
  });

  document.addEventListener("htmx:after:settle", () => {
    count();
    const lost = !document.activeElement || document.activeElement === document.body;
    if (place >= 0 && lost && !document.querySelector("dialog[open]")) go(place);
  });
})();
