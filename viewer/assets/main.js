/* Joins the choices, the cortex and the panel. */
"use strict";

B2M.chosen = { subject: 0, model: "joint", band: "all", kind: "r", rois: "none", vertex: -1 };

B2M.find = (id) => document.getElementById(id);

/* Fill a list with [value, text]; keep what was chosen if it is still there. */
B2M.fill = function (id, options, wanted) {
  const list = B2M.find(id);
  list.replaceChildren(...options.map(([value, text]) => B2M.make("option", { value }, text)));
  const there = options.some(([value]) => value === wanted);
  list.value = there ? wanted : options[0][0];
  return list.value;
};

B2M.unique = (values) => [...new Set(values)];

/* Offer what the subject's maps have: models, their feature spaces, their scores. */
B2M.offer = function () {
  const { chosen } = B2M, { maps } = B2M.index.subjects[chosen.subject];
  const models = B2M.unique(maps.map((one) => one.model));
  chosen.model = B2M.fill("model", models.map((m) => [m, B2M.MODELS[m] || m]), chosen.model);
  const ofModel = maps.filter((one) => one.model === chosen.model);
  const bands = B2M.unique(ofModel.map((one) => one.band));
  chosen.band = B2M.fill("band", bands.map((b) => [b, B2M.bandLabel(b)]), chosen.band);
  B2M.find("found").disabled = !maps.some((one) => one.kind === "q");
  const kinds = ofModel.filter((one) => one.band === chosen.band).map((one) => [one.kind, one.label]);
  chosen.kind = B2M.fill("kind", kinds, chosen.kind);
  const { rois } = B2M.index.subjects[chosen.subject];
  const named = rois.map((one) => [`roi ${one.name}`, one.name]);
  chosen.rois = B2M.fill("rois", [["none", "none"], ["all", `all ${rois.length}`], ...named], chosen.rois);
  B2M.find("rois").disabled = !rois.length;
};

B2M.map = function () {
  const { chosen } = B2M, { maps } = B2M.index.subjects[chosen.subject];
  return maps.find((one) => one.model === chosen.model && one.band === chosen.band && one.kind === chosen.kind);
};

/* Load a subject's mesh and vertices, if they are not shown already. */
B2M.show = async function () {
  const { chosen } = B2M, subject = B2M.index.subjects[chosen.subject];
  const about = B2M.index.meshes[subject.mesh];
  const vertices = await B2M.array(subject.vertices);
  B2M.columns = new Int32Array(about.n_vertices).fill(-1);
  vertices.forEach((vertex, column) => { B2M.columns[vertex] = column; });
  if (B2M.mesh === subject.mesh) return;
  const arrays = {};
  for (const name of ["inflated", "faces", "flat", "flat_faces", "curvature"]) {
    if (about[name]) arrays[name] = await B2M.array(about[name]);
  }
  B2M.curvature = arrays.curvature;
  B2M.mesh = subject.mesh;
  B2M.find("number").max = about.n_vertices - 1;
  B2M.find("shape").querySelector("[value=flat]").disabled = !about.flat;
  if (B2M.cortex) B2M.cortex.setMesh(about, arrays);
  B2M.outlined = "";
};

/* Draw the borders of the ROIs that are chosen, if others are drawn. */
B2M.outline = async function () {
  const { rois, subject: k } = B2M.chosen, subject = B2M.index.subjects[k];
  const key = `${k} ${rois}`;
  if (!B2M.cortex || B2M.outlined === key) return;
  const wanted = (one) => rois === "all" || rois === `roi ${one.name}`;
  const masks = [];
  for (const roi of subject.rois.filter(wanted)) {
    const inside = await B2M.array(roi.mask);
    masks.push(Uint8Array.from(B2M.columns, (column) => (column >= 0 ? inside[column] : 0)));
  }
  B2M.cortex.outline(masks);
  B2M.outlined = key;
};

B2M.transformed = (value, scale) => (scale.transform === "-log10" ? -Math.log10(value) : value);

/* Colour every vertex: the map where it has a value, folds in grey elsewhere. */
B2M.colour = async function () {
  const map = B2M.map(), scale = B2M.index.scales[map.scale];
  const values = await B2M.array(map.values), colours = B2M.index.colours[scale.colours];
  const q = B2M.find("found").checked ? await B2M.significance() : null;
  const counts = { shown: 0, below: 0, above: 0, hidden: 0, without: 0 };
  const paint = B2M.cortex ? B2M.cortex.colours : null;
  B2M.columns.forEach((column, vertex) => {
    let colour = null;
    if (column >= 0) {
      const value = B2M.transformed(values[column], scale);
      const isLow = scale.transform === "-log10" && value < scale.low;
      if (!Number.isFinite(value)) counts.without += 1;
      else if (isLow || (q && !(q[column] <= 0.05))) counts.hidden += 1;
      else {
        counts.shown += 1;
        if (value < scale.low) counts.below += 1;
        if (value > scale.high) counts.above += 1;
        const share = (value - scale.low) / (scale.high - scale.low);
        colour = colours[Math.max(0, Math.min(255, Math.floor(share * 256)))];
      }
    }
    const grey = 70 + Math.round((255 - B2M.curvature[vertex]) * 0.45);
    if (paint) paint.set(colour || [grey, grey, grey], 3 * vertex);
  });
  if (B2M.cortex) B2M.cortex.recolour();
  B2M.legend(map, scale, colours, counts);
};

/* Return q of the chosen model, or of the joint one where it has none. */
B2M.significance = async function () {
  const { chosen } = B2M, { maps } = B2M.index.subjects[chosen.subject];
  const qs = maps.filter((one) => one.kind === "q");
  const own = qs.find((one) => one.model === chosen.model && one.band === chosen.band);
  const map = own || qs.find((one) => one.model === "joint");
  return map ? B2M.array(map.values) : null;
};

B2M.legend = function (map, scale, colours, counts) {
  const bar = B2M.find("scale").getContext("2d"), picture = bar.createImageData(256, 1);
  colours.forEach((colour, k) => picture.data.set([...colour, 255], 4 * k));
  bar.putImageData(picture, 0, 0);
  const unit = scale.transform ? "\u2212log10 q: " : "";
  B2M.find("low").textContent = `${unit}${+scale.low.toFixed(3)}`;
  B2M.find("high").textContent = `${+scale.high.toFixed(3)}`;
  const subject = B2M.index.subjects[B2M.chosen.subject];
  const model = map.band === "all" ? map.model : `${map.model}, ${B2M.bandLabel(map.band)}`;
  const words = [`sub-${subject.name}, ${model}: ${map.label}. ${counts.shown} vertices in colour`];
  if (counts.hidden) words.push(`${counts.hidden} with q above 0.05 in grey`);
  if (counts.without) words.push(`${counts.without} without a value`);
  if (counts.below) words.push(`${counts.below} below the scale`);
  if (counts.above) words.push(`${counts.above} above it`);
  B2M.find("caption").textContent = `${words.join(", ")}.`;
};

B2M.pick = async function (vertex) {
  if (vertex < 0) return;
  const { chosen } = B2M, subject = B2M.index.subjects[chosen.subject];
  chosen.vertex = vertex;
  B2M.find("number").value = vertex;
  if (B2M.cortex) B2M.cortex.mark(vertex);
  const parts = await B2M.panel(subject, vertex, B2M.columns[vertex], chosen);
  if (chosen.vertex !== vertex) return;
  B2M.find("vertex").replaceChildren(...parts);
  B2M.find("vertex").dataset.vertex = vertex;
};

/* Show all again after a choice; the vertex stays chosen if it still can be. */
B2M.refresh = async function () {
  const ticket = (B2M.ticket || 0) + 1;
  B2M.ticket = ticket;
  B2M.offer();
  await B2M.show();
  await B2M.colour();
  await B2M.outline();
  if (B2M.columns.length <= B2M.chosen.vertex) B2M.chosen.vertex = -1;
  await B2M.pick(B2M.chosen.vertex);
  if (B2M.ticket === ticket) document.documentElement.dataset.shown = ticket;
};

/* Pick the vertex whose colour is highest; of q that is the smallest. */
B2M.largest = async function () {
  const map = B2M.map(), scale = B2M.index.scales[map.scale];
  const values = await B2M.array(map.values);
  const q = B2M.find("found").checked ? await B2M.significance() : null;
  let best = -1, most = -Infinity;
  B2M.columns.forEach((column, vertex) => {
    if (column < 0 || (q && !(q[column] <= 0.05))) return;
    const value = B2M.transformed(values[column], scale);
    if (value > most) [best, most] = [vertex, value];
  });
  await B2M.pick(best);
};

B2M.fail = function (error) {
  const place = B2M.find("problem");
  place.hidden = false;
  place.textContent = `This cannot be shown: ${error.message}`;
};

B2M.guarded = (work) => (...values) => Promise.resolve(work(...values)).catch(B2M.fail);

B2M.listen = function () {
  const { chosen } = B2M, refresh = B2M.guarded(B2M.refresh);
  for (const name of ["subject", "model", "band", "kind", "rois"]) {
    B2M.find(name).addEventListener("change", (event) => {
      chosen[name] = name === "subject" ? +event.target.value : event.target.value;
      refresh();
    });
  }
  B2M.find("found").addEventListener("change", refresh);
  B2M.find("shape").addEventListener("change", (event) => {
    B2M.cortex?.setShape(event.target.value);
    B2M.find("view").disabled = event.target.value === "flat";
    B2M.cortex?.mark(chosen.vertex);
  });
  B2M.find("view").addEventListener("change", (event) => B2M.cortex?.setView(event.target.value));
  B2M.find("choices").addEventListener("submit", (event) => event.preventDefault());
  B2M.find("go").addEventListener("submit", (event) => {
    event.preventDefault();
    B2M.guarded(B2M.pick)(+B2M.find("number").value);
  });
  B2M.find("largest").addEventListener("click", B2M.guarded(B2M.largest));
};

B2M.begin = async function () {
  const { index } = B2M;
  B2M.fill("subject", index.subjects.map((one, k) => [`${k}`, `sub-${one.name}`]), "0");
  if (index.notes.length) {
    B2M.find("notes").append(B2M.make("ul", {}, ...index.notes.map((note) => B2M.make("li", {}, note))));
  }
  B2M.offer();
  await Promise.all([B2M.bytes(B2M.map().values.file), B2M.bytes(index.meshes[index.subjects[0].mesh].inflated.file)]);
  const loaded = performance.now();
  try {
    B2M.cortex = new B2M.Cortex(B2M.find("cortex"));
    B2M.cortex.onpick = B2M.guarded(B2M.pick);
    B2M.cortex.resize();
  } catch (error) {
    B2M.fail(new Error("this browser has no WebGL, so there is no picture. Numbers and clips are there: choose a vertex by its number."));
  }
  B2M.listen();
  await B2M.refresh();
  if (B2M.cortex) {
    B2M.cortex.drawNow();
    B2M.cortex.finish();
  }
  const drawn = performance.now();
  Object.assign(document.documentElement.dataset, { loadMs: Math.round(loaded), drawMs: Math.round(drawn - loaded) });
  B2M.find("times").textContent = `Loaded in ${(loaded / 1000).toFixed(1)} s, drawn in ${((drawn - loaded) / 1000).toFixed(1)} s.`;
};

B2M.guarded(B2M.begin)();
