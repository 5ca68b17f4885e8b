// How far off the backtest of exactly this selection was, in words.
import { make } from "./demand_names.js";
import { date, percent } from "./format.js";
import { t } from "./strings.js";

const AS_GOOD = 0.01; // below it nobody would call one of two errors the smaller
const whole = { maximumFractionDigits: 0 };

export function showAccuracy(element, found) {
  if (!found.judged || found.wape === null) {
    element.replaceChildren(make("p", "faint", t("judgedNone")));
    return;
  }
  const errors = make("p", "figure");
  errors.append(t("offBy", { wape: percent(found.wape, whole) }));
  const said = [errors, make("p", "", compare(found)), make("p", "", tellBias(found.bias))];
  said.push(make("p", "", t("inside", { share80: percent(found.coverage_80, whole), share95: percent(found.coverage_95, whole) })));
  const dates = { first: date(found.first_date), last: date(found.last_date) };
  said.push(make("p", "faint", t("judged", { n: found.judged, ...dates })));
  element.replaceChildren(...said);
}

function compare({ wape, baseline_wape: rival }) {
  if (rival === null) return "";
  const words = { wape: percent(rival, whole) };
  if (wape < rival - AS_GOOD) return t("better", words);
  return wape > rival + AS_GOOD ? t("worse", words) : t("naive", words);
}

function tellBias(bias) {
  if (Math.abs(bias) < 0.005) return t("unbiased");
  return t(bias > 0 ? "tooMuch" : "tooLittle", { bias: percent(Math.abs(bias), whole) });
}
