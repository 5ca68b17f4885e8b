// Regional demand: one selection, asked of the API in parts, each shown as it comes.
import { download, getJson, showProblem } from "./api.js";
import { showAccuracy } from "./demand_accuracy.js";
import { DemandChart } from "./demand_chart.js";
import { showBelow, showLevels, showTrail } from "./demand_levels.js";
import { nameProduct, nameRegion, namePair } from "./demand_names.js";
import { startPicker } from "./demand_picker.js";
import { startRegions } from "./demand_regions.js";
import { showStock } from "./demand_stock.js";
import { startWhatIf } from "./demand_what_if.js";
import { showWhy } from "./demand_why.js";
import { t } from "./strings.js";
import { readView, writeView } from "./view.js";

const find = (id) => document.getElementById(id);
const ALL = "all";

let view = openView();
let hasReasons = true; // until the service says otherwise
let turn = 0; // what comes late of an earlier selection is not shown
const chart = new DemandChart(find("chart"), (day) => showWhy(find("why"), find("why-date"), day));
const whatIf = startWhatIf({ onAnswer: (answer) => chart.setScenario(answer), onChange: (change) => keep(change) });
const regions = startRegions({ onChoose: select, onLevel: (level) => keep({ level }) });

// What the address says; what it cannot mean is left out.
function openView() {
  const found = { region: ALL, product: ALL, ...readView() };
  const isDay = (text) => /^\d{4}-\d{2}-\d{2}$/.test(text ?? "") && !Number.isNaN(Date.parse(text));
  if (!isDay(found.from) || !isDay(found.to) || found.from >= found.to) found.from = found.to = undefined;
  if (!["on", "off"].includes(found.promotion)) found.promotion = undefined;
  for (const name of ["price", "depth"]) if (!(Number(found[name]) > 0)) found[name] = undefined;
  return found;
}

function keep(changes) {
  view = { ...view, ...changes };
  writeView(view);
}

// Show another region and product, with a step of the browser's history.
function select(region, product) {
  if (region === view.region && product === view.product) return;
  const { level } = view;
  view = { region, product, level };
  const query = new URLSearchParams(Object.entries(view).filter(([, value]) => value));
  history.pushState(null, "", `${location.pathname}?${query}`);
  load({ isMoved: true });
}

async function load({ isMoved = false } = {}) {
  const mine = ++turn;
  const pair = { region: view.region, product: view.product };
  const only = (show) => (found) => mine === turn && show(found);
  whatIf.reset(view);
  const kin = getJson("/v1/series/kin", pair);
  const history = getJson("/v1/history", pair);
  const asked = [
    kin.then(only(showKin)).then(only(() => isMoved && find("name").focus({ preventScroll: true }))).catch(only(refuse)),
    showChart(pair, { kin, history }, only),
    part("/v1/accuracy", pair, find("accuracy"), only, (found) => showAccuracy(find("accuracy"), found)),
    part("/v1/stock-advice", { ...pair, limit: 20 }, find("stock"), only, (found) => showStock(find("stock"), pair, found)),
    regions.show(view),
    Promise.all([kin, history]).then(only(([own, past]) => whatIf.open(view, own, past))).catch(() => {}),
  ];
  await Promise.allSettled(asked);
}

// What nothing of can be shown is said once; an older model tells its forecast alone.
function refuse(error) {
  find("body").hidden = error.status !== 409;
  find("name").textContent = t("pair", { region: view.region, product: view.product });
  showProblem(find("refused"), error, load);
}

function part(path, params, element, only, show) {
  return getJson(path, params).then(only(show)).catch(only((error) => showProblem(element, error, load)));
}

async function showChart(pair, { kin, history }, only) {
  const params = { ...pair, limit: 1000 };
  const forecasts = getJson("/v1/forecasts", params);
  const reasons = askReasons(params);
  // An older model tells no past; its forecast is shown alone.
  const past = history.catch((error) => (error.status === 409 ? null : Promise.reject(error)));
  try {
    const [made, sold, own] = await Promise.all([forecasts, past, kin.catch(() => null)]);
    only(() => {
      chart.show(own ? namePair(own.series) : "", made.forecasts, sold, view);
      find("always").hidden = !chart.isAlwaysPromoted;
    })();
    const told = await reasons;
    only(() => chart.setReasons(told))();
  } catch (error) {
    only(() => chart.fail(error, load))();
  }
}

// What each mean is made of, by date; null where the model was published without.
async function askReasons(params) {
  if (!hasReasons) return null;
  try {
    const found = await getJson("/v1/forecasts", { ...params, reasons: true });
    return new Map(found.forecasts.map((one) => [one.date, one.reasons]));
  } catch (error) {
    hasReasons = error.status !== 409;
    return null;
  }
}

function showKin(kin) {
  const { series } = kin;
  find("body").hidden = false;
  find("refused").replaceChildren();
  find("name").textContent = namePair(series);
  document.title = `${namePair(series)} – Almanac`;
  find("about").textContent = `${series.level} · ${t("sumOf", { n: series.series })}`;
  showTrail(find("above"), kin.above, select);
  showLevels(find("levels"), kin, select);
  showBelow(find("below-regions"), kin.regions, nameRegion, select);
  showBelow(find("below-products"), kin.products, nameProduct, select);
  find("marked").hidden = series.series === 1;
}

const file = (kind) => `${kind}-${view.region}-${view.product}.csv`.replaceAll(/[^\p{L}\p{N}.-]+/gu, "_");
const pairOf = () => ({ region: view.region, product: view.product });

async function save(path, params, name) {
  try {
    await download(path, params, { name });
    find("done").textContent = "";
  } catch (error) {
    find("done").textContent = error.message;
  }
}

find("csv-forecast").addEventListener("click", () => save("/v1/forecasts", { ...pairOf(), limit: 1000 }, file("forecast")));
find("csv-history").addEventListener("click", () => save("/v1/history", pairOf(), file("past")));
find("copy").addEventListener("click", async () => {
  keep(chart.range());
  try {
    await navigator.clipboard.writeText(location.href);
    find("done").textContent = t("copied");
  } catch {
    find("done").textContent = t("copyThis", { link: location.href });
  }
});
addEventListener("popstate", () => {
  view = openView();
  load();
});

startPicker({ input: find("search"), list: find("found"), count: find("found-count"), onChoose: select });
load();
