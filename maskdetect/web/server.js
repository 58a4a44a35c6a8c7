// Talks to the service that this page came from: single pictures over HTTP, frames over a WebSocket.
// A back end has `about()`, which promises what is known of the model, `predict(file)` and `stream(camera, on)`; browser.js is the other one.
const KEY = 'maskdetect-key', PATIENCE = 15, LONGEST_WAIT = 8; // seconds

export const getKey = () => sessionStorage.getItem(KEY);
export const setKey = key => key ? sessionStorage.setItem(KEY, key) : sessionStorage.removeItem(KEY);
export const sleep = seconds => new Promise(done => setTimeout(done, 1000 * seconds));
/** 0.5, 1, 2, 4, 8, 8 … seconds, a little uneven, so that many pages do not come back at once. */
export const backoff = tries => Math.min(.5 * 2 ** tries, LONGEST_WAIT) * (.85 + .3 * Math.random());

export class Refused extends Error { // what the server says
  constructor(status, message, retryAfter) { super(message); this.status = status; this.retryAfter = retryAfter; }
}

export async function ask(path, options = {}) {
  const key = getKey(), headers = key ? {'X-API-Key': String.fromCharCode(...new TextEncoder().encode(key))} : {}; // a header holds bytes
  let answer;
  try { answer = await fetch(path, {...options, headers, cache: 'no-store'}); }
  catch { throw new Refused(0, 'No connection to the server'); }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, body.error || `The server answers ${answer.status}`, +answer.headers.get('Retry-After') || 1);
  return body;
}

function predict(file) {
  const body = new FormData();
  body.append('file', file, file.name || 'picture');
  return ask('/v1/predict', {method: 'POST', body});
}

/** Sends one frame at a time and waits for its answer; comes back by itself when the connection drops.
    `grab()` promises a JPEG; `on` has `answer(faces, ms)`, `state(name, seconds)` and `key()`, which promises to have asked for one. */
class Stream {
  constructor(grab, on) { Object.assign(this, {grab, on, tries: 0, running: true, paused: false}); this.open(); }

  open() {
    clearTimeout(this.timer);
    this.timer = null;
    const ws = this.ws = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/stream`);
    this.watch(ws);
    ws.onopen = () => {
      if (getKey()) ws.send(JSON.stringify({key: getKey()}));
      this.next(ws);
    };
    ws.onmessage = e => this.take(ws, JSON.parse(e.data));
    ws.onclose = e => { if (ws === this.ws && this.running) this.dropped(e.code); };
  }

  watch(ws) { // a server that hangs is as good as gone
    clearTimeout(this.dog);
    this.dog = setTimeout(() => { if (ws === this.ws) { this.ws = null; ws.close(); this.dropped(0); } }, 1000 * PATIENCE);
  }

  async next(ws) {
    clearTimeout(this.dog);
    if (this.paused) { this.idle = true; return; }
    const frame = await this.grab();
    if (!this.running || ws !== this.ws || ws.readyState !== WebSocket.OPEN) return;
    if (!frame || this.paused) { this.idle = true; return; }
    this.sent = performance.now();
    ws.send(frame);
    this.watch(ws);
  }

  async take(ws, answer) {
    if (ws !== this.ws || !this.running) return;
    clearTimeout(this.dog);
    if (answer.error) {
      const wait = answer.retry_after || 1;
      this.why = answer.error;
      this.on.state(answer.error === 'busy' ? 'busy' : 'error', wait, answer.error);
      await sleep(wait);
    } else {
      this.tries = 0;
      this.why = '';
      if (!this.paused) this.on.state('live');
      this.on.answer(answer, performance.now() - this.sent);
    }
    if (ws === this.ws && this.running) this.next(ws);
  }

  async dropped(code) {
    clearTimeout(this.dog);
    if (code === 1008 && this.why) { // it said why: it wants a key
      this.why = '';
      if (!await this.on.key()) return this.on.state('stopped');
      if (this.running) this.open();
      return;
    }
    const wait = backoff(this.tries++);
    this.on.state('lost', wait);
    this.timer = setTimeout(() => this.open(), 1000 * wait);
  }

  hurry() { if (this.timer && this.running) { this.tries = 0; this.open(); } } // do not wait any longer
  pause(on) { this.paused = on; if (!on && this.idle) { this.idle = false; this.next(this.ws); } }
  stop() { this.running = false; clearTimeout(this.timer); clearTimeout(this.dog); this.ws?.close(); }
}

export const server = {
  name: 'server', predict,
  where: `Frames and pictures go to ${location.host} and nowhere else, over the connection that this page came through. They are judged in memory; nothing is stored or logged.`,
  about: () => ask('/v1/model'),
  stream: (camera, on) => new Stream(() => camera.grab(), on),
};
