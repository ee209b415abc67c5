// Countdowns: [data-countdown] names the instant, [data-countdown-from] the server's clock when it was
// written, so that a wrong clock of the browser does no harm; [data-countdown-of] the seconds of the whole.
// At its end the part that holds it gets the event held:due, and asks what has become of it; if nothing has,
// it asks again ever more seldom, however many pages are open while no worker runs.
(() => {
  "use strict";
  const second = 1000;
  const patience = 1500;
  const patienceAtMost = 30 * second;
  const starts = new WeakMap();

  const startOf = (element) => {
    const written = element.dataset.countdownFrom;
    const known = starts.get(element);
    if (known?.written === written) return known;
    const start = { written, at: performance.now(), isDue: false };
    starts.set(element, start);
    return start;
  };

  const tick = () => {
    for (const element of document.querySelectorAll("[data-countdown]")) {
      const { countdown, countdownFrom, countdownOf } = element.dataset;
      const start = startOf(element);
      const left = Date.parse(countdown) - Date.parse(countdownFrom) - (performance.now() - start.at);
      const text = left > 0 ? `${Math.ceil(left / second)} s` : "…";
      if (element.textContent !== text) element.textContent = text;
      element.style.setProperty("--left", Math.max(0, Math.min(1, left / second / countdownOf)));
      // Half as long again as it has been late so far, also for a part that has just been fetched.
      const wait = Math.min(Math.max(patience, -left / 2), patienceAtMost);
      if (left < -patience && performance.now() - start.at > wait && !start.isDue) {
        start.isDue = true;
        element.closest("[hx-get]")?.dispatchEvent(new CustomEvent("held:due"));
      }
    }
  };

  // What was just held takes the focus, so that Enter posts it; once it has ended, the form takes it back.
  document.addEventListener("htmx:after:swap", (event) => {
    const fresh = document.querySelector("[data-held-new]");
    fresh?.removeAttribute("data-held-new");
    const isLost = document.activeElement === document.body && event.detail.ctx?.target?.id === "held";
    const afterwards = () =>
      ["adjust-amount", "main"].map((id) => document.getElementById(id)).find((place) => place?.checkVisibility());
    const next = fresh ?? (isLost ? afterwards() : null);
    next?.focus({ preventScroll: true });
  });

  // A key that is held down has asked once, for something else.
  document.addEventListener("keydown", (event) => {
    if (event.repeat && event.target.closest("[data-no-repeat]")) event.preventDefault();
  });

  setInterval(tick, second / 4);
  document.addEventListener("htmx:after:settle", tick);
  tick();
})();
