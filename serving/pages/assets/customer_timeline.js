// What happened with a person, the newest first; older entries are asked for as they are wanted.
import { getJson, showProblem } from "./api.js";
import { el } from "./elements.js";
import { money, number } from "./format.js";
import { language, t } from "./strings.js";
import { listWords, nameChannel, nameOf } from "./words.js";

const find = (id) => document.getElementById(id);
const PAGE = 50;
const MOST_PRODUCTS = 4;

export class Timeline {
  constructor(keepView) {
    this.turn = 0;
    find("timeline-channel").addEventListener("change", (event) => {
      keepView({ channel: event.target.value });
      this.start(event.target.value);
    });
    find("older").addEventListener("click", () => this.loadOlder());
  }

  show(address, zone, channel) {
    this.address = address;
    const options = { timeZone: zone };
    this.day = new Intl.DateTimeFormat(language, { dateStyle: "full", ...options });
    this.clock = new Intl.DateTimeFormat(language, { timeStyle: "short", ...options });
    find("timeline-channel").value = channel;
    find("timeline-zone").textContent = zone;
    this.start(channel);
  }

  clear() {
    this.turn += 1;
    find("timeline").replaceChildren();
    find("timeline-state").replaceChildren();
    find("timeline-count").textContent = "";
    find("older").hidden = true;
  }

  start(channel) {
    this.clear();
    Object.assign(this, { channel, cursor: null, count: 0, lastDay: null, list: null });
    this.load();
  }

  async load() {
    const turn = this.turn;
    find("older").disabled = true;
    try {
      const params = { limit: PAGE, channel: this.channel, cursor: this.cursor };
      const page = await getJson(`${this.address}/timeline`, params);
      if (turn !== this.turn) return null; // another filter was chosen meanwhile
      find("timeline-state").replaceChildren();
      return this.add(page);
    } catch (error) {
      if (turn === this.turn) showProblem(find("timeline-state"), error, () => this.load());
      return null;
    } finally {
      find("older").disabled = false;
    }
  }

  // The focus goes to the first of the entries that came, so that a reader goes on from there.
  async loadOlder() {
    const first = await this.load();
    if (first) {
      first.tabIndex = -1;
      first.focus();
    }
  }

  add(page) {
    let first = null;
    for (const entry of page.entries) {
      const line = this.addEntry(entry);
      first ??= line;
    }
    this.count += page.entries.length;
    this.cursor = page.next_cursor;
    find("older").hidden = page.next_cursor === null;
    find("timeline-count").textContent = this.tellCount(page.next_cursor === null);
    return first;
  }

  tellCount(isAll) {
    if (this.count === 0) return t(this.channel ? "noEntriesIn" : "noEntries");
    return t(isAll ? "shownAll" : "shown", { n: this.count });
  }

  addEntry(entry) {
    const at = new Date(entry.at);
    const day = this.day.format(at);
    if (day !== this.lastDay) {
      this.list = el("ol", { class: "timeline" });
      find("timeline").append(el("div", { class: "day" }, el("h4", {}, day), this.list));
      this.lastDay = day;
    }
    const what = entry.kind === "event" ? nameOf("event", entry.type) : nameOf("entry", entry.kind);
    const line = el("li", { class: `entry is-${entry.kind}` },
      el("time", { datetime: entry.at }, this.clock.format(at)),
      el("strong", {}, what),
      entry.channel ? el("span", { class: "tag" }, nameChannel(entry.channel)) : null,
      el("span", { class: "entry-what", dir: "auto" }, tellDetails(entry)),
    );
    this.list.append(line);
    return line;
  }
}

function tellDetails(entry) {
  const details = [
    tellWorth(entry),
    entry.order_id && t("entry.order_id", { id: entry.order_id }),
    entry.product_id && t("entry.product", { id: entry.product_id }),
    entry.promotion_id && t("entry.promotion", { id: entry.promotion_id }),
    entry.region_id && t("entry.region", { id: entry.region_id }),
    entry.lines && tellLines(entry.lines),
    entry.preferences && tellPreferences(entry.preferences),
    entry.cause && t("entry.cause", { cause: entry.cause }),
  ];
  return details.filter(Boolean).join(" · ");
}

function tellWorth({ kind, value, currency }) {
  if (value === undefined || value === null) return kind === "refund" ? t("entry.all") : "";
  return currency ? money(value, currency) : number(value, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

function tellLines(lines) {
  const names = lines.slice(0, MOST_PRODUCTS).map((line) => {
    const times = line.quantity && line.quantity !== 1 ? `${number(line.quantity)} × ` : "";
    return `${times}${line.product_id ?? "–"}`;
  });
  const rest = lines.length - names.length;
  const products = rest > 0 ? t("entry.more", { products: names.join(", "), n: rest }) : listWords(names);
  return t("entry.lines", { n: lines.length, products });
}

const tellPreferences = (preferences) =>
  listWords(Object.entries(preferences).map(([name, choice]) => `${name}: ${t(choice ? "yes" : "no")}`));
