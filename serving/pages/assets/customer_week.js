// When to write to a person: the hours of their week by channel, the best moments, and why.
import { el, said } from "./elements.js";
import { number, percent } from "./format.js";
import { HeatMap, nameSlot } from "./heatmap.js";
import { language, t } from "./strings.js";
import { nameChannel, nameOf } from "./words.js";

const find = (id) => document.getElementById(id);
const BOUNDS = [0.3, 0.6, 1, 1.5, 2.2];
const BEST = 3;
const times = (x) => number(x, { maximumFractionDigits: 1, minimumFractionDigits: 1 });
let current = null;
let heat = null;

export function showWeek(customer, wanted, onChoose) {
  const week = customer.receptivity;
  const select = find("week-channel");
  select.closest("p").hidden = week === null;
  if (week === null) return showNothing();
  select.replaceChildren(...week.channels.map(({ channel }) => el("option", { value: channel }, nameChannel(channel))));
  const known = week.channels.some(({ channel }) => channel === wanted);
  select.value = known ? wanted : week.channels[0].channel;
  current = { customer, week };
  select.onchange = () => {
    onChoose(select.value);
    showChannel(select.value);
  };
  showChannel(select.value);
}

function showNothing() {
  find("week-measure").textContent = t("noWeek");
  for (const id of ["week", "best", "reasons"]) find(id).replaceChildren();
}

function showChannel(channel) {
  const { customer, week } = current;
  const map = week.channels.find((one) => one.channel === channel);
  find("week-measure").textContent = nameOf("measure", map.measure);
  heat?.destroy();
  heat = drawWeek(map, t("week.label", { channel: nameChannel(channel), zone: customer.time_zone }));
  find("best").replaceChildren(tellBest(map));
  const why = el("ul", {}, el("li", {}, nameOf("evidence", week.evidence.label)));
  for (const sentence of [week.evidence.words, ...week.reasons]) why.append(el("li", {}, said(sentence)));
  find("reasons").replaceChildren(why);
}

function drawWeek(map, caption) {
  const order = map.probabilities.map((_, slot) => slot).sort((one, other) => map.probabilities[other] - map.probabilities[one]);
  const average = map.probabilities.reduce((sum, one) => sum + one, 0) / map.probabilities.length;
  const lift = (slot) => (average > 0 ? map.probabilities[slot] / average : 0);
  const most = map.probabilities[order[0]];
  const places = most >= 0.2 ? 0 : most >= 0.01 ? 1 : 2;
  const digits = { maximumFractionDigits: places, minimumFractionDigits: places };
  return new HeatMap(find("week"), {
    caption,
    show: (slot) => number(100 * map.probabilities[slot], digits),
    describe: (slot) => t("cell", {
      slot: nameSlot(slot), value: percent(map.probabilities[slot], digits), lift: times(lift(slot)),
      low: percent(map.low[slot], digits), high: percent(map.high[slot], digits),
    }),
    level: (slot) => BOUNDS.filter((bound) => lift(slot) >= bound).length,
    best: new Set(order.slice(0, BEST)),
    legend: listLegend(),
  });
}

function listLegend() {
  const between = BOUNDS.slice(1).map((to, place) => `${times(BOUNDS[place])}–${times(to)}`);
  return [t("legendUnder", { x: times(BOUNDS[0]) }), ...between, t("legendFrom", { x: times(BOUNDS.at(-1)) })];
}

function tellBest(map) {
  if (map.best.length === 0) {
    const because = map.exclusions.map((one) => nameOf("excluded", one.reason));
    return el("p", {}, [t("best.none"), ...because].join(" "));
  }
  const list = el("ol", { class: "best" });
  for (const slot of map.best) {
    const digits = { maximumFractionDigits: slot.probability < 0.01 ? 2 : 1 };
    const likely = t("best.one", {
      percent: percent(slot.probability, digits), low: percent(slot.low, digits), high: percent(slot.high, digits),
      lift: number(slot.lift),
    });
    list.append(el("li", {}, el("strong", {}, tellMoment(slot.start)), el("span", { class: "faint" }, likely)));
  }
  return list;
}

// The clock of the customer, whatever that of the reader: the offset is part of the text.
function tellMoment(start) {
  const at = new Date(`${start.slice(0, 19)}Z`);
  const options = { weekday: "long", day: "numeric", month: "long", hour: "numeric", minute: "2-digit", timeZone: "UTC" };
  return new Intl.DateTimeFormat(language, options).format(at);
}
