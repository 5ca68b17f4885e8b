// Links that show the same view again. The query holds what is nobody's; who somebody is goes into
// the fragment, which browsers send to no server.
export const readView = () => Object.fromEntries(new URLSearchParams(location.search));
export const readFragment = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

export function writeView(values) {
  history.replaceState(null, "", `${location.pathname}${pack(values, "?")}${location.hash}`);
}

export function writeFragment(values) {
  history.replaceState(null, "", `${location.pathname}${location.search}${pack(values, "#")}`);
}

function pack(values, mark) {
  const there = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(there).toString();
  return text ? mark + text : "";
}
