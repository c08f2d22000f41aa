"use strict";
// Accuracy curves: means, single runs, bands, names at the ends, and the numbers under the pointer or the arrow keys.

const AXES = {
  labelled: [0, "labels"],
  fit: [2, "cumulative fit time in s"],
  steps: [3, "cumulative steps"],
  samples: [4, "cumulative samples with gradient"],
};
const LEFT = 52, TOP = 10, BOTTOM = 42, NARROW = 620; // pixels around the field; below NARROW no names stand beside it
const NAME_HEIGHT = 15, NAME_SHARE = 0.4, REACH = 40; // names take at most that share of the width
let nextClip = 0; // every drawing has a clipping path of its own
const ACCURACY = 1; // a point is labelled, accuracy, and what AXES names

const widthOf = (context => text => context.measureText(text).width)(penOf("12px system-ui, sans-serif"));

function penOf(font) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = font;
  return context;
}

function drawCurves(box, source) {
  const chart = {
    source,
    hidden: new Set(),
    axisChoice: make("select", {}, ...Object.entries(AXES).map(([key, [, name]]) => make("option", { value: key }, name))),
    single: make("input", { type: "checkbox", checked: "" }),
    plot: make("div", { class: "plot", tabindex: "0", role: "img", "aria-label": `${box.dataset.title}: ${source.measure ?? "accuracy"} curves; arrow keys go through the points` }),
    tip: make("div", { class: "tip", hidden: "" }),
    spoken: make("div", { class: "visually-hidden", role: "status" }),
    targets: [], // what can be pointed at, in the order of the arrow keys
    current: -1,
  };
  const controls = make("div", { class: "controls" }, make("label", {}, "Against ", chart.axisChoice), make("label", {}, chart.single, " single runs"));
  const band = source.band ? `Band: ${source.band} over seeds, cut off at the edges. ` : "";
  const cut = source.floor === null ? "" : `Points far below the others stand at the lower edge (↓). `;
  const note = make("p", { class: "note" }, `${band}${cut}Click a name to hide it; hover, touch or use the arrow keys for numbers.`);
  box.append(controls, legendOf(chart), chart.plot, chart.spoken, note);
  listen(chart);
  draw(chart);
}

function legendOf(chart) {
  const list = make("ul", { class: "legend", "aria-label": "Show or hide" });
  chart.source.lines.forEach((line, number) => {
    const stroke = make("line", { x1: 1, x2: 25, y1: 5, y2: 5, stroke: line.colour, "stroke-width": 3, "stroke-dasharray": dashesOf(line) });
    const mark = make("svg", { width: 26, height: 10, "aria-hidden": "true" }, stroke);
    const button = make("button", { type: "button", "aria-pressed": "true" }, mark, line.label);
    button.addEventListener("click", () => {
      if (!chart.hidden.delete(number)) chart.hidden.add(number);
      button.setAttribute("aria-pressed", String(!chart.hidden.has(number)));
      draw(chart);
    });
    list.append(make("li", {}, button));
  });
  return list;
}

function dashesOf(line) {
  return line.dash.split(" ").filter(Boolean).map(part => 2 * part).join(" ");
}

// --- one drawing ---

function draw(chart) {
  const [axis, axisName] = AXES[chart.axisChoice.value];
  const lines = chart.source.lines.filter((line, number) => !chart.hidden.has(number));
  const points = lines.flatMap(line => line.runs.flatMap(run => known(run.points, axis)));
  const area = areaOf(chart.plot.clientWidth, lines, chart.source.floor);
  const svg = make("svg", { viewBox: `0 0 ${area.width} ${area.height}`, width: area.width, height: area.height });
  const nothing = "nothing to show: all lines are hidden or lack this number";
  chart.targets = [];
  if (points.length) drawField(chart, svg, { ...area, axis, axisName, lines, points });
  else svg.append(make("text", { x: area.width / 2, y: area.height / 2, "text-anchor": "middle" }, nothing));
  chart.plot.replaceChildren(svg, chart.tip);
  hide(chart);
}

function areaOf(available, lines, floor) {
  const width = Math.max(available, 280), wide = width > NARROW;
  const room = wide ? Math.min(NAME_SHARE * width, Math.max(...lines.map(line => widthOf(line.label + below(line, floor))), 0)) : 0;
  const right = width - (wide ? room + 26 : 14);
  const height = Math.max(Math.min(440, Math.max(280, width * 0.55)), wide ? lines.length * NAME_HEIGHT + BOTTOM + TOP : 0);
  return { width, height, wide, room, right, bottom: height - BOTTOM };
}

function drawField(chart, svg, field) {
  const x = scale(field.points.map(point => point[field.axis]), LEFT, field.right, 0.02);
  const floor = chart.source.floor, above = field.points.map(point => point[ACCURACY]).filter(value => floor === null || value >= floor);
  const inView = above.length ? above : field.points.map(point => point[ACCURACY]); // the lines that stay may all be hidden
  const seen = [...inView, ...chart.source.full.map(own => own.mean)];
  const inField = scale(seen, field.bottom, TOP, 0.05);
  const y = Object.assign(value => Math.min(inField(value), field.bottom), { low: inField.low, high: inField.high });
  drawGrid(svg, field, x, y, chart.source);
  chart.source.full.forEach(own => drawFullTraining(svg, own, field, y));
  const ends = [], clip = `field-${nextClip += 1}`, inside = make("g", { "clip-path": `url(#${clip})` });
  svg.append(make("clipPath", { id: clip }, make("rect", { x: LEFT, y: 0, width: field.right - LEFT + 4, height: field.bottom + 4 })), inside);
  for (const line of field.lines) {
    const summary = means(line, field.axis);
    if (!summary.length) continue;
    if (field.axis === 0) drawBand(inside, line, x, inField);
    if (chart.single.checked) chart.targets.push(...drawRuns(inside, line, field.axis, x, y));
    chart.targets.push(...drawMean(inside, line, summary, x, y));
    const last = summary[summary.length - 1];
    ends.push({ line, x: x(last.x), y: y(last.y), below: above.length ? below(line, floor) : "" });
  }
  if (field.wide) drawNames(svg, ends, field);
  chart.targets.sort((a, b) => field.lines.indexOf(a.line) - field.lines.indexOf(b.line) || a.x - b.x);
}

function drawFullTraining(svg, { label, mean, std, n }, { right }, y) {
  const at = y(mean), spread = n > 1 ? ` ± ${(100 * std).toFixed(1)} (n=${n})` : "";
  svg.append(make("line", { class: "full", x1: LEFT, x2: right, y1: at, y2: at, stroke: "#444", "stroke-dasharray": "8 4" }));
  svg.append(make("text", { x: LEFT + 6, y: at - 4, fill: "#444" }, `${label}: ${(100 * mean).toFixed(1)} %${spread}`));
}

function below(line, floor) {
  const last = means(line, 0).at(-1);
  return floor !== null && last && last.y < floor ? ` ↓ ${(100 * last.y).toFixed(1)} %` : "";
}

function drawGrid(svg, { width, height, right, bottom, axisName }, x, y, source) {
  for (const value of ticks(x.low, x.high, width / 85)) {
    svg.append(make("line", { x1: x(value), x2: x(value), y1: TOP, y2: bottom, stroke: "#e6e6e6" }));
    svg.append(make("text", { x: x(value), y: height - 25, "text-anchor": "middle" }, short.format(value)));
  }
  for (const value of ticks(y.low, y.high, height / 55)) {
    svg.append(make("line", { x1: LEFT, x2: right, y1: y(value), y2: y(value), stroke: "#e6e6e6" }));
    svg.append(make("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, isShare(source) ? `${short.format(100 * value)} %` : short.format(value)));
  }
  svg.append(make("text", { x: (LEFT + right) / 2, y: height - 7, "text-anchor": "middle" }, axisName));
}

function drawBand(svg, line, x, y) {
  const band = line.band.filter(([, lower]) => lower !== null);
  if (band.length < 2) return;
  const under = pathOf(band.map(([at, lower]) => [x(at), y(lower)]));
  const over = pathOf(band.map(([at, , upper]) => [x(at), y(upper)]).reverse());
  svg.append(make("path", { d: `${under}${over.replace("M", "L")}Z`, fill: line.colour, opacity: 0.12 }));
}

function drawRuns(svg, line, axis, x, y) {
  return line.runs.flatMap(run => {
    const found = known(run.points, axis).map(point => ({ x: x(point[axis]), y: y(point[ACCURACY]), line, run, point }));
    const d = pathOf(found.map(target => [target.x, target.y]));
    if (line.runs.length > 1) svg.append(make("path", { d, fill: "none", stroke: line.colour, opacity: 0.45, "stroke-width": 1 }));
    svg.append(...found.map(target => make("circle", { cx: target.x, cy: target.y, r: 2.2, fill: line.colour, opacity: 0.6 })));
    return found;
  });
}

function drawMean(svg, line, summary, x, y) {
  const found = summary.map(point => ({ x: x(point.x), y: y(point.y), line, summary: point }));
  const d = pathOf(found.map(target => [target.x, target.y]));
  svg.append(make("path", { class: "mean", d, fill: "none", stroke: line.colour, "stroke-width": 2.2, "stroke-dasharray": dashesOf(line) }));
  svg.append(...found.map(target => make("circle", { cx: target.x, cy: target.y, r: 3.6, fill: line.colour, stroke: "#fff" })));
  return found;
}

function drawNames(svg, ends, { room, right, bottom }) {
  for (const { line, x, y, at, below } of apart(ends, bottom - 4)) {
    svg.append(make("line", { x1: x + 5, y1: y, x2: right + 8, y2: at, stroke: line.colour, opacity: 0.5 }));
    const name = make("text", { class: "name", x: right + 11, y: at + 4 }, shortened(line.label + below, room));
    name.style.fill = line.ink;
    svg.append(name);
  }
}

function apart(ends, lowest) {
  const placed = [...ends].sort((a, b) => a.y - b.y);
  placed.forEach((end, place) => { end.at = place ? Math.max(end.y, placed[place - 1].at + NAME_HEIGHT) : end.y; });
  placed.reduceRight((limit, end) => { end.at = Math.min(end.at, limit); return end.at - NAME_HEIGHT; }, lowest);
  return placed;
}

function shortened(label, room) {
  let text = label; // its middle goes: what tells variants apart stands at the end
  for (let kept = label.length - 1; kept > 1 && widthOf(text) > room + 1; kept -= 1) {
    text = `${label.slice(0, kept / 3)}…${label.slice(label.length - 2 * kept / 3)}`;
  }
  return text;
}

// --- its numbers ---

function known(points, axis) {
  return points.filter(point => point[ACCURACY] !== null && point[axis] !== null);
}

function means(line, axis) {
  const budgets = new Map();
  for (const point of line.runs.flatMap(run => known(run.points, axis))) {
    if (!budgets.has(point[0])) budgets.set(point[0], []);
    budgets.get(point[0]).push(point);
  }
  return [...budgets.entries()].sort((a, b) => a[0] - b[0]).map(([labelled, points]) => {
    const accuracies = points.map(point => point[ACCURACY]), n = points.length;
    return { labelled, n, x: mean(points.map(point => point[axis])), y: mean(accuracies), std: n > 1 ? deviation(accuracies) : null };
  });
}

function pathOf(points) {
  return points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

// accuracies and errors are shares from 0 to 1; what a source gives another unit is shown as it is
function isShare({ unit = "%" }) {
  return unit === "%";
}

function describe({ line, run, point, summary }, source) {
  const factor = isShare(source) ? 100 : 1, digits = isShare(source) ? 2 : 4, unit = source.unit ?? "%";
  const said = value => `${(factor * value).toFixed(digits)} ${unit}`.trim();
  if (summary) return [line.label, `${summary.labelled.toLocaleString("en")} labels`, summary.n > 1 ? `mean ${said(summary.y)} ± ${(factor * summary.std).toFixed(digits)}, n = ${summary.n}` : `${said(summary.y)}, n = 1`];
  const [labelled, accuracy, fit, steps, samples] = point;
  const also = (value, name) => value === null ? [] : [`${short.format(value)} ${name}`];
  return [`${line.label}, run ${run.run}, seed ${run.seed}`, `${labelled.toLocaleString("en")} labels: ${said(accuracy)}`, ...also(fit, "s fit"), ...also(steps, "steps"), ...also(samples, "samples with gradient")];
}

// --- pointing at it ---

function listen(chart) {
  const { plot } = chart;
  plot.addEventListener("pointermove", event => point(chart, event));
  plot.addEventListener("pointerleave", () => hide(chart));
  plot.addEventListener("blur", () => hide(chart));
  plot.addEventListener("keydown", event => step(chart, event));
  chart.axisChoice.addEventListener("change", () => draw(chart));
  chart.single.addEventListener("change", () => draw(chart));
  let drawnWidth = plot.clientWidth;
  new ResizeObserver(() => {
    if (plot.clientWidth === drawnWidth) return;
    drawnWidth = plot.clientWidth;
    draw(chart);
  }).observe(plot);
}

function point(chart, event) {
  const frame = chart.plot.getBoundingClientRect();
  const distances = chart.targets.map(target => Math.hypot(target.x - event.clientX + frame.left, target.y - event.clientY + frame.top));
  const nearest = distances.indexOf(Math.min(...distances));
  if (nearest >= 0 && distances[nearest] < REACH) show(chart, nearest);
  else hide(chart);
}

function step(chart, event) {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], count = chart.targets.length;
  if (event.key === "Escape") hide(chart);
  if (!by || !count) return;
  event.preventDefault();
  const from = chart.current >= 0 ? chart.current : by > 0 ? -1 : count;
  chart.spoken.textContent = show(chart, (from + by + count) % count).join(", ");
}

function show(chart, number) {
  const { plot, tip } = chart, target = chart.targets[number], text = describe(target, chart.source);
  chart.current = number;
  tip.replaceChildren(...text.flatMap((part, place) => place ? [make("br"), part] : [make("b", {}, part)]));
  tip.hidden = false;
  tip.style.left = `${Math.max(0, Math.min(plot.clientWidth - tip.offsetWidth, target.x + 12))}px`;
  tip.style.top = `${target.y > 110 ? target.y - tip.offsetHeight - 10 : target.y + 14}px`;
  plot.querySelectorAll(".ring").forEach(ring => ring.remove());
  plot.querySelector("svg").append(make("circle", { class: "ring", cx: target.x, cy: target.y, r: 7, fill: "none", stroke: "#1b1b1b", "stroke-width": 2 }));
  return text;
}

function hide(chart) {
  chart.tip.hidden = true;
  chart.current = -1;
  chart.plot.querySelectorAll(".ring").forEach(ring => ring.remove());
}
