// Toasts: what just happened. From the event `toast` {message, href, link, kind, undo, undo_seconds}, which a
// view sends in HX-Trigger, or already in the page after a redirect. Failures stay until they are dismissed;
// what can be taken back stays as long as it can, on the next pages too.
(() => {
  "use strict";
  const shortest = 7000;
  const perCharacter = 60;
  const second = 1000;
  const kept = "undo";

  const isOurs = (href) => href?.startsWith("/") && !href.startsWith("//");
  const undoOf = (toast) => toast.querySelector(".toast-undo");

  // What can still be taken back, as the next page needs it: kept in this tab alone, and only so long.
  const recall = () => JSON.parse(sessionStorage.getItem(kept) ?? "[]").filter(({ until }) => until > Date.now());
  const keep = (offers) => sessionStorage.setItem(kept, JSON.stringify(offers));
  const forget = (url) => keep(recall().filter((offer) => offer.undo !== url));

  const remove = (toast) => {
    const undo = undoOf(toast);
    if (undo) forget(undo.getAttribute("action"));
    const hadFocus = toast.contains(document.activeElement);
    toast.remove();
    if (hadFocus) document.getElementById("main")?.focus({ preventScroll: true });
  };

  const dismissLater = (toast) => {
    if (toast.matches(".is-bad, .is-error")) return;
    let timer = 0;
    const wait = () => {
      timer = setTimeout(remove, shortest + perCharacter * toast.textContent.length, toast);
    };
    const hold = () => clearTimeout(timer);
    for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, hold);
    for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, wait);
    wait();
  };

  const lapse = (toast) => {
    const undo = undoOf(toast);
    if (!undo) return;
    forget(undo.getAttribute("action"));
    if (undo.contains(document.activeElement)) toast.querySelector("[data-toast-close]").focus();
    undo.remove();
    toast.removeAttribute("data-undo-seconds");
    dismissLater(toast);
  };

  const countDown = (toast) => {
    const until = performance.now() + toast.dataset.undoSeconds * second;
    const left = toast.querySelector(".toast-left");
    toast.style.setProperty("--undo-seconds", `${toast.dataset.undoSeconds}s`);
    // The key is the newest one's.
    for (const button of document.querySelectorAll(".toast-undo button")) {
      if (!toast.contains(button)) button.removeAttribute("data-shortcut");
    }
    const tick = () => {
      if (!left.isConnected) return;
      const seconds = Math.ceil((until - performance.now()) / second);
      if (seconds <= 0) {
        lapse(toast);
        return;
      }
      left.textContent = `${seconds} s`;
      setTimeout(tick, second);
    };
    tick();
  };

  const begin = (toast) => (toast.dataset.undoSeconds ? countDown : dismissLater)(toast);

  const show = ({ message, href, link, kind = "ok", undo, undo_seconds: seconds = 0 }) => {
    const region = document.getElementById("toasts");
    const toast = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
    const text = toast.querySelector("p");
    toast.classList.add(`is-${kind}`);
    text.textContent = message;
    // Only our own pages: a toast may repeat words that somebody else has chosen.
    if (isOurs(href)) {
      const anchor = document.createElement("a");
      anchor.href = href;
      anchor.textContent = link ?? "Show";
      text.append(" ", anchor);
    }
    const form = undoOf(toast);
    if (isOurs(undo) && seconds > 0) {
      for (const name of ["action", "hx-post"]) form.setAttribute(name, undo);
      toast.dataset.undoSeconds = seconds;
    } else {
      form.remove();
    }
    region.querySelector(".toast-list").append(toast);
    if (form.isConnected) htmx.process(form);
    // Shown anew, it lies above a dialog that was opened in between.
    region.popover = "manual";
    if (region.matches(":popover-open")) region.hidePopover();
    region.showPopover();
    begin(toast);
  };

  document.addEventListener("toast", (event) => {
    const offer = event.detail;
    if (offer.undo_seconds > 0) keep([...recall(), { ...offer, until: Date.now() + offer.undo_seconds * second }]);
    show(offer);
  });

  document.addEventListener("click", (event) => {
    const close = event.target.closest("[data-toast-close]");
    if (close) remove(close.closest(".toast"));
  });

  // Taken back, or too late: either way the answer says so, and the offer is over.
  document.addEventListener("htmx:finally:request", (event) => {
    const { sourceElement, response } = event.detail.ctx;
    if (sourceElement.matches(".toast-undo") && response && response.status !== 401) {
      remove(sourceElement.closest(".toast"));
    }
  });

  document.addEventListener("htmx:error", (event) => {
    const ctx = event.detail.ctx;
    if (!ctx || !["click", "submit"].includes(ctx.sourceEvent?.type)) return;
    show({ message: "The server could not be reached. Try again: sending twice posts once.", kind: "bad" });
  });

  const resume = () => {
    const there = [...document.querySelectorAll(".toast-undo")].map((form) => form.getAttribute("action"));
    for (const offer of recall()) {
      if (!there.includes(offer.undo)) show({ ...offer, undo_seconds: Math.ceil((offer.until - Date.now()) / second) });
    }
  };

  const adopt = (toast) => {
    const seconds = Number(toast.dataset.undoSeconds ?? 0);
    const undo = undoOf(toast)?.getAttribute("action");
    const [text, anchor] = toast.querySelector("p").childNodes;
    const offer = { message: text.textContent.trim(), href: anchor?.getAttribute("href"), link: anchor?.textContent, undo };
    if (seconds > 0) keep([...recall(), { ...offer, until: Date.now() + seconds * second }]);
    begin(toast);
  };

  if (document.getElementById("toasts")) {
    document.querySelectorAll(".toast").forEach(adopt);
    document.addEventListener("DOMContentLoaded", resume);
  } else {
    // Outside the desk: whoever signs in next did none of it.
    sessionStorage.removeItem(kept);
  }
})();
