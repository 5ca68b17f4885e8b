// The hours of a week as a table: 24 × 7 cells, each a number on its shade of colour.
//
// drawHeatmap(element, {probability, low, high, base, label}, {onPick}) -> {update(data), pick(slot)}
// probability: 168 fractions, 0 = Monday 00:00 of the local week; low, high: 168 each, or absent;
// base: what "times the average" compares with, the mean where absent; label: what the table is of.
// onPick(slot) follows clicks, Enter and Space. Arrows, Home, End and Page keys move from cell to
// cell. Where there is little room, hours run downwards. Texts are those of pages/heatmap.py.
import { number, percent } from "./format.js";
import { language, t } from "./strings.js";

const DAYS = 7;
const HOURS = 24;
const BEST = 3;
const LONGEST_NAME = 4;
const NUMERALS = new Set(["integer", "group", "decimal", "fraction"]);
const narrow = matchMedia("(max-width: 60rem)");
const made = new WeakMap();

export function drawHeatmap(element, data, options = {}) {
  const map = made.get(element) ?? new Heatmap(element);
  made.set(element, map);
  map.options = options;
  map.update(data);
  return map;
}

// The days in the order of the reader's week, as 0 = Monday … 6 = Sunday.
export function listDays() {
  const locale = new Intl.Locale(language);
  const first = (locale.getWeekInfo?.() ?? locale.weekInfo)?.firstDay ?? 1;
  return Array.from({ length: DAYS }, (_, place) => (first - 1 + place) % DAYS);
}

const moment = (day, hour) => new Date(Date.UTC(2024, 0, 1 + day, hour)); // 2024 began on a Monday
const write = (options) => new Intl.DateTimeFormat(language, { ...options, timeZone: "UTC" });
const shortDay = write({ weekday: "short" });
const letterDay = write({ weekday: "narrow" });
const longDay = write({ weekday: "long" });
const clock = write({ hour: "numeric", minute: "2-digit" });
const shortHour = new Intl.NumberFormat(language, { minimumIntegerDigits: 2 });

// A slot in words, such as "Sunday 20:00".
export function nameSlot(slot) {
  const at = moment(Math.floor(slot / HOURS), slot % HOURS);
  return t("heatmap.slot", { day: longDay.format(at), hour: clock.format(at) });
}

class Heatmap {
  constructor(element) {
    this.element = element;
    this.focused = null;
    this.picked = null;
    narrow.addEventListener("change", () => this.draw());
    element.addEventListener("keydown", (event) => this.onKey(event));
    element.addEventListener("click", (event) => this.onClick(event));
    element.addEventListener("focusin", (event) => this.onFocus(event));
    element.addEventListener("mouseover", (event) => this.say(event.target.closest?.("td")));
  }

  update(data) {
    this.data = data;
    const ranked = data.probability.map((_, slot) => slot);
    ranked.sort((one, other) => data.probability[other] - data.probability[one]);
    this.best = new Set(ranked.slice(0, BEST).filter((slot) => data.probability[slot] > 0));
    this.most = Math.max(...data.probability);
    this.least = Math.min(...data.probability);
    this.base = data.base ?? data.probability.reduce((sum, one) => sum + one, 0) / data.probability.length;
    const digits = this.most >= 0.1 ? 0 : this.most >= 0.01 ? 1 : 2;
    this.digits = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    this.focused ??= ranked[0];
    this.picked = null;
    this.draw();
  }

  pick(slot) {
    this.picked = slot;
    this.focused = slot;
    for (const cell of this.cells.values()) cell.setAttribute("aria-selected", String(Number(cell.dataset.slot) === slot));
    this.point(false);
  }

  draw() {
    if (!this.data) return;
    const days = listDays();
    const hours = Array.from({ length: HOURS }, (_, hour) => hour);
    this.lines = narrow.matches
      ? hours.map((hour) => days.map((day) => day * HOURS + hour))
      : days.map((day) => hours.map((hour) => day * HOURS + hour));
    this.cells = new Map();
    const table = document.createElement("table");
    table.className = "heatmap";
    table.setAttribute("role", "grid");
    table.createCaption().textContent = this.data.label;
    table.append(this.makeHead(days, hours), this.makeBody());
    this.readout = Object.assign(document.createElement("p"), { className: "heatmap-readout" });
    const scroll = Object.assign(document.createElement("div"), { className: "scroll" });
    scroll.append(table);
    this.element.replaceChildren(scroll, this.readout, this.makeLegend());
    this.point(false);
    this.say(this.cells.get(this.focused));
  }

  makeHead(days, hours) {
    const head = document.createElement("thead");
    const line = head.insertRow();
    line.append(makeHeader("col", t(narrow.matches ? "heatmap.hour" : "heatmap.day")));
    const names = narrow.matches ? days.map(nameDay) : hours.map(nameHour);
    for (const [short, long] of names) line.append(makeHeader("col", short, long));
    return head;
  }

  makeBody() {
    const body = document.createElement("tbody");
    for (const slots of this.lines) {
      const line = body.insertRow();
      const [short, long] = narrow.matches ? nameHour(slots[0] % HOURS) : nameDay(Math.floor(slots[0] / HOURS));
      line.append(makeHeader("row", short, long));
      for (const slot of slots) line.append(this.makeCell(slot));
    }
    return body;
  }

  makeCell(slot) {
    const cell = document.createElement("td");
    const value = this.data.probability[slot];
    const share = this.most > this.least ? (value - this.least) / (this.most - this.least) : 0;
    cell.dataset.slot = slot;
    cell.tabIndex = -1;
    cell.textContent = this.writeShort(value);
    cell.style.setProperty("--heat", share.toFixed(3));
    cell.classList.toggle("is-best", this.best.has(slot));
    cell.setAttribute("role", "gridcell");
    cell.setAttribute("aria-label", this.describe(slot));
    cell.setAttribute("aria-selected", String(slot === this.picked));
    this.cells.set(slot, cell);
    return cell;
  }

  // The number of the percentage alone; it stands in the spoken text, too, digit by digit.
  writeShort(value) {
    const parts = new Intl.NumberFormat(language, { style: "percent", ...this.digits }).formatToParts(value);
    return parts.filter(({ type }) => NUMERALS.has(type)).map((part) => part.value).join("");
  }

  makeLegend() {
    const legend = Object.assign(document.createElement("p"), { className: "heatmap-legend faint" });
    const least = document.createElement("span");
    const bar = Object.assign(document.createElement("span"), { className: "heatmap-bar" });
    const most = document.createElement("span");
    const best = document.createElement("span");
    least.textContent = percent(this.least, this.digits);
    most.textContent = percent(this.most, this.digits);
    best.textContent = t("heatmap.best");
    best.className = "heatmap-best";
    bar.setAttribute("aria-hidden", "true");
    legend.append(least, bar, most, best);
    return legend;
  }

  // "Sunday 20:00: 6.2 %, 1.8 times the average, between 4.0 % and 8.9 %"
  describe(slot) {
    const parts = [percent(this.data.probability[slot], this.digits)];
    if (this.base > 0) {
      const times = number(this.data.probability[slot] / this.base, { maximumFractionDigits: 1 });
      parts.push(t("heatmap.times", { times }));
    }
    if (this.data.low && this.data.high) {
      const [low, high] = [this.data.low[slot], this.data.high[slot]].map((one) => percent(one, this.digits));
      parts.push(t("heatmap.between", { low, high }));
    }
    if (this.best.has(slot)) parts.push(t("heatmap.best"));
    return t("heatmap.cell", { slot: nameSlot(slot), what: new Intl.ListFormat(language, { type: "unit", style: "short" }).format(parts) });
  }

  onKey(event) {
    const cell = event.target.closest("td");
    if (!cell || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.choose(Number(cell.dataset.slot));
      return;
    }
    const slot = this.move(Number(cell.dataset.slot), event.key);
    if (slot === null) return;
    event.preventDefault();
    this.focused = slot;
    this.point(true);
  }

  move(slot, key) {
    const line = this.lines.findIndex((slots) => slots.includes(slot));
    const place = this.lines[line].indexOf(slot);
    const [last, end] = [this.lines.length - 1, this.lines[line].length - 1];
    const onwards = getComputedStyle(this.element).direction === "rtl" ? -1 : 1;
    const steps = {
      ArrowRight: [line, place + onwards], ArrowLeft: [line, place - onwards],
      ArrowDown: [line + 1, place], ArrowUp: [line - 1, place],
      Home: [line, 0], End: [line, end], PageUp: [0, place], PageDown: [last, place],
    };
    if (!(key in steps)) return null;
    const [toLine, toPlace] = steps[key];
    return this.lines[Math.min(Math.max(toLine, 0), last)][Math.min(Math.max(toPlace, 0), end)];
  }

  onClick(event) {
    const cell = event.target.closest("td");
    if (cell) this.choose(Number(cell.dataset.slot));
  }

  onFocus(event) {
    const cell = event.target.closest("td");
    if (!cell) return;
    this.focused = Number(cell.dataset.slot);
    this.point(false);
    this.say(cell);
  }

  choose(slot) {
    this.pick(slot);
    this.options.onPick?.(slot);
  }

  // One cell is in the order of Tab: the one that was left last.
  point(isMoved) {
    for (const [slot, cell] of this.cells) cell.tabIndex = slot === this.focused ? 0 : -1;
    if (isMoved) this.cells.get(this.focused).focus();
  }

  say(cell) {
    if (cell) this.readout.textContent = cell.getAttribute("aria-label");
  }
}

// Seven short names are too long side by side in some languages, such as Arabic.
const weekday = (day, format) => format.format(moment(day, 0));
const isLong = Array.from({ length: DAYS }, (_, day) => weekday(day, shortDay)).some((name) => name.length > LONGEST_NAME);
const nameDay = (day) => [weekday(day, narrow.matches && isLong ? letterDay : shortDay), weekday(day, longDay)];
const nameHour = (hour) => [shortHour.format(hour), clock.format(moment(0, hour))];

function makeHeader(scope, text, long) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.textContent = text;
  if (long) cell.abbr = long;
  if (long && long !== text) cell.title = long;
  return cell;
}
