// What to hold and to order of the series below the selection.
import { getJson, showProblem } from "./api.js";
import { make, writeUnits } from "./demand_names.js";
import { percent } from "./format.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";

const NEXT = 100;

export function showStock(element, pair, page) {
  const rows = page.advice;
  const isKnown = rows.some((one) => one.on_hand !== null);
  const note = isKnown ? [] : [make("p", "faint", t("stockNone"))];
  const table = make("table");
  const units = (key, label) => ({ key, label: t(label), isNumber: true, format: (x) => (x === null ? "–" : writeUnits(x)) });
  const known = isKnown ? [units("on_hand", "onHand"), units("order_now", "orderNow")] : [];
  const risk = { key: "stock_out_probability", label: t("outRisk"), isNumber: true, format: (x) => percent(x, { maximumFractionDigits: 0 }) };
  fillTable(table, [
    { key: "region_id", label: t("region"), isHeader: true },
    { key: "product_id", label: t("product") },
    ...known,
    units("order_up_to", "orderUpTo"),
    ...(isKnown ? [risk] : []),
    { key: "reason", label: t("reasonColumn"), format: (words) => Object.assign(make("span", "reason", words), { lang: "en", dir: "ltr" }) },
  ], rows);
  const scroll = make("div", "scroll tall");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-labelledby", "stock-title");
  scroll.append(table);
  element.replaceChildren(...note, scroll);
  if (page.next_cursor) element.append(makeMore(element, pair, page));
}

function makeMore(element, pair, page) {
  const button = make("button", "", t("more"));
  button.type = "button";
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const limit = page.advice.length + NEXT;
      showStock(element, pair, await getJson("/v1/stock-advice", { ...pair, limit: Math.min(limit, 1000) }));
    } catch (error) {
      showProblem(element, error);
    }
  });
  return button;
}
