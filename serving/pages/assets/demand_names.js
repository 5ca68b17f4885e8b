// What series are called.
import { number, percent } from "./format.js";
import { t } from "./strings.js";

const ALL = "all";

export const nameRegion = (one) => (one.region_id === ALL ? t("allRegions") : one.region_name);
export const nameProduct = (one) => (one.product_id === ALL ? t("allProducts") : one.product_name);
export const namePair = (one) => t("pair", { region: nameRegion(one), product: nameProduct(one) });

// A growth of 1.2 is written +20 %.
export const writeGrowth = (ratio) =>
  ratio === null || ratio === undefined
    ? t("notKnown")
    : percent(ratio - 1, { signDisplay: "exceptZero", maximumFractionDigits: 0 });

export const writeUnits = (units) => number(units, { maximumFractionDigits: Math.abs(units) < 10 ? 1 : 0 });

export const writePrice = (price) => number(price, { minimumFractionDigits: 2, maximumFractionDigits: price < 1 ? 3 : 2 });

// A link to a series that is opened without leaving the page, but can be copied and opened apart.
export function linkTo(series, text, onChoose) {
  const link = document.createElement("a");
  link.textContent = text;
  link.href = `/demand?${new URLSearchParams({ region: series.region_id, product: series.product_id })}`;
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    onChoose(series.region_id, series.product_id);
    scrollTo({ top: 0 });
  });
  return link;
}

export function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}
