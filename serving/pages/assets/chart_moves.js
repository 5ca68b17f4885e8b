// Panning by drag and zooming by wheel, one scale change a frame at most.
export function followPointer(chart) {
  const { over } = chart.plot;
  let held = null;
  let wanted = null;
  let frame = 0;

  function apply() {
    frame = 0;
    if (wanted) chart.setRange(...wanted);
  }

  function onDown(event) {
    if (event.button !== 0) return;
    const { min, max } = chart.plot.scales.x;
    held = { x: event.clientX, min, max };
    over.setPointerCapture(event.pointerId);
    chart.place.classList.add("is-held");
  }

  function onMove(event) {
    chart.isPointed = true;
    if (!held) return;
    const shift = ((held.x - event.clientX) / over.clientWidth) * (held.max - held.min);
    wanted = [held.min + shift, held.max + shift];
    frame ||= requestAnimationFrame(apply);
  }

  function onUp() {
    held = null;
    chart.place.classList.remove("is-held");
  }

  // Without Ctrl the wheel scrolls the page, as anywhere else.
  function onWheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const at = chart.plot.posToVal(event.clientX - over.getBoundingClientRect().left, "x");
    chart.zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, at);
  }

  const listeners = [["pointerdown", onDown], ["pointermove", onMove], ["pointerup", onUp], ["pointercancel", onUp]];
  for (const [name, listener] of listeners) over.addEventListener(name, listener);
  over.addEventListener("wheel", onWheel, { passive: false });
  return () => {
    cancelAnimationFrame(frame);
    for (const [name, listener] of listeners) over.removeEventListener(name, listener);
    over.removeEventListener("wheel", onWheel);
  };
}
