// The past, the forecast and a scenario of one selection in one chart.
import { showProblem } from "./api.js";
import { drawChart } from "./chart.js";
import { t } from "./strings.js";

const SHOWN = 92; // past periods that the first view holds
const HEIGHT = 400;
const HALF = 0.5;
const NEARLY_ALWAYS = 0.9; // share of the dates above which a mark says nothing

export class DemandChart {
  constructor(element, onDay) {
    this.element = element;
    this.onDay = onDay;
    this.chart = null;
  }

  fail(error, retry) {
    this.chart?.destroy();
    this.chart = null;
    showProblem(this.element, error, retry);
  }

  show(name, forecasts, past, view) {
    const own = layOut(forecasts, past);
    Object.assign(this, { ...own, scenario: null, reasons: undefined });
    this.label = t("chartOf", { name });
    const from = view.from ?? own.dates[Math.max(own.nPast - SHOWN, 0)];
    const to = view.to ?? own.dates.at(-1);
    this.chart?.destroy();
    this.chart = drawChart(this.element, this.describe(), { from, to, height: HEIGHT, onHover: (at) => this.tell(at) });
  }

  setReasons(byDate) {
    this.reasons = byDate;
    if (this.chart) this.tell(this.chart.index);
  }

  setScenario(answer) {
    if (!this.chart) return;
    if (!answer && !this.scenario) return;
    const byDate = new Map((answer?.dates ?? []).map((one) => [one.date, one.scenario.mean]));
    this.scenario = answer ? this.dates.map((day) => byDate.get(day) ?? null) : null;
    const { from, to } = this.range();
    Object.assign(this.chart.options, { from, to });
    this.chart.update(this.describe());
  }

  // The dates that are shown now.
  range() {
    const scale = this.chart?.plot?.scales.x;
    const write = (seconds) => new Date(Math.round(seconds / 86_400) * 86_400_000).toISOString().slice(0, 10);
    return scale ? { from: write(scale.min), to: write(scale.max) } : {};
  }

  describe() {
    const lines = [
      { label: t("sold"), values: this.sold, color: "--ink" },
      { label: t("forecast"), values: this.mean, color: "--lead" },
    ];
    if (this.scenario) lines.push({ label: t("scenario"), values: this.scenario, color: "--second", dash: [6, 4] });
    return { dates: this.dates, lines, bands: this.bands, marks: this.marks, unit: t("units"), label: this.label };
  }

  tell(at) {
    const day = this.dates?.[at];
    if (day === undefined) return;
    const reasons = this.reasons && (this.reasons.get(day) ?? null);
    this.onDay({ date: day, forecast: this.forecasts.get(day) ?? null, reasons, past: this.past(at) });
  }
}

function layOut(forecasts, past) {
  const byDate = new Map(forecasts.map((one) => [one.date, one]));
  const dates = [...new Set([...(past?.dates ?? []), ...byDate.keys()])].sort();
  const place = new Map((past?.dates ?? []).map((day, at) => [day, at]));
  const told = (name) => (day) => (place.has(day) ? past[name][place.get(day)] : null);
  const bounds = (share, end) => dates.map((day) => byDate.get(day)?.intervals[share]?.[end] ?? null);
  const band = (share, label, color) => ({ label, low: bounds(share, 0), high: bounds(share, 1), color });
  const hasBands = forecasts.some((one) => one.intervals["0.8"]);
  const first = forecasts[0]?.date ?? "";
  return {
    dates,
    nPast: dates.filter((day) => day < first).length,
    forecasts: byDate,
    sold: dates.map(told("units")),
    mean: dates.map((day) => byDate.get(day)?.mean ?? null),
    bands: hasBands ? [band("0.95", t("inside95"), "--wide"), band("0.8", t("inside80"), "--narrow")] : [],
    ...findMarks(past),
    past: (at) => {
      const day = dates[at];
      if (!place.has(day)) return null;
      return Object.fromEntries(["units", "price", "promoted", "stock_out"].map((name) => [name, told(name)(day)]));
    },
  };
}

function findMarks(past) {
  if (!past) return { marks: [], isAlwaysPromoted: false };
  const known = past.promoted.filter((_share, at) => past.units[at] !== null);
  const isAlwaysPromoted = known.filter((share) => share >= HALF).length > NEARLY_ALWAYS * known.length;
  const promotions = findRuns(past, "promoted", { kind: "promotion", label: t("promotion") });
  const marks = [
    ...(isAlwaysPromoted ? [] : promotions),
    ...findRuns(past, "stock_out", { kind: "stock-out", label: t("stockOut") }),
    ...past.holidays.map((day) => ({ from: day.date, to: day.date, kind: "holiday", label: day.name, kindLabel: t("holiday") })),
  ];
  return { marks, isAlwaysPromoted };
}

// Dates in a row at which half of the series or more are marked.
function findRuns(past, name, mark) {
  const runs = [];
  past[name].forEach((share, at) => {
    if (share < HALF) return;
    const day = past.dates[at];
    const last = runs.at(-1);
    if (last?.end === at - 1) Object.assign(last, { to: day, end: at });
    else runs.push({ ...mark, from: day, to: day, end: at });
  });
  return runs;
}
