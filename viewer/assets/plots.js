/* Small plots as SVG: bars, and the course over delays. */
"use strict";

/* Return bars from 0: rows of { label, value, colour }; a ceiling is a dashed line. */
B2M.bars = function (rows, { title, ceiling = NaN }) {
  const finite = rows.map((row) => row.value).filter(Number.isFinite);
  const low = Math.min(0, ...finite);
  const high = Math.max(1e-6, ...finite, Number.isFinite(ceiling) ? ceiling : 0);
  const left = 200, wide = 250, tall = 20;
  const x = (value) => left + wide * (value - low) / (high - low);
  const svg = B2M.picture(title, rows, 510, tall * rows.length + 8);
  rows.forEach((row, k) => {
    const y = 4 + tall * k;
    svg.append(B2M.make("svg:text", { x: left - 6, y: y + 14, "text-anchor": "end" }, B2M.short(row.label)));
    if (!Number.isFinite(row.value)) return;
    svg.append(B2M.make("svg:rect", {
      x: Math.min(x(0), x(row.value)), y: y + 2, height: tall - 5,
      width: Math.abs(x(row.value) - x(0)), fill: row.colour,
    }));
    svg.append(B2M.make("svg:text", { x: left + wide + 8, y: y + 14 }, row.value.toFixed(3)));
  });
  svg.append(B2M.make("svg:line", { class: "axis", x1: x(0), x2: x(0), y1: 2, y2: tall * rows.length + 4 }));
  if (Number.isFinite(ceiling)) {
    svg.append(B2M.make("svg:line", { class: "ceiling", x1: x(ceiling), x2: x(ceiling), y1: 2, y2: tall * rows.length + 4 }));
  }
  return svg;
};

/* Return lines over delays: rows of { label, colour, seconds, values }. */
B2M.courses = function (rows, { title }) {
  const seconds = rows.flatMap((row) => row.seconds), values = rows.flatMap((row) => row.values);
  const first = Math.min(...seconds), last = Math.max(...seconds);
  const high = Math.max(1e-12, ...values.filter(Number.isFinite));
  const x = (s) => 50 + 330 * (last > first ? (s - first) / (last - first) : 0.5);
  const y = (value) => 130 - 115 * value / high;
  const svg = B2M.picture(title, rows.map((row) => ({ label: row.label, value: Math.max(...row.values) })), 610, 170);
  svg.append(B2M.make("svg:line", { class: "axis", x1: 50, x2: 380, y1: 130, y2: 130 }));
  for (const s of new Set(seconds)) {
    svg.append(B2M.make("svg:text", { x: x(s), y: 147, "text-anchor": "middle" }, `${+s.toFixed(2)}`));
  }
  svg.append(B2M.make("svg:text", { x: 215, y: 165, "text-anchor": "middle" }, "delay in s"));
  svg.append(B2M.make("svg:text", { x: 44, y: 134, "text-anchor": "end" }, "0"));
  svg.append(B2M.make("svg:text", { x: 44, y: 20, "text-anchor": "end" }, high.toPrecision(2)));
  rows.forEach((row, k) => {
    const points = row.seconds.map((s, j) => `${x(s)},${y(row.values[j])}`);
    const dashes = ["", "6 3", "2 3", "8 3 2 3"][k % 4];
    svg.append(B2M.make("svg:polyline", {
      points: points.join(" "), fill: "none", stroke: row.colour, "stroke-width": 2.5, "stroke-dasharray": dashes,
    }));
    const at = 16 + 17 * k;
    svg.append(B2M.make("svg:line", { x1: 390, x2: 408, y1: at, y2: at, stroke: row.colour, "stroke-width": 2.5, "stroke-dasharray": dashes }));
    svg.append(B2M.make("svg:text", { x: 412, y: at + 4 }, B2M.short(row.label)));
  });
  return svg;
};

B2M.picture = function (title, rows, wide, high) {
  const read = rows.map((row) => `${row.label} ${Number.isFinite(row.value) ? row.value.toFixed(3) : "none"}`);
  return B2M.make("svg:svg", {
    viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": `${title}: ${read.join("; ")}`,
  });
};

B2M.short = function (text, n = 26) {
  return text.length > n ? `${text.slice(0, n - 1)}\u2026` : text;
};
