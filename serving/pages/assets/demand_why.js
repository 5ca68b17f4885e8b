// What the forecast of one date is made of, or what is known of a day that is past.
import { make, writePrice, writeUnits } from "./demand_names.js";
import { date, number, percent } from "./format.js";
import { t } from "./strings.js";

const PARTS = ["base", "trend", "season", "price", "promotion", "holiday", "regressors", "other_models"];
const SMALL = 0.05; // below it a part would be written as nought

export function showWhy(element, title, day) {
  title.textContent = date(day.date);
  const said = day.forecast ? explain(day.forecast, day.reasons) : tellPast(day.past);
  const plan = day.forecast && day.past ? tellConditions(day.past) : [];
  element.replaceChildren(...said, ...plan);
}

// Reasons come after the forecast: undefined is not yet, null is never.
function explain(forecast, reasons) {
  if (reasons === undefined) return [make("p", "faint", t("shell.loading"))];
  if (reasons === null) return [make("p", "faint", t("whyNone"))];
  const parts = PARTS.map((name) => [name, reasons[name] ?? 0]).filter(([, units]) => Math.abs(units) >= SMALL);
  const most = Math.max(...parts.map(([, units]) => Math.abs(units)), forecast.mean, SMALL);
  const table = make("table", "parts");
  const head = table.createTHead().insertRow();
  for (const [label, className] of [[t("part"), ""], [t("unitsColumn"), "number"], ["", ""]]) {
    const cell = make(label ? "th" : "td", className, label);
    if (label) cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  for (const [name, units] of [...parts, ["mean", forecast.mean]]) {
    const row = body.insertRow();
    if (name === "mean") row.className = "sum";
    const label = make("th", "", t(`reason.${name}`));
    label.scope = "row";
    const isAdded = name !== "base" && name !== "mean";
    const figure = make("td", "number", number(units, { maximumFractionDigits: 1, signDisplay: isAdded ? "exceptZero" : "auto" }));
    const cell = make("td", "bar-cell");
    const bar = make("span", units < 0 ? "part-bar less" : "part-bar");
    bar.style.inlineSize = `${Math.min(100, (100 * Math.abs(units)) / most)}%`;
    bar.setAttribute("aria-hidden", "true");
    cell.append(bar);
    row.append(label, figure, cell);
  }
  return [table];
}

function tellPast(past) {
  if (!past) return [];
  const sold = past.units === null ? t("whyPastUnknown") : t("whyPast", { units: writeUnits(past.units) });
  return [make("p", "", sold), ...tellConditions(past)];
}

function tellConditions(past) {
  const said = [];
  if (past.price !== null) said.push(t("whyPrice", { price: writePrice(past.price) }));
  if (past.promoted > 0) said.push(t("whyPromoted", { share: percent(past.promoted, { maximumFractionDigits: 0 }) }));
  if (past.stock_out > 0) said.push(t("whyOut", { share: percent(past.stock_out, { maximumFractionDigits: 0 }) }));
  return said.map((words) => make("p", "faint", words));
}
