// Colours, shapes and words of the verdicts: the same as `draw_verdicts` of maskdetect/detect.py.
export const STYLES = {
  with_mask: {word: 'mask', back: 'rgb(60 175 110)', front: '#000'},
  without_mask: {word: 'no mask', back: 'rgb(176 16 40)', front: '#fff'},
  incorrect_mask: {word: 'worn wrong', back: 'rgb(250 205 50)', front: '#000'},
  unsure: {word: 'unsure', back: 'rgb(225 225 225)', front: '#000'},
};
export const LABELS = Object.keys(STYLES);

const SHAPES = { // as the symbols in index.html; the unit is the radius of the circle
  with_mask: 'M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z',
  without_mask: 'M-.9-.9H.9V.9H-.9Z',
  incorrect_mask: 'M0-1.1 1.15.950H-1.15Z',
  unsure: 'M0-1.15 1.15 0 0 1.15-1.15 0Z',
};
const MARKS = {
  with_mask: 'M-.5.05-.1.45.550-.4',
  without_mask: 'M-.45-.45.450.45M.45-.45-.45.450',
  incorrect_mask: 'M0-.35V.25M0 .63V.66',
  unsure: 'M-.3-.25C-.25-.7.35-.65.280-.27.250-.1 0-.08 0 .18M0 .53V.56',
};

export const confidence = face => Math.max(...Object.values(face.probs));
export const percent = p => `${Math.round(100 * p)}%`;

export const count = faces => Object.fromEntries(LABELS.map(l => [l, faces.filter(f => f.label === l).length]));

/** "3 faces: 2 mask, 1 no mask" */
export function inWords(counts) {
  const n = LABELS.reduce((sum, l) => sum + counts[l], 0);
  const parts = LABELS.filter(l => counts[l]).map(l => `${counts[l]} ${STYLES[l].word}`);
  return n ? `${n} face${n > 1 ? 's' : ''}: ${parts.join(', ')}` : 'No face in view';
}

function badge(c, label, x, y, r) {
  c.save();
  c.translate(x, y);
  c.scale(r, r);
  const shape = new Path2D(SHAPES[label]);
  c.lineJoin = c.lineCap = 'round';
  for (const [width, colour] of [[.5, '#000'], [.3, '#fff']]) {
    c.lineWidth = width; c.strokeStyle = colour; c.stroke(shape);
  }
  c.fillStyle = STYLES[label].back;
  c.fill(shape);
  c.lineWidth = .25; c.strokeStyle = STYLES[label].front;
  c.stroke(new Path2D(MARKS[label]));
  c.restore();
}

/** Words on a plate beside their symbol of radius `r`, both moved into the picture. */
function caption(c, label, text, x, y, r, u, h) {
  c.font = `600 ${12.5 * u}px system-ui, sans-serif`;
  const w = c.measureText(text).width + 8 * u;
  x = Math.max(0, Math.min(x, c.canvas.width - w - 2 * r - 2 * u)) + 2 * r + 2 * u;
  c.lineWidth = 2 * u; c.strokeStyle = '#fff'; c.strokeRect(x, y, w, h);
  c.fillStyle = STYLES[label].back; c.fillRect(x, y, w, h);
  c.fillStyle = STYLES[label].front; c.textBaseline = 'middle';
  c.fillText(text, x + 4 * u, y + h / 2 + .5 * u);
  return x - r - 2 * u;
}

/** Draw faces on a canvas that shows the picture `scale` times as large; `u` is how wide a thin line is. */
export function draw(c, faces, {scale = 1, mirror = false, u = 1} = {}) {
  const all = faces.map(face => {
    let [x0, y0, x1, y1] = face.box.map(v => v * scale);
    if (mirror) [x0, x1] = [c.canvas.width - x1, c.canvas.width - x0];
    return {face, label: face.label in STYLES ? face.label : 'unsure', x0, y0, w: x1 - x0, h: y1 - y0};
  });
  for (const {label, x0, y0, w, h} of all) {
    const line = w >= 45 * u ? 2 : 1;
    for (const [width, colour] of [[line + 4, '#000'], [line + 2, '#fff'], [line, STYLES[label].back]]) {
      c.lineWidth = width * u; c.strokeStyle = colour; c.strokeRect(x0, y0, w, h);
    }
  }
  for (const {face, label, x0, y0, w, h} of all) {
    const r = Math.min(Math.max(h * .16, 5 * u), 13 * u), plate = 18 * u, y = Math.max(y0 - plate - 3 * u, 0);
    const text = `${STYLES[label].word} ${percent(confidence(face))}`;
    const x = w >= 45 * u ? caption(c, label, text, x0, y, r, u, plate) : x0 + r;
    badge(c, label, Math.max(x, r + 2 * u), Math.max(y + plate / 2, r + 2 * u), r);
  }
}
