// Texts of the page, in its language; the layout writes them as data.
export const language = document.documentElement.lang || "en";

const texts = JSON.parse(document.getElementById("strings")?.textContent ?? "{}");
const ORDER = ["zero", "one", "two", "few", "many", "other"];
const formatNumber = new Intl.NumberFormat(language);

// A text; of one that counts, the form for values.n. Numbers are written as the language does.
export function t(key, values = {}) {
  const found = texts[key];
  if (found === undefined) throw new Error(`no text '${key}'; list it in STRINGS of the page`);
  const text = Array.isArray(found) ? chooseForm(found, values.n) : found;
  return text.replace(/%\((\w+)\)s|%%/g, (whole, name) => {
    if (whole === "%%") return "%";
    const value = values[name];
    return isolate(typeof value === "number" ? formatNumber.format(value) : String(value ?? ""));
  });
}

// In lines that run from right to left two numbers beside each other would change places. What is
// put together of such parts already would be taken for a line that runs from left to right.
const isRightToLeft = document.documentElement.dir === "rtl";
const isolate = (value) => (isRightToLeft && !value.includes("\u2068") ? `\u2068${value}\u2069` : value);

function chooseForm(forms, n) {
  // Two forms are English where a catalogue has none of its own.
  const rules = new Intl.PluralRules(forms.length === 2 ? "en" : language);
  const used = ORDER.filter((one) => rules.resolvedOptions().pluralCategories.includes(one));
  return forms[Math.max(used.indexOf(rules.select(n)), 0)] ?? forms.at(-1);
}
