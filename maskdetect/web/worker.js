// Runs both networks beside the page, so that it never stalls. Messages: {id, what, ...} in, {id, result or error} or {progress} out.
import {classify, readInfo} from './classify.js';
import {anySize, detect} from './detect.js';
import {crop} from './pixels.js';
const HERE = new URL('../private/', import.meta.url), WASM = 'ort-wasm-simd-threaded.wasm';
let ort, finder, model;

async function open(bytes) { // a network, as a function
  const session = await ort.InferenceSession.create(bytes, {executionProviders: ['wasm'], logSeverityLevel: 3});
  return async (data, dims) => session.run({[session.inputNames[0]]: new ort.Tensor('float32', data, dims)});
}

async function openModel(bytes, name) {
  const info = await readInfo(bytes, name), {size} = info, blank = {data: new Uint8ClampedArray(3 * size * size)};
  try {
    const net = await open(bytes);
    await classify(net, info, [blank, blank]);
    model = {net, info};
  } catch (e) { throw new Error(`${name} does not run in this browser (${e.message || e})`); }
  return {...info, name};
}

async function load() {
  const {name, bytes} = await (await fetch(new URL('files.json', HERE))).json(), names = [WASM, 'detector.onnx', 'model.onnx'];
  const total = names.reduce((sum, o) => sum + bytes[o], 0);
  let got = 0;
  async function get(file) {
    const answer = await fetch(new URL(file, HERE)), data = new Uint8Array(bytes[file]), reader = answer.body.getReader();
    if (!answer.ok) throw new Error(`${file}: ${answer.status}`);
    let at = 0;
    for (let part; !(part = await reader.read()).done; at += part.value.length) {
      data.set(part.value, at);
      postMessage({progress: (got += part.value.length) / total});
    }
    if (at !== data.length) throw new Error(`${file} was cut short`);
    return data;
  }
  ort = await import(new URL('ort.wasm.min.mjs', HERE));
  const [wasm, detector, classifier] = await Promise.all(names.map(get));
  Object.assign(ort.env.wasm, {numThreads: 1, wasmPaths: HERE.href, wasmBinary: wasm.buffer});
  finder = await open(anySize(detector));
  return openModel(classifier, name);
}

async function judge({image}) {
  const found = await detect(finder, image), {net, info} = model;
  const verdicts = await classify(net, info, found.map(f => crop(image, f.box, info.size, info.margin)));
  return {faces: found.map((f, i) => ({...f, ...verdicts[i]})).sort((a, b) => a.box[0] - b.box[0]), width: image.width, height: image.height};
}

const DO = {load, judge, open: ({bytes, name}) => openModel(bytes, name)};
let last = Promise.resolve(); // one thing after the other
onmessage = ({data: {id, what, ...given}}) => {
  last = last.then(() => DO[what](given)).then(result => postMessage({id, result}), e => postMessage({id, error: e.message || String(e)}));
};
