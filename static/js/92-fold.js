// What is folded on narrow screens (fold_button of button.html): opened by its button, and by every link, key
// and address that leads inside.
(() => {
  "use strict";
  const fields = "input:not([type=hidden], [type=radio], :disabled), select, textarea";

  const open = (button) => {
    button.setAttribute("aria-expanded", "true");
    document.getElementById(button.getAttribute("aria-controls")).querySelector(fields)?.focus();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-fold]");
    if (!button) return;
    // A shortcut presses the button whether or not it is open, and means what is inside.
    if (button.ariaExpanded === "true" && event.isTrusted) button.setAttribute("aria-expanded", "false");
    else open(button);
  });

  const arrive = () => {
    const goal = location.hash && document.getElementById(location.hash.slice(1));
    const part = goal && goal.closest("[id].card-body");
    const button = part && document.querySelector(`[data-fold][aria-controls="${part.id}"]`);
    if (!button) return;
    button.setAttribute("aria-expanded", "true");
    goal.focus();
  };

  window.addEventListener("hashchange", arrive);
  arrive();
})();
