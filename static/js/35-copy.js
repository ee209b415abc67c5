// data-copy="ID" on a button copies what stands in that element: a field's value, or the lines of a list.
// data-select: a field that is selected whole when it takes the focus, for copying by hand.
(() => {
  "use strict";
  const textOf = (element) => {
    if ("value" in element && element.matches("input, textarea")) return element.value;
    const items = [...element.querySelectorAll("li")];
    return (items.length ? items : [element]).map((item) => item.textContent.trim()).join("\n");
  };

  const say = (button, words) => {
    const label = button.querySelector("span");
    button.dataset.copySays ??= label.textContent;
    label.textContent = words;
    clearTimeout(Number(button.dataset.copyTimer));
    button.dataset.copyTimer = setTimeout(() => { label.textContent = button.dataset.copySays; }, 2500);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(textOf(source));
      say(button, "Copied");
    } catch {
      // Without TLS, or where it was not allowed: selected, so that it can be copied by hand.
      if (source.select) source.select();
      else getSelection().selectAllChildren(source);
      say(button, "Selected");
    }
  });

  document.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-select]")) event.target.select();
  });
})();
