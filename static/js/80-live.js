// The mark that says whether this page follows what happens: off, on, reconnecting. A stream that comes back
// catches up by itself: the server names all that it may have missed. One that begins anew does not know that
// there was one before, so the page asks for all of its live parts then.
(() => {
  "use strict";
  // Streams end and begin again in the ordinary course of things: only a gap that lasts is worth a word.
  const patience = 3000;
  const words = { on: "Live", off: "Live updates off", reconnecting: "Reconnecting…" };

  let timer = 0;
  let behindSince = performance.now();

  const set = (state) => {
    clearTimeout(timer);
    if (state !== "on") behindSince ??= performance.now();
    const mark = document.getElementById("live-mark");
    if (!mark) return;
    mark.dataset.told = "";
    if (mark.dataset.state === state) return;
    mark.dataset.state = state;
    // The first word of a page is no news; those that come after are.
    if (state === "on") mark.setAttribute("role", "status");
    mark.title = words[state];
    mark.querySelector(".live-word").textContent = words[state];
  };

  const doubt = () => {
    clearTimeout(timer);
    timer = setTimeout(() => set("reconnecting"), patience);
  };

  const catchUp = (stream) => {
    const topics = new URL(stream.getAttribute("hx-sse:connect"), location.href).searchParams.getAll("topics");
    for (const topic of topics) htmx.trigger(stream, `live:${topic.split(":")[0]}`);
  };

  document.addEventListener("htmx:sse:after:connection", (event) => {
    const isNew = event.detail.connection.attempt === 0;
    const wasBehind = behindSince !== null && performance.now() - behindSince > patience;
    behindSince = null;
    set("on");
    if (isNew && wasBehind) catchUp(event.target);
  });
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
