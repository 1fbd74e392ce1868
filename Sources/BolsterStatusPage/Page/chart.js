// Throughput over time as an SVG of our own: one line for each stage, a cursor that reads them out.

import { rate, time } from "./format.js";

const NS = "http://www.w3.org/2000/svg";
// Seconds between two marks on the time axis.
const STEPS = [10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000];
const MARGIN = { left: 46, right: 8, top: 8, bottom: 24 };

function node(name, attributes, parent) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

/** 1, 2 or 5 times a power of ten, at least `value`. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value * 0.999);
}

export const colour = (index) => `var(--s${index % 8})`;

export class Chart {
  constructor(place) {
    this.place = place;
    this.history = null;
    this.cursor = null;
    new ResizeObserver(() => this.draw()).observe(place);
    place.addEventListener("pointermove", (event) => this.point(event.offsetX));
    place.addEventListener("pointerleave", () => this.point(null));
  }

  /** history: {seconds, times: [s], stages: [{stage, rates: [number|null]}]}; times count back from now. */
  show(history) {
    this.history = history;
    this.draw();
  }

  point(x) {
    this.cursor = x;
    this.draw();
  }

  draw() {
    const { place, history } = this;
    const width = place.clientWidth;
    const height = place.clientHeight;
    if (!history || width === 0) return;
    place.replaceChildren();
    if (history.times.length < 2) {
      const empty = document.createElement("p");
      empty.className = "empty quiet";
      empty.textContent = "The first points come within seconds.";
      place.append(empty);
      return;
    }
    const svg = node("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" }, place);
    svg.setAttribute("aria-label", "Samples per second of each stage over time");
    const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
    const span = Math.max(history.times[0], history.seconds * 4);
    const highest = Math.max(...history.stages.flatMap((stage) => stage.rates.map((r) => r ?? 0)), 0);
    const top = highest > 0 ? roundUp(highest) : 1;
    const x = (ago) => MARGIN.left + inner.width * (1 - ago / span);
    const y = (value) => MARGIN.top + inner.height * (1 - value / top);
    this.axes(svg, { x, y, span, top, height, width });
    history.stages.forEach((stage, index) => this.line(svg, stage, index, x, y));
    if (this.cursor !== null) this.readOut(svg, { x, span, inner, height, width });
  }

  axes(svg, { x, y, span, top, height, width }) {
    for (let step = 0; step <= 4; step += 1) {
      const value = (top * step) / 4;
      const ends = { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) };
      node("line", { class: "grid", ...ends }, svg);
      const label = node("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, svg);
      label.textContent = rate(value);
    }
    const most = width < 500 ? 3 : 6;
    const step = STEPS.find((seconds) => span / seconds <= most) ?? STEPS.at(-1);
    for (let ago = 0; ago <= span; ago += step) {
      // The outermost label may not stand out of the picture.
      const anchor = ago === 0 ? "end" : x(ago) < MARGIN.left + 20 ? "start" : "middle";
      const label = node("text", { x: x(ago), y: height - 5, "text-anchor": anchor }, svg);
      label.textContent = ago === 0 ? "now" : `−${time(ago).replace(/ 00 (s|min|h)$/, "")}`;
    }
  }

  line(svg, stage, index, x, y) {
    // A gap where nothing was measured ends one stroke and begins another.
    const runs = [[]];
    stage.rates.forEach((value, place) => {
      if (value === null) runs.push([]);
      else runs.at(-1).push([x(this.history.times[place]), y(value)]);
    });
    for (const run of runs.filter((points) => points.length > 1)) {
      const path = run.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join("L");
      const area = `M${run[0][0]},${y(0)}L${path}L${run.at(-1)[0]},${y(0)}Z`;
      node("path", { class: "area", d: area, fill: colour(index) }, svg);
      node("path", { class: "line", d: `M${path}`, stroke: colour(index) }, svg);
    }
  }

  readOut(svg, { span, inner, height, width, x }) {
    const ago = span * (1 - (this.cursor - MARGIN.left) / inner.width);
    const { times, stages } = this.history;
    let place = 0;
    times.forEach((value, index) => {
      if (Math.abs(value - ago) < Math.abs(times[place] - ago)) place = index;
    });
    const at = x(times[place]);
    node("line", { class: "cursor", x1: at, x2: at, y1: MARGIN.top, y2: height - MARGIN.bottom }, svg);
    const tip = document.createElement("div");
    tip.className = "tip";
    const when = document.createElement("small");
    when.textContent = `${time(times[place])} ago`;
    tip.append(when);
    stages.forEach((stage, index) => {
      const row = document.createElement("span");
      const name = document.createElement("span");
      const dot = document.createElement("i");
      dot.className = "dot";
      dot.style.background = colour(index);
      name.append(dot, stage.stage);
      const value = document.createElement("b");
      value.textContent = stage.rates[place] === null ? "–" : rate(stage.rates[place]);
      row.append(name, value);
      tip.append(row);
    });
    this.place.append(tip);
    const left = at + 14 + tip.offsetWidth > width ? at - 14 - tip.offsetWidth : at + 14;
    tip.style.left = `${Math.max(0, left)}px`;
  }
}
