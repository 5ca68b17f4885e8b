// Champion and challenger of each kind, their evidence, and what the monitor found.
import { getJson, showProblem } from "./api.js";
import { el, said } from "./elements.js";
import { date, dateTime } from "./format.js";
import { showEvidence, showGates } from "./models_evidence.js";
import { showMonitor } from "./models_monitor.js";
import { t } from "./strings.js";

const find = (id) => document.getElementById(id);

function describeState(model) {
  const lines = [t(`state.${model.state}`, { version: model.model_version })];
  if (model.refused_version && model.model_version) lines.push(t("refusedVersion", { version: model.refused_version }));
  if (model.proof === "unproven") lines.push(t("unproven"));
  const item = el("li", {}, el("strong", {}, `${t(`kind.${model.kind}`)}: `), lines.join(" "));
  if (model.reason && model.state !== "not-published") item.append(" ", said(model.reason));
  return item;
}

async function showService() {
  const state = await getJson("/readyz");
  const word = state.is_draining ? "draining" : state.is_ready ? "ready" : "notReady";
  const list = el("ul", {}, ...state.models.map(describeState));
  const { challenger, registry } = state;
  if (challenger?.state === "loaded") {
    list.append(el("li", {}, t("trial", { version: challenger.model_version, mode: t(`mode.${challenger.mode}`) })));
  }
  if (registry && registry.state !== "off") list.append(el("li", {}, t(`registry.${registry.state}`)));
  find("service").replaceChildren(el("p", { class: `notice ${state.is_ready ? "good" : "bad"}` }, t(word)), list);
}

function describeVersion(version, role, kind) {
  const facts = [
    ["version", version.version],
    ["answers", t(version.is_answering ? "yes" : "no")],
    ["trained", version.trained_at ? dateTime(version.trained_at) : t("unknown")],
    ["published", version.published_at ? dateTime(version.published_at) : "–"],
    ["dataUntil", version.evidence?.data_until ? date(version.evidence.data_until) : t("unknown")],
    ["method", version.evidence?.model ?? t("unknown")],
    ["verdict", version.outcome ? t(`outcome.${version.outcome}`, { kind, because: version.forced_because }) : t("unknown")],
  ];
  const list = el("dl", { class: "facts" });
  for (const [name, value] of facts) list.append(el("dt", {}, t(name)), el("dd", {}, String(value)));
  const card = el("div", { class: "card" }, el("h3", {}, t(role)), list);
  if (version.registry_url) card.append(el("p", {}, el("a", { href: version.registry_url, rel: "noreferrer" }, t("mlflow"))));
  return card;
}

function showKind({ kind, champion, challenger }) {
  const place = find(kind);
  if (!champion && !challenger) {
    place.replaceChildren(el("p", { class: "notice" }, t("none")));
    return;
  }
  const roles = [["champion", champion], ["challenger", challenger]].filter(([, version]) => version);
  place.replaceChildren();
  for (const [role, version] of roles) {
    const isTold = version.gates.length || version.evidence;
    place.append(el("div", { class: "versions" }, describeVersion(version, role, kind), isTold ? showGates(version.gates) : null));
    if (version.evidence) place.append(showEvidence(kind, version.evidence));
    else place.append(el("p", { class: "notice warn" }, t("again", { kind })));
  }
}

async function showModels() {
  const found = await getJson("/v1/models");
  found.models.forEach(showKind);
  showMonitor(find("monitor"), found.monitor);
}

function start() {
  showService().catch((error) => showProblem(find("service"), error, start));
  showModels().catch((error) => {
    for (const id of ["promotion", "demand", "monitor"]) find(id).replaceChildren();
    showProblem(find("promotion"), error, start);
  });
}

start();
