"use strict";
const drawn = JSON.parse(document.getElementById("drawn").textContent);
const SVG = "http://www.w3.org/2000/svg";
const AXES = { labelled: [0, "labels"], fit: [2, "cumulative fit time in s"], steps: [3, "cumulative steps"], samples: [4, "cumulative samples with gradient"] };

function make(name, attributes, ...children) {
  const svg = ["svg", "g", "path", "line", "circle", "rect", "text", "title"].includes(name);
  const node = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// --- tables: sort by a column, filter by words ---

function sortBy(table, column, direction) {
  const body = table.tBodies[0];
  const key = row => row.cells[column].dataset.value === undefined ? row.cells[column].textContent.trim() : Number(row.cells[column].dataset.value);
  const missing = value => value === "–" || value === "";
  const rows = [...body.rows].map((row, place) => [key(row), place, row]);
  rows.sort(([a, i], [b, j]) => {
    if (missing(a) || missing(b)) return missing(a) - missing(b) || i - j;
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return direction * order || i - j;
  });
  body.append(...rows.map(([, , row]) => row));
}

for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach(other => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    sortBy(table, column, ascending ? 1 : -1);
  }));
}

for (const input of document.querySelectorAll("[data-filter]")) {
  const rows = [...document.getElementById(input.dataset.filter).querySelectorAll("tbody tr")];
  const shown = document.querySelector(`[data-shown="${CSS.escape(input.dataset.filter)}"]`);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach(row => { row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word)); });
    shown.textContent = words.length ? `${rows.filter(row => !row.hidden).length} of ${rows.length} rows` : "";
  });
}

// --- numbers and scales ---

const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const percent = value => `${(100 * value).toFixed(2)} %`;
const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = values => Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1));

function ticks(low, high, count) {
  const rough = (high - low || 1) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(value => value >= rough);
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) found.push(value);
  return found;
}

function scale(values, start, end, margin) {
  let low = Math.min(...values), high = Math.max(...values);
  if (!(high > low)) { low -= 0.5 * Math.abs(low) || 0.5; high += 0.5 * Math.abs(high) || 0.5; }
  const room = (high - low) * margin;
  low -= room; high += room;
  const place = value => start + (value - low) / (high - low) * (end - start);
  return Object.assign(place, { low, high });
}

// --- curves ---

function means(line, axis) {
  const budgets = new Map();
  for (const run of line.runs) for (const point of run.points) {
    if (point[1] === null || point[axis] === null) continue;
    if (!budgets.has(point[0])) budgets.set(point[0], []);
    budgets.get(point[0]).push(point);
  }
  return [...budgets.entries()].sort((a, b) => a[0] - b[0]).map(([labelled, points]) => {
    const accuracies = points.map(point => point[1]);
    return { labelled, n: points.length, x: mean(points.map(point => point[axis])), y: mean(accuracies), std: points.length > 1 ? deviation(accuracies) : null };
  });
}

function legendOf(lines, hidden, redraw) {
  const list = make("ul", { class: "legend", "aria-label": "Show or hide" });
  lines.forEach((line, number) => {
    const mark = make("svg", { width: 26, height: 10, "aria-hidden": "true" }, make("line", { x1: 1, x2: 25, y1: 5, y2: 5, stroke: line.colour, "stroke-width": 3, "stroke-dasharray": line.dash.split(" ").filter(Boolean).map(part => 2 * part).join(" ") }));
    const button = make("button", { type: "button", "aria-pressed": "true" }, mark, line.label);
    button.addEventListener("click", () => {
      hidden.has(number) ? hidden.delete(number) : hidden.add(number);
      button.setAttribute("aria-pressed", String(!hidden.has(number)));
      redraw();
    });
    list.append(make("li", {}, button));
  });
  return list;
}

function drawCurves(box, source) {
  const hidden = new Set();
  const axisChoice = make("select", {}, ...Object.entries(AXES).map(([key, [, name]]) => make("option", { value: key }, name)));
  const single = make("input", { type: "checkbox", checked: "" });
  const plot = make("div", { class: "plot", tabindex: "0", role: "img", "aria-label": `${box.dataset.title}: accuracy curves; arrow keys go through the points` });
  const tip = make("div", { class: "tip", hidden: "" }), spoken = make("div", { class: "visually-hidden", role: "status" });
  let targets = [], current = -1;

  function draw() {
    const [axis, axisName] = AXES[axisChoice.value];
    const width = Math.max(plot.clientWidth, 280), height = Math.min(440, Math.max(280, width * 0.55));
    const shown = source.lines.map((line, number) => ({ line, number })).filter(({ number }) => !hidden.has(number));
    const summaries = shown.map(({ line }) => means(line, axis));
    const points = shown.flatMap(({ line }) => line.runs.flatMap(run => run.points.filter(point => point[1] !== null && point[axis] !== null)));
    const wide = width > 620, right = wide ? 132 : 14;
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, width, height });
    targets = [];
    if (points.length) {
      const x = scale(points.map(point => point[axis]), 52, width - right, 0.02), y = scale(points.map(point => point[1]), height - 42, 10, 0.05);
      for (const value of ticks(x.low, x.high, width / 85)) svg.append(make("line", { x1: x(value), x2: x(value), y1: 10, y2: height - 42, stroke: "#e6e6e6" }), make("text", { x: x(value), y: height - 25, "text-anchor": "middle" }, short.format(value)));
      for (const value of ticks(y.low, y.high, height / 55)) svg.append(make("line", { x1: 52, x2: width - right, y1: y(value), y2: y(value), stroke: "#e6e6e6" }), make("text", { x: 46, y: y(value) + 4, "text-anchor": "end" }, `${short.format(100 * value)} %`));
      svg.append(make("text", { x: (52 + width - right) / 2, y: height - 7, "text-anchor": "middle" }, axisName));
      const ends = [];
      shown.forEach(({ line }, index) => {
        const summary = summaries[index], path = list => list.map((point, place) => `${place ? "L" : "M"}${x(point[0]).toFixed(1)} ${y(point[1]).toFixed(1)}`).join("");
        if (!summary.length) return;
        const dash = line.dash.split(" ").filter(Boolean).map(part => 2 * part).join(" ");
        if (axis === 0) {
          const band = line.band.filter(([, lower]) => lower !== null);
          if (band.length > 1) svg.append(make("path", { d: path(band.map(([at, lower]) => [at, lower])) + path(band.map(([at, , upper]) => [at, upper]).reverse()).replace("M", "L") + "Z", fill: line.colour, opacity: 0.12 }));
        }
        if (single.checked) for (const run of line.runs) {
          const own = run.points.filter(point => point[1] !== null && point[axis] !== null);
          if (line.runs.length > 1) svg.append(make("path", { d: path(own.map(point => [point[axis], point[1]])), fill: "none", stroke: line.colour, opacity: 0.45, "stroke-width": 1 }));
          for (const point of own) {
            svg.append(make("circle", { cx: x(point[axis]), cy: y(point[1]), r: 2.2, fill: line.colour, opacity: 0.6 }));
            targets.push({ x: x(point[axis]), y: y(point[1]), line, run, point });
          }
        }
        svg.append(make("path", { class: "mean", d: path(summary.map(point => [point.x, point.y])), fill: "none", stroke: line.colour, "stroke-width": 2.2, "stroke-dasharray": dash }));
        for (const point of summary) {
          svg.append(make("circle", { cx: x(point.x), cy: y(point.y), r: 3.6, fill: line.colour, stroke: "#fff" }));
          targets.push({ x: x(point.x), y: y(point.y), line, summary: point });
        }
        const last = summary[summary.length - 1];
        ends.push({ line, x: x(last.x), y: y(last.y) });
      });
      if (wide) {
        ends.sort((a, b) => a.y - b.y).forEach((end, place) => { end.at = place ? Math.max(end.y, ends[place - 1].at + 15) : end.y; });
        const over = ends[ends.length - 1].at - (height - 46);
        if (over > 0) for (let place = ends.length - 1, limit = height - 46; place >= 0 && ends[place].at > limit; place -= 1, limit -= 15) ends[place].at = limit;
        for (const end of ends) {
          svg.append(make("line", { x1: end.x + 5, y1: end.y, x2: width - right + 8, y2: end.at, stroke: end.line.colour, opacity: 0.5 }));
          const name = make("text", { x: width - right + 11, y: end.at + 4 }, end.line.label.length > 19 ? `${end.line.label.slice(0, 18)}…` : end.line.label);
          name.style.fill = end.line.ink;
          svg.append(name);
        }
      }
    } else svg.append(make("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "nothing to show: all lines are hidden or lack this number"));
    targets.sort((a, b) => source.lines.indexOf(a.line) - source.lines.indexOf(b.line) || a.x - b.x);
    plot.replaceChildren(svg, tip);
    hide();
  }

  function describe({ line, run, point, summary }) {
    if (summary) return [line.label, `${summary.labelled.toLocaleString("en")} labels`, summary.n > 1 ? `mean ${percent(summary.y)} ± ${(100 * summary.std).toFixed(2)}, n = ${summary.n}` : `${percent(summary.y)}, n = 1`];
    const [labelled, accuracy, fit, steps, samples] = point;
    const known = (value, name) => value === null ? [] : [`${short.format(value)} ${name}`];
    return [`${line.label}, run ${run.run}, seed ${run.seed}`, `${labelled.toLocaleString("en")} labels: ${percent(accuracy)}`, ...known(fit, "s fit"), ...known(steps, "steps"), ...known(samples, "samples with gradient")];
  }

  function show(number) {
    current = number;
    const target = targets[number], text = describe(target);
    tip.replaceChildren(...text.flatMap((part, place) => place ? [make("br"), part] : [make("b", {}, part)]));
    tip.hidden = false;
    const limit = plot.clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(limit, target.x + 12))}px`;
    tip.style.top = `${target.y > 110 ? target.y - tip.offsetHeight - 10 : target.y + 14}px`;
    plot.querySelectorAll(".ring").forEach(ring => ring.remove());
    plot.querySelector("svg").append(make("circle", { class: "ring", cx: target.x, cy: target.y, r: 7, fill: "none", stroke: "#1b1b1b", "stroke-width": 2 }));
    return text;
  }

  function hide() {
    tip.hidden = true; current = -1;
    plot.querySelectorAll(".ring").forEach(ring => ring.remove());
  }

  plot.addEventListener("pointermove", event => {
    const frame = plot.getBoundingClientRect(), distance = target => Math.hypot(target.x - event.clientX + frame.left, target.y - event.clientY + frame.top);
    let nearest = -1;
    targets.forEach((target, number) => { if (nearest < 0 || distance(target) < distance(targets[nearest])) nearest = number; });
    if (nearest >= 0 && distance(targets[nearest]) < 40) show(nearest); else hide();
  });
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") hide();
    if (!step || !targets.length) return;
    event.preventDefault();
    spoken.textContent = show(current < 0 ? (step > 0 ? 0 : targets.length - 1) : (current + step + targets.length) % targets.length).join(", ");
  });
  axisChoice.addEventListener("change", draw);
  single.addEventListener("change", draw);
  const note = make("p", { class: "note" }, "Band: 95 % bootstrap interval of the mean over seeds (none for one seed). Click a name to hide it; hover, touch or use the arrow keys for numbers.");
  box.append(make("div", { class: "controls" }, make("label", {}, "Against ", axisChoice), make("label", {}, single, " single runs")), legendOf(source.lines, hidden, draw), plot, spoken, note);
  draw();
  let drawnWidth = plot.clientWidth;
  new ResizeObserver(() => { if (plot.clientWidth !== drawnWidth) { drawnWidth = plot.clientWidth; draw(); } }).observe(plot);
}

// --- class histograms ---

function drawClasses(box, source) {
  if (!source.lines.length) { box.append(make("p", { class: "note" }, "No class counts were recorded.")); return; }
  const budgets = [...new Set(source.lines.flatMap(line => line.budgets.map(budget => budget.labelled)))].sort((a, b) => a - b);
  const choice = make("select", {}, ...budgets.map(labelled => make("option", { value: labelled }, labelled.toLocaleString("en"))));
  const sorted = make("input", { type: "checkbox" });
  choice.value = budgets[budgets.length - 1];
  const bars = make("div", { class: "bars" });
  function draw() {
    const labelled = Number(choice.value);
    const found = source.lines.map(line => ({ line, budget: line.budgets.find(budget => budget.labelled === labelled) })).filter(({ budget }) => budget);
    const top = Math.max(...found.flatMap(({ budget }) => budget.labels), 1);
    bars.replaceChildren(...found.map(({ line, budget }) => {
      const labels = budget.labels.map((count, name) => ({ count, name }));
      if (sorted.checked) labels.sort((a, b) => b.count - a.count);
      const width = 300, height = 90, step = width / labels.length;
      const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "img", "aria-label": `${line.label}: labels by class, ${labels.map(({ count, name }) => `${name}: ${short.format(count)}`).slice(0, 40).join(", ")}` });
      labels.forEach(({ count, name }, place) => svg.append(make("rect", { x: place * step, width: Math.max(step * 0.86, 0.5), y: height - count / top * (height - 4), height: count / top * (height - 4), fill: line.colour }, make("title", {}, `class ${name}: ${short.format(count)} labels`))));
      svg.append(make("line", { x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5, stroke: "#1b1b1b" }));
      return make("figure", {}, make("figcaption", {}, `${line.label} (n = ${budget.n})`), svg);
    }));
  }
  choice.addEventListener("change", draw);
  sorted.addEventListener("change", draw);
  box.append(make("div", { class: "controls" }, make("label", {}, "At ", choice, " labels"), make("label", {}, sorted, " most sampled class first")), bars);
  draw();
}

for (const box of document.querySelectorAll(".chart")) ({ curves: drawCurves, classes: drawClasses })[box.dataset.kind](box, drawn[box.dataset.source]);
