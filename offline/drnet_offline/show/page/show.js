// The page of drnet show: draws frames as they come, and asks for the next when one is drawn.
import { Cloud } from './cloud.js';

const $ = (id) => document.getElementById(id);
const WORST = 0.5; // uncertainty at the end of its bar
const views = Object.fromEntries([...document.querySelectorAll('[data-view]')].map((view) => [view.dataset.view, view]));
const cloud = new Cloud($('cloud'));
let socket = null, frame = null, waiting = null, pointer = null, state = null, cameraShown = null, degreesWide = 0;
let colours = new Uint8Array(6 * 256);
let drawnAt = 0; // when a frame was drawn last, ms
const LOST_MS = 3000; // an image of a folder stays for two seconds

function send(command) { if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(command)); }

function connect() {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  socket = new WebSocket(`${scheme}://${location.host}/socket${location.search}`);
  socket.binaryType = 'arraybuffer';
  socket.onmessage = ({ data }) => (typeof data === 'string' ? receive(JSON.parse(data)) : receiveFrame(data));
  socket.onclose = () => { setStatus('not connected', false); showProblem('drnet show has ended, or cannot be reached. Trying again.'); setTimeout(connect, 1000); };
}

function receive(message) {
  if (message.kind === 'pace') {
    $('rate').textContent = message.rate_hz ? `${message.rate_hz.toFixed(1)} frames/s` : '–';
    $('latency').textContent = message.latency_ms ? `${message.latency_ms.toFixed(0)} ms` : '–';
  } else if (message.kind === 'problem') showProblem(message.problem);
  else showState(message);
}

function setStatus(text, isLive) { $('status').textContent = text; $('status').classList.toggle('live', isLive); }
function showStatus() {
  if (!state || !state.settings || socket.readyState !== WebSocket.OPEN) return;
  if (state.paused) setStatus('paused', false);
  else if (frame && state.problem && performance.now() - drawnAt > LOST_MS) setStatus('no new images', false);
  else setStatus(frame ? 'live' : 'waiting for images', Boolean(frame));
}
function showProblem(text) { $('problem').textContent = text; $('problem').hidden = !text; }

function showState(message) {
  state = message;
  if (!message.settings) { setStatus(message.problem, false); return; }
  $('title').textContent = message.title;
  document.title = `${message.title} – drnet show`;
  showStatus();
  showProblem(message.problem);
  press('pause', message.paused);
  $('pause').textContent = message.paused ? 'Go on' : 'Pause';
  for (const button of document.querySelectorAll('[data-record]')) {
    const isOn = message.recording.endsWith(`.${button.dataset.record}`);
    press(button.id, isOn);
    button.textContent = `${isOn ? 'Stop' : 'Record'} ${button.dataset.record.toUpperCase()}`;
  }
  $('recording').hidden = !message.recording;
  $('recording').textContent = `Recording to ${message.recording}`;
  $('saved').hidden = !message.saved;
  $('saved').textContent = `Saved to ${message.saved}`;
  for (const [name, value] of Object.entries(message.settings)) {
    if (document.activeElement !== $(name)) $(name).value = value;
    showValue($(name));
  }
  const runs = message.runs, [rows, columns] = runs.network_size.split('x');
  $('runs').textContent = `${runs.backbone} at ${columns} × ${rows} pixels, ${runs.engine} on ${runs.device} in ${runs.precision}`;
}

function press(id, isOn) { $(id).setAttribute('aria-pressed', isOn); }
function showValue(input) {
  const value = Number(input.value), unit = input.dataset.unit;
  const text = unit === '%' ? `${(100 * value).toFixed(0)} %` : `${value.toFixed(1)} ${unit}`;
  document.querySelector(`output[for="${input.id}"]`).textContent = value === 0 ? 'off' : text;
}

async function receiveFrame(data) {
  const length = new DataView(data).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const jpeg = 4 + length, depth = jpeg + head.jpeg, stddev = depth + head.depth;
  const next = {
    head,
    bitmap: await createImageBitmap(new Blob([data.slice(jpeg, depth)], { type: 'image/jpeg' })),
    depth: new Uint16Array(data.slice(depth, stddev)),
    stddev: new Uint16Array(data.slice(stddev, stddev + head.stddev)),
  };
  await bringCamera(head);
  if (waiting) send({ drawn: true }); // it will never be drawn: this one is newer
  waiting = next;
}

async function bringCamera(head) {
  if (cameraShown === head.camera) return;
  cameraShown = head.camera;
  const answer = await fetch(`/rays/${head.camera}${location.search}`);
  const rays = new Float32Array(await answer.arrayBuffer());
  degreesWide = widthOf(rays, Math.ceil(head.width / head.stride), Math.ceil(head.height / head.stride));
  cloud.setCamera(rays, head.width, head.height, head.stride);
}

// Returns the angle between the first and the last ray of the middle row, degrees.
function widthOf(rays, columns, rows) {
  const first = 2 * columns * Math.floor(rows / 2), last = first + 2 * (columns - 1);
  return (Math.atan(rays[last]) - Math.atan(rays[first])) * 180 / Math.PI;
}

function tick(now) {
  requestAnimationFrame(tick);
  if (waiting) {
    if (frame) frame.bitmap.close();
    [frame, waiting] = [waiting, null];
    drawnAt = now;
    showStatus();
    drawFrame();
    send({ drawn: true });
  }
  cloud.draw(now);
}

function canvasOf(name) {
  const canvas = views[name].querySelector('canvas'), { width, height } = frame.head;
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  return canvas.getContext('2d');
}

function drawFrame() {
  const { head, bitmap, depth, stddev } = frame;
  canvasOf('image').drawImage(bitmap, 0, 0);
  $('camera').textContent = `${head.width} × ${head.height} pixels${degreesWide ? `, ${degreesWide.toFixed(0)}° wide` : ''}${head.assumed ? ' (assumed)' : ''}`;
  const near = 1000 * head.near, scale = 255 / Math.max(1, 1000 * (head.far - head.near));
  paint('depth', (i) => (depth[i] ? Math.max(0, Math.min(255, Math.round((depth[i] - near) * scale))) : -1));
  paint('stddev', (i) => (depth[i] ? 256 + Math.min(255, Math.round((255 / WORST) * stddev[i] / depth[i])) : -1));
  label('depth-bar', head.near, head.far, (m) => `${m.toFixed(head.far >= 10 ? 1 : 2)} m`);
  cloud.setFrame(bitmap, depth, head.near, head.far);
  showMarks();
  showPointer();
  showScale(head);
  $('assumed').hidden = !head.assumed;
  document.body.dataset.frame = head.number;
}

function paint(name, colourAt) {
  const context = canvasOf(name), { width, height } = frame.head;
  const image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) {
    const c = colourAt(i);
    pixels[i] = c < 0 ? 0xff000000 : 0xff000000 | colours[3 * c + 2] << 16 | colours[3 * c + 1] << 8 | colours[3 * c];
  }
  context.putImageData(image, 0, 0);
}

function label(id, first, last, text) {
  const list = $(id).querySelector('ol');
  for (let i = 0; i < 6; i++) {
    const item = list.children[i] || list.appendChild(document.createElement('li'));
    item.textContent = text(first + (last - first) * i / 5);
  }
}

function paintBar(id, offset) {
  const context = $(id).querySelector('canvas').getContext('2d');
  for (let i = 0; i < 256; i++) {
    const c = 3 * (offset + i);
    context.fillStyle = `rgb(${colours[c]} ${colours[c + 1]} ${colours[c + 2]})`;
    context.fillRect(i, 0, 1, 1);
  }
}

// Places a small ring in all three pictures.
function place(kind, key, x, y, text) {
  for (const view of Object.values(views)) {
    const found = view.querySelector(`[data-key="${key}"]`);
    const ring = found || view.appendChild(Object.assign(document.createElement('span'), { className: kind }));
    ring.dataset.key = key;
    if (text) ring.dataset.text = text;
    ring.style.left = `${100 * x}%`;
    ring.style.top = `${100 * y}%`;
  }
}

function showMarks() {
  for (const old of document.querySelectorAll('.mark')) old.remove();
  frame.head.known.forEach(([x, y, metres], n) => place('mark', `known-${n}`, x, y, `${metres.toFixed(2)} m`));
}

function showPointer() {
  if (!pointer || !frame) return;
  const { width, height } = frame.head;
  const i = Math.min(height - 1, Math.floor(pointer.y * height)) * width + Math.min(width - 1, Math.floor(pointer.x * width));
  const depth = frame.depth[i] / 1000, stddev = (frame.stddev[i] || 0) / 1000;
  $('pointer').textContent = depth ? `${depth.toFixed(2)} m ± ${stddev.toFixed(2)} m` : 'no depth';
  place('cross', 'pointer', pointer.x, pointer.y);
}

function showScale({ scale }) {
  const isKnown = scale && scale.age_s !== null;
  $('forget').hidden = !isKnown;
  if (scale && scale.refusal) $('scale').textContent = `Not used: ${scale.refusal}.`;
  else if (isKnown) $('scale').textContent = `Depth is multiplied by ${scale.factor.toFixed(2)} (±\u00a0${(100 * scale.relative_stddev).toFixed(0)}\u00a0%), from the distance that you gave ${scale.age_s < 1 ? 'just now' : `${scale.age_s.toFixed(0)} s ago`}.`;
  else $('scale').textContent = 'The scale is the network’s own.';
}

function at(view, event) {
  const box = view.querySelector('canvas').getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
  return { x: Math.max(0, Math.min(1, x)), y: Math.max(0, Math.min(1, y)) };
}

function isPicking() { return $('pick').getAttribute('aria-pressed') === 'true'; }
function setPicking(isOn) { press('pick', isOn); document.body.classList.toggle('picking', isOn); }

for (const view of Object.values(views)) {
  view.addEventListener('pointermove', (event) => { pointer = at(view, event); showPointer(); });
  view.addEventListener('click', (event) => {
    pointer = at(view, event);
    showPointer();
    if (!isPicking() || !frame) return;
    send({ known: { number: frame.head.number, ...pointer, depth_m: Number($('metres').value) } });
    setPicking(false);
  });
}
$('pick').onclick = () => setPicking(!isPicking());
$('forget').onclick = () => send({ forget: true });
$('pause').onclick = () => send({ pause: !state.paused });
for (const button of document.querySelectorAll('[data-record]')) {
  button.onclick = () => send({ record: button.getAttribute('aria-pressed') === 'true' ? '' : button.dataset.record });
}
for (const input of document.querySelectorAll('input[type="range"]')) {
  input.oninput = () => { showValue(input); send({ set: { [input.id]: Number(input.value) } }); };
}
setInterval(showStatus, 1000);
$('controls').onsubmit = (event) => event.preventDefault();
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') setPicking(false); });

fetch(`/colours${location.search}`).then((answer) => answer.arrayBuffer()).then((bytes) => {
  colours = new Uint8Array(bytes);
  paintBar('depth-bar', 0);
  paintBar('stddev-bar', 256);
  label('stddev-bar', 0, WORST, (share) => `${(100 * share).toFixed(0)} %`);
  connect();
  requestAnimationFrame(tick);
});
