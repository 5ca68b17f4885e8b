// Numbers, money and dates as the page's language writes them.
import { language } from "./strings.js";

const kept = new Map();
const NOTHING = "–";

function make(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!kept.has(key)) kept.set(key, new kind(language, options));
  return kept.get(key);
}

const isMissing = (x) => x === null || x === undefined || Number.isNaN(x);

export function number(x, options = { maximumFractionDigits: 1 }) {
  return isMissing(x) ? NOTHING : make(Intl.NumberFormat, options).format(x);
}

// A fraction: 0.062 is 6.2 %.
export function percent(x, options = { maximumFractionDigits: 1 }) {
  return number(x, { style: "percent", ...options });
}

export function money(x, currency) {
  return number(x, { style: "currency", currency, maximumFractionDigits: 2 });
}

// A calendar day, "2026-11-04", whatever the zone of the reader.
export function date(iso, options = { dateStyle: "medium" }) {
  if (isMissing(iso)) return NOTHING;
  return make(Intl.DateTimeFormat, { ...options, timeZone: "UTC" }).format(new Date(`${iso.slice(0, 10)}T00:00:00Z`));
}

// A moment, in a zone, or in the reader's.
export function dateTime(iso, zone) {
  if (isMissing(iso)) return NOTHING;
  const options = { dateStyle: "medium", timeStyle: "short", ...(zone ? { timeZone: zone } : {}) };
  return make(Intl.DateTimeFormat, options).format(new Date(iso));
}
