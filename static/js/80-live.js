// The mark that says whether this page follows what happens: off, on, reconnecting.
(() => {
  "use strict";
  // Streams end and begin again in the ordinary course of things: only a gap that lasts is worth a word.
  const patience = 3000;
  const words = { on: "Live", off: "Live updates off", reconnecting: "Reconnecting…" };

  let timer = 0;

  const set = (state) => {
    clearTimeout(timer);
    const mark = document.getElementById("live-mark");
    if (!mark || mark.dataset.state === state) return;
    mark.dataset.state = state;
    mark.title = words[state];
    mark.querySelector(".live-word").textContent = words[state];
  };

  const doubt = () => {
    clearTimeout(timer);
    timer = setTimeout(() => set("reconnecting"), patience);
  };

  document.addEventListener("htmx:sse:after:connection", () => set("on"));
  document.addEventListener("htmx:sse:error", doubt);
  document.addEventListener("htmx:sse:before:connection", (event) => {
    if (event.detail.connection.attempt > 0) doubt();
  });
  document.addEventListener("htmx:sse:close", () => set("off"));
  for (const name of ["htmx:response:error", "htmx:error"]) {
    document.addEventListener(name, (event) => {
      if (event.target.id === "stream") set("off");
    });
  }
  window.addEventListener("offline", () => set("off"));
})();
