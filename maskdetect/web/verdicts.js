// Colours, shapes and words of the verdicts: the same as `draw_verdicts` of maskdetect/draw.py.
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

const clamp = (v, most) => Math.max(0, Math.min(v, most));
const overlap = (a, b) => Math.max(0, Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x)) * Math.max(0, Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y));

/** Where the label of a face goes: of the places around and in its box, the one that covers other labels and faces least. */
function place(c, own, w, h, gap, boxes, labels) {
  const {x, y} = own, right = x + own.w - w, above = y - h - gap, below = y + own.h + gap, top = y + gap, bottom = y + own.h - h - gap;
  const spots = [[x, above], [right, above], [x, below], [right, below], [x, top], [x, bottom], [right, top], [right, bottom],
    [x - w - gap, y], [x + own.w + gap, y], [x, above - h - gap], [right, above - h - gap], [x, below + h + gap], [right, below + h + gap]];
  let best = {cost: Infinity};
  spots.forEach(([left, up], i) => {
    const spot = {x: clamp(left, c.canvas.width - w), y: clamp(up, c.canvas.height - h), w, h};
    const room = {x: spot.x - gap, y: spot.y - gap, w: w + 2 * gap, h: h + 2 * gap}; // with its white edge
    spot.cost = i * w * h / 20; // earlier places are nicer
    for (const o of labels) spot.cost += 20 * overlap(room, o);
    for (const o of boxes) spot.cost += overlap(spot, o) * (o === own ? .3 : 1);
    if (spot.cost < best.cost) best = spot;
  });
  return best;
}

/** A symbol of radius `r` and words on a plate, from the left edge of `spot` on. */
function tag(c, label, text, {x, y, w, h}, r, u) {
  const left = x + 2.3 * r + (text ? 2 * u : 0), tall = 18 * u, up = y + (h - tall) / 2;
  if (text) {
    c.lineWidth = 2 * u; c.strokeStyle = '#fff'; c.strokeRect(left, up, x + w - left, tall);
    c.fillStyle = STYLES[label].back; c.fillRect(left, up, x + w - left, tall);
    c.fillStyle = STYLES[label].front; c.textBaseline = 'middle';
    c.fillText(text, left + 4 * u, up + tall / 2 + .5 * u);
  }
  badge(c, label, x + 1.15 * r, y + h / 2, r);
}

/** Draw faces on a canvas that shows the picture `scale` times as large; `u` is how wide a thin line is, and `numbers` counts the
    faces as a table does. Small faces get a symbol, and their number, but no words. Returns the places of the labels. */
export function draw(c, faces, {scale = 1, mirror = false, u = 1, numbers = false} = {}) {
  const boxes = faces.map((face, i) => {
    let [x0, y0, x1, y1] = face.box.map(v => v * scale);
    if (mirror) [x0, x1] = [c.canvas.width - x1, c.canvas.width - x0];
    const label = face.label in STYLES ? face.label : 'unsure', w = x1 - x0;
    const words = w >= 45 * u ? `${STYLES[label].word} ${percent(confidence(face))}` : '';
    return {label, x: x0, y: y0, w, h: y1 - y0, text: [numbers ? i + 1 : '', words].filter(Boolean).join(': ')};
  });
  for (const {label, x, y, w, h} of boxes) {
    const line = w >= 45 * u ? 2 : 1;
    for (const [width, colour] of [[line + 4, '#000'], [line + 2, '#fff'], [line, STYLES[label].back]]) {
      c.lineWidth = width * u; c.strokeStyle = colour; c.strokeRect(x, y, w, h);
    }
  }
  c.font = `600 ${12.5 * u}px system-ui, sans-serif`;
  const labels = [];
  for (const box of boxes) {
    const r = Math.min(Math.max(box.h * .16, 5 * u), 13 * u), wide = box.text ? c.measureText(box.text).width + 10 * u : 0;
    labels.push(place(c, box, 2.3 * r + wide, Math.max(2.3 * r, box.text ? 18 * u : 0), 2 * u, boxes, labels));
    tag(c, box.label, box.text, labels.at(-1), r, u);
  }
  return labels;
}
