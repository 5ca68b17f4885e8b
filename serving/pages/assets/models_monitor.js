// What `almanac monitor` found when it last ran.
import { el, said } from "./elements.js";
import { dateTime, number } from "./format.js";
import { makeTable } from "./models_evidence.js";
import { t } from "./strings.js";

const SIGNS = { ok: "good", watch: "warn", alert: "bad" };
const ORDER = ["alert", "watch", "not enough data", "ok"];
const exact = (x) => number(x, { maximumSignificantDigits: 4 });

export function showMonitor(place, monitor) {
  if (!monitor) {
    place.replaceChildren(el("p", { class: "notice warn" }, t("monitor.none")));
    return;
  }
  const loud = monitor.checks.filter((check) => check.verdict === "alert" || check.verdict === "watch");
  const quiet = monitor.checks.filter((check) => !loud.includes(check));
  const sign = SIGNS[monitor.verdict] ?? "";
  place.replaceChildren(
    el("p", { class: `notice ${sign}` }, t(`monitor.${monitor.verdict}`), " ", t("monitor.ran", { at: dateTime(monitor.made_at) })),
    ...monitor.retraining.map((because) => el("p", { class: "notice bad" }, t("retrain", { because }))),
  );
  if (loud.length) place.append(listChecks(loud));
  if (quiet.length) place.append(el("details", {}, el("summary", {}, t("quiet", { n: quiet.length })), listChecks(quiet)));
}

function listChecks(checks) {
  const sorted = [...checks].sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict));
  const columns = [
    { key: "subject", label: t("check"), isHeader: true, format: (subject, check) => said(`${check.kind}: ${subject}`) },
    { key: "model", label: t("model"), format: (kind) => t(`kind.${kind}`) },
    { key: "verdict", label: t("finding"), format: (word) => el("span", { class: `sign ${SIGNS[word] ?? "faint"}` }, t(`finding.${word}`)) },
    { key: "value", label: t("value"), isNumber: true, format: exact },
    { key: "threshold", label: t("threshold"), isNumber: true, format: exact },
    { key: "reason", label: t("reason"), format: (reason) => said(reason) },
  ];
  return makeTable(columns, sorted, t("check"));
}
