// The cloud as it comes: each pixel's ray times its depth, projected by the graphics card.
const VERTEX = `
attribute vec2 ray; attribute vec2 place; attribute float millimetres;
uniform float yaw, pitch, away, middle, aspect, spacing, pixels;
varying vec2 at;
void main() {
  float z = millimetres * 0.001;
  vec3 p = vec3(ray * z, z - middle);
  p = vec3(cos(yaw) * p.x + sin(yaw) * p.z, p.y, cos(yaw) * p.z - sin(yaw) * p.x);
  p = vec3(p.x, cos(pitch) * p.y - sin(pitch) * p.z, sin(pitch) * p.y + cos(pitch) * p.z);
  float d = p.z + middle + away;
  at = place;
  bool seen = millimetres > 0.0 && d > 0.05;
  gl_Position = seen ? vec4(1.7 * p.x, -1.7 * aspect * p.y, d - 0.1, d) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = clamp(1.2 * pixels * spacing * z / d + 0.5, 1.0, 12.0);
}`;
const FRAGMENT = `
precision mediump float;
uniform sampler2D picture; varying vec2 at;
void main() { gl_FragColor = texture2D(picture, at); }`;
const NAMES = ['yaw', 'pitch', 'away', 'middle', 'aspect', 'spacing', 'pixels'];

function compile(gl, kind, source) {
  const shader = gl.createShader(kind);
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  return shader;
}

export class Cloud {
  constructor(view) {
    this.canvas = view.querySelector('canvas');
    this.gl = this.canvas.getContext('webgl', { antialias: false });
    if (!this.gl) {
      view.textContent = 'This browser has no WebGL: there is no cloud.';
      return;
    }
    this.view = { yaw: 0, pitch: 0.12, zoom: 0.35, middle: 2 };
    this.isTurning = !matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.count = 0;
    this.rays = null;
    this.prepare();
    this.listen(view);
  }

  prepare() {
    const gl = this.gl;
    const program = gl.createProgram();
    gl.attachShader(program, compile(gl, gl.VERTEX_SHADER, VERTEX));
    gl.attachShader(program, compile(gl, gl.FRAGMENT_SHADER, FRAGMENT));
    gl.linkProgram(program);
    gl.useProgram(program);
    this.uniforms = Object.fromEntries(NAMES.map((name) => [name, gl.getUniformLocation(program, name)]));
    this.buffers = {};
    for (const [name, size, type] of [['ray', 2, gl.FLOAT], ['place', 2, gl.FLOAT], ['millimetres', 1, gl.UNSIGNED_SHORT]]) {
      this.buffers[name] = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      const index = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(index);
      gl.vertexAttribPointer(index, size, type, false, 0, 0);
    }
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const [name, value] of [[gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE], [gl.TEXTURE_MIN_FILTER, gl.LINEAR]]) {
      gl.texParameteri(gl.TEXTURE_2D, name, value);
    }
    gl.enable(gl.DEPTH_TEST);
    gl.clearColor(0.063, 0.082, 0.106, 1);
  }

  listen(view) {
    let grabbed = null;
    view.addEventListener('pointerdown', (e) => { grabbed = [e.clientX, e.clientY]; view.setPointerCapture(e.pointerId); this.isTurning = false; });
    view.addEventListener('pointerup', () => { grabbed = null; });
    view.addEventListener('pointermove', (e) => {
      if (!grabbed) return;
      this.view.yaw += (e.clientX - grabbed[0]) * 0.006;
      this.view.pitch = Math.max(-1.5, Math.min(1.5, this.view.pitch + (e.clientY - grabbed[1]) * 0.006));
      grabbed = [e.clientX, e.clientY];
    });
    view.addEventListener('wheel', (e) => {
      e.preventDefault();
      this.view.zoom = Math.max(-0.9, Math.min(3, this.view.zoom + Math.sign(e.deltaY) * 0.08));
    }, { passive: false });
    view.addEventListener('dblclick', () => { Object.assign(this.view, { pitch: 0.12, zoom: 0.35 }); this.isTurning = true; });
  }

  // rays: Float32Array of x/z, y/z for every stride-th row and column.
  setCamera(rays, width, height, stride) {
    if (!this.gl) return;
    const gl = this.gl, columns = Math.ceil(width / stride), rows = Math.ceil(height / stride);
    if (rays.length !== 2 * columns * rows) return;
    const place = new Float32Array(2 * columns * rows);
    for (let i = 0; i < columns * rows; i++) {
      place[2 * i] = ((i % columns) * stride + 0.5) / width;
      place[2 * i + 1] = (Math.floor(i / columns) * stride + 0.5) / height;
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers.ray);
    gl.bufferData(gl.ARRAY_BUFFER, rays, gl.STATIC_DRAW);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers.place);
    gl.bufferData(gl.ARRAY_BUFFER, place, gl.STATIC_DRAW);
    this.rays = { columns, rows, stride, width, spacing: rays[2] - rays[0] };
  }

  setFrame(bitmap, depth, near, far) {
    if (!this.gl || !this.rays) return;
    const gl = this.gl, { columns, rows, stride, width } = this.rays;
    const thin = new Uint16Array(columns * rows);
    for (let r = 0, i = 0; r < rows; r++) for (let c = 0; c < columns; c++, i++) thin[i] = depth[r * stride * width + c * stride];
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers.millimetres);
    gl.bufferData(gl.ARRAY_BUFFER, thin, gl.STREAM_DRAW);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, bitmap);
    this.count = thin.length;
    this.view.middle += 0.1 * ((near + far) / 2 - this.view.middle);
  }

  draw(now) {
    if (!this.gl) return;
    const gl = this.gl, canvas = this.canvas, view = this.view;
    const ratio = Math.min(devicePixelRatio, 2);
    const w = Math.round(canvas.clientWidth * ratio), h = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    gl.viewport(0, 0, w, h);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (this.isTurning) view.yaw = 0.55 * Math.sin(now / 2200);
    if (!this.count) return;
    const values = { ...view, away: view.zoom * view.middle, aspect: w / h, spacing: this.rays.spacing, pixels: 0.85 * w };
    for (const name of NAMES) gl.uniform1f(this.uniforms[name], values[name]);
    gl.drawArrays(gl.POINTS, 0, this.count);
    canvas.dataset.view = [view.yaw, view.pitch, view.zoom].map((n) => n.toFixed(3)).join(' ');
    canvas.dataset.points = this.count;
  }
}
