import { getJson, showProblem } from "./api.js";
import { t } from "./strings.js";

const place = document.getElementById("state");

async function show() {
  const readiness = await getJson("/readyz");
  const list = document.createElement("ul");
  for (const model of readiness.models) {
    const line = document.createElement("li");
    const state = t(model.state, { version: model.model_version, reason: model.reason });
    line.textContent = `${t(model.kind)}: ${state}`;
    list.append(line);
  }
  const first = document.createElement("p");
  first.className = readiness.is_ready ? "notice good" : "notice bad";
  first.textContent = t(readiness.is_ready ? "ready" : "notReady");
  place.replaceChildren(first, list);
}

show().catch((error) => showProblem(place, error, () => show()));
