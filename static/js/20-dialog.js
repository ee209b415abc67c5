// Dialogs: opened by whatever carries data-dialog="ID", filled by htmx where it is a link, closed by
// data-dialog-close, Escape, or the event dialog:close; the event dialog:open on a dialog opens it as well, and
// dialog:opened on it says so. The focus returns to where it was.
(() => {
  "use strict";
  const fields = "[autofocus], [aria-invalid=true], input:not([type=hidden], :disabled), select, textarea";
  const openers = new WeakMap();
  let opener = null;

  const topmost = () => [...document.querySelectorAll("dialog[open]")].at(-1);

  const show = (dialog) => {
    if (!dialog.open) {
      openers.set(dialog, opener ?? document.activeElement);
      dialog.showModal();
    }
    const body = dialog.querySelector(".dialog-body");
    (body?.querySelector(fields) ?? body?.querySelector("button, a[href]"))?.focus();
    dialog.dispatchEvent(new CustomEvent("dialog:opened"));
  };

  document.addEventListener("click", (event) => {
    const wanted = event.target.closest("[data-dialog]");
    if (wanted) {
      // A shortcut presses what opens; the focus was elsewhere, and returns there.
      const isPressed = event.isTrusted || document.activeElement === document.body;
      opener = isPressed ? wanted : document.activeElement;
      const menu = wanted.closest("[popover]");
      if (menu) {
        // What stood in a menu is out of sight once the menu is closed.
        opener = document.querySelector(`[popovertarget="${menu.id}"]`);
        menu.hidePopover();
      }
      const dialog = document.getElementById(wanted.dataset.dialog);
      if (!wanted.hasAttribute("hx-get")) {
        event.preventDefault();
        show(dialog);
      }
      return;
    }
    const dialog = event.target.closest("dialog");
    if (!dialog) return;
    // A click beside the dialog closes it, but never throws away something typed.
    const beside = event.target === dialog && !dialog.querySelector("form");
    if (beside || event.target.closest("[data-dialog-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });

  document.addEventListener("dialog:open", (event) => {
    opener = null;
    show(event.target);
  });

  document.addEventListener("htmx:after:settle", (event) => {
    if (event.target.matches("dialog")) show(event.target);
  });

  // A refusal that concerns the dialog is told inside it: what lies beneath cannot be read now.
  document.addEventListener("htmx:before:swap", (event) => {
    const inside = topmost()?.querySelector("[data-notices]");
    if (!inside) return;
    for (const task of event.detail.tasks) if (task.target?.id === "notices") task.target = inside;
  });

  document.addEventListener("dialog:close", () => topmost()?.close());

  document.addEventListener("close", (event) => {
    if (!openers.has(event.target)) return;
    if (event.target.hasAttribute("data-filled")) event.target.replaceChildren();
    const back = openers.get(event.target);
    openers.delete(event.target);
    opener = null;
    (back?.isConnected && back !== document.body ? back : document.getElementById("main"))?.focus();
  }, true);
})();
