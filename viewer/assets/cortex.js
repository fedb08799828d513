/* Draws a cortex, inflated or flat, and tells which vertex was clicked. */
"use strict";

/* Rows: what points right, up and out of the screen; right, anterior, superior. */
B2M.AXES = {
  right: [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
  left: [[0, -1, 0], [0, 0, 1], [-1, 0, 0]],
  top: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  bottom: [[-1, 0, 0], [0, 1, 0], [0, 0, -1]],
  front: [[-1, 0, 0], [0, 0, 1], [0, 1, 0]],
  back: [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
};
/* Seen from where: left hemisphere, right hemisphere, and whether they change sides. */
B2M.VIEWS = {
  lateral: ["left", "right", false],
  medial: ["right", "left", false],
  top: ["top", "top", false],
  bottom: ["bottom", "bottom", true],
  front: ["front", "front", true],
  back: ["back", "back", false],
};

B2M.Cortex = class {
  constructor(canvas) {
    this.canvas = canvas;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true });
    this.scene = new THREE.Scene();
    this.camera = new THREE.OrthographicCamera(-1, 1, 1, -1, 0.1, B2M.DEPTH_MM);
    this.camera.position.z = 2000;
    this.shape = "inflated";
    this.view = "lateral";
    this.waits = false;
    this.reset();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /* Show another mesh: arrays as the index names them. */
  setMesh(about, arrays) {
    this.scene.clear();
    this.nLeft = about.n_left;
    this.colours = new Uint8Array(3 * about.n_vertices);
    this.parts = [this.hemisphere(arrays, 0, about.n_left),
      this.hemisphere(arrays, about.n_left, about.n_vertices)];
    this.flat = arrays.flat ? this.flattened(arrays, about.n_vertices) : null;
    for (const part of [...this.parts, this.flat]) if (part) this.scene.add(part.group);
    this.dots = new THREE.Group();
    for (const [radius, colour] of [[2.4, 0x000000], [1.7, 0xffffff]]) {
      const dot = new THREE.Mesh(new THREE.SphereGeometry(radius, 12, 8),
        new THREE.MeshBasicMaterial({ color: colour }));
      this.dots.add(dot);
    }
    this.dots.children[1].material.depthTest = false;
    this.dots.children[1].renderOrder = 2;
    this.dots.visible = false;
    this.place();
  }

  hemisphere(arrays, start, stop) {
    const points = arrays.inflated.subarray(3 * start, 3 * stop);
    const faces = arrays.faces.filter((v) => v >= start && v < stop).map((v) => v - start);
    return this.part(points, faces, start, stop, true);
  }

  flattened(arrays, n) {
    const points = new Float32Array(3 * n);
    for (let v = 0; v < n; v += 1) points.set(arrays.flat.subarray(2 * v, 2 * v + 2), 3 * v);
    return this.part(points, arrays.flat_faces, 0, n, false);
  }

  part(points, faces, start, stop, shaded) {
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(points, 3));
    geometry.setIndex(new THREE.BufferAttribute(faces, 1));
    const tint = this.colours.subarray(3 * start, 3 * stop);
    geometry.setAttribute("tint", new THREE.BufferAttribute(tint, 3, true));
    if (shaded) geometry.computeVertexNormals();
    geometry.computeBoundingBox();
    const box = geometry.boundingBox, centre = box.getCenter(new THREE.Vector3());
    const mesh = new THREE.Mesh(geometry, B2M.material(shaded));
    mesh.position.copy(centre).negate();
    const group = new THREE.Group();
    group.add(mesh);
    const half = box.getSize(new THREE.Vector3()).multiplyScalar(0.5);
    return { group, mesh, start, half, lines: [] };
  }

  setShape(shape) {
    this.shape = this.flat ? shape : "inflated";
    this.reset();
    this.place();
  }

  setView(view) {
    this.view = view;
    this.reset();
    this.place();
  }

  reset() {
    this.yaw = this.pitch = this.x = this.y = 0;
    this.camera.zoom = 1;
  }

  turn(yaw, pitch) {
    if (this.shape === "flat") {
      this.x -= yaw * 150 / this.camera.zoom;
      this.y += pitch * 150 / this.camera.zoom;
    } else {
      this.yaw += yaw;
      this.pitch = Math.max(-1.6, Math.min(1.6, this.pitch + pitch));
    }
    this.place();
  }

  zoom(factor) {
    this.camera.zoom = Math.max(0.5, Math.min(30, this.camera.zoom * factor));
    this.place();
  }

  /* Put the hemispheres where the view wants them, and the camera around them. */
  place() {
    if (!this.parts) return;
    const isFlat = this.shape === "flat";
    for (const part of this.parts) part.group.visible = !isFlat;
    if (this.flat) this.flat.group.visible = isFlat;
    if (isFlat) {
      this.extent = [this.flat.half.x, this.flat.half.y];
    } else {
      const [left, right, swapped] = B2M.VIEWS[this.view];
      const sizes = [left, right].map((side, k) => this.lay(this.parts[k], B2M.AXES[side]));
      const wide = Math.max(sizes[0][0], sizes[1][0]), apart = wide + 6;
      this.parts[0].group.position.x = swapped ? apart : -apart;
      this.parts[1].group.position.x = swapped ? -apart : apart;
      this.extent = [apart + wide, Math.max(sizes[0][1], sizes[1][1])];
    }
    this.frame();
  }

  lay(part, rows) {
    const base = new THREE.Matrix4().set(...rows[0], 0, ...rows[1], 0, ...rows[2], 0, 0, 0, 0, 1);
    const across = new THREE.Quaternion().setFromAxisAngle(new THREE.Vector3(0, 1, 0), this.yaw);
    const up = new THREE.Quaternion().setFromAxisAngle(new THREE.Vector3(1, 0, 0), this.pitch);
    const turned = new THREE.Quaternion().setFromRotationMatrix(base);
    part.group.quaternion.copy(up.multiply(across).multiply(turned));
    const size = (row) => row.reduce((sum, x, k) => sum + Math.abs(x) * part.half.getComponent(k), 0);
    return [size(rows[0]), size(rows[1])];
  }

  frame() {
    const [wide, high] = this.extent, { clientWidth: w, clientHeight: h } = this.canvas;
    const mm = 1.04 * Math.max(wide / Math.max(w, 1), high / Math.max(h, 1));
    Object.assign(this.camera, { left: -mm * w, right: mm * w, top: mm * h, bottom: -mm * h });
    this.camera.position.x = this.x;
    this.camera.position.y = this.y;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  resize() {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(w, h, false);
    if (this.parts) this.frame();
  }

  /* Take over this.colours, three bytes a vertex, after they were changed. */
  recolour() {
    for (const part of [...this.parts, this.flat]) {
      if (part) part.mesh.geometry.attributes.tint.needsUpdate = true;
    }
    this.draw();
  }

  /* Draw the borders of masks (a byte per vertex), in place of those drawn before. */
  outline(masks) {
    for (const part of [...this.parts, this.flat]) {
      if (!part) continue;
      part.mesh.remove(...part.lines);
      for (const line of part.lines) {
        line.geometry.dispose();
        line.material.dispose();
      }
      part.lines = B2M.outlines(part, masks);
      if (part.lines.length) part.mesh.add(...part.lines);
    }
    this.draw();
  }

  draw() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => { this.waits = false; this.drawNow(); });
  }

  drawNow() {
    const paper = getComputedStyle(document.body).backgroundColor.match(/\d+/g);
    const gl = this.renderer.getContext();
    this.renderer.autoClear = false;
    gl.clearColor(...paper.slice(0, 3).map((x) => x / 255), 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    this.renderer.render(this.scene, this.camera);
  }

  /* Wait until the picture is there: for the time of the first one. */
  finish() {
    const gl = this.renderer.getContext();
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  shown() {
    return this.shape === "flat" ? [this.flat] : this.parts;
  }

  partOf(vertex) {
    if (this.shape === "flat") return this.flat;
    return this.parts[vertex < this.nLeft ? 0 : 1];
  }

  /* Return the vertex under a point of the canvas, or -1. */
  pick(x, y) {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    const ray = new THREE.Raycaster();
    ray.setFromCamera(new THREE.Vector2(2 * x / w - 1, 1 - 2 * y / h), this.camera);
    const [hit] = ray.intersectObjects(this.shown().map((part) => part.mesh), false);
    if (!hit) return -1;
    const part = this.shown().find((one) => one.mesh === hit.object);
    const here = part.mesh.worldToLocal(hit.point.clone());
    const points = part.mesh.geometry.attributes.position, corner = new THREE.Vector3();
    const far = (v) => corner.fromBufferAttribute(points, v).distanceToSquared(here);
    const { a, b, c } = hit.face;
    return part.start + [a, b, c].reduce((best, v) => far(v) < far(best) ? v : best);
  }

  /* Return where a vertex lies on the canvas: [x, y] in pixels. */
  at(vertex) {
    const part = this.partOf(vertex), point = new THREE.Vector3();
    point.fromBufferAttribute(part.mesh.geometry.attributes.position, vertex - part.start);
    this.scene.updateMatrixWorld();
    this.camera.updateMatrixWorld();
    part.mesh.localToWorld(point).project(this.camera);
    return [(point.x + 1) / 2 * this.canvas.clientWidth, (1 - point.y) / 2 * this.canvas.clientHeight];
  }

  /* Put the mark on a vertex. */
  mark(vertex) {
    if (vertex < 0) return;
    const part = this.partOf(vertex);
    part.mesh.add(this.dots);
    this.dots.position.fromBufferAttribute(part.mesh.geometry.attributes.position, vertex - part.start);
    this.dots.visible = true;
    this.draw();
  }

  listen() {
    const canvas = this.canvas;
    let from = null, moved = 0;
    canvas.addEventListener("pointerdown", (event) => {
      from = [event.clientX, event.clientY];
      moved = 0;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) return;
      const dx = event.clientX - from[0], dy = event.clientY - from[1];
      moved += Math.abs(dx) + Math.abs(dy);
      from = [event.clientX, event.clientY];
      if (moved > 4) this.turn(dx / 150, dy / 150);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (from && moved <= 4 && this.parts && this.onpick) {
        const box = canvas.getBoundingClientRect();
        this.onpick(this.pick(event.clientX - box.left - canvas.clientLeft,
          event.clientY - box.top - canvas.clientTop));
      }
      from = null;
    });
    canvas.addEventListener("pointercancel", () => { from = null; });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const keys = {
      ArrowLeft: () => this.turn(-0.2, 0),
      ArrowRight: () => this.turn(0.2, 0),
      ArrowUp: () => this.turn(0, -0.2),
      ArrowDown: () => this.turn(0, 0.2),
      "+": () => this.zoom(1.25),
      "=": () => this.zoom(1.25),
      "-": () => this.zoom(0.8),
      0: () => { this.reset(); this.place(); },
    };
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  }
};

/* Colours as they are, darker where the surface turns away if `shaded`. */
B2M.material = function (shaded) {
  return new THREE.ShaderMaterial({
    side: THREE.DoubleSide,
    vertexShader: `
      attribute vec3 tint;
      varying vec3 colour;
      varying float facing;
      void main() {
        colour = tint;
        facing = ${shaded ? "abs(normalize(normalMatrix * normal).z)" : "1.0"};
        gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
      }`,
    fragmentShader: `
      varying vec3 colour;
      varying float facing;
      void main() { gl_FragColor = vec4(colour * (0.35 + 0.65 * facing), 1.0); }`,
  });
};
