// A point cloud that one can turn: drawn point by point, with a depth buffer, on a 2D canvas.
'use strict';
function decode(text, Type) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Type(bytes.buffer);
}
function showCloud(canvas, choices, data) {
  const clouds = data.clouds.map((c) => ({
    name: c.name, points: decode(c.points, Int16Array), colors: decode(c.colors, Uint8Array), spacing: c.spacing,
  }));
  const middle = (() => {
    const z = Array.from(clouds[0].points).filter((_, i) => i % 3 === 2).sort((a, b) => a - b);
    return z.length ? z[z.length >> 1] : 2000;
  })();
  const view = { yaw: 0.35, pitch: 0.2, away: 0.9 * middle, shown: Math.min(1, clouds.length - 1) };
  const context = canvas.getContext('2d');
  let scheduled = false;
  function draw() {
    scheduled = false;
    const w = canvas.width, h = canvas.height, image = context.createImageData(w, h);
    const pixels = new Uint32Array(image.data.buffer).fill(0xff201c18);
    const nearest = new Float32Array(w * h).fill(Infinity);
    const { points, colors, spacing } = clouds[view.shown];
    const cy = Math.cos(view.yaw), sy = Math.sin(view.yaw);
    const cp = Math.cos(view.pitch), sp = Math.sin(view.pitch), f = 0.9 * w;
    let drawn = 0;
    for (let i = 0; i < points.length; i += 3) {
      const x = points[i], y = points[i + 1], z = points[i + 2] - middle;
      const xr = cy * x + sy * z, zr = -sy * x + cy * z;
      const yr = cp * y - sp * zr, depth = sp * y + cp * zr + middle + view.away;
      if (depth < 50) continue;
      const u = (f * xr / depth + w / 2) | 0, v = (f * yr / depth + h / 2) | 0;
      // As large as the distance to its neighbour looks from here, so that surfaces are closed.
      const size = Math.max(1, Math.min(8, Math.ceil(1.1 * f * spacing * points[i + 2] / depth)));
      const color = 0xff000000 | colors[i + 2] << 16 | colors[i + 1] << 8 | colors[i];
      for (let dv = 0; dv < size; dv++) for (let du = 0; du < size; du++) {
        const a = u + du, b = v + dv;
        if (a < 0 || b < 0 || a >= w || b >= h) continue;
        const place = b * w + a;
        if (depth < nearest[place]) { nearest[place] = depth; pixels[place] = color; }
      }
      drawn++;
    }
    context.putImageData(image, 0, 0);
    canvas.dataset.drawn = drawn;
    canvas.dataset.view = [view.yaw, view.pitch, view.away].map((n) => n.toFixed(3)).join(' ');
  }
  function redraw() { if (!scheduled) { scheduled = true; requestAnimationFrame(draw); } }
  clouds.forEach((cloud, number) => {
    const button = document.createElement('button');
    button.textContent = cloud.name;
    button.onclick = () => {
      view.shown = number;
      for (const other of choices.children) other.classList.toggle('on', other === button);
      redraw();
    };
    button.classList.toggle('on', number === view.shown);
    choices.append(button);
  });
  let grabbed = null;
  canvas.onpointerdown = (e) => { grabbed = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); };
  canvas.onpointerup = () => { grabbed = null; };
  canvas.onpointermove = (e) => {
    if (!grabbed) return;
    view.yaw += (e.clientX - grabbed[0]) * 0.006;
    view.pitch = Math.max(-1.5, Math.min(1.5, view.pitch + (e.clientY - grabbed[1]) * 0.006));
    grabbed = [e.clientX, e.clientY];
    redraw();
  };
  canvas.onwheel = (e) => {
    e.preventDefault();
    view.away = Math.max(-0.9 * middle, view.away + Math.sign(e.deltaY) * 0.1 * middle);
    redraw();
  };
  draw();
}
