// Figures: drawn from the JSON that stands in them, in the colours of the theme. Plotly itself is loaded
// only by pages that have a figure.
(() => {
  "use strict";
  const IMAGE = { width: 1000, height: 440 };

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
      if (trace.type === "scatter") trace.line = { ...trace.line, color: colour, width: isBand ? 0 : 2 };
      if (isBand) trace.fillcolor = colour;
    }
    Object.assign(figure.layout, { font, paper_bgcolor: "transparent", plot_bgcolor: "transparent", autosize: true });
    // Where a finger is all there is, dragging scrolls the page.
    if (matchMedia("(pointer: coarse)").matches) figure.layout.dragmode = false;
    figure.layout.xaxis = { ...figure.layout.xaxis, ...axis, showgrid: false, automargin: true };
    figure.layout.yaxis = { ...figure.layout.yaxis, ...axis };
    figure.layout.hoverlabel = { bgcolor: colours.panel, bordercolor: colours.grid, font };
    return figure;
  };

  const source = (place) => place.querySelector("script").textContent;

  // What is named beside the figure: a button for each, in the figure's colours. Names that stand outside of it
  // take no room from what is drawn, and can be pressed by keyboard.
  const name = (place) => {
    const box = document.getElementById(place.dataset.chartLegend ?? "");
    if (!box || !place.figure.layout.showlegend) return;
    const buttons = place.figure.data.map((trace, at) => {
      if (trace.showlegend === false) return null;
      const button = document.createElement("button");
      const swatch = document.createElement("span");
      swatch.className = `chart-token chart-swatch is-${trace.meta}`;
      button.type = "button";
      button.append(swatch, trace.name);
      button.ariaPressed = String(trace.visible !== "legendonly");
      button.addEventListener("click", () => {
        trace.visible = trace.visible === "legendonly" ? true : "legendonly";
        button.ariaPressed = String(trace.visible === true);
        Plotly.restyle(place, { visible: trace.visible }, [at]);
      });
      return button;
    });
    box.replaceChildren(...buttons.filter(Boolean));
  };

  const draw = (place) => {
    const isNew = !place.figure;
    place.figure ??= JSON.parse(source(place));
    const { data, layout } = paint(place.figure);
    const outside = place.dataset.chartLegend && { showlegend: false, margin: { ...layout.margin, t: 10 } };
    const options = { responsive: true, displayModeBar: false, showTips: false };
    Plotly.react(place, data, { ...layout, ...outside }, options);
    if (isNew) name(place);
    if (isNew) place.on("plotly_relayout", (changed) => followRange(place, changed));
  };

  // A stretch was chosen by dragging, or the whole is shown again.
  const followRange = (place, changed) => {
    const back = document.querySelector(`[data-chart-reset="${place.id}"]`);
    if (!back) return;
    if ("xaxis.range[0]" in changed) back.removeAttribute("aria-disabled");
    if ("xaxis.autorange" in changed) back.setAttribute("aria-disabled", "true");
  };

  // With the title that stands above it on the page, and a ground of its own.
  const save = (place, format) => {
    const { panel, text } = tokens(["panel", "text"]);
    const { data, layout } = structuredClone(place.figure);
    const words = [place.dataset.title, place.dataset.note].filter(Boolean).join(" · ");
    const title = { text: words, x: 0.01, xanchor: "left", y: 0.97, font: { size: 14, color: text } };
    const margin = { ...layout.margin, t: (layout.margin?.t ?? 30) + 34 };
    const picture = { data, layout: { ...layout, title, margin, autosize: false, paper_bgcolor: panel, ...IMAGE } };
    const filename = place.dataset.title.toLowerCase().replace(/[^a-z0-9]+/g, "-");
    return Plotly.downloadImage(picture, { format, filename, scale: format === "png" ? 2 : 1, ...IMAGE });
  };

  document.addEventListener("click", (event) => {
    const tool = event.target.closest?.("[data-chart-save], [data-chart-reset]");
    if (!tool || !window.Plotly) return;
    const place = document.getElementById(tool.dataset.chartReset ?? tool.dataset.chartOf);
    if (!place?.figure) return;
    if (tool.dataset.chartSave) save(place, tool.dataset.chartSave);
    else if (tool.ariaDisabled !== "true") Plotly.relayout(place, { "xaxis.autorange": true });
  });

  // What was drawn before a swap: where the same figure comes again, the drawn one stays.
  let standing = [];

  const keep = (place) => {
    const isSame = (drawn) => drawn.id && drawn.id === place.id && !drawn.isConnected && source(drawn) === source(place);
    const drawn = standing.find(isSame);
    if (drawn) {
      place.replaceWith(drawn);
      name(drawn);
    }
    return Boolean(drawn);
  };

  const scan = () => {
    if (!window.Plotly) return;
    for (const place of document.querySelectorAll("[data-chart]")) if (!place.figure && !keep(place)) draw(place);
    for (const drawn of standing) if (!drawn.isConnected) Plotly.purge(drawn);
    standing = [];
  };
  const repaint = () => {
    for (const place of document.querySelectorAll("[data-chart]")) if (place.figure) draw(place);
  };

  document.addEventListener("htmx:after:swap", scan);
  document.addEventListener("htmx:before:swap", () => {
    standing = [...document.querySelectorAll(".js-plotly-plot")];
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  scan();
})();
