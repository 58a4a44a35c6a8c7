// Reads a model file, and says what a face wears: the port of maskdetect/classify.py (nbs/10_classify.ipynb).
const FORMAT = 1, LABELS = ['with_mask', 'without_mask', 'incorrect_mask'];
const REQUIRED = ['labels', 'size', 'channels', 'mean', 'std', 'margin', 'temperature', 'format'];

function number(b, i) { // of a protobuf message, seven bits a byte, and where the next thing starts
  for (let n = 0, scale = 1; scale < 2 ** 50; scale *= 128) {
    n += (b[i] & 127) * scale;
    if (!(b[i++] >= 128)) return [n, i];
  }
  throw new Error('no protobuf');
}

function* fields(b) { // number, start and value of every field, top level only
  for (let i = 0, key, value; i < b.length;) {
    const start = i;
    [key, i] = number(b, i);
    [value, i] = number(b, i);
    if ((key & 7) === 2) { [value, i] = [b.subarray(i, i + value), i + value]; }
    else if (key & 7) throw new Error('no protobuf');
    if (i > b.length) throw new Error('cut short');
    yield [key >>> 3, start, value];
  }
}

/** What is wrong with a model's description, in words; '' if nothing is. */
function wrong(d) {
  const among = (v, low, high) => typeof v === 'number' && v >= low && v <= high;
  const each = (v, low, high) => Array.isArray(v) && v.length === d.channels && v.every(o => among(o, low, high));
  const missing = REQUIRED.filter(k => !(k in d));
  if (missing.length) return `its description lacks ${missing.join(', ')}`;
  if (!(d.format <= FORMAT)) return `it was written by a newer maskdetect (${d.version || '?'}), which this page does not read`;
  if (![2, 3].some(n => `${d.labels}` === `${LABELS.slice(0, n)}`)) return `its labels must be ${LABELS.slice(0, 2).join(', ')} (and ${LABELS[2]}), not ${d.labels}`;
  const good = {size: Number.isInteger(d.size) && among(d.size, 8, 1024), channels: [1, 3].includes(d.channels), mean: each(d.mean, -1e3, 1e3),
    std: each(d.std, 1e-6, 1e6), margin: among(d.margin, -.9, 3), temperature: among(d.temperature, 1e-3, 1e3), threshold: among(d.threshold ?? 0, 0, 1)};
  const bad = Object.keys(good).filter(k => !good[k]);
  return bad.length ? `its description holds a ${bad.join(' and a ')} that cannot be` : '';
}

/** What a model file says about itself; an Error's message is for people. */
export async function readInfo(bytes, name) {
  const meta = {}, text = v => new TextDecoder().decode(v);
  let body = 0;
  try {
    for (const [k, start, value] of fields(bytes)) {
      if (k === 14) {
        body ||= start;
        const [key, note] = [...fields(value)].map(f => f[2]);
        meta[text(key)] = note;
      } else if (body) throw new Error('something stands after its description');
    }
    if (!bytes.length) throw new Error('empty');
  } catch (e) { throw new Error(`${name} is damaged or no .onnx model (${e.message}); copy it again or export it again.`); }
  const note = meta.maskdetect;
  if (!note) throw new Error(`${name} is a plain ONNX file, without maskdetect's description; make one with: maskdetect export`);
  if (globalThis.crypto?.subtle) { // only where the page came over https or from this machine
    const sealed = new Uint8Array(body + note.length);
    sealed.set(bytes.subarray(0, body)); sealed.set(note, body);
    const sum = [...new Uint8Array(await crypto.subtle.digest('SHA-256', sealed))].map(v => v.toString(16).padStart(2, '0')).join('');
    if (sum !== text(meta.maskdetect_sha256)) throw new Error(`${name} is damaged (its checksum is wrong); copy it again or export it again.`);
  }
  let info = null;
  try { info = JSON.parse(text(note)); } catch { /* said below */ }
  const why = info && typeof info === 'object' ? wrong(info) : 'its description is damaged';
  if (why) throw new Error(`${name}: ${why}; export the model again.`);
  return {threshold: 0, ...info};
}

/** Cut faces (RGB) as the network wants them. */
function prepare(crops, {size, channels, mean, std}) {
  const n = size * size, x = new Float32Array(crops.length * channels * n), f = Math.fround;
  crops.forEach(({data}, k) => {
    for (let c = 0; c < channels; c++) {
      for (let i = 0, at = (k * channels + c) * n; i < n; i++, at++) {
        const grey = channels === 1, v = grey ? (data[3 * i] * 4899 + data[3 * i + 1] * 9617 + data[3 * i + 2] * 1868 + 8192) >> 14 : data[3 * i + c];
        x[at] = f(f(f(v / 255) - f(mean[c])) / f(std[c]));
      }
    }
  });
  return x;
}

function softmax(logits, temperature) {
  const z = logits.map(v => v / temperature), most = Math.max(...z), e = z.map(v => Math.exp(v - most)), sum = e.reduce((a, b) => a + b);
  return e.map(v => v / sum);
}

/** The verdict and the probabilities of each cut face; `net(data, dims)` promises the network's outputs. */
export async function classify(net, info, crops) {
  const n = info.labels.length, all = [];
  for (let i = 0; i < crops.length; i += 16) {
    const some = crops.slice(i, i + 16), {logits} = await net(prepare(some, info), [some.length, info.channels, info.size, info.size]);
    if (`${logits?.dims}` !== `${some.length},${n}`) throw new Error('the model does not answer a number for each label');
    for (let k = 0; k < some.length; k++) {
      const probs = softmax([...logits.data.slice(k * n, k * n + n)], info.temperature), best = Math.max(...probs);
      all.push({label: best >= info.threshold ? info.labels[probs.indexOf(best)] : 'unsure', probs: Object.fromEntries(info.labels.map((l, j) => [l, probs[j]]))});
    }
  }
  return all;
}
