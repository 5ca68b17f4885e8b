// The 168 hours of a week as a table of 24 × 7: each cell says its number, is reached by arrow keys,
// and is told in words. Days start as the reader's weeks do; on narrow screens hours run downwards.
import { language, t } from "./strings.js";

const WIDE = matchMedia("(min-width: 62rem)");
const LONGEST = 4;
const MONDAY = Date.UTC(2024, 0, 1);
const UTC = { timeZone: "UTC" };
const dayNames = (style) => new Intl.DateTimeFormat(language, { weekday: style, ...UTC });
const hourNames = new Intl.DateTimeFormat(language, { hour: "numeric", ...UTC });
const at = (slot) => new Date(MONDAY + slot * 3_600_000);

// "Sunday 20:00", as the language writes it.
export const nameSlot = (slot) => t("slot", { day: dayNames("long").format(at(slot)), hour: nameHour(slot % 24) });
const nameHour = (hour) => hourNames.format(at(hour));

function firstDay() {
  const locale = new Intl.Locale(language);
  const info = locale.getWeekInfo?.() ?? locale.weekInfo;
  return (info?.firstDay ?? 1) - 1;
}

const makeSpan = (text, className) => Object.assign(document.createElement("span"), { textContent: text, className });

export class HeatMap {
  // {caption, show(slot), describe(slot), level(slot) 0–5, best: Set of slots, legend: [texts] or none}
  constructor(element, options) {
    Object.assign(this, { element, slot: null, ...options });
    this.days = Array.from({ length: 7 }, (_, n) => (firstDay() + n) % 7);
    this.turn = () => this.draw();
    WIDE.addEventListener("change", this.turn);
    this.draw();
  }

  destroy() {
    WIDE.removeEventListener("change", this.turn);
  }

  draw() {
    const isWide = WIDE.matches;
    const hours = Array.from({ length: 24 }, (_, hour) => hour);
    this.grid = isWide
      ? this.days.map((day) => hours.map((hour) => day * 24 + hour))
      : hours.map((hour) => this.days.map((day) => day * 24 + hour));
    const day = (style) => (slot) => dayNames(style).format(at(slot));
    const hour = (slot) => nameHour(slot % 24);
    const table = document.createElement("table");
    table.className = "heat";
    table.setAttribute("role", "grid");
    table.createCaption().textContent = this.caption;
    this.addHead(table, isWide ? hour : day("short"), isWide ? t("day") : t("hours"));
    const body = table.createTBody();
    for (const slots of this.grid) this.addRow(body, slots, isWide ? day("short") : hour);
    this.readout = Object.assign(document.createElement("p"), { className: "heat-readout" });
    this.readout.setAttribute("aria-hidden", "true"); // each cell is spoken by its own label
    this.element.replaceChildren(table, this.readout, ...this.listLegend());
    table.addEventListener("keydown", (event) => this.onKey(event));
    this.point(this.slot ?? [...this.best][0] ?? this.grid[0][0]);
  }

  addHead(table, name, corner) {
    const line = table.createTHead().insertRow();
    for (const slot of [null, ...this.grid[0]]) {
      const cell = document.createElement("th");
      cell.scope = "col";
      if (slot === null) cell.append(makeSpan(corner, "unseen"));
      else this.fillHead(cell, name(slot), slot);
      line.append(cell);
    }
  }

  // Hours in two lines, "4" and "PM"; days whose names are too long for a narrow column by a letter.
  fillHead(cell, name, slot) {
    if (WIDE.matches || name.length <= LONGEST) {
      cell.append(...name.split(/\s/).map((part) => makeSpan(part, "")));
      return;
    }
    const letter = makeSpan(dayNames("narrow").format(at(slot)), "");
    letter.setAttribute("aria-hidden", "true");
    cell.append(letter, makeSpan(name, "unseen"));
  }

  addRow(body, slots, name) {
    const line = body.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name(slots[0]);
    line.append(head);
    for (const slot of slots) {
      const cell = line.insertCell();
      cell.textContent = this.show(slot);
      cell.tabIndex = -1;
      cell.dataset.slot = slot;
      cell.dataset.level = this.level(slot);
      cell.classList.toggle("is-best", this.best.has(slot));
      cell.setAttribute("aria-label", this.describe(slot));
      cell.addEventListener("focus", () => this.point(slot));
      cell.addEventListener("pointerenter", () => this.point(slot));
    }
  }

  listLegend() {
    if (!this.legend) return [];
    const list = Object.assign(document.createElement("ul"), { className: "heat-legend" });
    const first = document.createElement("li");
    first.textContent = `${t("legend")}:`;
    list.append(first);
    this.legend.forEach((text, level) => {
      const item = document.createElement("li");
      const swatch = document.createElement("span");
      swatch.dataset.level = level;
      item.append(swatch, text);
      list.append(item);
    });
    return [list];
  }

  cell(slot) {
    return this.element.querySelector(`td[data-slot="${slot}"]`);
  }

  point(slot) {
    if (this.slot !== null && this.cell(this.slot)) this.cell(this.slot).tabIndex = -1;
    this.slot = slot;
    this.cell(slot).tabIndex = 0;
    this.readout.textContent = this.describe(slot);
  }

  onKey(event) {
    const row = this.grid.findIndex((slots) => slots.includes(this.slot));
    const column = this.grid[row].indexOf(this.slot);
    const ahead = getComputedStyle(this.element).direction === "rtl" ? -1 : 1;
    const last = [this.grid.length - 1, this.grid[0].length - 1];
    const moves = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
      ArrowRight: [row, column + ahead], ArrowLeft: [row, column - ahead],
      Home: [row, 0], End: [row, last[1]], PageUp: [0, column], PageDown: [last[0], column],
    };
    const to = moves[event.key];
    if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.cell(this.grid[to[0]]?.[to[1]] ?? this.slot).focus();
  }
}
