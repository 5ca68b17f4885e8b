// The week of everyone, of a segment or of one customer; and, below, campaigns.
import { getJson, postJson, showProblem } from "./api.js";
import { openPlanner } from "./campaign.js";
import { date, number, percent } from "./format.js";
import { HeatMap, nameSlot } from "./heatmap.js";
import { t } from "./strings.js";
import { readFragment, readView, writeFragment, writeView } from "./view.js";

const find = (id) => document.getElementById(id);
const BOUNDS = [0.3, 0.6, 1, 1.5, 2.2];
const toLevel = (lift) => BOUNDS.filter((bound) => lift >= bound).length;
const times = (x) => number(x, { maximumFractionDigits: 1, minimumFractionDigits: 1 });
let map = null;
let planner = null;
let segments = [];

export function nameSegment(segment) {
  const one = segments.find((other) => other.segment === segment);
  if (!one || one.kind === "everyone") return t("everyone");
  return one.kind === "region" ? t("region", { name: one.name }) : t("rhythm", { slot: nameSlot(one.busiest_slot) });
}

function fillSegments() {
  for (const kind of ["region", "rhythm"]) {
    const options = segments.filter((one) => one.kind === kind).map((one) => {
      const name = kind === "region" ? one.name : nameSegment(one.segment);
      return new Option(`${name} (${number(one.customers)})`, one.segment);
    });
    find(kind).replaceChildren(...options);
    find("kind").querySelector(`[value="${kind}"]`).disabled = !options.length;
  }
}

function readChoice() {
  const kind = find("kind").value;
  const customer = kind === "customer" ? find("customer").value.trim() : "";
  const segment = { everyone: "everyone", region: find("region").value, rhythm: find("rhythm").value }[kind];
  return { kind, segment, customer, channel: find("channel").value };
}

function showFields() {
  const kind = find("kind").value;
  for (const name of ["region", "rhythm", "customer"]) find(`${name}-field`).hidden = kind !== name;
}

function restore() {
  const { segment = "everyone", channel } = readView();
  const { customer } = readFragment();
  const kind = customer ? "customer" : segment.split(":")[0];
  find("kind").value = ["region", "rhythm", "customer"].includes(kind) ? kind : "everyone";
  if (["region", "rhythm"].includes(kind)) {
    find(kind).value = segment;
    if (!find(kind).value) find("kind").value = "everyone"; // it is there no longer
  }
  if (customer) find("customer").value = customer;
  if (channel && find("channel").querySelector(`[value="${CSS.escape(channel)}"]`)) find("channel").value = channel;
  showFields();
}

async function look() {
  const choice = readChoice();
  const problem = find("when-problem");
  if (choice.kind === "customer" && !choice.customer) {
    problem.replaceChildren(makeText("p", t("needsCustomer"), "notice warn"));
    find("customer").focus();
    return;
  }
  const draft = readView().draft;
  writeView({ segment: choice.customer || choice.segment === "everyone" ? "" : choice.segment, channel: choice.channel, draft });
  writeFragment({ customer: choice.customer });
  try {
    const week = choice.customer
      ? await postJson("/v1/receptivity", { customers: [choice.customer], channel: choice.channel })
      : await getJson("/v1/receptivity", { segment: choice.segment, channel: choice.channel });
    problem.replaceChildren();
    showWeek(week, choice);
    planner?.setShown(choice, choice.customer ? t("customer") : nameSegment(choice.segment));
  } catch (error) {
    find("when").hidden = true;
    showProblem(problem, error, look);
  }
}

function showWeek(week, choice) {
  find("when").hidden = false;
  const order = [...week.slots].sort((a, b) => b.probability - a.probability);
  const places = order[0].probability < 0.2 ? 1 : 0;
  const digits = { maximumFractionDigits: places, minimumFractionDigits: places };
  map?.destroy();
  map = new HeatMap(find("week"), {
    caption: `${t(`measure.${week.measure}`)}. ${week.time_zone ? t("zoneHours", { zone: week.time_zone }) : t("localHours")}`,
    show: (slot) => number(100 * week.slots[slot].probability, digits),
    describe: (slot) => describe(week.slots[slot], choice, digits),
    level: (slot) => toLevel(week.slots[slot].lift),
    best: new Set([order[0].slot]),
    legend: [t("legendUnder", { x: times(BOUNDS[0]) }), ...BOUNDS.map((from, n) => n + 1 < BOUNDS.length ? `${times(from)}–${times(BOUNDS[n + 1])}` : t("legendFrom", { x: times(from) }))],
  });
  showBest(week, order, choice);
  showBecause(week, choice);
}

// The same digits as the cell shows, so that what is said begins with what is seen.
function describe(slot, choice, digits) {
  const values = { slot: nameSlot(slot.slot), value: percent(slot.probability, digits), lift: times(slot.lift) };
  if (slot.low === null) return t("cellPlain", values);
  return t(choice.customer ? "cell" : "cellSegment", { ...values, low: percent(slot.low, digits), high: percent(slot.high, digits) });
}

function showBest(week, [first, second, third], choice) {
  const lift = first.low === null
    ? t("bestLiftPlain", { lift: times(first.lift) })
    : t(choice.customer ? "bestLift" : "bestLiftSegment", { lift: times(first.lift), low: times(first.lift_low), high: times(first.lift_high) });
  find("best").replaceChildren(
    makeFigure(t("best"), nameSlot(first.slot), t("bestDetail", { value: percent(first.probability), lift })),
    makeFigure(t("average"), percent(week.mean), ""),
    makeFigure(t("nextBest"), nameSlot(second.slot), t("nextDetail", { value: percent(second.probability), slot: nameSlot(third.slot), other: percent(third.probability) })),
  );
}

function showBecause(week, choice) {
  const list = document.createElement("ul");
  const parts = [];
  if (choice.customer) {
    if (week.without_consent) parts.push(makeText("p", t("noConsent"), "notice warn"));
    if (week.unknown) parts.push(makeText("p", t("unknown"), "notice"));
    for (const words of week.words.slice(2)) list.append(makeText("li", words));
    Object.assign(list, { lang: "en", dir: "ltr" }); // the API's own sentences
  } else {
    const of = week.scored === week.customers ? t("basedOn", { n: week.customers }) : t("sampled", { scored: week.scored, customers: week.customers });
    parts.push(makeText("p", of));
    for (const [label, n] of Object.entries(week.evidence)) list.append(makeText("li", t(`evidence.${label}`, { n })));
  }
  find("because").replaceChildren(...parts, list, makeText("p", t("asOf", { date: date(week.profiles_as_of), version: week.model_version }), "faint"));
}

export function makeFigure(label, figure, detail) {
  const box = document.createElement("div");
  const value = makeText("dd", figure, "figure");
  box.append(makeText("dt", label), value);
  if (detail) box.append(makeText("dd", detail));
  return box;
}

export function makeText(name, text, className = "") {
  return Object.assign(document.createElement(name), { textContent: text, className });
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    find("copied").textContent = t("copied");
  } catch {
    find("copied").textContent = t("copyHere");
  }
}

async function open() {
  try {
    ({ segments } = await getJson("/v1/receptivity/segments"));
  } catch (error) {
    showProblem(find("when-problem"), error, open);
    return;
  }
  find("when-problem").replaceChildren();
  fillSegments();
  restore();
  planner = openPlanner({ makeFigure, makeText, nameSegment });
  await look();
}

find("kind").addEventListener("change", showFields);
find("look").addEventListener("submit", (event) => {
  event.preventDefault();
  look();
});
find("copy").addEventListener("click", copyLink);
open();
