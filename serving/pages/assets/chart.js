// Lines over dates, with bands and marks: uPlot underneath, and a table of the same numbers.
//
// drawChart(element, {dates, lines, bands, marks, unit, label}, {onHover, from, to}) ->
//   {update(data), show(from, to), destroy()}
// dates: ["2026-11-04", …] in order; lines: [{label, values, color: "--lead", dash: [4, 4]}];
// bands: [{label, low, high, color}]; marks: [{from, to, kind, label}], kind one of "promotion",
// "holiday", "stock-out" or any other; values may be null. onHover(index or null) follows the cursor.
import { paintMarks, paintSwatch, readColor } from "./chart_paint.js";
import { followPointer } from "./chart_moves.js";
import { date, number } from "./format.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";
import UPlot from "./vendor/uplot/uplot.js";

const HEIGHT = 340;
const toSeconds = (iso) => Date.parse(`${iso.slice(0, 10)}T00:00:00Z`) / 1000;

export function drawChart(element, data, options = {}) {
  const chart = new Chart(element, options);
  chart.update(data);
  return chart;
}

class Chart {
  constructor(element, options) {
    this.element = element;
    this.options = options;
    this.index = null;
    this.build();
    this.redraw = () => this.plot && (this.paintLegend(), this.plot.redraw());
    document.addEventListener("almanac:theme", this.redraw);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.place);
  }

  build() {
    const make = (name, className) => Object.assign(document.createElement(name), { className });
    this.tools = make("div", "chart-tools");
    this.legend = make("ul", "chart-legend");
    const zooms = make("div", "row");
    const buttons = [["−", "chart.zoomOut", () => this.zoom(1.5)], ["+", "chart.zoomIn", () => this.zoom(1 / 1.5)]];
    for (const [sign, name, act] of [...buttons, [t("chart.all"), "chart.all", () => this.showAll()]]) {
      const button = Object.assign(make("button", ""), { type: "button", textContent: sign, onclick: act, title: t(name) });
      if (sign !== t(name)) button.setAttribute("aria-label", t(name));
      zooms.append(button);
    }
    this.tools.append(this.legend, zooms);
    this.place = make("div", "chart-plot");
    Object.assign(this.place, { tabIndex: 0, dir: "ltr", title: t("chart.hint") });
    this.place.setAttribute("role", "slider");
    this.place.addEventListener("keydown", (event) => this.onKey(event));
    this.readout = make("p", "chart-readout faint");
    this.details = document.createElement("details");
    this.details.append(Object.assign(document.createElement("summary"), { textContent: t("chart.table") }));
    const scroll = make("div", "scroll");
    scroll.tabIndex = 0;
    this.table = document.createElement("table");
    scroll.append(this.table);
    this.details.append(scroll);
    this.details.addEventListener("toggle", () => this.fillTable());
    this.element.classList.add("chart");
    this.element.replaceChildren(this.tools, this.place, this.readout, this.details);
  }

  update(data) {
    this.data = { bands: [], marks: [], unit: "", ...data };
    this.seconds = this.data.dates.map(toSeconds);
    this.plot?.destroy();
    this.plot = new UPlot(this.describe(), this.columns(), this.place);
    this.place.setAttribute("aria-label", this.data.label ? `${this.data.label}. ${t("chart.label")}` : t("chart.label"));
    this.place.setAttribute("aria-valuemin", "0");
    this.place.setAttribute("aria-valuemax", String(Math.max(this.seconds.length - 1, 0)));
    this.stopMoves?.();
    this.stopMoves = followPointer(this);
    const { from, to } = this.options;
    if (from && to) this.show(from, to);
    this.paintLegend();
    this.point(this.firstShown());
    this.fillTable();
  }

  columns() {
    const { bands, lines } = this.data;
    return [this.seconds, ...bands.flatMap((band) => [band.high, band.low]), ...lines.map((line) => line.values)];
  }

  describe() {
    const { bands, lines } = this.data;
    // A fill alone would be too faint to see where an interval ends.
    const edge = (band) => ({ stroke: () => readColor(band.edge ?? "--lead"), width: 1, alpha: 0.55, points: { show: false } });
    const series = [{}, ...bands.flatMap((band) => [edge(band), edge(band)])];
    for (const line of lines) {
      series.push({ label: line.label, stroke: () => readColor(line.color ?? "--lead"), width: 2, dash: line.dash, points: { show: false } });
    }
    const axis = { stroke: () => readColor("--faint"), grid: { stroke: () => readColor("--line"), width: 1 }, ticks: { stroke: () => readColor("--line") } };
    return {
      width: Math.max(this.place.clientWidth, 200), height: this.options.height ?? HEIGHT,
      series,
      bands: bands.map((band, at) => ({ series: [2 * at + 1, 2 * at + 2], fill: () => readColor(band.color ?? "--lead-soft") })),
      tzDate: (seconds) => UPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 7 } },
      scales: { x: { time: true }, y: { range: (_plot, low, high) => spread(low, high) } },
      axes: [{ ...axis, space: 70, values: (plot, splits) => this.nameDates(plot, splits) }, { ...axis, size: 56, values: (_plot, splits) => splits.map((x) => number(x, { notation: "compact", maximumFractionDigits: 2 })) }],
      hooks: { drawClear: [(plot) => paintMarks(plot, this.data.marks.map((mark) => ({ ...mark, first: toSeconds(mark.from), last: toSeconds(mark.to ?? mark.from) })))], setCursor: [(plot) => this.onCursor(plot)] },
    };
  }

  nameDates(plot, splits) {
    const days = (plot.scales.x.max - plot.scales.x.min) / 86_400;
    const options = days > 800 ? { month: "short", year: "numeric" } : { day: "numeric", month: "short", ...(days > 300 ? { year: "2-digit" } : {}) };
    return splits.map((seconds) => date(new Date(seconds * 1000).toISOString(), options));
  }

  // What is true on one date, in words; spoken, shown, and the row of the table.
  say(at) {
    const { lines, bands, marks, unit, dates } = this.data;
    const parts = [...lines, ...bands].map((part) => {
      if (part.values) return part.values[at] == null ? null : `${part.label} ${number(part.values[at])}`;
      if (part.low[at] == null) return null;
      return `${part.label} ${t("chart.to", { low: number(part.low[at]), high: number(part.high[at]) })}`;
    });
    const marked = marks.filter((mark) => mark.from <= dates[at] && dates[at] <= (mark.to ?? mark.from)).map((mark) => mark.label);
    const said = [...parts, ...new Set(marked)].filter(Boolean);
    return `${date(dates[at], { weekday: "short", day: "numeric", month: "short", year: "numeric" })}: ${said.join(", ") || t("chart.noValue")}${unit ? ` (${unit})` : ""}`;
  }

  onCursor(plot) {
    const at = plot.cursor.idx;
    if (at === this.index || at === null || at === undefined) return;
    // After a key, what the pointer happens to lie on counts no more, though the scale moves it.
    if (this.isPointed) this.point(at);
  }

  point(at) {
    if (at === null || this.data.dates[at] === undefined) return;
    this.index = at;
    const said = this.say(at);
    this.readout.textContent = said;
    this.place.setAttribute("aria-valuenow", String(at));
    this.place.setAttribute("aria-valuetext", said);
    this.options.onHover?.(at);
  }

  firstShown() {
    const { bands, lines, dates } = this.data;
    if (!dates.length) return null;
    const found = (bands[0]?.low ?? lines[0]?.values ?? []).findIndex((x) => x != null);
    return Math.max(found, 0);
  }

  onKey(event) {
    this.isPointed = false;
    const last = this.seconds.length - 1;
    const step = event.shiftKey ? 7 : 1;
    const moves = { ArrowRight: step, ArrowUp: step, ArrowLeft: -step, ArrowDown: -step, PageUp: 28, PageDown: -28, Home: -Infinity, End: Infinity };
    const acts = { "+": () => this.zoom(1 / 1.5), "=": () => this.zoom(1 / 1.5), "-": () => this.zoom(1.5), 0: () => this.showAll() };
    if (event.key in moves) this.moveTo(Math.min(Math.max((this.index ?? 0) + moves[event.key], 0), last));
    else if (event.key in acts && !event.ctrlKey && !event.metaKey) acts[event.key]();
    else return;
    event.preventDefault();
  }

  moveTo(at) {
    const { min, max } = this.plot.scales.x;
    const x = this.seconds[at];
    if (x < min || x > max) this.setRange(x - (max - min) / 2, x + (max - min) / 2);
    this.point(at);
    this.placeCursor();
  }

  placeCursor() {
    const left = this.plot.valToPos(this.seconds[this.index], "x");
    this.plot.setCursor({ left, top: this.plot.over.clientHeight / 2 }, false);
  }

  zoom(factor, center) {
    const { min, max } = this.plot.scales.x;
    const around = center ?? (this.index === null ? (min + max) / 2 : Math.min(Math.max(this.seconds[this.index], min), max));
    this.setRange(around - (around - min) * factor, around + (max - around) * factor);
  }

  show(from, to) { this.setRange(toSeconds(from), toSeconds(to)); }
  showAll() { this.setRange(this.seconds[0], this.seconds.at(-1)); }

  // Keep what is shown within the dates that there are, and a week wide or more.
  setRange(min, max) {
    const first = this.seconds[0];
    const last = this.seconds.at(-1);
    const width = Math.min(Math.max(max - min, 7 * 86_400), Math.max(last - first, 86_400));
    const middle = (min + max) / 2;
    const start = Math.min(Math.max(middle - width / 2, first), Math.max(last - width, first));
    this.plot.setScale("x", { min: start, max: start + width });
    if (!this.isPointed && this.index !== null) this.placeCursor();
  }

  paintLegend() {
    const { lines, bands, marks } = this.data;
    const kinds = [...new Map(marks.map((mark) => [mark.kind, mark])).values()];
    const parts = [...lines.map((one) => ["line", one, one.label]), ...bands.map((one) => ["band", one, one.label]), ...kinds.map((one) => [one.kind, one, one.kindLabel ?? one.label])];
    this.legend.replaceChildren(...parts.map(([kind, one, label]) => {
      const item = document.createElement("li");
      item.append(paintSwatch(kind, one), label);
      return item;
    }));
  }

  fillTable() {
    if (!this.details.open) return;
    const { dates, lines, bands, marks } = this.data;
    const columns = [
      { key: "date", label: t("chart.date"), isHeader: true, format: (iso) => date(iso) },
      ...lines.map((line, at) => ({ key: `line${at}`, label: line.label, isNumber: true, format: (x) => number(x) })),
      ...bands.flatMap((band, at) => ["low", "high"].map((end) => ({ key: `${end}${at}`, label: t(`chart.${end}`, { label: band.label }), isNumber: true, format: (x) => number(x) }))),
      ...(marks.length ? [{ key: "marks", label: t("chart.marks") }] : []),
    ];
    fillTable(this.table, columns, dates.map((iso, at) => ({
      date: iso,
      ...Object.fromEntries(lines.map((line, n) => [`line${n}`, line.values[at]])),
      ...Object.fromEntries(bands.flatMap((band, n) => [[`low${n}`, band.low[at]], [`high${n}`, band.high[at]]])),
      marks: [...new Set(marks.filter((mark) => mark.from <= iso && iso <= (mark.to ?? mark.from)).map((mark) => mark.label))].join(", "),
    })));
  }

  resize() {
    const width = this.place.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.options.height ?? HEIGHT });
  }

  destroy() {
    document.removeEventListener("almanac:theme", this.redraw);
    this.observer.disconnect();
    this.stopMoves?.();
    this.plot?.destroy();
    this.element.replaceChildren();
  }
}

// From nought where values are near it, with room above.
function spread(low, high) {
  if (low === null || high === null) return [0, 1];
  const bottom = low >= 0 && low < high * 0.6 ? 0 : low - (high - low) * 0.08;
  return [bottom, high + Math.max((high - bottom) * 0.08, 1e-9)];
}
