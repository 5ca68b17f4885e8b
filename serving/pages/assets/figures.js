// Two figures of a model's evidence, as SVG; the page puts a table of the same numbers beside each.
import { svg } from "./elements.js";
import { number, percent } from "./format.js";

// As wide as there is room, so that its letters are as large as those of the page.
const findWidth = () => Math.min(560, Math.max(290, innerWidth - 80));

// Predicted against observed, with intervals; on logarithmic axes where values span decades.
export function drawCalibration(bins, { label, x: nameX, y: nameY }) {
  const [width, height] = [findWidth(), 360];
  const box = { left: 72, right: width - 32, top: 12, bottom: height - 48 };
  const values = bins.flatMap((bin) => [bin.predicted, bin.observed, bin.low, bin.high]).filter((v) => v > 0);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const isLog = most / least > 30;
  const scale = isLog ? Math.log10 : (v) => v;
  const [first, last] = isLog ? [Math.floor(scale(least)), Math.ceil(scale(most))] : [0, most * 1.05];
  const place = (v) => (scale(Math.max(v, isLog ? 10 ** first : 0)) - first) / (last - first);
  const x = (v) => box.left + place(v) * (box.right - box.left);
  const y = (v) => box.bottom - place(v) * (box.bottom - box.top);
  const ticks = isLog ? range(first, last).map((power) => 10 ** power) : range(0, 4).map((n) => (n * most) / 4);
  const figure = open(width, height, label);
  for (const tick of ticks) {
    const shown = percent(tick, { maximumSignificantDigits: 2 });
    figure.append(
      svg("line", { class: "axis", x1: x(tick), x2: x(tick), y1: box.top, y2: box.bottom }),
      svg("line", { class: "axis", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }),
      text(x(tick), box.bottom + 17, shown, "middle"),
      text(box.left - 7, y(tick) + 4, shown, "end"),
    );
  }
  figure.append(svg("line", { class: "expected", x1: box.left, y1: box.bottom, x2: box.right, y2: box.top }));
  for (const bin of bins) {
    figure.append(
      svg("line", { class: "reach", x1: x(bin.predicted), x2: x(bin.predicted), y1: y(bin.low), y2: y(bin.high) }),
      svg("circle", { class: "first", cx: x(bin.predicted), cy: y(bin.observed), r: 4 }),
    );
  }
  figure.append(text((box.left + box.right) / 2, height - 10, nameX, "middle", "name"));
  const turned = text(0, 0, nameY, "middle", "name");
  turned.setAttribute("transform", `translate(14 ${(box.top + box.bottom) / 2}) rotate(-90)`);
  figure.append(turned);
  return figure;
}

// Measured coverage by level: a circle for 80 %, a diamond for 95 %, each beside its own line.
export function drawCoverage(rows, { label }) {
  const levels = [...new Set(rows.map((row) => row.level))];
  const [width, height] = [findWidth(), 44 + 30 * levels.length];
  const letters = width < 400 ? 16 : 24;
  const box = { left: letters * 7 + 14, right: width - 24, top: 10, bottom: height - 30 };
  const least = Math.min(0.5, ...rows.map((row) => row.measured ?? 1));
  const first = Math.floor(least * 10) / 10;
  const x = (v) => box.left + ((v - first) / (1 - first)) * (box.right - box.left);
  const figure = open(width, height, label);
  const step = 1 - first > 0.3 && width < 420 ? 0.2 : 0.1;
  for (let tick = first; tick < 1.001; tick += step) {
    figure.append(svg("line", { class: "axis", x1: x(tick), x2: x(tick), y1: box.top, y2: box.bottom }));
    figure.append(text(x(tick), height - 10, percent(tick, { maximumFractionDigits: 0 }), "middle"));
  }
  for (const nominal of [...new Set(rows.map((row) => row.nominal))]) {
    figure.append(svg("line", { class: "expected", x1: x(nominal), x2: x(nominal), y1: box.top, y2: box.bottom }));
  }
  levels.forEach((level, at) => {
    const y = box.top + 15 + 30 * at;
    figure.append(text(box.left - 10, y + 4, shorten(level, letters), "end"));
    for (const row of rows.filter((one) => one.level === level && one.measured !== null)) figure.append(mark(row, x(row.measured), y));
  });
  return figure;
}

function mark(row, x, y) {
  const title = svg("title", {}, `${percent(row.nominal)}: ${number(row.measured * 100)}`);
  if (row.nominal < 0.9) return svg("circle", { class: "first", cx: x, cy: y, r: 6 }, title);
  return svg("path", { class: "second", d: `M${x} ${y - 8}L${x + 8} ${y}L${x} ${y + 8}L${x - 8} ${y}Z` }, title);
}

const range = (first, last) => Array.from({ length: last - first + 1 }, (_, at) => first + at);
const shorten = (name, letters) => (name.length > letters ? `${name.slice(0, letters - 1)}…` : name);

function open(width, height, label) {
  return svg("svg", { class: "figure", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, direction: "ltr" });
}

function text(x, y, content, anchor, name = "") {
  return svg("text", { x, y, "text-anchor": anchor, class: name }, content);
}
