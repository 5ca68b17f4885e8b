// What several channels are worth: the raw and the adjusted difference in one table with a picture.
import { el, said } from "./elements.js";
import { date, money, number, percent } from "./format.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";
import { nameChannel, nameOf } from "./words.js";

const WHOLE = { maximumFractionDigits: 0 };
const TWO = { maximumFractionDigits: 2 };

export function showValue(place, value, currency) {
  const parts = value.lift === null
    ? [el("div", { class: "notice warn" }, el("p", {}, t("noLift")), said(asSentence(value.missing ?? ""), "p"))]
    : tellLift(value.lift);
  parts.push(el("p", { class: "faint" }, t("windows", {
    baseline: value.baseline_days, outcome: value.outcome_days, from: date(value.baseline_from),
  })));
  if (value.mixes.length > 0) parts.push(makeMixes(value.mixes, currency));
  place.replaceChildren(...parts);
}

const asSentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function tellLift(lift) {
  const spend = lift.effects[0];
  const parts = [el("p", { class: "notice" }, el("strong", {}, tellHeadline(spend)), " ", tellSelection(spend))];
  parts.push(el("div", { class: "scroll" }, makeEffects(lift.effects)));
  parts.push(el("p", {}, t("grounds", {
    left: lift.left_out, all: lift.compared, balance: number(lift.worst_balance, TWO),
  })));
  parts.push(el("p", {}, t("eWords", { value: number(spend.e_value, TWO) })));
  return parts;
}

const tellMore = (share) => t(share >= 0 ? "more" : "less", { percent: percent(Math.abs(share), WHOLE) });

function tellHeadline(spend) {
  return t("headline", {
    raw: tellMore(spend.raw), adjusted: tellMore(spend.adjusted), low: percent(spend.low, WHOLE), high: percent(spend.high, WHOLE),
  });
}

function tellSelection(spend) {
  if (spend.raw <= 0) return "";
  const part = 1 - Math.max(spend.adjusted, 0) / spend.raw;
  if (part >= 0.5) return t("selection.most");
  if (part >= 0.2) return t("selection.part", { percent: percent(part, WHOLE) });
  return t("selection.little");
}

function makeEffects(effects) {
  const rows = effects.flatMap((one) => [
    { outcome: one.outcome, basis: "raw", value: one.raw, low: one.raw_low, high: one.raw_high },
    { outcome: one.outcome, basis: "adjusted", value: one.adjusted, low: one.low, high: one.high, eValue: one.e_value },
  ]);
  const known = rows.filter((row) => row.value !== null);
  const scale = { low: Math.min(0, ...known.map((row) => row.low)), high: Math.max(0, ...known.map((row) => row.high)) };
  const table = el("table", { class: "effects" });
  table.createCaption().textContent = t("picture");
  fillTable(table, [
    { key: "outcome", label: t("outcome"), isHeader: true, format: (outcome) => nameOf("outcome", outcome) },
    { key: "basis", label: t("basis"), format: (basis) => t(basis) },
    { key: "value", label: t("difference"), format: (_, row) => tellDifference(row) },
    { key: "low", label: t("drawn"), format: (_, row) => drawInterval(row, scale) },
    { key: "eValue", label: t("eValue"), isNumber: true, format: (value) => number(value, TWO) },
  ], rows);
  return table;
}

function tellDifference({ value, low, high }) {
  if (value === null) return "–";
  const share = percent(value, { signDisplay: "exceptZero", maximumFractionDigits: 1 });
  const range = t("range", { low: percent(low), high: percent(high) });
  return el("span", {}, el("strong", {}, share), " ", el("span", { class: "faint date" }, range));
}

// A point with its interval on a scale that all rows share; the numbers stand beside it.
function drawInterval(row, scale) {
  const track = el("div", { class: `interval is-${row.basis}`, dir: "ltr" });
  track.setAttribute("aria-hidden", "true");
  if (row.value === null || scale.high === scale.low) return track;
  const place = (value) => `${(100 * (value - scale.low)) / (scale.high - scale.low)}%`;
  const zero = el("span", { class: "interval-zero" });
  const line = el("span", { class: "interval-line" });
  const point = el("span", { class: "interval-point" });
  zero.style.left = place(0);
  line.style.left = place(row.low);
  line.style.right = `calc(100% - ${place(row.high)})`;
  point.style.left = place(row.value);
  track.append(zero, line, point);
  return track;
}

function makeMixes(mixes, currency) {
  const worth = (value) => (currency ? money(value, currency) : number(value, TWO));
  const table = el("table");
  fillTable(table, [
    { key: "mix", label: t("mix"), isHeader: true, format: nameMix },
    { key: "customers", label: t("customers"), isNumber: true, format: (n) => number(n, WHOLE) },
    { key: "baseline_orders", label: t("baselineOrders"), isNumber: true, format: (n) => number(n, TWO) },
    { key: "orders", label: t("orders"), isNumber: true, format: (n) => number(n, TWO) },
    { key: "spend", label: t("spend"), isNumber: true, format: worth },
    { key: "order_value", label: t("orderValue"), isNumber: true, format: worth },
  ], mixes);
  return el("div", { class: "scroll" }, table);
}

function nameMix(mix) {
  if (mix === "several") return t("mix.several");
  return mix.endsWith(" only") ? t("mix.only", { channel: nameChannel(mix.slice(0, -5)) }) : mix;
}
