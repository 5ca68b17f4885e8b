// Customers across channels, as `almanac report omnichannel` found them last.
import { getJson, showProblem } from "./api.js";
import { showFunnels } from "./channels_friction.js";
import { showJourneys } from "./channels_journeys.js";
import { showValue } from "./channels_value.js";
import { el } from "./elements.js";
import { date, dateTime, number } from "./format.js";
import { t } from "./strings.js";

const find = (id) => document.getElementById(id);
const WHOLE = { maximumFractionDigits: 0 };

async function show() {
  const insight = await getJson("/v1/insight/omnichannel");
  find("about").textContent = t("about", {
    events: number(insight.events, WHOLE), customers: number(insight.customers, WHOLE),
    first: date(insight.first), last: date(insight.last), made: dateTime(insight.made_at),
  });
  showValue(find("value"), insight.value, insight.currency);
  showJourneys(find("visits"), find("orders"), insight);
  showFunnels(find("funnels"), insight);
  find("state").replaceChildren();
  find("insight").hidden = false;
}

function refuse(error) {
  if (error.status !== 404) return showProblem(find("state"), error, start);
  find("state").replaceChildren(el("div", { class: "notice warn" },
    el("p", {}, el("strong", {}, t("notMade"))),
    el("p", {}, t("notMadeHint")),
    el("p", {}, el("code", { dir: "ltr" }, "almanac report omnichannel --out report")),
  ));
}

function start() {
  show().catch(refuse);
}

start();
