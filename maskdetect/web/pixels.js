// Pictures as arrays, cut and scaled as maskdetect/core.py does it with OpenCV, within one grey level.
/** To the next whole number, halves to the even one, as in Python. */
export const round = x => { const r = Math.round(x); return r - x === .5 && r % 2 ? r - 1 : r; };
const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

/** Which of `from` pixels make each of `to` pixels, and by what weight: all that it covers (`area`), or the two nearest. */
function weights(from, to, area) {
  const scale = from / to, index = [], weight = [], start = [0];
  for (let i = 0; i < to; i++) {
    const x = clamp((i + .5) * scale - .5, 0, from - 1), a = area ? i * scale : Math.floor(x), b = area ? Math.min(a + scale, from) : a + 2;
    for (let s = Math.floor(a); s < b; s++) {
      const part = area ? (Math.min(s + 1, b) - Math.max(s, a)) / (b - a) : 1 - Math.abs(x - s);
      if (part > 1e-4) { index.push(s); weight.push(part); }
    }
    start.push(index.length);
  }
  return {index: Int32Array.from(index), weight: Float32Array.from(weight), start: Int32Array.from(start)};
}

/** `width` × `height` pixels (RGB) from a rectangle of a picture (RGBA, as a canvas gives it); beyond its edges the last pixels go on. */
export function resample(image, {left, top, w, h}, width, height, area) {
  const xs = weights(w, width, area), ys = weights(h, height, area), {data} = image, line = 3 * width, {start, weight} = xs;
  const rows = new Float32Array(h * line), sum = new Float32Array(line), out = new Uint8ClampedArray(height * line);
  const at = xs.index.map(s => 4 * clamp(left + s, 0, image.width - 1));
  for (let y = 0, o = 0; y < h; y++) {
    const row = 4 * image.width * clamp(top + y, 0, image.height - 1);
    for (let x = 0; x < width; x++, o += 3) {
      let r = 0, g = 0, b = 0;
      for (let k = start[x], end = start[x + 1]; k < end; k++) {
        const i = row + at[k], part = weight[k];
        r += part * data[i]; g += part * data[i + 1]; b += part * data[i + 2];
      }
      rows[o] = r; rows[o + 1] = g; rows[o + 2] = b;
    }
  }
  for (let y = 0; y < height; y++) {
    sum.fill(0);
    for (let k = ys.start[y]; k < ys.start[y + 1]; k++) {
      const from = ys.index[k] * line, part = ys.weight[k];
      for (let i = 0; i < line; i++) sum[i] += part * rows[from + i];
    }
    out.set(sum, y * line); // rounds, halves to the even number
  }
  return {data: out, width, height};
}

/** The picture with `side` pixels along its longer side: `_resized` of maskdetect/detect.py. */
export function resized(image, side) {
  const {width: w, height: h} = image, most = Math.max(w, h);
  return resample(image, {left: 0, top: 0, w, h}, Math.max(1, round(w * side / most)), Math.max(1, round(h * side / most)), most > 2 * side);
}

/** The square around a face, `size` pixels a side: `crop_face` of maskdetect/core.py; without a box, of the whole picture. */
export function crop(image, box, size, margin = 0) {
  const {width, height} = image, [x0, y0, x1, y1] = box || [0, 0, width, height];
  const side = Math.max(1, round(Math.max(x1 - x0, y1 - y0) * (box ? 1 + margin : 1)));
  const [left, top] = [[x0 + x1, width], [y0 + y1, height]].map(([sum, n]) => clamp(round((sum - side) / 2), 1 - side, n - 1));
  return resample(image, {left, top, w: side, h: side}, size, size, size < side);
}
