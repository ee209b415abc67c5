// A table that is wider than its box can be scrolled with the keys as well: then, and only then, its box
// is a stop for the Tab key.
(() => {
  "use strict";
  const judge = (box) => {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  const observer = new ResizeObserver((entries) => entries.forEach((entry) => judge(entry.target)));
  const watch = () => document.querySelectorAll(".table-box").forEach((box) => observer.observe(box));

  document.addEventListener("htmx:after:settle", watch);
  watch();
})();
