// Figures: drawn from the JSON that stands in them, in the colours of the theme. Plotly itself is loaded
// only by pages that have a figure.
(() => {
  "use strict";
  // A custom property comes as it was written, light-dark() and all; a colour that is used comes resolved. All are
  // asked for at once: each change of the page before a question has its whole style computed anew.
  const tokens = (names) => {
    const probes = names.map((name) => {
      const probe = document.createElement("span");
      probe.className = `chart-token is-${name}`;
      return probe;
    });
    document.body.append(...probes);
    const colours = names.map((name, at) => [name, getComputedStyle(probes[at]).color]);
    for (const probe of probes) probe.remove();
    return Object.fromEntries(colours);
  };

  const paint = (figure) => {
    const colours = tokens(["text", "grid", "panel", ...figure.data.map((trace) => trace.meta)]);
    const font = { family: "Inter, system-ui, sans-serif", size: 12, color: colours.text };
    const axis = { gridcolor: colours.grid, zerolinecolor: colours.grid, linecolor: colours.grid, tickfont: font };
    for (const trace of figure.data) {
      const colour = colours[trace.meta];
      trace.marker = { color: colour };
      const isBand = trace.meta === "band";
      const shape = isBand ? { width: 0 } : { width: 2, shape: "spline", smoothing: 0.4 };
      if (trace.type === "scatter") trace.line = { color: colour, ...shape };
      if (isBand) trace.fillcolor = colour;
    }
    Object.assign(figure.layout, { font, paper_bgcolor: "transparent", plot_bgcolor: "transparent", autosize: true });
    figure.layout.xaxis = { ...figure.layout.xaxis, ...axis, showgrid: false };
    figure.layout.yaxis = { ...figure.layout.yaxis, ...axis };
    figure.layout.hoverlabel = { bgcolor: colours.panel, bordercolor: colours.grid, font };
    return figure;
  };

  const draw = (place) => {
    const source = place.querySelector("script");
    place.figure ??= JSON.parse(source.textContent);
    const { data, layout } = paint(place.figure);
    Plotly.react(place, data, layout, { responsive: true, displayModeBar: false });
  };

  const scan = () => {
    if (!window.Plotly) return;
    for (const place of document.querySelectorAll("[data-chart]")) if (!place.figure) draw(place);
  };
  const repaint = () => {
    for (const place of document.querySelectorAll("[data-chart]")) if (place.figure) draw(place);
  };

  document.addEventListener("htmx:after:swap", scan);
  document.addEventListener("htmx:before:cleanup", (event) => {
    for (const plot of event.target.querySelectorAll?.(".js-plotly-plot") ?? []) Plotly.purge(plot);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  scan();
})();
