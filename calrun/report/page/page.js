"use strict";
const drawn = JSON.parse(document.getElementById("drawn").textContent);
const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes, ...children) {
  const svg = ["svg", "g", "path", "line", "circle", "rect", "text", "title", "clipPath"].includes(name);
  const node = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// --- tables: sort by a column, filter by words ---

function sortBy(table, column, direction) {
  const body = table.tBodies[0];
  const key = row => row.cells[column].dataset.value === undefined ? row.cells[column].textContent.trim() : Number(row.cells[column].dataset.value.replace("inf", "Infinity"));
  const missing = value => value === "–" || value === "";
  const rows = [...body.rows].map((row, place) => [key(row), place, row]);
  rows.sort(([a, i], [b, j]) => {
    if (missing(a) || missing(b)) return missing(a) - missing(b) || i - j;
    const order = typeof a === "number" && typeof b === "number" ? Math.sign(a - b) || 0 : String(a).localeCompare(String(b), "en", { numeric: true });
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

// --- class histograms ---

function drawClasses(box, source) {
  if (!source.lines.length) { box.append(make("p", { class: "note" }, "No class counts were recorded.")); return; }
  const budgets = [...new Set(source.lines.flatMap(line => line.budgets.map(budget => budget.labelled)))].sort((a, b) => a - b);
  const choice = make("select", {}, ...budgets.map(labelled => make("option", { value: labelled }, labelled.toLocaleString("en"))));
  const sorted = make("input", { type: "checkbox" });
  const reached = labelled => source.lines.filter(line => line.budgets.some(budget => budget.labelled === labelled)).length;
  choice.value = budgets.reduce((best, labelled) => reached(labelled) >= reached(best) ? labelled : best);
  const bars = make("div", { class: "bars" });
  function draw() {
    const labelled = Number(choice.value);
    const found = source.lines.map(line => ({ line, budget: line.budgets.find(budget => budget.labelled === labelled) })).filter(({ budget }) => budget);
    const top = Math.max(...found.flatMap(({ budget }) => budget.labels), 1);
    bars.replaceChildren(...found.map(({ line, budget }) => {
      const labels = budget.labels.map((count, number) => ({ count, name: line.names[number] ?? `class ${number}` }));
      if (sorted.checked) labels.sort((a, b) => b.count - a.count);
      const width = 300, height = 90, step = width / labels.length;
      const named = step > 11, slanted = labels.some(({ name }) => widthOf(name) > step), below = named ? (slanted ? 46 : 14) : 1;
      const svg = make("svg", { viewBox: `0 0 ${width} ${height + below}`, width: "100%", role: "img", "aria-label": `${line.label}: labels by class, ${labels.map(({ count, name }) => `${name}: ${short.format(count)}`).slice(0, 40).join(", ")}` });
      labels.forEach(({ count, name }, place) => svg.append(make("rect", { x: place * step, width: Math.max(step * 0.86, 0.5), y: height - count / top * (height - 4), height: count / top * (height - 4), fill: line.colour }, make("title", {}, `${name}: ${short.format(count)} labels`))));
      if (named) labels.forEach(({ name }, place) => svg.append(nameBelow(name, (place + 0.43) * step, height + 9, slanted)));
      svg.append(make("line", { x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5, stroke: "#1b1b1b" }));
      return make("figure", {}, make("figcaption", {}, `${line.label} (n = ${budget.n})`), svg);
    }));
  }
  choice.addEventListener("change", draw);
  sorted.addEventListener("change", draw);
  box.append(make("div", { class: "controls" }, make("label", {}, "At ", choice, " labels"), make("label", {}, sorted, " most sampled class first")), bars);
  draw();
}

function nameBelow(name, x, y, slanted) {
  if (!slanted) return make("text", { x, y, "text-anchor": "middle" }, name);
  return make("text", { x: x + 3, y: y - 2, "text-anchor": "end", transform: `rotate(-50 ${x + 3} ${y - 2})` }, shortened(name, 64));
}

for (const box of document.querySelectorAll(".chart")) ({ curves: drawCurves, classes: drawClasses })[box.dataset.kind](box, drawn[box.dataset.source]);
