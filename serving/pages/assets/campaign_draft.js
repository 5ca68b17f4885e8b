// A draft as it is seen before anything is sent: figures, arms, schedule, reasons; then its file.
import { download, postJson, showProblem } from "./api.js";
import { date, dateTime, number } from "./format.js";
import { HeatMap, nameSlot } from "./heatmap.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";

const find = (id) => document.getElementById(id);
const times = (x) => number(x, { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const some = (x) => number(x, { maximumFractionDigits: x < 10 ? 1 : 0 });
let map = null;

export function showDraft(draft, zone, { makeFigure, makeText }) {
  const { plan } = draft;
  find("draft").hidden = false;
  const about = { name: draft.campaign, at: dateTime(draft.decided_at, zone), from: dateTime(draft.window.start, zone), to: dateTime(draft.window.end, zone), zone };
  find("draft-about").textContent = `${t("draftFor", about)} ${t("dataAsOf", { date: date(draft.data_as_of) })}`;
  find("draft-figures").replaceChildren(...listFigures(plan, makeFigure));
  find("draft-empty").hidden = plan.messages > 0;
  find("draft-week").hidden = plan.messages === 0;
  showWeek(plan);
  showTables(plan, zone);
  find("draft-words").replaceChildren(...plan.words.map((words) => makeText("p", words)));
  find("decide-state").textContent = "";
  find("draft-problem").replaceChildren();
  find("export").onclick = () => act(() => download(`/v1/campaign-drafts/${draft.id}/messages`, {}, { name: `${draft.campaign}.csv` }));
  find("decide").onclick = () => act(async () => {
    const told = await postJson(`/v1/campaign-drafts/${draft.id}/decision`);
    find("decide-state").textContent = t(told.is_new ? "decided" : "decidedBefore");
  });
}

async function act(work) {
  find("draft-problem").replaceChildren();
  try {
    await work();
  } catch (error) {
    showProblem(find("draft-problem"), error, () => act(work));
  }
}

function listFigures(plan, makeFigure) {
  const figures = [makeFigure(t("messages"), number(plan.messages), t("ofAudience", { n: plan.audience }))];
  for (const one of plan.expected) {
    const widest = t("widest", { low: some(one.widest_low), high: some(one.widest_high) });
    const of = t("expectedOf", { messages: one.messages, low: some(one.low), high: some(one.high) });
    figures.push(makeFigure(t(`expected.${one.measure}`), some(one.expected), `${of}. ${widest}`));
    figures.push(makeFigure(t("lift"), t("liftTimes", { lift: times(one.lift) }), t("liftDetail", { evenly: some(one.evenly), low: times(one.lift_low), high: times(one.lift_high) })));
    figures.push(makeFigure(t("bestSingle"), some(one.best_slot_expected), t("bestSingleDetail", { slot: nameSlot(one.best_slot) })));
  }
  if (plan.cost > 0) figures.push(makeFigure(t("cost"), number(plan.cost, { maximumFractionDigits: 2 }), ""));
  return figures;
}

function showWeek(plan) {
  const most = Math.max(...plan.slots);
  const level = (slot) => (plan.slots[slot] === 0 ? 0 : Math.min(1 + Math.floor((5 * plan.slots[slot]) / (most + 1)), 5));
  map?.destroy();
  map = new HeatMap(find("draft-week"), {
    caption: t("scheduleCaption"),
    show: (slot) => (plan.slots[slot] ? number(plan.slots[slot]) : "·"),
    describe: (slot) => t("cellMessages", { slot: nameSlot(slot), n: plan.slots[slot] }),
    level,
    best: new Set(most ? [plan.slots.indexOf(most)] : []),
  });
}

function showTables(plan, zone) {
  const count = { isNumber: true, format: (x) => number(x) };
  fillTable(find("arms"), [
    { key: "arm", label: t("arm"), isHeader: true, format: (arm) => t(`arm.${arm}`) },
    { key: "customers", label: t("customers"), ...count },
    { key: "messages", label: t("messages"), ...count },
  ], plan.arms);
  find("left-out").hidden = !plan.left_out.length;
  find("nobody").hidden = Boolean(plan.left_out.length);
  find("nobody").textContent = t("nobodyLeftOut");
  fillTable(find("left-out"), [
    { key: "reason", label: t("reason"), isHeader: true, format: nameReason },
    { key: "customers", label: t("customers"), ...count },
  ], plan.left_out);
  fillTable(find("schedule"), [
    { key: "start", label: t("start", { zone }), isHeader: true, format: (iso) => dateTime(iso, zone) },
    { key: "channel", label: t("channel"), format: (name) => t(`channel.${name}`) },
    { key: "optimised", label: t("optimised"), ...count },
    { key: "random", label: t("random"), ...count },
  ], plan.schedule);
}

function nameReason(reason, row) {
  try {
    return t(`reason.${reason}`);
  } catch {
    return row.words; // a reason that this page does not know yet
  }
}
