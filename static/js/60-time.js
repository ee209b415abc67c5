// Relative times keep up with the clock. The words are those of the server's filter relative_time.
(() => {
  "use strict";
  const minute = 60;
  const hour = 60 * minute;
  const day = 24 * hour;

  const words = (seconds) => {
    if (seconds < 0) return null;
    if (seconds < minute) return "just now";
    if (seconds < hour) return `${Math.floor(seconds / minute)} min ago`;
    if (seconds < day) return `${Math.floor(seconds / hour)} h ago`;
    return null;
  };

  const refresh = () => {
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const text = words((Date.now() - Date.parse(time.dateTime)) / 1000);
      // What is older, or yet to come, stays as the server wrote it.
      if (text && time.textContent !== text) time.textContent = text;
    }
  };

  setInterval(refresh, 20_000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
})();
