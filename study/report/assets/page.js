// Every figure is there without this script. It tells what a mark is, follows a block, saves, copies, and opens folds.
(() => {
  "use strict";
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const tip = document.getElementById("tip");

  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest && event.target.closest("[data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.replaceChildren(...mark.dataset.tip.split("; ").map((line) => Object.assign(document.createElement("div"), { textContent: line })));
    const at = mark.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(at.right + 8, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(at.bottom + 8, innerHeight - tip.offsetHeight - 8))}px`;
  });

  // Every mark of a run begins with its block.
  const opening = `${report.unit}: `;
  const blockOf = (mark) => mark.dataset.tip.slice(opening.length).split("; ")[0];
  const marks = all(".follows [data-tip]").filter((mark) => mark.dataset.tip.startsWith(opening));
  let followed = "";
  function follow(block) {
    followed = block;
    for (const mark of marks) mark.classList.toggle("dim", block !== "" && blockOf(mark) !== block);
    for (const select of all("select.follow")) select.value = block;
  }
  for (const mark of marks) mark.addEventListener("click", () => follow(blockOf(mark) === followed ? "" : blockOf(mark)));
  for (const select of all("select.follow")) select.addEventListener("change", () => follow(select.value));

  function save(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${report.name}-${name}`.replace(/[^\w.-]+/g, "_");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  // The drawing as a file of its own: light and opaque.
  function picture(figure) {
    const svg = figure.querySelector(".broad svg").cloneNode(true);
    const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const side of ["width", "height"]) ground.setAttribute(side, svg.getAttribute(side));
    ground.setAttribute("fill", "var(--paper)");
    svg.prepend(ground);
    return new XMLSerializer().serializeToString(svg).replace(/var\(--([\w-]+)\)/g, (_, name) => report.light[name]);
  }
  function savePng(figure, name) {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = image.width * report.scale;
      canvas.height = image.height * report.scale;
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, name), "image/png");
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture(figure))}`;
  }
  for (const button of all("[data-save]")) {
    button.addEventListener("click", () => {
      const kind = button.dataset.save;
      const figure = button.closest("figure");
      const key = figure ? figure.dataset.figure : "all-runs";
      if (kind === "svg") save(new Blob([picture(figure)], { type: "image/svg+xml" }), `${key}.svg`);
      else if (kind === "png") savePng(figure, `${key}.png`);
      else save(new Blob([report.files[key]], { type: "text/csv" }), `${key}.csv`);
    });
  }
  for (const button of all("[data-copy]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      const name = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = name; }, 1500);
    });
  }

  // A link into a folded part opens it; what is folded is printed.
  const folds = all("details");
  function reveal() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target) for (const fold of [target.querySelector(":scope > details.more"), target.closest("details")]) if (fold) fold.open = true;
  }
  let opened = [];
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => { opened = folds.filter((fold) => !fold.open); opened.forEach((fold) => { fold.open = true; }); });
  addEventListener("afterprint", () => { opened.forEach((fold) => { fold.open = false; }); });
  reveal();
})();
