// Draws the figures of the page, keeps them at the page's width, and answers to clicks. No request leaves the file.
(() => {
  "use strict";
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const drawn = new Map(); // figure key -> views on the page
  let followed = null;

  const rowsOf = (() => {
    const cache = new Map();
    return (name) => {
      if (!cache.has(name)) {
        const columns = Object.entries(report.datasets[name]).map(([key, c]) => [key, c.codes ? c.codes.map((i) => c.words[i]) : c]);
        const length = columns.length ? columns[0][1].length : 0;
        cache.set(name, Array.from({ length }, (_, i) => Object.fromEntries(columns.map(([key, values]) => [key, values[i]]))));
      }
      return cache.get(name);
    };
  })();

  // The panel's specification for a width in pixels, and how it starts: small multiples wrap.
  function laidOut(figure, panel, width, start) {
    const spec = structuredClone(panel.spec);
    spec.datasets = { ...spec.datasets };
    for (const name of figure.tables) spec.datasets[name] = rowsOf(name).map((row) => ({ ...row }));
    if (panel.widest) width = Math.min(width, panel.widest);
    const step = panel.steps.find((one) => width >= one.from);
    const inner = Math.floor((width - step.taken) / step.columns);
    if (spec.facet) {
      spec.columns = step.columns;
      spec.spec.width = inner;
    } else {
      spec.width = inner;
    }
    for (const parameter of spec.params) {
      if (parameter.name in start) parameter.value = start[parameter.name];
    }
    return spec;
  }

  function variantOf(element, figure) {
    const chosen = element.querySelector(".switch input:checked");
    return figure.variants[chosen ? chosen.value : Object.keys(figure.variants)[0]];
  }

  async function draw(element) {
    const key = element.dataset.figure;
    const figure = report.figures[key];
    const charts = [...element.querySelectorAll(".chart")];
    (drawn.get(key) || []).forEach((view) => view.finalize());
    const views = [];
    const options = { actions: false, renderer: "svg", defaultStyle: false, config: report.config.page };
    for (const [i, panel] of variantOf(element, figure).entries()) {
      const width = charts[i].clientWidth;
      let { view } = await vegaEmbed(charts[i], laidOut(figure, panel, width, { highlight: followed }), options);
      // Labels may reach beyond the plot; what they need is taken from it.
      const beyond = charts[i].querySelector("svg").viewBox.baseVal.width - width;
      if (beyond > 1) {
        view.finalize();
        ({ view } = await vegaEmbed(charts[i], laidOut(figure, panel, width - Math.ceil(beyond), { highlight: followed }), options));
      }
      // The figure has its numbers in words; the single marks would only be noise to a screen reader.
      charts[i].querySelector("svg").setAttribute("aria-hidden", "true");
      view.addEventListener("click", (_, item) => {
        const block = item && item.datum && item.datum.block;
        if (block !== undefined && block !== null) follow(block === followed ? null : block);
      });
      // A single run's line is unseen until the pointer meets it; its block then shows in this chart alone.
      const show = (block) => { view.signal("highlight", block).runAsync(); tell(block); };
      const single = (item) => followed === null && item && item.datum && item.datum.kind === "run" && item.mark.marktype === "line";
      view.addEventListener("pointerover", (_, item) => { if (single(item)) show(item.datum.block); });
      view.addEventListener("pointerout", (_, item) => { if (single(item)) show(null); });
      views.push(view);
    }
    drawn.set(key, views);
    element.dataset.drawn = "yes";
  }

  // Highlights one block on every figure; null ends it.
  function follow(block) {
    followed = block;
    for (const view of [...drawn.values()].flat()) view.signal("highlight", block).runAsync();
    document.querySelectorAll("select.follow").forEach((select) => { select.value = block === null ? "" : block; });
    const end = document.createElement("button");
    end.type = "button";
    end.textContent = "Show all";
    end.addEventListener("click", () => follow(null));
    tell(block, end);
  }

  // The name of a highlighted block, with what more there is to it; null takes it away.
  function tell(block, ...more) {
    const badge = document.getElementById("followed");
    badge.hidden = block === null;
    if (block === null) return badge.replaceChildren();
    const label = document.querySelector("select.follow").parentElement.firstChild.textContent.trim();
    badge.replaceChildren(`${more.length ? label : label.replace(/^\S+ /, "")} ${block} `, ...more);
  }

  function save(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function fileName(end) {
    return `${report.name}-${end}`.replace(/[^\w.-]+/g, "_");
  }

  function csv(name) {
    const rows = rowsOf(name);
    if (!rows.length) return "";
    const hidden = name === "runs_table" ? [] : report.drawing;
    const keys = Object.keys(rows[0]).filter((key) => !hidden.includes(key));
    const quoted = (value) => {
      const text = value === null || value === undefined ? "" : String(value);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return [keys, ...rows.map((row) => keys.map((key) => row[key]))].map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
  }

  // A picture is drawn again, off the page: light, opaque, with fonts that every system has, at a width fit for print.
  async function forPrint(element) {
    const figure = report.figures[element.dataset.figure];
    const views = [];
    for (const panel of variantOf(element, figure)) {
      const spec = laidOut(figure, panel, panel.printed, { highlight: followed, still: true });
      if (panel.title) spec.title = { text: panel.title, anchor: "start", fontSize: 13 };
      const options = { actions: false, renderer: "svg", defaultStyle: false, tooltip: false, config: report.config.export };
      views.push((await vegaEmbed(document.createElement("div"), spec, options)).view);
    }
    return views;
  }

  // The panels of a figure side by side.
  async function picture(element, kind) {
    const views = await forPrint(element);
    const name = fileName(`${element.dataset.figure}.${kind}`);
    if (kind === "svg") {
      let left = 0;
      let height = 0;
      const panels = [];
      for (const view of views) {
        const svg = new DOMParser().parseFromString(await view.toSVG(), "image/svg+xml").documentElement;
        svg.setAttribute("x", left);
        left += Number(svg.getAttribute("width"));
        height = Math.max(height, Number(svg.getAttribute("height")));
        panels.push(new XMLSerializer().serializeToString(svg));
      }
      const all = `<svg xmlns="http://www.w3.org/2000/svg" width="${left}" height="${height}" viewBox="0 0 ${left} ${height}">${panels.join("")}</svg>`;
      save(new Blob([all], { type: "image/svg+xml" }), name);
    } else {
      const panels = await Promise.all(views.map((view) => view.toCanvas(report.config.scale)));
      const all = document.createElement("canvas");
      all.width = panels.reduce((sum, panel) => sum + panel.width, 0);
      all.height = Math.max(...panels.map((panel) => panel.height));
      const context = all.getContext("2d");
      context.fillStyle = report.config.export.background;
      context.fillRect(0, 0, all.width, all.height);
      panels.reduce((left, panel) => { context.drawImage(panel, left, 0); return left + panel.width; }, 0);
      all.toBlob((blob) => save(blob, name), "image/png");
    }
    views.forEach((view) => view.finalize());
  }

  const elements = [...document.querySelectorAll("figure[data-figure]")];
  for (const element of elements) {
    const figure = report.figures[element.dataset.figure];
    element.querySelectorAll(".switch input").forEach((input) => input.addEventListener("change", () => draw(element)));
    element.querySelectorAll("[data-save]").forEach((button) => button.addEventListener("click", () => {
      const kind = button.dataset.save;
      if (kind === "csv") save(new Blob([csv(figure.download)], { type: "text/csv" }), fileName(`${figure.download}.csv`));
      else picture(element, kind);
    }));
    element.querySelectorAll("select.follow").forEach((select) => select.addEventListener("change", () => follow(select.value || null)));
  }
  const runs = document.getElementById("save-runs");
  if (runs) runs.addEventListener("click", () => save(new Blob([csv("runs_table")], { type: "text/csv" }), fileName("runs.csv")));

  let width = 0;
  let waiting = null;
  const folds = [...document.querySelectorAll("main details.more")];
  // What is folded has no width: it is laid out unseen while it is drawn, so that it is there when it is opened or printed.
  async function drawFolded(fold) {
    const open = fold.open;
    fold.style.width = `${fold.clientWidth}px`;
    fold.classList.toggle("measured", !open);
    fold.open = true;
    for (const element of fold.querySelectorAll("figure[data-figure]")) await draw(element);
    fold.open = open;
    fold.classList.remove("measured");
    fold.style.width = "";
  }
  async function drawAll() {
    width = document.documentElement.clientWidth;
    for (const element of elements) if (!element.closest("details.more")) await draw(element);
    for (const fold of folds) await drawFolded(fold);
    document.documentElement.dataset.ready = "yes";
  }
  // A link into a folded part opens it.
  function reveal() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target) for (const fold of [target.querySelector(":scope > details.more"), target.closest("details.more")]) if (fold) fold.open = true;
  }
  window.addEventListener("hashchange", reveal);
  let opened = [];
  window.addEventListener("beforeprint", () => { opened = folds.filter((fold) => !fold.open); opened.forEach((fold) => { fold.open = true; }); });
  window.addEventListener("afterprint", () => { opened.forEach((fold) => { fold.open = false; }); });
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (document.documentElement.clientWidth !== width) drawAll(); }, 200);
  });
  reveal();
  drawAll();
})();
