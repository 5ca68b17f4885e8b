// What answers, how fresh it is, and what needs attention, in words.
import { getJson, showProblem } from "./api.js";
import { el, said } from "./elements.js";
import { date, dateTime } from "./format.js";
import { t } from "./strings.js";

const DAY = 86_400_000;
const STALE_DAYS = 30;
const OLD_DAYS = 7;
const place = document.getElementById("state");
const name = (kind) => t(`kind.${kind}`);
const countDays = (iso) => Math.floor((Date.now() - Date.parse(iso)) / DAY);

// What is wrong with the service itself: [words, what it said of the reason].
function findFaults(state) {
  const faults = state.is_draining ? [[t("draining")]] : [];
  for (const model of state.models) {
    const { kind, refused_version: version, reason } = model;
    if (model.state === "refused") faults.push([t("refused", { kind: name(kind) }), reason]);
    else if (version) faults.push([t("refusedVersion", { kind: name(kind), version }), reason]);
    else if (model.state === "not-published" && model.is_required) faults.push([`${name(kind)}: ${t("not-published", { kind })}`]);
  }
  if (state.registry?.state === "unreachable") faults.push([t("unreachable"), state.registry.reason]);
  return faults;
}

function findWorries({ models, monitor }) {
  const worries = [];
  for (const { kind, champion, challenger } of models) {
    const until = champion?.evidence?.data_until;
    if (until && countDays(until) > STALE_DAYS) worries.push([t("stale", { kind: name(kind), n: countDays(until) })]);
    const word = { refused: "challengerRefused", waiting: "challengerWaits" }[challenger?.outcome];
    if (word && !challenger.is_answering) worries.push([t(word, { kind: name(kind), version: challenger.version })]);
  }
  if (!monitor) return models.some((one) => one.champion) ? [...worries, [t("monitorNever")]] : worries;
  if (countDays(monitor.made_at) > OLD_DAYS) worries.push([t("monitorOld", { n: countDays(monitor.made_at) })]);
  for (const because of monitor.retraining) worries.push([t("retrain", { because })]);
  const watched = monitor.checks.filter((check) => check.verdict === "watch").length;
  return watched ? [...worries, [t("watch", { n: watched })]] : worries;
}

function describeKind(model, known) {
  const champion = known?.models.find((one) => one.kind === model.kind)?.champion;
  const card = el("li", { class: "card" }, el("h3", {}, name(model.kind)));
  const isLoaded = model.state === "loaded";
  const words = isLoaded ? t("loaded", { version: model.model_version }) : t(model.state, { kind: model.state === "refused" ? name(model.kind) : model.kind });
  card.append(el("p", {}, words));
  if (!champion) return card;
  const until = champion.evidence?.data_until;
  const facts = [
    ["dataUntil", until ? date(until) : t("unknown")],
    ["trained", champion.trained_at ? dateTime(champion.trained_at) : t("unknown")],
    ["published", champion.published_at ? dateTime(champion.published_at) : t("unknown")],
  ];
  card.append(el("dl", { class: "facts" }, ...facts.flatMap(([key, value]) => [el("dt", {}, t(key)), el("dd", {}, value)])));
  return card;
}

function list(found) {
  return el("ul", {}, ...found.map(([words, reason]) => el("li", {}, words, reason ? " " : null, reason ? said(reason) : null)));
}

async function findKnown() {
  try {
    return [await getJson("/v1/models"), null];
  } catch (error) {
    return [null, error];
  }
}

async function show() {
  const [state, [known, problem]] = await Promise.all([getJson("/readyz"), findKnown()]);
  const found = [...findFaults(state), ...(known ? findWorries(known) : [])];
  const words = !state.is_ready ? "notReady" : found.length ? "attention" : "ready";
  const kind = { notReady: "bad", attention: "warn", ready: "good" }[words];
  const notice = el("div", { class: `notice ${kind}` }, el("p", {}, t(words)), found.length ? list(found) : null);
  place.replaceChildren(notice, el("ul", { class: "cards" }, ...state.models.map((model) => describeKind(model, known))));
  if (!problem) return;
  const more = el("div", {});
  place.append(el("p", { class: "faint" }, t("more")), more);
  showProblem(more, problem, show);
}

show().catch((error) => showProblem(place, error, () => show()));
