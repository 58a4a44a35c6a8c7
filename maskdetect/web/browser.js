// Judges in the browser: the back end that sends no picture anywhere. The same three functions as in server.js.
import {Refused, sleep} from './server.js';
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const PIXELS = 25_000_000;
const calls = new Map();
let worker = null, loaded = null, tell = () => {}, n = 0;

function call(what, given = {}, transfer = []) {
  return new Promise((done, fail) => {
    calls.set(++n, {done, fail});
    worker.postMessage({id: n, what, ...given}, transfer);
  });
}

function hire() {
  worker = new Worker(new URL('worker.js', import.meta.url), {type: 'module'});
  worker.onmessage = ({data: {id, progress, result, error}}) => {
    if (progress) return tell(progress);
    const {done, fail} = calls.get(id);
    calls.delete(id);
    error ? fail(new Refused(400, error)) : done(result);
  };
  worker.onerror = e => {
    loaded = null;
    for (const {fail} of calls.values()) fail(new Refused(0, e.message || 'a part of this page could not be loaded'));
    calls.clear();
  };
}

async function keep() { // all that is loaded from here on stays for the next time, also without a network
  const o = navigator.serviceWorker;
  if (!o || document.querySelector('meta[name=backends]').content !== 'browser') return;
  const ours = o.controller || new Promise(done => o.addEventListener('controllerchange', done, {once: true}));
  await Promise.race([o.register('sw.js').then(() => ours), sleep(3)]).catch(() => {});
}

async function load() {
  if (typeof WebAssembly !== 'object' || !WebAssembly.validate(Uint8Array.from(SIMD))) {
    throw new Refused(0, 'This browser cannot run the networks: it has no WebAssembly with SIMD, or it is switched off. A newer Chrome, Edge, Firefox or Safari (16.4) has it.');
  }
  await keep();
  worker?.terminate();
  hire();
  return call('load').catch(e => { throw new Refused(0, `The networks could not be loaded (${e.message}). Is there a connection?`); });
}

/** Loads the networks, once; promises what is known of the model. `progress` is told the share that is there. */
function about(progress = tell) {
  tell = progress;
  return loaded ??= load().catch(e => { loaded = null; throw e; });
}

async function judge(image) {
  await about();
  return call('judge', {image: {data: image.data, width: image.width, height: image.height}}, [image.data.buffer]);
}

async function predict(file) {
  const bitmap = await createImageBitmap(file, {colorSpaceConversion: 'none'}).catch(() => null);
  if (!bitmap) throw new Refused(400, 'damaged, or of a kind that this browser does not open; save it as JPEG or PNG');
  const {width, height} = bitmap;
  if (width * height > PIXELS) throw new Refused(413, `${width} × ${height} pixels are more than the limit of ${PIXELS / 1e6} million; make it smaller first`);
  const c = new OffscreenCanvas(width, height).getContext('2d');
  c.fillStyle = '#fff'; c.fillRect(0, 0, width, height);
  c.drawImage(bitmap, 0, 0);
  return judge(c.getImageData(0, 0, width, height));
}

/** Takes a frame when the last one is judged; the same functions and `on` as the Stream of server.js. */
class Frames {
  constructor(camera, on) { Object.assign(this, {camera, on, running: true, paused: false}); this.next(); }

  async next() {
    this.idle = false;
    try {
      while (this.running && !this.paused) {
        const image = await this.camera.pixels(), from = performance.now();
        if (!image || !this.running || this.paused) break;
        const got = await judge(image);
        if (!this.running) return;
        if (!this.paused) this.on.state('live');
        this.on.answer(got, performance.now() - from);
      }
      this.idle = true;
    } catch (e) {
      if (!this.running) return;
      this.on.state('error', 1, e.message);
      await sleep(1);
      this.next();
    }
  }

  hurry() {}
  pause(on) { this.paused = on; if (!on && this.idle) this.next(); }
  stop() { this.running = false; }
}

export const browser = {
  name: 'browser', about, predict,
  where: 'Frames and pictures stay in this browser. Nothing is sent anywhere, stored or logged.',
  stream: (camera, on) => new Frames(camera, on),
  /** Judges with a model of your own from now on. */
  open: async file => {
    await about();
    const bytes = new Uint8Array(await file.arrayBuffer()), info = await call('open', {bytes, name: file.name}, [bytes.buffer]);
    loaded = Promise.resolve(info);
    return info;
  },
};
