// The cards on who a person is, what they agreed to, and what they are worth.
import { el, said } from "./elements.js";
import { makeFacts } from "./facts.js";
import { date, dateTime, number, percent } from "./format.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";
import { listWords, nameChannel, nameOf, translate } from "./words.js";

const put = (id, ...children) => document.getElementById(id).replaceChildren(...children);
const WHOLE = { maximumFractionDigits: 0 };
const MONEY = { minimumFractionDigits: 2, maximumFractionDigits: 2 };

export function showCards(customer) {
  put("consent", ...tellConsent(customer.consent));
  put("identity", ...tellIdentity(customer));
  put("traits", tellTraits(customer.traits));
  if (!customer.consent.is_personal) return;
  put("channels", tellChannels(customer.channels, customer.time_zone));
  put("value", tellValue(customer.value));
  put("next", ...tellNext(customer.next_purchase));
  put("promotions", tellPromotions(customer.promotions, customer.time_zone));
}

function makeTable(columns, rows) {
  const table = el("table");
  fillTable(table, columns, rows);
  const scroll = el("div", { class: "scroll" }, table);
  return scroll;
}

function tellConsent({ is_personal: isPersonal, preferences, channels }) {
  const parts = [el("p", { class: `notice ${isPersonal ? "good" : "warn"}` }, t(isPersonal ? "personal.yes" : "personal.no"))];
  parts.push(el("p", {}, isPersonal ? tellPermitted(channels) : t("write.never")));
  if (preferences === null) return [...parts, el("p", { class: "faint" }, t("stated.none"))];
  const rows = Object.entries(preferences).map(([category, choice]) => ({ category, choice }));
  const columns = [
    { key: "category", label: t("category"), isHeader: true },
    { key: "choice", label: t("choice"), format: (choice) => (choice ? `✓ ${t("yes")}` : `✗ ${t("no")}`) },
  ];
  return [...parts, el("h4", {}, t("stated.title")), makeTable(columns, rows)];
}

function tellPermitted(channels) {
  if (channels === null) return t("write.any");
  if (channels === "none") return t("write.none");
  return t("write.some", { channels: listWords(channels.split(/[;,]\s*/).map(nameChannel)) });
}

function tellIdentity(customer) {
  const identifiers = customer.identifiers.map(({ kind, value, first_seen: at }) => [
    nameOf("kind", kind),
    el("span", {}, el("bdi", { class: "identifier" }, value), " ",
      el("span", { class: "faint date" }, t("firstSeen", { date: date(at) }))),
  ]);
  const parts = [makeFacts([
    ...identifiers,
    [t("region"), customer.region_id],
    [t("knownSince"), dateTime(customer.created_at, customer.time_zone)],
  ])];
  if (customer.merges.length > 0) parts.push(el("p", { class: "faint" }, t("merges", { n: customer.merges.length })));
  return parts;
}

function tellTraits(traits) {
  const facts = Object.entries(traits).map(([name, value]) => [name.replaceAll("_", " "), tellTrait(value)]);
  return facts.length > 0 ? makeFacts(facts) : el("p", { class: "faint" }, t("noTraits"));
}

function tellTrait(value) {
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  return typeof value === "object" ? JSON.stringify(value, null, 1) : String(value);
}

function tellChannels(channels, zone) {
  if (channels.length === 0) return el("p", { class: "faint" }, t("noChannels"));
  return makeTable([
    { key: "channel", label: t("channel"), isHeader: true, format: nameChannel },
    { key: "events", label: t("events"), isNumber: true, format: (n) => number(n, WHOLE) },
    { key: "last_seen", label: t("lastSeen"), format: (at) => dateTime(at, zone) },
  ], channels);
}

function tellValue(value) {
  if (value === null) return el("p", { class: "faint" }, t("noValue"));
  const expected = value.expected_orders_28d;
  return makeFacts([
    [t("orders"), number(value.orders, WHOLE)],
    [t("spend"), number(value.spend, MONEY)],
    [t("meanValue"), number(value.mean_order_value, MONEY)],
    [t("spend365"), number(value.spend_365d, MONEY)],
    [t("expectedOrders"), expected === null || expected === undefined ? null : t("between", {
      value: number(expected), low: number(value.expected_orders_28d_low), high: number(value.expected_orders_28d_high),
    })],
    [t("expectedSpend"), (value.expected_value_28d ?? null) === null ? null : number(value.expected_value_28d, MONEY)],
  ]);
}

function tellNext(next) {
  if (next === null) return [el("p", { class: "faint" }, t("noOutlook"))];
  const { days_to_next_order: days, days_to_next_order_low: low, days_to_next_order_high: high } = next;
  const first = el("p", {}, el("strong", {}, days === null ? t("next.far") : t("next.days", { n: number(days, WHOLE) })));
  const range = low === null ? null : t(high === null ? "next.from" : "next.range", { low: number(low, WHOLE), high: number(high, WHOLE) });
  const advice = next.advice === "wait" ? t("advice.wait", { n: next.wait_days }) : t(`advice.${next.advice}`);
  return [
    first,
    el("p", {}, range ?? ""),
    makeFacts([
      [t("next.chance"), percent(next.order_probability_28d)],
      [t("next.churn"), percent(next.churn_risk)],
      [t("advice"), el("strong", {}, advice)],
    ]),
    said(next.words, "p"),
  ];
}

function tellPromotions(promotions, zone) {
  if (promotions.length === 0) return el("p", { class: "faint" }, t("noPromotions"));
  return makeTable([
    { key: "promotion_id", label: t("promotion"), isHeader: true },
    { key: "discount", label: t("discount"), isNumber: true, format: (share) => percent(share) },
    { key: "ends_at", label: t("until"), format: (at) => dateTime(at, zone) },
    { key: "channels", label: t("offer"), format: (channels, { reason }) => channels.length > 0
      ? t("offer.by", { channels: listWords(channels.map(nameChannel)) })
      : t("offer.not", { reason: translate(reason ?? "") }) },
  ], promotions);
}
