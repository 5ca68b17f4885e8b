// Elements made by script: make("p", { className: "faint" }, "text", otherElement) -> element.
export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// A list of terms and what they are: [[term, text or element], …]; rows of nothing are left out.
export function makeFacts(facts) {
  const list = make("dl", { className: "facts" });
  for (const [term, what] of facts) {
    if (what !== null && what !== undefined && what !== "") list.append(make("dt", {}, term), make("dd", { dir: "auto" }, what));
  }
  return list;
}

// Text that the API tells in English: said to be so, for those who hear it read.
export const quote = (name, text) => make(name, { lang: "en", dir: "auto" }, text);
