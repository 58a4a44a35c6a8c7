// Finds faces: the port of `FaceDetector` in maskdetect/detect.py, where the why is told (nbs/11_detect.ipynb).
import {resized} from './pixels.js';
const STRIDES = [8, 16, 32], NMS = .3, MIN_SCORE = .65, MAX_SIDE = 736, MIN_FACE = 8;

/** The network's file with its height and width named in place of numbers, so that it takes pictures of any size. */
export function anySize(bytes) {
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  for (const letter of 'hw') text = text.replace('\n\x03\x08\x80\x05', `\n\x03\x12\x01${letter}`);
  return Uint8Array.from(text, c => c.charCodeAt(0));
}

const unit = v => Math.min(Math.max(v, 0), 1);

/** Boxes and scores of the cells of one grid that see a face, in pixels of what the network was given. */
function decode(out, stride, columns) {
  const [cls, obj, box] = ['cls', 'obj', 'bbox'].map(part => out[`${part}_${stride}`].data), found = [];
  for (let i = 0; i < cls.length; i++) {
    const score = Math.fround(Math.sqrt(unit(cls[i]) * unit(obj[i])));
    if (!(score >= MIN_SCORE)) continue;
    const [dx, dy, dw, dh] = box.subarray(4 * i, 4 * i + 4), x = (i % columns + dx) * stride, y = (Math.floor(i / columns) + dy) * stride;
    const w = Math.exp(dw) * stride / 2, h = Math.exp(dh) * stride / 2;
    found.push({box: [x - w, y - h, x + w, y + h], score});
  }
  return found;
}

async function look(net, image, side) {
  const small = resized(image, side), {width: w, height: h, data} = small, W = Math.ceil(w / 32) * 32, H = Math.ceil(h / 32) * 32;
  const x = new Float32Array(3 * H * W);
  for (let row = 0, i = 0; row < h; row++) {
    for (let at = row * W, end = at + w; at < end; at++, i += 3) { x[at] = data[i + 2]; x[at + H * W] = data[i + 1]; x[at + 2 * H * W] = data[i]; } // blue first
  }
  const out = await net(x, [1, 3, H, W]), scale = [image.width / w, image.height / h];
  return STRIDES.flatMap(s => decode(out, s, W / s)).map(f => ({...f, box: f.box.map((v, i) => v * scale[i % 2])}));
}

/** Intersection over union of two boxes. */
export function overlap(a, b) {
  const both = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = o => (o[2] - o[0]) * (o[3] - o[1]);
  return both && both / (area(a) + area(b) - both);
}

/** The faces of a picture, the surest first; `net(data, dims)` promises the network's outputs. */
export async function detect(net, image) {
  const {width: w, height: h} = image, kept = [];
  const all = [...await look(net, image, MAX_SIDE), ...await look(net, image, MAX_SIDE / 4)].sort((a, b) => b.score - a.score);
  for (const face of all) if (kept.every(o => overlap(o.box, face.box) <= NMS)) kept.push(face);
  return kept.map(f => ({...f, box: f.box.map((v, i) => Math.fround(Math.min(Math.max(v, 0), i % 2 ? h : w)))}))
    .filter(({box: [x0, y0, x1, y1]}) => Math.min(x1 - x0, y1 - y0) >= 2 && Math.max(x1 - x0, y1 - y0) >= MIN_FACE);
}
