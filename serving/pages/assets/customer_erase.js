// Erasing a person: the identifier is typed again, and the outcome is told in full.
import { deleteJson, showProblem } from "./api.js";
import { el } from "./elements.js";
import { number } from "./format.js";
import { t } from "./strings.js";
import { fillTable } from "./table.js";
import { listWords, nameOf } from "./words.js";

const find = (id) => document.getElementById(id);

// getShown() -> {who, address}; onErased(element) is called with what is to be shown.
export function followErase(getShown, onErased) {
  const dialog = find("erase-dialog");
  find("erase").addEventListener("click", () => {
    find("erase-who").value = "";
    find("erase-error").textContent = "";
    dialog.showModal();
    find("erase-who").focus();
  });
  find("erase-cancel").addEventListener("click", () => dialog.close());
  find("erase-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const { who, address } = getShown();
    if (find("erase-who").value.trim() !== who) {
      find("erase-error").textContent = t("erase.differs", { length: who.length });
      find("erase-who").focus();
      return;
    }
    const button = find("erase-confirm");
    button.disabled = true;
    find("erase-error").textContent = t("erase.busy");
    try {
      const erased = await deleteJson(address);
      dialog.close();
      onErased(tellErased(erased));
    } catch (error) {
      dialog.close();
      showProblem(find("action"), error);
      find("action").scrollIntoView({ block: "nearest" });
    } finally {
      button.disabled = false;
      find("erase-error").textContent = "";
    }
  });
}

function tellErased({ erased, affected_models: models, files }) {
  const rows = Object.entries(erased).filter(([, n]) => n > 0).map(([kind, n]) => ({ kind, n }));
  const box = el("div", { class: "notice good" }, el("p", {}, el("strong", {}, t("erase.done"))));
  if (rows.length > 0) {
    const table = el("table");
    fillTable(table, [
      { key: "kind", label: t("erase.rows"), isHeader: true, format: (kind) => nameOf("erase", kind) },
      { key: "n", label: "", isNumber: true, format: (n) => number(n, { maximumFractionDigits: 0 }) },
    ], rows);
    box.append(table);
  }
  box.append(el("p", {}, models.length > 0 ? t("erase.models", { models: listWords(models) }) : t("erase.noModels")));
  if (files === "pending") box.append(el("p", {}, t("erase.files")));
  return box;
}
