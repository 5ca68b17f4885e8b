// Colours of the theme, marks on a chart, and their signs in the legend: each has a shape of its own.
const DAY = 86_400;

// The value of a custom property, or a colour as it is.
export function readColor(color) {
  if (!color.startsWith("--")) return color;
  return getComputedStyle(document.documentElement).getPropertyValue(color).trim();
}

const SHAPES = { promotion: ["--second", "bar"], holiday: ["--third", "diamond"], "stock-out": ["--bad", "hatch"] };
const OTHER = ["--faint", "bar"];

export function paintMarks(plot, marks) {
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  for (const mark of marks) {
    const start = plot.valToPos(mark.first - DAY / 2, "x", true);
    const end = plot.valToPos(mark.last + DAY / 2, "x", true);
    if (end < left || start > left + width) continue;
    const [color, shape] = SHAPES[mark.kind] ?? OTHER;
    paintShape(ctx, shape, readColor(color), start, top, Math.max(end - start, 2), height);
  }
  ctx.restore();
}

function paintShape(ctx, shape, color, x, y, width, height) {
  const unit = devicePixelRatio;
  ctx.fillStyle = ctx.strokeStyle = color;
  ctx.lineWidth = unit;
  if (shape === "bar") {
    ctx.globalAlpha = 0.1;
    ctx.fillRect(x, y, width, height);
    ctx.globalAlpha = 1;
    ctx.fillRect(x, y, width, 5 * unit);
  } else if (shape === "hatch") {
    ctx.globalAlpha = 0.5;
    ctx.save();
    ctx.beginPath();
    ctx.rect(x, y, width, height);
    ctx.clip();
    ctx.beginPath();
    for (let at = x - height; at < x + width; at += 8 * unit) {
      ctx.moveTo(at, y + height);
      ctx.lineTo(at + height, y);
    }
    ctx.stroke();
    ctx.restore();
    ctx.globalAlpha = 1;
  } else {
    const middle = x + width / 2;
    const size = 5 * unit;
    ctx.setLineDash([3 * unit, 3 * unit]);
    ctx.beginPath();
    ctx.moveTo(middle, y + 2 * size);
    ctx.lineTo(middle, y + height);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(middle, y + size - size);
    ctx.lineTo(middle + size, y + size);
    ctx.lineTo(middle, y + 2 * size);
    ctx.lineTo(middle - size, y + size);
    ctx.fill();
  }
}

export function paintSwatch(kind, one) {
  const canvas = document.createElement("canvas");
  const unit = devicePixelRatio;
  Object.assign(canvas, { width: 26 * unit, height: 14 * unit });
  canvas.style.inlineSize = "26px";
  canvas.style.blockSize = "14px";
  canvas.setAttribute("aria-hidden", "true");
  const ctx = canvas.getContext("2d");
  if (kind === "band") {
    ctx.fillStyle = readColor(one.color ?? "--lead-soft");
    ctx.fillRect(0, 0, canvas.width, canvas.height);
  } else if (kind === "line") {
    ctx.strokeStyle = readColor(one.color ?? "--lead");
    ctx.lineWidth = 2 * unit;
    ctx.setLineDash((one.dash ?? []).map((x) => x * unit));
    ctx.moveTo(0, canvas.height / 2);
    ctx.lineTo(canvas.width, canvas.height / 2);
    ctx.stroke();
  } else {
    const [color, shape] = SHAPES[kind] ?? OTHER;
    paintShape(ctx, shape, readColor(color), 0, 0, canvas.width, canvas.height);
  }
  return canvas;
}
