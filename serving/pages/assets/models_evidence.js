// Gates, scores beside baselines, calibration and coverage of one version.
import { el, said } from "./elements.js";
import { drawCalibration, drawCoverage } from "./figures.js";
import { number, percent } from "./format.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";

const exact = (x) => number(x, { maximumSignificantDigits: 4 });
const MEASURES = ["wape", "bias", "mase", "rmsse", "pinball", "log_loss", "brier", "calibration_error", "slot_hit", "hour_hit"];
const SHARES = new Set(["slot_hit", "hour_hit"]);

export function makeTable(columns, rows, caption) {
  const table = el("table", {});
  if (caption) table.append(el("caption", {}, caption));
  fillTable(table, columns, rows);
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption ?? columns[0].label }, table);
}

export function showGates(gates) {
  if (!gates.length) return el("p", { class: "card faint" }, t("noGates"));
  const sign = (isPassed) => el("span", { class: `sign ${isPassed ? "good" : "bad"}` }, t(isPassed ? "gate.passed" : "gate.failed"));
  const columns = [
    { key: "words", label: t("gate"), isHeader: true, format: (words) => said(words.replace(/: [^:]*$/, "")) },
    { key: "is_passed", label: t("result"), format: sign },
    { key: "measured", label: t("measured"), isNumber: true, format: exact },
    { key: "bound", label: t("bound"), isNumber: true, format: exact },
  ];
  return el("div", { class: "card" }, el("h3", {}, t("gates")), makeTable(columns, gates));
}

export function showEvidence(kind, evidence) {
  const whole = el("div", { class: "evidence" }, showScores(kind, evidence));
  const figures = el("div", { class: "figures" });
  if (evidence.calibration.length) figures.append(showCalibration(evidence.calibration));
  if (evidence.coverage.length) figures.append(showCoverage(evidence.coverage));
  if (evidence.importance.length) figures.append(showImportance(evidence.importance));
  whole.append(figures);
  if (evidence.notes.length) {
    const notes = el("ul", {}, ...evidence.notes.map((note) => said(note, "li")));
    whole.append(el("details", {}, el("summary", {}, t("notes")), notes));
  }
  return whole;
}

// Horizons in their order, after what holds for all of them.
const firstDay = (one) => (one.horizon === null ? 0 : Number.parseInt(one.horizon, 10));

// One sentence: the method that answers against the best baseline, where there is most of it.
function compare(kind, scores) {
  const measure = kind === "demand" ? "wape" : "log_loss";
  const own = scores.filter((one) => one.is_published && one.horizon === null).at(-1);
  const rivals = scores.filter((one) => one.is_baseline && one.level === own?.level && one.measures[measure] > 0);
  if (!own || !rivals.length) return null;
  const best = rivals.reduce((a, b) => (b.measures[measure] < a.measures[measure] ? b : a));
  const change = own.measures[measure] / best.measures[measure] - 1;
  const words = (change <= 0 ? "better" : "worse") + (kind === "demand" ? "" : "Loss");
  return t(words, { percent: percent(Math.abs(change)), model: best.model, level: own.level });
}

function showScores(kind, { scores }) {
  if (!scores.length) return null;
  const levels = [...new Set(scores.map((one) => one.level))];
  const place = el("div", {});
  const names = MEASURES.filter((name) => name in (scores[0]?.measures ?? {}));
  const fill = (level) => {
    const rows = scores.filter((one) => one.level === level).sort((a, b) => firstDay(a) - firstDay(b));
    const role = (one) => t(one.is_published ? "role.published" : one.is_baseline ? "role.baseline" : "role.other");
    const columns = [
      { key: "model", label: t("model"), isHeader: true },
      { key: "role", label: t("role"), format: (_, one) => role(one) },
      ...(kind === "demand" ? [{ key: "horizon", label: t("horizon"), format: (x) => x ?? t("all") }] : []),
      ...names.map((name) => ({
        key: name, label: t(`measure.${name}`), isNumber: true,
        format: (_, one) => (SHARES.has(name) ? percent(one.measures[name]) : exact(one.measures[name])),
      })),
    ];
    place.replaceChildren(el("p", { class: "faint" }, t(`scores.${kind}`)), makeTable(columns, rows));
    place.querySelectorAll("tbody tr").forEach((line, at) => line.classList.toggle("published", rows[at].is_published));
  };
  fill(levels.at(-1) ?? null);
  const sentence = compare(kind, scores);
  return el("div", {}, el("h3", {}, t("scores")), sentence ? el("p", {}, sentence) : null, levels.length > 1 ? chooseLevel(levels, fill) : null, place);
}

function chooseLevel(levels, fill) {
  const options = levels.map((level, at) => el("option", { value: level, selected: at === levels.length - 1 }, level));
  const select = el("select", { onchange: () => fill(select.value) }, ...options);
  return el("p", {}, el("label", {}, `${t("level")} `, select));
}

function figure(title, words, drawn, columns, rows) {
  const table = el("details", {}, el("summary", {}, t("table")), makeTable(columns, rows, title));
  return el("div", { class: "card" }, el("h3", {}, title), el("p", { class: "faint" }, words), drawn, table);
}

function showCalibration(bins) {
  const columns = ["predicted", "observed", "low", "high"].map((key) => ({ key, label: t(key), isNumber: true, format: (x) => percent(x, { maximumSignificantDigits: 3 }) }));
  columns.push({ key: "n", label: t("cells"), isNumber: true, format: (x) => number(x) });
  const drawn = drawCalibration(bins, { label: t("calibration"), x: t("predicted"), y: t("observed") });
  return figure(t("calibration"), t("calibration.words"), drawn, columns, bins);
}

function showCoverage(rows) {
  const columns = [
    { key: "level", label: t("level"), isHeader: true },
    { key: "horizon", label: t("horizon"), format: (x) => x ?? t("all") },
    { key: "nominal", label: t("nominal"), isNumber: true, format: (x) => percent(x) },
    { key: "measured", label: t("measured"), isNumber: true, format: (x) => percent(x) },
    { key: "n", label: t("forecasts"), isNumber: true, format: (x) => number(x) },
  ];
  const whole = rows.filter((row) => row.horizon === null);
  const signs = el("ul", { class: "chart-legend" });
  for (const nominal of [...new Set(rows.map((row) => row.nominal))].sort()) {
    signs.append(el("li", { class: nominal < 0.9 ? "is-first" : "is-second" }, t("coverage.sign", { percent: percent(nominal) })));
  }
  const drawn = el("div", {}, signs, drawCoverage(whole, { label: t("coverage") }));
  return figure(t("coverage"), t("coverage.words"), drawn, columns, rows);
}

function showImportance(rows) {
  const columns = [
    { key: "feature", label: t("feature"), isHeader: true },
    { key: "share", label: t("share"), isNumber: true, format: (x) => percent(x) },
  ];
  const more = el("details", {}, el("summary", {}, t("table")), makeTable(columns, rows));
  return el("div", { class: "card" }, el("h3", {}, t("importance")), makeTable(columns, rows.slice(0, 8)), rows.length > 8 ? more : null);
}
