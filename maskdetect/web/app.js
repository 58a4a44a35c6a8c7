// The page: camera, pictures, and what is said about them.
import {Camera} from './camera.js';
import {History} from './history.js';
import {browser} from './browser.js';
import {Refused, backoff, getKey, server, setKey, sleep} from './server.js';
import {Tracks} from './tracks.js';
import {LABELS, STYLES, confidence, count, draw, inWords, percent} from './verdicts.js';

const $ = id => document.getElementById(id);
const make = (tag, props = {}, ...children) => { const o = Object.assign(document.createElement(tag), props); o.append(...children); return o; };
const icon = label => {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg'), use = document.createElementNS(svg.namespaceURI, 'use');
  svg.setAttribute('class', `badge ${label}`);
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#${label}`);
  svg.append(use);
  return svg;
};

// ---- words: the state of things, notes, and what a screen reader says

function state(name, text) { const o = $('state'); if (o.dataset.state !== name || o.textContent !== text) { o.dataset.state = name; o.textContent = text; } }

function note(text = '', retry = null) {
  $('note').hidden = !text;
  $('note').firstElementChild.textContent = text;
  $('retry').hidden = !retry;
  $('retry').onclick = retry;
}

let said = {text: '', at: -Infinity};
function say(text) { // no more than a sentence in five seconds, and none twice
  const now = performance.now();
  if (text === said.text || now - said.at < 5000) return;
  said = {text, at: now};
  $('said').textContent = text;
}

// ---- the camera

const camera = new Camera($('video')), seen = new History(), times = [];
let stream = null, tracks = new Tracks(), faces = [], frame = {width: 1, height: 1}, charts = {};

for (const label of LABELS) {
  const number = make('b', {textContent: '–'}), chart = make('canvas');
  chart.setAttribute('aria-hidden', 'true');
  charts[label] = {number, chart};
  const row = make('li', {}, icon(label), make('span', {textContent: STYLES[label].word}), number, chart);
  row.dataset.label = label;
  $('counts').append(row);
}

async function start(open = () => camera.open()) {
  note();
  $('start').disabled = true;
  try { await open(); }
  catch (e) { stop(); note(e.message); return; }
  finally { $('start').disabled = false; }
  $('stage').dataset.on = 'true';
  $('stage').style.aspectRatio = `${$('video').videoWidth} / ${$('video').videoHeight}`;
  for (const id of ['pause', 'stop']) $(id).disabled = false;
  $('mirror').checked = camera.facing !== 'environment' && !camera.clip;
  mirror();
  await choices();
  begin();
  stream.pause(false);
  if (document.activeElement === document.body) $('pause').focus(); // the button that was pressed is gone
}

function begin() { stream ??= backend.stream(camera, {answer, state: connection, key: askKey}); }

async function choices() {
  const all = await camera.list();
  $('cameras').hidden = $('turn').hidden = all.length < 2;
  $('turn').hidden ||= !matchMedia('(pointer: coarse)').matches;
  $('camera').replaceChildren(...all.map((d, i) => make('option', {value: d.deviceId, textContent: d.label || `Camera ${i + 1}`, selected: d.deviceId === camera.id})));
}

function stop() {
  const had = document.activeElement === $('stop');
  stream?.stop();
  stream = null;
  camera.close();
  frame = {width: 1, height: 1};
  delete $('stage').dataset.on;
  $('stage').style.aspectRatio = '';
  for (const id of ['pause', 'stop']) $(id).disabled = true;
  pause(false);
  show([]);
  for (const l of LABELS) charts[l].number.textContent = '–';
  $('fps').textContent = $('latency').textContent = '–';
  if (had) $('start').focus();
  state('ready', 'Ready');
}

function pause(on) {
  $('pause').setAttribute('aria-pressed', on);
  $('pause').textContent = on ? 'Go on' : 'Pause';
  if (!stream) return;
  stream.pause(on);
  on ? $('video').pause() : $('video').play();
  if (on) { state('ready', 'Paused'); note(); }
}

function mirror() { $('video').classList.toggle('mirrored', $('mirror').checked); show(faces); }

function connection(name, seconds, why) {
  if (name === 'live') { state('live', 'Live'); note(); }
  if (name === 'busy') { state('wait', 'Server busy'); note(`The server has all the work that it can do. The next frame goes out in ${seconds} s.`); }
  if (name === 'error') { state('wait', 'Trouble'); note(backend === server ? `The server says: ${why}` : why); }
  if (name === 'lost') {
    state('lost', 'No connection');
    note(`The server does not answer, or has no room for one more camera. Trying again in ${seconds < 1.5 ? 'a second' : `${Math.round(seconds)} seconds`}; the camera stays on.`, () => stream?.hurry());
    show([], false);
  }
  if (name === 'stopped') { stop(); note('Without a key this server judges nothing.'); }
}

function answer(got, ms) {
  frame = got;
  faces = tracks.update(got.faces, model.threshold);
  const counts = count(faces), now = performance.now();
  times.push({now, ms});
  while (now - times[0].now > 3000) times.shift();
  seen.add(counts);
  show(faces);
  for (const l of LABELS) charts[l].number.textContent = counts[l];
  say(inWords(counts));
}

function show(list, shot = true) { // the frame that was judged, and its verdicts; without, the moving picture is seen
  faces = list;
  const o = $('overlay'), dpr = devicePixelRatio || 1, c = o.getContext('2d');
  const w = Math.round(o.clientWidth * dpr), h = Math.round(o.clientHeight * dpr);
  if (o.width !== w || o.height !== h) { o.width = w; o.height = h; } else c.clearRect(0, 0, w, h);
  if (shot && stream && frame.faces) {
    if ($('mirror').checked) c.setTransform(-1, 0, 0, 1, w, 0);
    c.drawImage(camera.shot, 0, 0, w, h);
    c.resetTransform();
  }
  draw(c, faces, {scale: w / frame.width, mirror: $('mirror').checked, u: dpr * Math.max(.8, Math.min(1.2, h / dpr / 480))});
  o.dataset.verdicts = faces.map(f => f.label).join(' ');
  o.setAttribute('aria-label', faces.length ? inWords(count(faces)) : 'Verdicts on the camera picture');
}

setInterval(() => { // what need not be shown for every frame
  if (stream && !stream.paused && times.length > 1) {
    const seconds = (times.at(-1).now - times[0].now) / 1000, middle = times.map(t => t.ms).sort((a, b) => a - b)[times.length >> 1];
    $('fps').textContent = seconds ? ((times.length - 1) / seconds).toFixed(1) : '–';
    $('latency').textContent = `${Math.round(middle)} ms`;
  }
  for (const l of LABELS) seen.draw(charts[l].chart, l);
}, 500);

$('start').onclick = () => start();
$('stop').onclick = stop;
$('pause').onclick = () => pause($('pause').getAttribute('aria-pressed') !== 'true');
$('mirror').onchange = mirror;
$('camera').onchange = e => start(() => camera.open(e.target.value));
$('turn').onclick = () => { camera.facing = camera.facing === 'environment' ? 'user' : 'environment'; start(); };
camera.onlost = () => { stop(); note('The camera was unplugged, or its permission was taken back. Start again when it is there.'); };
new ResizeObserver(() => show(faces)).observe($('overlay'));
addEventListener('online', () => stream?.hurry());

// ---- the key

let asking = null;
function askKey() { // one question at a time; true if there is a key now
  return asking ??= new Promise(done => {
    const o = $('ask');
    $('ask-why').textContent = getKey() ? 'That key was not taken. Try again.' : 'Whoever runs it can give you one. It is kept until this tab is closed.';
    $('key').value = '';
    o.returnValue = '';
    o.onclose = () => {
      asking = null;
      setKey(o.returnValue === 'ok' ? $('key').value : '');
      done(!!getKey());
    };
    o.showModal();
  });
}

// ---- pictures

const queue = [];
let working = false;

async function take(files) {
  document.querySelectorAll('.wrong').forEach(o => o.remove());
  queue.push(...files);
  if (working) return;
  working = true;
  while (queue.length) await judge(queue.shift()).catch(e => report(e.message));
  working = false;
  hint();
}

function hint(text = 'Drop pictures or a clip anywhere on this page, or paste one. They are judged one after the other.') { $('hint').textContent = text; }

function report(text) { $('results').prepend(make('p', {className: 'wrong', textContent: text, role: 'alert'})); }

async function judge(file, tries = 0) {
  const name = file.name || 'Picture';
  if (/\.onnx$/i.test(name)) return own(file);
  if (/^video\//.test(file.type)) return start(() => camera.play(file));
  if (!/^image\//.test(file.type)) return report(`${name} is no picture. Choose a JPEG, PNG, WebP, BMP, GIF or TIFF, or a clip.`);
  hint(`Judging ${name}${queue.length ? `, ${queue.length} more to come` : ''} …`);
  try { return card(name, await backend.predict(file), await createImageBitmap(file).catch(() => null)); }
  catch (e) {
    if (!(e instanceof Refused)) throw e;
    if (e.status === 401 && await askKey()) return judge(file);
    if (e.status === 503 && tries < 5) {
      hint(`The server is busy. ${name} is sent again in ${e.retryAfter} s.`);
      await sleep(e.retryAfter);
      return judge(file, tries + 1);
    }
    report(`${name}: ${e.message}`);
  }
}

function card(name, got, bitmap) {
  const words = inWords(count(got.faces)).replace(' in view', ' was found'), title = make('h3', {textContent: name});
  const rows = got.faces.map((f, i) => make('tr', {},
    make('td', {textContent: i + 1}), make('td', {}, icon(f.label), ` ${STYLES[f.label].word}`),
    make('td', {textContent: percent(confidence(f))}), make('td', {textContent: `${Math.round(f.box[2] - f.box[0])} × ${Math.round(f.box[3] - f.box[1])}`})));
  rows.forEach((row, i) => row.dataset.label = got.faces[i].label);
  const head = make('tr', {}, ...['Face', 'Verdict', 'Sure', 'Pixels'].map(t => make('th', {textContent: t, scope: 'col'})));
  const text = make('div', {className: 'text'}, title, make('p', {textContent: `${words}, in ${got.width} × ${got.height} pixels`}));
  if (rows.length) text.append(make('div', {className: 'scroll', tabIndex: 0}, make('table', {}, make('thead', {}, head), make('tbody', {}, ...rows))));
  const article = make('article', {}, text), canvas = bitmap && make('canvas', {width: got.width, height: got.height, role: 'img'});
  canvas?.setAttribute('aria-label', `${name} with its verdicts. ${words}`);
  if (canvas) article.prepend(canvas);
  $('results').prepend(article);
  if (canvas) {
    paint(canvas, bitmap, got, .9 * got.width / canvas.clientWidth); // words that can be read at the size that it is shown at
    text.append(make('button', {type: 'button', textContent: 'Download with verdicts', onclick: () => save(bitmap, got, name)}));
  }
  while ($('results').children.length > 12) $('results').lastChild.remove();
  said.at = -Infinity;
  say(`${name}: ${words}`);
}

function paint(canvas, bitmap, got, least = 1) {
  const c = canvas.getContext('2d');
  c.drawImage(bitmap, 0, 0, got.width, got.height);
  draw(c, got.faces, {u: Math.max(least, Math.min(got.width, got.height) / 480), numbers: true});
}

function save(bitmap, got, name) {
  const canvas = make('canvas', {width: got.width, height: got.height});
  paint(canvas, bitmap, got);
  canvas.toBlob(blob => {
    const url = URL.createObjectURL(blob);
    make('a', {href: url, download: `${name.replace(/\.[^.]*$/, '')}-verdicts.jpg`}).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }, 'image/jpeg', .92);
}

$('files').onchange = e => { take(e.target.files); e.target.value = ''; };
$('example').onclick = async () => {
  const answer = await fetch(new URL('people.jpg', import.meta.url)).catch(() => null);
  answer?.ok ? take([new File([await answer.blob()], 'people.jpg', {type: 'image/jpeg'})]) : report('No connection to the server');
};
addEventListener('paste', e => { if (e.clipboardData.files.length) take(e.clipboardData.files); });
let over = 0; // how many elements a dragged file is over
const withFiles = e => e.dataTransfer?.types.includes('Files');
addEventListener('dragenter', e => { if (withFiles(e)) { over++; $('drop').hidden = false; } });
addEventListener('dragleave', e => { if (withFiles(e) && !--over) $('drop').hidden = true; });
addEventListener('dragover', e => { if (withFiles(e)) e.preventDefault(); });
addEventListener('drop', e => { over = 0; $('drop').hidden = true; if (withFiles(e)) { e.preventDefault(); take(e.dataTransfer.files); } });

// ---- who judges, and with which model

const BACKENDS = {server, browser}, offered = document.querySelector('meta[name=backends]').content.split(' ');
let backend, model = {};

function choose(name) {
  backend = BACKENDS[name];
  $('where').textContent = backend.where;
  document.querySelector(`[name=backend][value=${name}]`).checked = true;
  $('model').textContent = '';
  $('own').hidden = backend !== browser;
  note();
  if (stream) { // the camera goes on
    stream.stop();
    stream = null;
    tracks = new Tracks();
    times.length = 0;
    begin();
    pause(false);
  }
  hello();
}

async function hello(tries = 0) {
  const asked = backend;
  if (!tries) state('wait', asked === browser ? 'Loading' : 'Connecting');
  try {
    const got = await asked.about(share => { if (asked === backend) state('wait', share < 1 ? `Loading ${percent(share)}` : 'Starting'); });
    if (asked === backend) about(got);
  } catch (e) {
    if (asked !== backend) return;
    if (e.status === 401) return await askKey() ? hello() : state('lost', 'Key needed');
    if (asked === browser) { state('lost', 'Not loaded'); return note(e.message, () => { note(); hello(); }); }
    if (!stream) state('lost', 'No connection');
    await sleep(backoff(tries));
    if (asked === backend) hello(tries + 1);
  }
}

function about(got) {
  model = got;
  const least = model.threshold ? ` Below ${percent(model.threshold)} the verdict is “unsure”.` : '';
  $('model').textContent = `Model: ${[model.name, model.arch, model.version && `maskdetect ${model.version}`].filter(Boolean).join(', ')}.${least}`;
  if (!stream) state('ready', 'Ready');
}

async function own(file) {
  if (backend !== browser) throw new Error(`${file.name} is a model. This page tries one only where it judges in the browser.`);
  hint(`Opening ${file.name} …`);
  about(await browser.open(file));
  tracks = new Tracks();
}

for (const o of document.getElementsByName('backend')) o.onchange = () => { history.replaceState(null, '', `#${o.value}`); choose(o.value); };
$('model-file').onchange = e => { take(e.target.files); e.target.value = ''; };
$('backends').hidden = offered.length < 2;
choose(offered.find(o => `#${o}` === location.hash) || offered[0]);
