// What CSS cannot know: how large things turned out.
(() => {
  "use strict";
  const gap = 16;

  // A table that is wider than its box can be scrolled with the keys as well: then, and only then, its box is
  // a stop for the Tab key.
  const judge = (box) => {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };

  // The aside stays in sight. One that is taller than the window scrolls until its end is seen, and stays then.
  const place = (aside) => {
    const below = document.querySelector(".bar").offsetHeight + gap;
    const start = Math.min(below, window.innerHeight - aside.offsetHeight - gap);
    aside.style.setProperty("--aside-start", `${start}px`);
  };

  const measure = (element) => (element.matches("aside") ? place : judge)(element);
  const observer = new ResizeObserver((entries) => entries.forEach((entry) => measure(entry.target)));
  const watch = () => {
    for (const element of document.querySelectorAll(".table-box, .columns > aside")) observer.observe(element);
  };

  document.addEventListener("htmx:after:settle", watch);
  window.addEventListener("resize", () => document.querySelectorAll(".columns > aside").forEach(place));
  watch();
})();
