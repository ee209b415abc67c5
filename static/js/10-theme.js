// Light, dark or as the system has it. The choice lives in a cookie, so that the server writes the right
// theme into the page and no wrong one flashes up first.
(() => {
  "use strict";
  const root = document.documentElement;
  const year = 365 * 24 * 60 * 60;

  document.addEventListener("change", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const theme = event.target.value;
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `theme=${theme}; path=/; max-age=${year}; samesite=lax${secure}`;
    document.dispatchEvent(new CustomEvent("theme:change"));
  });
})();
