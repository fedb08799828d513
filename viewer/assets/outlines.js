/* Draws borders of parts of the cortex: bands on the faces that a border crosses. */
"use strict";

/* Width in mm, colour, and by how many mm it is drawn nearer to the eye. */
B2M.LINES = [[2.6, "0.08, 0.08, 0.08", 0.4], [1.2, "1.0, 1.0, 1.0", 0.6]];
B2M.DEPTH_MM = 4000; // what the camera sees, from near to far

/* Return a line per mask on one part of the picture; masks have a byte per vertex. */
B2M.outlines = function (part, masks) {
  const pieces = masks.flatMap((mask) => B2M.border(part, mask));
  if (!pieces.length) return [];
  return B2M.LINES.map(([width, colour, lift], order) => {
    const geometry = new THREE.BufferGeometry();
    const corners = new Float32Array(pieces.flatMap((piece) => B2M.band(piece, width)));
    geometry.setAttribute("position", new THREE.BufferAttribute(corners, 3));
    const line = new THREE.Mesh(geometry, B2M.lineMaterial(colour, lift));
    line.renderOrder = order;
    return line;
  });
};

/* Return a piece for each face with corners inside and outside: between the middles of
   the edges that the border crosses, and the direction in which the face looks. */
B2M.border = function (part, mask) {
  const { index, attributes } = part.mesh.geometry, faces = index.array;
  const inside = (v) => (mask[part.start + v] ? 1 : 0), pieces = [];
  const at = (v) => new THREE.Vector3().fromBufferAttribute(attributes.position, v);
  for (let f = 0; f < faces.length; f += 3) {
    const n = inside(faces[f]) + inside(faces[f + 1]) + inside(faces[f + 2]);
    if (n === 0 || n === 3) continue;
    let odd = 0;
    while (inside(faces[f + odd]) !== (n === 1 ? 1 : 0)) odd += 1;
    const tip = at(faces[f + odd]);
    const [one, two] = [1, 2].map((step) => at(faces[f + (odd + step) % 3]).sub(tip));
    const facing = one.clone().cross(two).normalize();
    pieces.push([one, two].map((edge) => edge.multiplyScalar(0.5).add(tip)).concat(facing));
  }
  return pieces;
};

/* Return the corners of the two triangles of a band. */
B2M.band = function ([from, to, facing], width) {
  const across = to.clone().sub(from).normalize().cross(facing).multiplyScalar(width / 2);
  const [a, b, c, d] = [from.clone().add(across), from.clone().sub(across),
    to.clone().add(across), to.clone().sub(across)];
  return [a, b, c, b, d, c].flatMap((corner) => [corner.x, corner.y, corner.z]);
};

B2M.lineMaterial = function (colour, lift) {
  return new THREE.ShaderMaterial({
    side: THREE.DoubleSide,
    vertexShader: `
      void main() {
        gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
        gl_Position.z -= ${(2 * lift / B2M.DEPTH_MM).toFixed(7)};
      }`,
    fragmentShader: `void main() { gl_FragColor = vec4(${colour}, 1.0); }`,
  });
};
