/* Shows what is known of one vertex: scores, parts, course over delays, clips. */
"use strict";

B2M.MODELS = {
  joint: "joint (banded ridge over all)",
  plain: "plain (one penalty for all)",
  alone: "alone (one feature space by itself)",
  part: "part (what one adds to the joint score)",
  ceiling: "ceiling (what repeats have in common)",
};
B2M.KINDS = { r: "r", r2: "R\u00b2", q: "q" };

B2M.bandLabel = function (name) {
  if (name === "all") return "all";
  const band = B2M.index.bands.find((one) => one.name === name);
  return band ? band.label : name;
};

B2M.bandColour = function (name) {
  const band = B2M.index.bands.find((one) => one.name === name);
  return band ? band.colour : "var(--bar)";
};

/* Return one map's value in a column: NaN where the study has none. */
B2M.value = async function (subject, column, model, band, kind) {
  const map = subject.maps.find((one) => one.model === model && one.band === band && one.kind === kind);
  return map ? (await B2M.array(map.values))[column] : NaN;
};

B2M.number = function (value, kind) {
  if (!Number.isFinite(value)) return "\u2013";
  return kind === "q" ? value.toPrecision(3) : value.toFixed(4);
};

/* Return the page's part on a column of a subject. */
B2M.panel = async function (subject, vertex, column, chosen) {
  const about = B2M.index.meshes[subject.mesh];
  const side = vertex < about.n_left ? "left" : "right";
  const name = column >= 0 && subject.ids.length ? `, ${subject.ids[column]}` : "";
  const parts = [B2M.make("h2", {}, `sub-${subject.name}, ${side} hemisphere, vertex ${vertex}${name}`)];
  if (column < 0) {
    parts.push(B2M.make("p", {}, "There are no data at this vertex: it lies outside of what was recorded or chosen."));
    return parts;
  }
  const inside = [];
  for (const roi of subject.rois) if ((await B2M.array(roi.mask))[column]) inside.push(roi.name);
  parts.push(B2M.make("p", {}, inside.length ? `In: ${inside.join(", ")}.` : "In no ROI of the study."));
  parts.push(await B2M.scores(subject, column), await B2M.ceilings(subject, column));
  parts.push(...await B2M.alone(subject, column), ...await B2M.added(subject, column));
  parts.push(...await B2M.delays(subject, column), ...await B2M.clips(subject, column, chosen));
  return parts;
};

B2M.scores = async function (subject, column) {
  const kinds = ["r", "r2", "q"];
  const table = B2M.make("table", { id: "scores" }, B2M.make("caption", {}, "Scores on held-out runs"));
  const names = ["Model, feature space", ...kinds.map((kind) => B2M.KINDS[kind])];
  table.append(B2M.make("thead", {}, B2M.make("tr", {}, ...names.map((text) => B2M.make("th", { scope: "col" }, text)))));
  const body = B2M.make("tbody");
  const seen = new Set();
  for (const { model, band } of subject.maps) {
    if (model === "ceiling" || seen.has(`${model} ${band}`)) continue;
    seen.add(`${model} ${band}`);
    const text = band === "all" ? model : `${model}: ${B2M.bandLabel(band)}`;
    const row = B2M.make("tr", { "data-model": model, "data-band": band }, B2M.make("th", { scope: "row" }, text));
    for (const kind of kinds) {
      const value = await B2M.value(subject, column, model, band, kind);
      row.append(B2M.make("td", { "data-kind": kind }, B2M.number(value, kind)));
    }
    body.append(row);
  }
  table.append(body);
  return table;
};

B2M.ceilings = async function (subject, column) {
  const maps = subject.maps.filter((one) => one.model === "ceiling");
  if (!maps.length) return B2M.make("p", {}, "No ceiling: the study has none of its test clips repeated.");
  const table = B2M.make("table", { id: "ceilings" }, B2M.make("caption", {}, "Noise ceiling"));
  for (const map of maps) {
    const value = (await B2M.array(map.values))[column];
    table.append(B2M.make("tr", { "data-kind": map.kind }, B2M.make("th", { scope: "row" }, map.label),
      B2M.make("td", {}, B2M.number(value, map.kind))));
  }
  return table;
};

B2M.rowsOf = async function (subject, column, model, kind) {
  const rows = [];
  for (const map of subject.maps) {
    if (map.model !== model || map.kind !== kind) continue;
    const value = (await B2M.array(map.values))[column];
    rows.push({ label: B2M.bandLabel(map.band), value, colour: B2M.bandColour(map.band) });
  }
  return rows;
};

B2M.alone = async function (subject, column) {
  const rows = await B2M.rowsOf(subject, column, "alone", "r");
  if (!rows.length) return [];
  rows.unshift({ label: "joint", value: await B2M.value(subject, column, "joint", "all", "r"), colour: "#888" });
  const ceiling = await B2M.value(subject, column, "ceiling", "all", "largest_r");
  const line = Number.isFinite(ceiling) ? "; dashed: the largest r that noise leaves" : "";
  return [B2M.make("h3", {}, `r of each feature space by itself${line}`), B2M.bars(rows, { title: "r by itself", ceiling })];
};

B2M.added = async function (subject, column) {
  const rows = await B2M.rowsOf(subject, column, "part", "r2");
  if (!rows.length) return [];
  return [B2M.make("h3", {}, "Parts of the joint model's R\u00b2"), B2M.bars(rows, { title: "parts of R2" })];
};

B2M.delays = async function (subject, column) {
  const rows = [];
  for (const one of subject.delays) {
    const norms = await B2M.array(one.values), n = one.values.shape[1];
    rows.push({
      label: B2M.bandLabel(one.band), colour: B2M.bandColour(one.band),
      seconds: one.delays.map((delay) => delay * B2M.index.tr_s),
      values: one.delays.map((_, k) => norms[k * n + column]),
    });
  }
  const heading = B2M.make("h3", {}, "Weights over delays (norm, joint model)");
  if (!rows.every((row) => row.values.every(Number.isFinite))) {
    return [heading, B2M.make("p", {}, "Nothing was fitted here.")];
  }
  if (rows.every((row) => row.seconds.length < 2)) {
    return [heading, B2M.make("p", {}, "The model has one delay alone: there is no course.")];
  }
  return [heading, B2M.courses(rows, { title: "largest norm of the weights over delays" })];
};

/* The model's clips; those of the joint model where it has none of its own. */
B2M.clips = async function (subject, column, chosen) {
  const own = subject.extremes.find((one) => one.model === chosen.model && one.band === chosen.band);
  const set = own || subject.extremes.find((one) => one.model === "joint");
  if (!set) return [B2M.make("h3", {}, "Clips"), B2M.make("p", {}, B2M.index.sound_note)];
  const which = await B2M.array(set.which), values = await B2M.array(set.values);
  const [n, columns] = set.which.shape;
  const of = set.band === "all" ? `the ${set.model} model` : `${B2M.bandLabel(set.band)} by itself`;
  const parts = [];
  if (!Number.isFinite(values[column])) return [B2M.make("h3", {}, "Clips"), B2M.make("p", {}, "Nothing is predicted here.")];
  for (const [word, start] of [["strongest", 0], ["weakest", n / 2]]) {
    const list = B2M.make("ol", { class: "clips", "data-end": word });
    for (let k = start; k < start + n / 2; k += 1) {
      const name = subject.clips[which[k * columns + column]];
      list.append(B2M.clip(name, values[k * columns + column]));
    }
    parts.push(B2M.make("h3", {}, `Test clips that ${of} predicts ${word}`), list);
  }
  parts.push(B2M.make("p", { class: "small" }, `Mean predicted response over the rows of the clip, in the unit of the responses. ${B2M.index.sound_note}`));
  return parts;
};

B2M.clip = function (name, value) {
  const item = B2M.make("li", { "data-clip": name }, `${name} (${value.toPrecision(3)})`);
  if (!Object.hasOwn(B2M.index.sounds, name)) return item;
  const player = B2M.make("audio", { controls: "", preload: "none", src: B2M.index.sounds[name], "aria-label": `clip ${name}` });
  player.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== player) other.pause();
  });
  item.append(player);
  return item;
};
