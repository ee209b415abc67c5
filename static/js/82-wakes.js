// A snoozed alert comes back by itself, and nobody tells: the count in the navigation knows in how many
// seconds the next one does, and then every part that follows alerts looks again. Seconds, not an hour of the
// day: clocks of browsers are wrong.
(() => {
  "use strict";
  const longest = 24 * 60 * 60; // what sleeps for longer is waited for by a page that is opened later
  let known = null;
  let timer = 0;

  const wait = () => {
    const count = document.getElementById("alert-count");
    if (count === known) return;
    known = count;
    clearTimeout(timer);
    const seconds = Number(count?.dataset.wakesIn ?? longest);
    if (seconds >= longest) return;
    timer = setTimeout(
      () => document.body.dispatchEvent(new CustomEvent("live:alerts")), (seconds + 1) * 1000,
    );
  };

  document.addEventListener("htmx:after:settle", wait);
  wait();
})();
