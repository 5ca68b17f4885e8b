// One person: looked up by any identifier, which stays in the fragment of the address.
import { download, getJson, showProblem } from "./api.js";
import { showCards } from "./customer_cards.js";
import { followErase } from "./customer_erase.js";
import { showWeek } from "./customer_week.js";
import { Timeline } from "./customer_timeline.js";
import { el } from "./elements.js";
import { dateTime } from "./format.js";
import { t } from "./strings.js";
import { readFragment, writeFragment } from "./view.js";
import { nameOf, translate } from "./words.js";

const find = (id) => document.getElementById(id);
const state = find("state");
const address = (who) => `/v1/customers/${encodeURIComponent(who)}`;
const timeline = new Timeline(keepView);
let shown = null;
let asked = 0;

find("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const who = find("who").value.trim();
  if (who) lookUp(who, {});
});
window.addEventListener("hashchange", followAddress);
find("export").addEventListener("click", exportAll);
followErase(() => shown, forget);
followAddress();

function followAddress() {
  const view = readFragment();
  if (!view.who) return;
  find("who").value = view.who;
  lookUp(view.who, view);
}

// The view in the fragment: who, and what is chosen of them.
function keepView(changes) {
  writeFragment({ ...readFragment(), ...changes });
}

async function lookUp(who, view) {
  const turn = (asked += 1);
  writeFragment({ ...view, who });
  find("customer").hidden = true;
  find("action").replaceChildren();
  state.replaceChildren(el("p", { class: "faint" }, t("looking")));
  try {
    const customer = await getJson(address(who));
    if (turn !== asked) return; // somebody else was looked up meanwhile
    show(who, customer, view);
  } catch (error) {
    if (turn !== asked) return;
    shown = null;
    if (error.status === 404) showUnknown();
    else showProblem(state, error, () => lookUp(who, view));
  }
}

function show(who, customer, view) {
  shown = { who, address: address(who) };
  const { is_personal: isPersonal } = customer.consent;
  const isPseudonym = customer.customer_id.startsWith("person-");
  find("name").textContent = customer.customer_id;
  const zone = nameOf("zone", customer.time_zone_source);
  const about = [t("asOf", { at: dateTime(customer.as_of, customer.time_zone) }), `${customer.time_zone} (${zone})`];
  if (isPseudonym) about.unshift(t("pseudonym"));
  find("about").textContent = about.join(" · ");
  // The first note of who has not agreed is told by the card on consent.
  const notes = customer.notes.slice(isPersonal ? 0 : 1);
  find("notes").replaceChildren(...notes.map((note) => el("p", { class: "notice warn" }, translate(note))));
  for (const part of document.querySelectorAll("[data-personal]")) part.hidden = !isPersonal;
  showCards(customer);
  if (isPersonal) showWeek(customer, view.week, (channel) => keepView({ week: channel }));
  find("customer").hidden = false;
  state.replaceChildren(el("p", { class: "unseen" }, t("found", { id: customer.customer_id })));
  timeline.show(shown.address, customer.time_zone, view.channel ?? "");
}

function showUnknown() {
  const box = el("div", { class: "notice warn" });
  box.append(el("p", {}, el("strong", {}, t("unknown"))), el("p", {}, t("unknownHint")));
  state.replaceChildren(box);
  find("who").focus();
}

async function exportAll() {
  find("action").replaceChildren();
  try {
    await download(`${shown.address}/export`, {}, { accept: "application/json", name: "customer.json" });
  } catch (error) {
    showProblem(find("action"), error, exportAll);
  }
}

// Nothing of who was erased stays on the screen or in the address; the outcome does.
function forget(outcome) {
  shown = null;
  asked += 1;
  timeline.clear();
  writeFragment({});
  find("who").value = "";
  find("customer").hidden = true;
  state.replaceChildren(outcome);
  outcome.tabIndex = -1;
  outcome.focus();
}
