// A snoozed alert comes back by itself, and nobody tells: the count in the navigation knows when the next one
// does, and then every part that follows alerts looks again.
(() => {
  "use strict";
  const longest = 24 * 60 * 60 * 1000; // a longer one begins anew with the next page
  let timer = 0;

  const wait = () => {
    clearTimeout(timer);
    const at = document.querySelector("[data-wakes-at]")?.dataset.wakesAt;
    const left = at ? Date.parse(at) - Date.now() : longest;
    if (left >= longest) return;
    timer = setTimeout(() => document.body.dispatchEvent(new CustomEvent("live:alerts")), Math.max(left, 0) + 500);
  };

  document.addEventListener("htmx:after:settle", wait);
  wait();
})();
