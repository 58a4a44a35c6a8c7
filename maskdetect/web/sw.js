// Keeps the page and all that it loads, so that it opens without a network. Both lines below are written by `python -m maskdetect.web`.
const VERSION = '';
const FILES = [];

addEventListener('install', e => e.waitUntil(
  caches.open(VERSION).then(cache => cache.addAll(FILES.map(f => new Request(f, {cache: 'reload'}))))));

addEventListener('activate', e => e.waitUntil(Promise.all([
  caches.keys().then(all => Promise.all(all.filter(k => k.startsWith('maskdetect-') && k !== VERSION).map(k => caches.delete(k)))), clients.claim()])));

addEventListener('fetch', e => {
  if (new URL(e.request.url).origin !== location.origin) return e.respondWith(Response.error()); // nothing goes elsewhere
  e.respondWith(caches.open(VERSION).then(async cache => {
    const kept = await cache.match(e.request, {ignoreSearch: true});
    if (kept) return kept;
    const answer = await fetch(e.request);
    if (answer.ok && e.request.method === 'GET') await cache.put(e.request, answer.clone()).catch(() => {}); // no room is no reason to fail
    return answer;
  }));
});
