// Another price or promotion beside the plan: sliders, and the difference they make.
import { postJson, showProblem } from "./api.js";
import { make, writePrice, writeUnits } from "./demand_names.js";
import { number, percent } from "./format.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";

const PAUSE = 250; // milliseconds after the last move
const LEAST = 0.5;
const MOST = 1.5;
const MAX_ROWS = 30_000; // what the service answers at most, series times dates

const find = (id) => document.getElementById(id);

export function startWhatIf({ onAnswer, onChange }) {
  const form = find("what-if");
  const price = find("price");
  const depth = find("depth");
  const answer = find("what-if-answer");
  let selected = null;
  let planned = null;
  let timer = 0;
  let turn = 0;

  const promotion = () => form.elements.promotion.value;
  const isPriced = () => !price.disabled && planned !== null && Number(price.value) !== planned;

  function read() {
    const change = {};
    if (isPriced()) change.price = Number(price.value);
    if (promotion()) change.promotion = promotion() === "on";
    if (promotion() === "on") change.depth = Number(depth.value) / 100;
    return change;
  }

  function write() {
    depth.disabled = promotion() !== "on";
    find("depth-is").textContent = depth.disabled ? "" : t("depthIs", { depth: percent(Number(depth.value) / 100, { maximumFractionDigits: 0 }) });
    if (planned === null || price.disabled) return;
    const value = Number(price.value);
    const words = t("priceIs", { price: writePrice(value), change: percent(value / planned - 1, { maximumFractionDigits: 0, signDisplay: "exceptZero" }) });
    find("price-is").textContent = words;
    price.setAttribute("aria-valuetext", words);
  }

  function clear() {
    turn++;
    clearTimeout(timer);
    answer.replaceChildren(make("p", "faint", t("whatIfNone")));
    onAnswer(null);
  }

  async function ask() {
    const change = read();
    onChange({ price: change.price, promotion: promotion(), depth: change.depth });
    if (!Object.keys(change).length) return clear();
    const mine = ++turn;
    try {
      const found = await postJson("/v1/forecasts/what-if", { ...selected, ...change });
      if (mine !== turn) return;
      show(answer, found);
      onAnswer(found);
    } catch (error) {
      if (mine !== turn) return;
      showProblem(answer, error, error.status === 409 || error.status === 422 ? null : ask);
      onAnswer(null);
    }
  }

  form.addEventListener("input", () => {
    write();
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    if (planned !== null) price.value = planned;
    find("price-is").textContent = "";
    write();
    onChange({ price: undefined, promotion: undefined, depth: undefined });
    clear();
  }));

  return {
    // Of a new selection nothing is asked yet.
    reset({ region, product }) {
      selected = { region, product };
      planned = null;
      price.disabled = true;
      find("price-is").textContent = "";
      form.elements.promotion.value = "";
      write();
      clear();
    },
    // Set the sliders to what is planned, or to what the link says.
    open(view, kin, past) {
      const dates = past.dates.filter((day) => day > past.origin).length;
      const isTooMuch = kin.series.series * dates > MAX_ROWS;
      find("price-hint").textContent = openPrice(price, kin, past);
      planned = price.disabled ? null : Number(price.value);
      if (view.promotion) form.elements.promotion.value = view.promotion;
      if (view.depth) depth.value = Math.round(view.depth * 100);
      if (view.price && !price.disabled) price.value = view.price;
      for (const one of form.elements) if (isTooMuch) one.disabled = true;
      if (!isTooMuch) for (const one of form.querySelectorAll("[type=radio], [type=reset]")) one.disabled = false;
      write();
      if (isTooMuch) answer.replaceChildren(make("p", "faint", t("tooMany")));
      else if (Object.keys(read()).length) ask();
    },
  };
}

// Set the slider around the planned price; return why it cannot be moved, if so.
function openPrice(price, kin, past) {
  price.disabled = true;
  if (kin.products.length) return t("priceMany");
  const known = past.price.findLast((value) => value !== null && value > 0);
  if (known === undefined) return t("priceUnknown");
  const step = Number(known.toPrecision(3)) >= 1 ? 0.01 : 0.001;
  const round = (value) => Number((Math.round(value / step) * step).toFixed(3));
  const planned = round(known);
  Object.assign(price, { step, min: round(planned * LEAST), max: round(planned * MOST), disabled: false });
  price.value = planned;
  return "";
}

function show(element, found) {
  const table = make("table");
  const interval = ({ lower_80: low, upper_80: high }) => t("range", { low: writeUnits(low), high: writeUnits(high) });
  const signed = (units) => number(units, { maximumFractionDigits: Math.abs(units) < 10 ? 1 : 0, signDisplay: "exceptZero" });
  const rows = [["plan", "plan"], ["scenario", "scenario"], ["difference", "difference"]].map(([side, label]) => ({ side: t(label), name: side, ...found.total[side] }));
  fillTable(table, [
    { key: "side", label: t("side"), isHeader: true },
    { key: "mean", label: t("unitsColumn"), isNumber: true, format: (x, row) => (row.name === "difference" ? signed(x) : writeUnits(x)) },
    { key: "lower_80", label: t("interval"), isNumber: true, format: (_x, row) => interval(row) },
  ], rows);
  const warnings = found.warnings.map((words) => Object.assign(make("p", "notice warn", words), { lang: "en", dir: "ltr" }));
  element.replaceChildren(table, ...warnings);
}
