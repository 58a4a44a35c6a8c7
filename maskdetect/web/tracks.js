// Faces on single frames become people, with one verdict from many frames: as `Vote` in maskdetect/people.py (nbs/12b_people.ipynb).
import {overlap} from './detect.js';
const MEMORY = 1, LEAST = 5, LEAD = .15, LOST = 1; // seconds; frames; share of the vote; seconds

export class Tracks {
  constructor() { this.all = []; }

  /** The faces of a frame with the verdict on each person; below `threshold` it is "unsure". */
  update(faces, threshold = 0, now = performance.now() / 1000) {
    this.all = this.all.filter(t => now - t.time < LOST);
    const pairs = faces.flatMap(face => this.all.map(track => ({face, track, shared: overlap(face.box, track.box)})));
    const own = new Map(), taken = new Set();
    for (const {face, track, shared} of pairs.sort((a, b) => b.shared - a.shared)) {
      if (shared > .2 && !own.has(face) && !taken.has(track)) { own.set(face, track); taken.add(track); }
    }
    return faces.map(face => {
      let track = own.get(face);
      if (!track) this.all.push(track = {n: 0, time: now, sums: {}});
      return {...face, ...this.vote(track, face, threshold, now)};
    });
  }

  vote(track, {box, probs}, threshold, now) {
    const keep = Math.max(Math.exp((track.time - now) / MEMORY), 1 - 1 / LEAST);
    for (const l of Object.keys(probs)) track.sums[l] = keep * (track.sums[l] || 0) + probs[l];
    const total = Object.values(track.sums).reduce((a, b) => a + b), share = Object.fromEntries(Object.entries(track.sums).map(([l, v]) => [l, v / total]));
    const best = Object.keys(share).reduce((a, b) => share[b] > share[a] ? b : a);
    if (track.n < LEAST || share[best] >= share[track.best] + LEAD) track.best = best;
    track.sure = share[track.best] >= (track.sure ? threshold - LEAD / 3 : threshold);
    Object.assign(track, {box, time: now, n: track.n + 1});
    return {label: track.sure ? track.best : 'unsure', probs: share};
  }
}
