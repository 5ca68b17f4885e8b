// The regions of one level by expected growth: dots where coordinates are known, else tiles.
import { getJson, showProblem } from "./api.js";
import { linkTo, make, writeGrowth, writeUnits } from "./demand_names.js";
import { date } from "./format.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";

const LIMIT = 1000;
const STEPS = [-0.2, -0.1, -0.03, 0.03, 0.1, 0.2]; // where one colour ends and the next begins
const LOCATED = 0.6; // share of regions with coordinates from which a map says more than tiles
const SVG = "http://www.w3.org/2000/svg";
const ALL = "all";

const find = (id) => document.getElementById(id);

export function startRegions({ onChoose, onLevel }) {
  const choice = find("region-level");
  let held = "";
  let view = null;

  async function show(now) {
    view = now;
    const asked = { product: now.product, level: now.level, limit: LIMIT };
    const key = JSON.stringify(asked);
    if (key === held) return mark(now.region);
    held = key;
    try {
      const levels = choice.options.length ? null : await readLevels();
      const page = await getJson("/v1/growth", asked);
      if (key !== held) return;
      if (levels) choice.replaceChildren(...levels.map((one) => new Option(one, one)));
      choice.value = page.region_level;
      draw(page, now, onChoose);
    } catch (error) {
      held = "";
      showProblem(find("regions"), error, () => show(now));
    }
  }

  choice.addEventListener("change", () => {
    onLevel(choice.value);
    show({ ...view, level: choice.value });
  });
  paintScale();
  return { show };
}

async function readLevels() {
  const { levels } = await getJson("/v1/forecasts/levels");
  const found = levels.map((one) => one.level.slice(0, one.level.indexOf("/"))).filter((name) => name !== ALL);
  return [...new Set(found)];
}

function draw(page, view, onChoose) {
  const rows = page.regions.map((one) => ({ ...one, product_id: page.product_id }));
  const located = rows.filter((one) => one.latitude !== null && one.longitude !== null);
  const isMap = rows.length > 1 && located.length >= LOCATED * rows.length;
  const said = [t("aheadFrom", { first: date(page.first_date), last: date(page.last_date) })];
  if (page.next_cursor) said.push(t("shownFirst", { n: LIMIT }));
  find("regions-about").textContent = said.join(" ");
  find("regions").replaceChildren(isMap ? makeMap(located, onChoose) : makeTiles(rows, onChoose));
  mark(view.region);
  fillTable(find("regions-table"), [
    { key: "name", label: t("region"), isHeader: true, format: (name, row) => linkTo(row, name, onChoose) },
    { key: "growth", label: t("growth"), isNumber: true, format: writeGrowth },
    { key: "growth_lower", label: t("interval"), isNumber: true, format: (_x, row) => (row.growth_lower === null ? "–" : t("range", { low: writeGrowth(row.growth_lower), high: writeGrowth(row.growth_upper) })) },
    { key: "units", label: t("ahead"), isNumber: true, format: writeUnits },
    { key: "before_units", label: t("before"), isNumber: true, format: (x) => (x === null ? "–" : writeUnits(x)) },
    { key: "compared_with", label: t("comparedWith"), format: (words) => t(words) },
  ], rows);
}

function stepOf(growth) {
  if (growth === null) return "none";
  return `g${STEPS.filter((edge) => growth - 1 >= edge).length}`;
}

function makeTiles(rows, onChoose) {
  const list = make("ul", "tiles");
  const links = rows.map((row) => {
    const item = make("li");
    const link = linkTo(row, "", onChoose);
    link.className = `tile ${stepOf(row.growth)}`;
    link.dataset.region = row.region_id;
    link.append(make("span", "tile-name", row.name), make("span", "tile-growth", writeGrowth(row.growth)));
    item.append(link);
    list.append(item);
    return link;
  });
  rove(list, links);
  return list;
}

// One stop of the Tab key for all; arrows, Home and End move among them.
function rove(list, links) {
  links.forEach((link, at) => (link.tabIndex = at ? -1 : 0));
  list.addEventListener("keydown", (event) => {
    const at = links.indexOf(document.activeElement);
    const forward = document.documentElement.dir === "rtl" ? -1 : 1;
    const moves = { ArrowRight: at + forward, ArrowLeft: at - forward, ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 };
    const next = links[moves[event.key]];
    if (at < 0 || !next) return;
    event.preventDefault();
    links[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

function makeMap(rows, onChoose) {
  const width = 1000;
  const largest = Math.min(Math.max(300 / Math.sqrt(rows.length), 9), 24);
  const span = (name) => [Math.min(...rows.map((one) => one[name])), Math.max(...rows.map((one) => one[name]))];
  const [west, east] = span("longitude");
  const [south, north] = span("latitude");
  const shrink = Math.cos(((north + south) / 2) * (Math.PI / 180));
  const across = Math.max((east - west) * shrink, 0.01);
  const up = Math.max(north - south, 0.01);
  const height = Math.min(Math.max((width * up) / across, 240), 640);
  const scale = Math.min((width - 60) / across, (height - 60) / up);
  const most = Math.max(...rows.map((one) => one.units), 1e-9);
  const map = document.createElementNS(SVG, "svg");
  map.setAttribute("viewBox", `0 0 ${width} ${height}`);
  map.setAttribute("class", "map");
  map.setAttribute("role", "group");
  map.setAttribute("aria-labelledby", "regions-title");
  const links = rows.map((row) => {
    const x = width / 2 + ((row.longitude - (west + east) / 2) * shrink) * scale;
    const y = height / 2 - (row.latitude - (south + north) / 2) * scale;
    return makeDot(row, x, y, 6 + (largest - 6) * Math.sqrt(Math.max(row.units, 0) / most), onChoose);
  });
  // The small ones above the large ones, so that none is hidden.
  map.append(...[...links].sort((one, other) => other.dataset.radius - one.dataset.radius));
  rove(map, links);
  return map;
}

function makeDot(row, x, y, radius, onChoose) {
  const link = document.createElementNS(SVG, "a");
  const { href } = linkTo(row, "", onChoose);
  link.setAttribute("href", href);
  link.setAttribute("class", `dot ${stepOf(row.growth)}`);
  link.setAttribute("aria-label", t("growthOf", { name: row.name, growth: writeGrowth(row.growth) }));
  link.dataset.region = row.region_id;
  link.dataset.radius = radius;
  const circle = document.createElementNS(SVG, "circle");
  Object.entries({ cx: x, cy: y, r: radius }).forEach(([name, value]) => circle.setAttribute(name, value.toFixed(1)));
  const title = document.createElementNS(SVG, "title");
  title.textContent = `${t("growthOf", { name: row.name, growth: writeGrowth(row.growth) })}, ${writeUnits(row.units)} ${t("units")}`;
  const sign = document.createElementNS(SVG, "text");
  Object.entries({ x, y: y + 4 }).forEach(([name, value]) => sign.setAttribute(name, value.toFixed(1)));
  sign.textContent = row.growth === null ? "?" : row.growth >= 1.03 ? "+" : row.growth < 0.97 ? "−" : "=";
  link.append(title, circle, sign);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    onChoose(row.region_id, row.product_id);
    scrollTo({ top: 0 });
  });
  return link;
}

function mark(region) {
  for (const one of document.querySelectorAll("#regions [data-region]")) {
    if (one.dataset.region === region) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  }
}

function paintScale() {
  const words = STEPS.map((edge) => writeGrowth(1 + edge));
  const labels = [`< ${words[0]}`, ...words.slice(0, -1).map((low, at) => t("range", { low, high: words[at + 1] })), `≥ ${words.at(-1)}`];
  find("scale").replaceChildren(...labels.map((label, at) => {
    const item = make("li");
    item.append(make("span", `swatch g${at}`), label);
    return item;
  }));
}
