// The series above, each with its own small chart, and the ones below as tables that lead on.
import { getJson, showProblem } from "./api.js";
import { drawChart } from "./chart.js";
import { linkTo, make, namePair, nameProduct, nameRegion, writeGrowth, writeUnits } from "./demand_names.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";

const HEIGHT = 170;
const SHOWN_DAYS = 92;
let charts = [];

export function showTrail(list, above, onChoose) {
  list.replaceChildren(...above.map((one) => {
    const item = make("li");
    const arrow = make("span", "", "↑ ");
    arrow.setAttribute("aria-hidden", "true");
    item.append(arrow, linkTo(one, namePair(one), onChoose));
    return item;
  }));
}

export function showLevels(list, kin, onChoose) {
  charts.forEach((chart) => chart.destroy());
  charts = [];
  // Above the whole there is nothing: its largest parts stand beside it.
  const others = kin.above.length ? kin.above : [...kin.regions.slice(0, 1), ...kin.products.slice(0, 1)];
  list.replaceChildren(...[kin.series, ...others].map((one, at) => {
    const card = make("li", "card");
    const title = make("h3");
    if (at) title.append(linkTo(one, namePair(one), onChoose));
    else title.textContent = namePair(one);
    const figures = make("p", "", `${t("ahead")}: ${writeUnits(one.units)}. ${t("growth")}: ${writeGrowth(one.growth)} (${t(one.compared_with)}).`);
    const place = make("div", "small-chart");
    card.append(title, make("p", "faint", one.level), figures, place);
    drawLevel(place, one);
    return card;
  }));
}

async function drawLevel(place, series) {
  const pair = { region: series.region_id, product: series.product_id };
  try {
    const made = (await getJson("/v1/forecasts", { ...pair, limit: 1000 })).forecasts;
    const from = new Date(Date.parse(made[0].date) - SHOWN_DAYS * 86_400_000).toISOString().slice(0, 10);
    const past = await getJson("/v1/history", { ...pair, from });
    if (!place.isConnected) return;
    charts.push(drawChart(place, layOut(series, made, past), { height: HEIGHT }));
  } catch (error) {
    showProblem(place, error);
  }
}

function layOut(series, made, past) {
  const byDate = new Map(made.map((one) => [one.date, one]));
  const bound = (end) => past.dates.map((day) => byDate.get(day)?.intervals["0.8"]?.[end] ?? null);
  return {
    dates: past.dates,
    lines: [
      { label: t("sold"), values: past.units, color: "--ink" },
      { label: t("forecast"), values: past.dates.map((day) => byDate.get(day)?.mean ?? null), color: "--lead" },
    ],
    bands: [{ label: t("inside80"), low: bound(0), high: bound(1), color: "--narrow" }],
    unit: t("units"),
    label: t("chartOf", { name: namePair(series) }),
  };
}

export function showBelow(element, rows, name, onChoose) {
  if (!rows.length) {
    element.replaceChildren(make("p", "faint", t("noneBelow")));
    return;
  }
  const table = make("table");
  const isRegion = name === nameRegion;
  fillTable(table, [
    { key: "name", label: t(isRegion ? "region" : "product"), isHeader: true, format: (_x, row) => linkTo(row, isRegion ? nameRegion(row) : nameProduct(row), onChoose) },
    { key: "units", label: t("ahead"), isNumber: true, format: writeUnits },
    { key: "growth", label: t("growth"), isNumber: true, format: writeGrowth },
    { key: "compared_with", label: t("comparedWith"), format: (words) => t(words) },
  ], rows);
  element.replaceChildren(table);
}
