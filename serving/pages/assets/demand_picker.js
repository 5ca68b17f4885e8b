// A box to search in and a list to choose from, as the ARIA pattern of a combobox has it.
import { getJson } from "./api.js";
import { make, namePair, writeUnits } from "./demand_names.js";
import { t } from "./strings.js";

const LIMIT = 20;
const PAUSE = 120; // milliseconds after the last key

export function startPicker({ input, list, count, onChoose }) {
  let found = [];
  let active = -1;
  let timer = 0;
  let turn = 0;

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    active = -1;
  }

  function point(at) {
    const options = list.querySelectorAll("[role=option]");
    if (!options.length) return;
    active = (at + options.length) % options.length;
    options.forEach((option, place) => option.setAttribute("aria-selected", String(place === active)));
    options[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[active].id);
  }

  function choose(at) {
    const one = found[at];
    if (!one) return;
    input.value = "";
    close();
    onChoose(one.region_id, one.product_id);
  }

  function show(page) {
    found = page.series;
    list.replaceChildren(...found.map((one, at) => {
      const option = make("li");
      option.id = `found-${at}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.append(make("span", "", namePair(one)), make("span", "faint", `${one.level} · ${writeUnits(one.units)} ${t("units")}`));
      option.addEventListener("mousedown", (event) => event.preventDefault()); // keep the focus
      option.addEventListener("click", () => choose(at));
      return option;
    }));
    if (!found.length) list.append(make("li", "faint none", t("foundNone")));
    count.textContent = page.next_cursor ? t("foundMore", { n: LIMIT }) : t("found", { n: found.length });
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    active = -1;
    input.removeAttribute("aria-activedescendant");
  }

  async function ask() {
    const mine = ++turn;
    try {
      const page = await getJson("/v1/series", { search: input.value.trim(), limit: LIMIT });
      if (mine === turn && document.activeElement === input) show(page);
    } catch (error) {
      count.textContent = error.message;
      close();
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  });
  input.addEventListener("focus", () => input.value && ask());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", async (event) => {
    const isOpen = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen) await ask();
      const start = active < 0 && event.key === "ArrowUp" ? 0 : active;
      point(start + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (isOpen) choose(Math.max(active, 0));
    } else if (event.key === "Escape") {
      if (isOpen) close();
      else input.value = "";
    }
  });
}
