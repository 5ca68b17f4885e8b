// What every page has: language, colours, and the session.
import { ApiProblem, deleteJson, getJson, postJson } from "./api.js";
import { t } from "./strings.js";

const find = (id) => document.getElementById(id);
const YEAR = 365 * 24 * 3600;

function keep(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=${YEAR}; samesite=lax`;
}

find("language").addEventListener("change", (event) => {
  keep("almanac_language", event.target.value);
  location.reload();
});
find("theme").addEventListener("change", (event) => {
  keep("almanac_theme", event.target.value);
  document.documentElement.dataset.theme = event.target.value;
  document.dispatchEvent(new CustomEvent("almanac:theme"));
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  document.dispatchEvent(new CustomEvent("almanac:theme"));
});

// On a narrow screen the line of pages scrolls; the one that is shown is in sight.
// Not by scrollIntoView, after which the Tab key would begin there.
const shown = document.querySelector(".bar [aria-current]");
if (shown) {
  const line = document.querySelector(".bar nav");
  const [inner, outer] = [shown.getBoundingClientRect(), line.getBoundingClientRect()];
  line.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
}

const button = find("session");
const dialog = find("key-dialog");
let isSignedIn = false;

function askForKey() {
  find("key-error").textContent = "";
  find("key").value = "";
  dialog.showModal();
}

document.addEventListener("almanac:key", askForKey);
find("key-cancel").addEventListener("click", () => dialog.close());
button.addEventListener("click", async () => {
  if (!isSignedIn) return askForKey();
  await deleteJson("/session");
  location.reload();
});
find("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await postJson("/session", { key: find("key").value.trim() });
    location.reload();
  } catch (error) {
    const isWrong = error instanceof ApiProblem && error.status === 401;
    find("key-error").textContent = isWrong ? t("shell.keyWrong") : error.message;
    find("key").focus();
  }
});

async function showSession() {
  const session = await getJson("/session");
  isSignedIn = session.key_id !== null;
  button.hidden = !session.is_asked;
  button.textContent = isSignedIn ? t("shell.signOut") : t("shell.enterKey");
  button.title = isSignedIn ? t("shell.signedIn", { key: session.key_id }) : "";
}

showSession().catch(() => {});
