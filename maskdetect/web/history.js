// What was in view over the last minutes: a small chart for each verdict, in as many bins as fit.
import {LABELS, STYLES} from './verdicts.js';
const MINUTES = 3, BINS = 90, SECONDS = 60 * MINUTES / BINS;

export class History {
  constructor() { this.bins = []; }

  add(counts, now = performance.now() / 1000) {
    const at = Math.floor(now / SECONDS);
    this.bins = this.bins.filter(b => b.at > at - BINS);
    let bin = this.bins.at(-1);
    if (bin?.at !== at) this.bins.push(bin = {at, n: 0, sums: Object.fromEntries(LABELS.map(l => [l, 0]))});
    bin.n++;
    for (const l of LABELS) bin.sums[l] += counts[l];
  }

  /** The bars of one verdict; all charts share one scale. */
  draw(canvas, label, now = performance.now() / 1000) {
    const dpr = devicePixelRatio || 1, w = canvas.width = canvas.clientWidth * dpr, h = canvas.height = canvas.clientHeight * dpr;
    const c = canvas.getContext('2d'), last = Math.floor(now / SECONDS), step = w / BINS;
    const most = Math.max(2, ...this.bins.flatMap(b => LABELS.map(l => b.sums[l] / b.n)));
    const ink = getComputedStyle(canvas).color;
    c.fillStyle = ink; c.globalAlpha = .25; c.fillRect(0, h - dpr, w, dpr); c.globalAlpha = 1;
    for (const {at, n, sums} of this.bins) {
      const x = w - (last - at + 1) * step, tall = sums[label] / n / most * (h - 3 * dpr);
      if (!tall) continue;
      c.fillStyle = STYLES[label].back; c.fillRect(x, h - tall, step + .5, tall);
      c.fillStyle = ink; c.fillRect(x, h - tall - dpr, step + .5, dpr); // a line on top, for every colour on every ground
    }
  }
}
