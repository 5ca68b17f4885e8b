// When to write to a person: the hours of their week by channel, the best moments, and why.
import { el, said } from "./elements.js";
import { number, percent } from "./format.js";
import { drawHeatmap } from "./heatmap.js";
import { language, t } from "./strings.js";
import { nameChannel, nameOf } from "./words.js";

const find = (id) => document.getElementById(id);
let current = null;

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
  drawHeatmap(find("week"), {
    probability: map.probabilities, low: map.low, high: map.high,
    label: t("week.label", { channel: nameChannel(channel), zone: customer.time_zone }),
  });
  find("best").replaceChildren(tellBest(map));
  const why = el("ul", {}, el("li", {}, nameOf("evidence", week.evidence.label)));
  for (const sentence of [week.evidence.words, ...week.reasons]) why.append(el("li", {}, said(sentence)));
  find("reasons").replaceChildren(why);
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
