// Planning a campaign: the form, and asking for its draft.
import { ApiProblem, getJson, postJson, showProblem } from "./api.js";
import { showDraft } from "./campaign_draft.js";
import { date, percent } from "./format.js";
import { t } from "./strings.js";
import { readView, writeView } from "./view.js";

const find = (id) => document.getElementById(id);
const DAY = 86_400_000;
const PAUSE = 1_000;

export function openPlanner(parts) {
  const planner = new Planner(parts);
  planner.open();
  return planner;
}

class Planner {
  constructor(parts) {
    this.parts = parts;
    this.shown = { segment: "everyone", customer: "" };
    find("plan").addEventListener("submit", (event) => {
      event.preventDefault();
      this.draft();
    });
    for (const radio of document.getElementsByName("audience")) {
      radio.addEventListener("change", () => { find("ids-field").hidden = this.audience() !== "list"; });
    }
  }

  setShown(choice, name) {
    this.shown = choice;
    find("audience-shown").textContent = t("audienceShown", { name });
  }

  audience() {
    return document.querySelector('input[name="audience"]:checked').value;
  }

  async open() {
    const problem = find("plan-problem");
    try {
      this.choices = await getJson("/v1/campaign-choices");
    } catch (error) {
      showProblem(problem, error, () => this.open());
      return;
    }
    problem.replaceChildren();
    if (!this.choices.promotions.length) {
      problem.replaceChildren(this.parts.makeText("p", t("noPromotions"), "notice"));
      return;
    }
    this.fill();
    find("plan").hidden = false;
    const { draft } = readView();
    if (draft) this.follow(draft);
  }

  fill() {
    const { promotions, rules, profiles_as_of: asOf } = this.choices;
    find("promotions").replaceChildren(...promotions.map((one, n) => this.makeChoice(one, n === 0)));
    const bound = promotions[0].channels;
    for (const box of document.getElementsByName("channel")) if (bound.length) box.checked = bound.includes(box.value);
    const [from, until] = rules.quiet_hours ? rules.quiet_hours.split("-") : ["", ""];
    find("quiet-from").value = from;
    find("quiet-until").value = until;
    find("cap").max = rules.cap_messages;
    find("cap").placeholder = rules.cap_messages;
    find("gap").min = rules.min_gap_hours;
    find("gap").placeholder = rules.min_gap_hours;
    find("random").placeholder = Math.round(100 * rules.random);
    if (rules.budget !== null) find("budget").placeholder = rules.budget;
    const hasEnded = promotions.every((one) => Date.parse(one.ends_at) <= Date.now());
    if (hasEnded) {
      find("decided").value = toLocal(asOf);
      find("plan-notice").textContent = t("allEnded", { date: date(asOf) });
      find("plan-notice").hidden = false;
    }
  }

  makeChoice(one, isFirst) {
    const label = this.parts.makeText("label", "", "choice");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "promotion", value: one.promotion_id, checked: isFirst });
    const values = { name: one.promotion_id, from: date(one.starts_at), to: date(one.ends_at) };
    label.append(box, one.discount ? t("promotionOff", { ...values, discount: percent(one.discount) }) : t("promotion", values));
    return label;
  }

  read() {
    const checked = (name) => [...document.querySelectorAll(`input[name="${name}"]:checked`)].map((box) => box.value);
    const amount = (id) => (find(id).value === "" ? null : Number(find(id).value));
    const decided = find("decided").value ? new Date(find("decided").value) : null;
    const start = find("start").value ? new Date(find("start").value) : decided ?? ceilHour(new Date());
    const end = new Date(start.getTime() + Number(find("days").value) * DAY);
    const quiet = [find("quiet-from").value, find("quiet-until").value];
    const channels = checked("channel");
    const most = amount("capacity");
    const share = amount("random");
    return {
      promotions: checked("promotion"),
      channels,
      ...this.readAudience(),
      window: { start: start.toISOString(), end: end.toISOString() },
      decided_at: decided?.toISOString() ?? null,
      quiet_hours: quiet.every(Boolean) ? quiet.join("-") : "",
      name: find("name").value.trim() || null,
      cap_messages: amount("cap"),
      min_gap_hours: amount("gap"),
      budget: amount("budget"),
      hourly_capacity: most === null ? null : Object.fromEntries(channels.map((name) => [name, most])),
      random: share === null ? null : share / 100,
    };
  }

  readAudience() {
    const kind = this.audience();
    if (kind === "list") return { customers: [...new Set(find("ids").value.split(/[\s,;]+/).filter(Boolean))] };
    if (kind === "everyone") return { segment: "everyone" };
    return this.shown.customer ? { customers: [this.shown.customer] } : { segment: this.shown.segment };
  }

  async draft() {
    const asked = this.read();
    const state = find("plan-state");
    if (!asked.promotions.length) return this.refuse(t("choosePromotion"));
    if (!asked.channels.length) return this.refuse(t("chooseChannel"));
    if (asked.customers && !asked.customers.length) return this.refuse(t("needsCustomer"));
    find("plan-problem").replaceChildren();
    find("draft-button").disabled = true;
    state.textContent = t("planning");
    try {
      const headers = { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
      const draft = await postJson("/v1/campaign-drafts", asked, headers);
      await this.follow(draft.id, draft);
    } catch (error) {
      state.textContent = "";
      showProblem(find("plan-problem"), error, () => this.draft());
    } finally {
      find("draft-button").disabled = false;
    }
  }

  refuse(words) {
    find("plan-problem").replaceChildren(this.parts.makeText("p", words, "notice warn"));
    find("plan-state").textContent = words;
  }

  // Ask until a draft is ready, and show it.
  async follow(id, first) {
    const isNew = first !== undefined;
    try {
      let draft = first ?? (await getJson(`/v1/campaign-drafts/${encodeURIComponent(id)}`));
      while (draft.state === "planning") {
        find("plan-state").textContent = t("planning");
        await new Promise((done) => setTimeout(done, PAUSE));
        draft = await getJson(`/v1/campaign-drafts/${encodeURIComponent(id)}`);
      }
      if (draft.state === "failed") throw new ApiProblem({ status: 422, title: t("failed"), detail: draft.problem });
      writeView({ ...readView(), draft: id });
      find("plan-state").textContent = t("planned", { n: draft.plan.messages });
      showDraft(draft, this.choices.time_zone, this.parts);
      if (isNew) find("draft").focus();
    } catch (error) {
      find("plan-state").textContent = "";
      if (!isNew) writeView({ ...readView(), draft: "" });
      showProblem(find("plan-problem"), error);
    }
  }
}

function ceilHour(moment) {
  return new Date(Math.ceil(moment.getTime() / 3_600_000) * 3_600_000);
}

// What an <input type="datetime-local"> holds of a moment.
function toLocal(iso) {
  const moment = new Date(iso);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
