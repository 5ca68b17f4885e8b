// The public API, asked in the name of the session; refusals are told in words.
import { t } from "./strings.js";

export class ApiProblem extends Error {
  constructor({ status, title, detail, request_id: requestId, errors }) {
    super(detail || title);
    Object.assign(this, { status, title, detail, requestId, errors: errors ?? [] });
  }
}

export const getJson = (path, params) => ask("GET", path, { params });
export const postJson = (path, body, headers) => ask("POST", path, { body, headers });
export const deleteJson = (path) => ask("DELETE", path, {});

// Have the browser save what the API answers, such as CSV.
export async function download(path, params, { accept = "text/csv", name }) {
  const response = await send("GET", path, { params, headers: { Accept: accept } });
  if (!response.ok) throw await readProblem(response);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function ask(method, path, options) {
  const response = await send(method, path, options);
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("application/json")) return response.json(); // /readyz also with 503
  throw await readProblem(response);
}

async function send(method, path, { params, body, headers }) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(params ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") url.searchParams.append(name, one);
    }
  }
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  try {
    return await fetch(url, {
      method,
      headers: { Accept: "application/json", "X-Almanac-Page": "1", ...json, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiProblem({ status: 0, title: t("shell.unreachable"), detail: "" });
  }
}

async function readProblem(response) {
  try {
    return new ApiProblem(await response.json());
  } catch {
    return new ApiProblem({ status: response.status, title: t("shell.failed"), detail: "" });
  }
}

// Say in an element what went wrong, and what to do: enter a key, use another, try again.
export function showProblem(element, error, retry) {
  if (!(error instanceof ApiProblem)) console.error(error);
  const box = document.createElement("div");
  box.className = "problem";
  box.setAttribute("role", "alert");
  const title = { 401: t("shell.needsKey"), 403: t("shell.needsScope") }[error.status] ?? error.title ?? t("shell.failed");
  add(box, "p", title).className = "problem-title";
  if (error.detail && error.status !== 401) add(box, "p", error.detail);
  if (error.status >= 500 && error.requestId) add(box, "p", t("shell.requestId", { id: error.requestId })).className = "faint";
  if (error.status === 401 || error.status === 403) {
    const button = add(box, "button", t("shell.enterKey"));
    button.type = "button";
    button.addEventListener("click", () => document.dispatchEvent(new CustomEvent("almanac:key")));
  } else if (retry) {
    const button = add(box, "button", t("shell.retry"));
    button.type = "button";
    button.addEventListener("click", retry);
  }
  element.replaceChildren(box);
}

function add(parent, name, text) {
  const child = document.createElement(name);
  child.textContent = text;
  parent.append(child);
  return child;
}
