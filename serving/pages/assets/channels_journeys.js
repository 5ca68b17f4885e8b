// Journeys: a matrix of shares from channel to channel, and the same with intervals as a table.
import { el } from "./elements.js";
import { number, percent } from "./format.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";
import { nameChannel } from "./words.js";

const WHOLE = { maximumFractionDigits: 0 };
const name = (channel) => (channel === "unknown" ? t("unknownChannel") : nameChannel(channel));

export function showJourneys(visitsPlace, ordersPlace, { visits, orders, visit_gap_minutes: minutes }) {
  visitsPlace.replaceChildren(
    el("p", { class: "faint" }, t("visits.about", { minutes })),
    ...tellJourneys(visits, "visits"),
  );
  ordersPlace.replaceChildren(...tellJourneys(orders, "orders"));
}

function tellJourneys(journeys, kind) {
  if (journeys.length === 0) return [el("p", {}, t(`${kind}.none`))];
  const channels = [...new Set(journeys.flatMap((one) => [one.from_channel, one.to_channel]))].sort();
  if (channels.length === 1) return [el("p", {}, t("oneChannel")), makeList(journeys, kind)];
  const total = journeys.reduce((sum, one) => sum + one.count, 0);
  const crossing = journeys.filter((one) => one.from_channel !== one.to_channel).reduce((sum, one) => sum + one.count, 0);
  return [
    el("p", {}, el("strong", {}, t(`${kind}.crossing`, { percent: percent(crossing / total), orders: total }))),
    el("div", { class: "scroll" }, makeMatrix(journeys, channels, kind)),
    makeList(journeys, kind),
  ];
}

function makeMatrix(journeys, channels, kind) {
  const found = new Map(journeys.map((one) => [`${one.from_channel}/${one.to_channel}`, one]));
  const table = el("table", { class: "matrix" });
  table.createCaption().textContent = t(`${kind}.label`);
  const columns = [{ key: "from", label: t("from"), isHeader: true, format: name }];
  for (const channel of channels) {
    columns.push({ key: channel, label: name(channel), isNumber: true, format: (one) => makeShare(one) });
  }
  const rows = channels
    .filter((from) => journeys.some((one) => one.from_channel === from))
    .map((from) => ({ from, ...Object.fromEntries(channels.map((to) => [to, found.get(`${from}/${to}`)])) }));
  fillTable(table, columns, rows);
  for (const cell of table.querySelectorAll(".matrix-share")) cell.parentElement.style.setProperty("--heat", cell.dataset.share);
  return table;
}

function makeShare(one) {
  if (!one) return el("span", { class: "faint" }, "–");
  const cell = el("span", { class: "matrix-share" }, percent(one.share, WHOLE));
  cell.dataset.share = one.share.toFixed(3);
  cell.title = t("cell", {
    from: name(one.from_channel), to: name(one.to_channel), share: percent(one.share), low: percent(one.low), high: percent(one.high),
  });
  return cell;
}

function makeList(journeys, kind) {
  const table = el("table");
  fillTable(table, [
    { key: "from_channel", label: t("from"), isHeader: true, format: name },
    { key: "to_channel", label: t("to"), format: name },
    { key: "count", label: t(`count.${kind}`), isNumber: true, format: (n) => number(n, WHOLE) },
    { key: "customers", label: t("customers"), isNumber: true, format: (n) => number(n, WHOLE) },
    { key: "share", label: t("share"), isNumber: true, format: (share) => percent(share) },
    { key: "low", label: t("interval"), isNumber: true, format: (low, row) => t("range", { low: percent(low), high: percent(row.high) }) },
    { key: "median_hours", label: t("hours"), isNumber: true, format: (hours) => number(hours) },
  ], [...journeys].sort((one, other) => other.count - one.count));
  const scroll = el("div", { class: "scroll", tabindex: 0 }, table);
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", t(`${kind}.label`));
  return el("details", {}, el("summary", {}, t("chart.table")), scroll);
}
