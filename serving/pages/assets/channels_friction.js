// Funnels step by step, and where customers are lost, most at stake first.
import { el } from "./elements.js";
import { date, number, percent } from "./format.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";
import { listWords, nameChannel, nameOf } from "./words.js";

const WHOLE = { maximumFractionDigits: 0 };

export function showFunnels(place, insight) {
  if (insight.funnels.length === 0) return place.replaceChildren(el("p", {}, t("noFunnels")));
  place.replaceChildren(...insight.funnels.flatMap((funnel) => tellFunnel(funnel, insight)));
}

function tellFunnel(funnel, insight) {
  const title = el("h3", {}, t("funnel", { name: funnel.name }));
  if (funnel.missing !== null) return [title, el("p", { class: "notice warn", lang: "en" }, funnel.missing)];
  return [
    title,
    el("p", {}, t("funnel.about", {
      steps: funnel.steps.join(" → "), order: nameOf("funnel.order", funnel.order), hours: funnel.window_hours,
    })),
    el("p", {}, t("funnel.begun", { begun: funnel.begun, ordered: funnel.ordered, percent: percent(funnel.ordered / funnel.begun) })),
    makeConversions(funnel.conversions),
    ...tellFriction(funnel.friction, insight),
  ];
}

// Step by step: all channels together first, then each.
function makeConversions(conversions) {
  const rows = [...conversions].sort((one, other) => one.step - other.step || (one.channel !== null) - (other.channel !== null));
  const table = el("table", { class: "funnel" });
  table.createCaption().textContent = t("funnel.label");
  fillTable(table, [
    { key: "name", label: t("step"), isHeader: true, format: (name) => el("bdi", {}, name) },
    { key: "channel", label: t("channel"), format: (channel) => (channel === null ? t("allChannels") : nameGroupValue("channel", channel)) },
    { key: "conversion", label: t("conversion"), format: (share) => drawShare(share) },
    { key: "low", label: t("interval"), isNumber: true, format: (low, row) => t("range", { low: percent(low), high: percent(row.high) }) },
    { key: "reached", label: t("reached"), isNumber: true, format: (n) => number(n, WHOLE) },
    { key: "went_on", label: t("wentOn"), isNumber: true, format: (n) => number(n, WHOLE) },
    { key: "customers_dropped", label: t("lost"), isNumber: true, format: (n) => number(n, WHOLE) },
    { key: "median_minutes", label: t("minutes"), isNumber: true, format: (minutes) => number(minutes) },
  ], rows);
  for (const [place, line] of [...table.tBodies[0].rows].entries()) line.classList.toggle("is-whole", rows[place].channel === null);
  return makeScroll(table, t("funnel.label"));
}

function drawShare(share) {
  const bar = el("span", { class: "share-bar" });
  const fill = el("span", { class: "share-fill" });
  fill.style.inlineSize = `${100 * (share ?? 0)}%`;
  bar.setAttribute("aria-hidden", "true");
  bar.append(fill);
  return el("span", { class: "share" }, bar, percent(share));
}

function tellFriction(friction, insight) {
  const parts = [el("p", { class: "faint" }, t("friction.about", { n: friction.tests, rate: percent(insight.false_discovery_rate) }))];
  const { incidents, groups, order_value: value } = friction;
  if (incidents.length + groups.length === 0) return [...parts, el("p", {}, t("friction.none"))];
  const worth = (x) => (value !== null && insight.currency ? number(x, { style: "currency", currency: insight.currency, ...WHOLE }) : number(x, WHOLE));
  parts.push(el("p", {}, value === null ? t("friction.orders") : t("friction.value", { value: worth(value) })));
  if (incidents.length > 0) parts.push(el("h4", {}, t("incidents")), makeIncidents(incidents, worth));
  if (groups.length > 0) parts.push(el("h4", {}, t("groups")), el("p", {}, t("groups.about")), makeGroups(groups, worth));
  return parts;
}

function makeIncidents(incidents, worth) {
  const when = ({ first_day: first, last_day: last }) => (first === last ? date(first) : t("range", { low: date(first), high: date(last) }));
  return makeRanked(incidents, worth, t("incidents"), t("share.ordered"), [
    { key: "kind", label: t("what"), isHeader: true, format: (kind, one) => t(kind, { event: one.event, step: one.name, group: nameGroup(one.group) }) },
    { key: "first_day", label: t("when"), format: (_, one) => when(one) },
  ]);
}

function makeGroups(groups, worth) {
  return makeRanked(groups, worth, t("groups"), t("share.wentOn"), [
    { key: "group", label: t("what"), isHeader: true, format: nameGroup },
  ]);
}

function makeRanked(rows, worth, label, shareLabel, first) {
  const table = el("table");
  fillTable(table, [
    { key: "rank", label: t("rank"), isNumber: true, format: (rank) => number(rank, WHOLE) },
    ...first,
    { key: "name", label: t("at"), format: (name) => el("bdi", {}, name) },
    { key: "revenue", label: t("stake"), isNumber: true, format: (revenue) => el("strong", {}, worth(revenue)) },
    { key: "revenue_low", label: t("interval"), isNumber: true, format: (low, one) => t("range", { low: worth(low), high: worth(one.revenue_high) }) },
    { key: "conversion", label: shareLabel, isNumber: true, format: (share) => percent(share) },
    { key: "conversion_elsewhere", label: t("elsewhere"), isNumber: true, format: (share) => percent(share) },
    { key: "lost_orders", label: t("lostOrders"), isNumber: true, format: (n) => number(n) },
  ], rows.map((row, place) => ({ ...row, rank: place + 1 })));
  return makeScroll(table, label);
}

// What scrolls by itself can be scrolled by keyboard, too.
function makeScroll(table, label) {
  const scroll = el("div", { class: "scroll", tabindex: 0 }, table);
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", label);
  return scroll;
}

function nameGroup(group) {
  if (group.length === 0) return t("everybody");
  return listWords(group.map(({ column, value }) => nameGroupKey(column, value)));
}

function nameGroupKey(column, value) {
  const shown = nameGroupValue(column, value);
  return ["channel", "period", "region_id"].includes(column)
    ? t(`group.${column}`, { value: shown })
    : `${column.replaceAll("_", " ")} ${shown}`;
}

function nameGroupValue(column, value) {
  if (column !== "channel") return value;
  return value === "unknown" ? t("unknownChannel") : nameChannel(value);
}
