// The palette: Ctrl K, ⌘ K or / opens it; what one types is answered by the server as a list of options, of
// which the arrows choose and Enter opens one. The field keeps the focus all the time, as a combobox does.
(() => {
  "use strict";
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const form = dialog.querySelector("form");
  const input = dialog.querySelector("input");
  const says = document.getElementById("palette-says");
  let known = document.getElementById("palette-results");
  let goesAtOnce = false;

  const options = () => [...known.querySelectorAll("[role=option]")];
  const chosen = () => known.querySelector("[aria-selected=true]");

  const choose = (option) => {
    chosen()?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  };

  const step = (distance) => {
    const all = options();
    const place = all.indexOf(chosen()) + distance;
    choose(all[(place + all.length) % all.length]);
  };

  const ask = () => htmx.trigger(form, "palette:ask");

  // What has been typed since the answer came is asked first: Enter means what one sees in the field.
  const open = () => {
    goesAtOnce = known.dataset.typed !== input.value.trim();
    if (goesAtOnce) ask();
    else chosen()?.click();
  };

  document.addEventListener("htmx:after:swap", () => {
    const list = document.getElementById("palette-results");
    if (list === known) return;
    known = list;
    choose(options()[0]);
    input.setAttribute("aria-expanded", String(options().length > 0));
    says.textContent = dialog.open ? known.dataset.says : "";
    if (goesAtOnce && dialog.open) open();
  });

  dialog.addEventListener("dialog:opened", () => {
    goesAtOnce = false;
    input.value = "";
    input.focus();
    ask();
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    open();
  });

  input.addEventListener("keydown", (event) => {
    const distance = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!distance || event.isComposing || !options().length) return;
    event.preventDefault();
    step(distance);
  });

  dialog.addEventListener("pointermove", (event) => {
    const option = event.target.closest("[role=option]");
    if (option && option !== chosen()) choose(option);
  });

  dialog.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (option.dataset.completes) {
      event.preventDefault();
      input.value = option.dataset.completes;
      input.focus();
      ask();
    } else {
      dialog.close();
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    const above = document.querySelector("dialog[open]");
    if (above && above !== dialog) return;
    event.preventDefault();
    if (above) dialog.close();
    else dialog.dispatchEvent(new CustomEvent("dialog:open", { bubbles: true }));
  });
})();
