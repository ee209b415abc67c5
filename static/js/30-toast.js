// Toasts: what just happened. From the event `toast` {message, href, link, kind}, which a view sends in
// HX-Trigger, or already in the page after a redirect. Failures stay until they are dismissed.
(() => {
  "use strict";
  const shortest = 7000;
  const perCharacter = 60;

  const dismissLater = (toast) => {
    if (toast.matches(".is-bad, .is-error")) return;
    let timer = 0;
    const wait = () => {
      timer = setTimeout(() => toast.remove(), shortest + perCharacter * toast.textContent.length);
    };
    const hold = () => clearTimeout(timer);
    for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, hold);
    for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, wait);
    wait();
  };

  const show = ({ message, href, link, kind = "ok" }) => {
    const region = document.getElementById("toasts");
    const toast = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
    const text = toast.querySelector("p");
    toast.classList.add(`is-${kind}`);
    text.textContent = message;
    // Only our own pages: a toast may repeat words that somebody else has chosen.
    if (href?.startsWith("/") && !href.startsWith("//")) {
      const anchor = document.createElement("a");
      anchor.href = href;
      anchor.textContent = link ?? "Show";
      text.append(" ", anchor);
    }
    region.querySelector(".toast-list").append(toast);
    // Shown anew, it lies above a dialog that was opened in between.
    region.popover = "manual";
    if (region.matches(":popover-open")) region.hidePopover();
    region.showPopover();
    dismissLater(toast);
  };

  document.addEventListener("toast", (event) => show(event.detail));

  document.addEventListener("click", (event) => {
    const close = event.target.closest("[data-toast-close]");
    if (!close) return;
    close.closest(".toast").remove();
    document.getElementById("main")?.focus({ preventScroll: true });
  });

  document.addEventListener("htmx:error", (event) => {
    const ctx = event.detail.ctx;
    if (!ctx || !["click", "submit"].includes(ctx.sourceEvent?.type)) return;
    show({ message: "The server could not be reached. Try again: sending twice posts once.", kind: "bad" });
  });

  document.querySelectorAll(".toast").forEach(dismissLater);
})();
