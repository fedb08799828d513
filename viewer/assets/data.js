/* Reads the index, and arrays out of small binary files. Nothing here runs as code. */
"use strict";
const B2M = {};

B2M.index = JSON.parse(document.getElementById("index").textContent);

B2M.files = new Map();

/* Return a file's bytes: out of the page where it is in there, else from data/. */
B2M.bytes = function (name) {
  if (!B2M.files.has(name)) {
    const block = document.getElementById(`data-${name}`);
    B2M.files.set(name, block ? B2M.decoded(block) : B2M.fetched(name));
  }
  return B2M.files.get(name);
};

B2M.decoded = async function (block) {
  const text = atob(block.textContent);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k += 1) bytes[k] = text.charCodeAt(k);
  block.remove();
  const whole = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(whole).arrayBuffer();
};

B2M.fetched = async function (name) {
  const answer = await fetch(`data/${name}`);
  if (!answer.ok) throw new Error(`data/${name} cannot be read (${answer.status}).`);
  return answer.arrayBuffer();
};

/* Return an array that the index tells the place of. */
B2M.array = async function (place) {
  const bytes = await B2M.bytes(place.file);
  const n = place.shape.reduce((product, size) => product * size, 1);
  if (place.dtype === "float32") return new Float32Array(bytes, place.offset, n);
  if (place.dtype === "uint32") return new Uint32Array(bytes, place.offset, n);
  if (place.dtype === "uint8") return new Uint8Array(bytes, place.offset, n);
  if (place.dtype !== "float16") throw new Error(`unknown dtype ${place.dtype}`);
  return Float32Array.from(
    new Uint16Array(bytes, place.offset, n), (bits) => B2M.half(bits) * place.scale);
};

/* Return the number that 16 bits stand for (IEEE 754). */
B2M.half = function (bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, part = bits & 1023;
  if (exponent === 0) return sign * part * 2 ** -24;
  if (exponent === 31) return part ? NaN : sign * Infinity;
  return sign * (1 + part / 1024) * 2 ** (exponent - 15);
};

/* Make an element; strings become text, never markup. */
B2M.make = function (tag, attributes = {}, ...children) {
  const element = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
