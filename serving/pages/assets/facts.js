// A list of terms and what they are: [[term, text or element], …]; rows of nothing are left out.
import { el } from "./elements.js";

export function makeFacts(facts) {
  const list = el("dl", { class: "facts" });
  for (const [term, what] of facts) {
    if (what !== null && what !== undefined && what !== "") list.append(el("dt", {}, term), el("dd", { dir: "auto" }, what));
  }
  return list;
}
