"""How `maskdetect score` behaves with many photos, and against a plain loop: the rows of `score_*.csv`.

    OMP_NUM_THREADS=1 python nbs/results/score.py many 100000   # drawn photos; cost, memory, kills
    OMP_NUM_THREADS=1 python nbs/results/score.py speed [OLD]   # photos of $MASKDETECT_DATA, and 12-Mpx ones
    python nbs/results/score.py frame OLD                       # one 720p frame with four faces

OLD is a checkout of another version, such as commit 8421413; that one finds faces with OpenCV's YuNet, whose file
`MASKDETECT_DETECTOR` names. Other things may run on the machine: the cost of a photo is processor time, and what is
compared is measured in turns.
"""
import json, os, random, shutil, signal, subprocess, sys, tempfile, time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import psutil

from maskdetect.bench import sample_frame
from maskdetect.core import SAMPLE, list_images, read_image, save_results

HERE = Path(__file__).parent
YUNET = os.environ.pop('MASKDETECT_DETECTOR', '')  # for the other version alone


def draw(folder, n, kinds=1000):
    "`n` names of `kinds` different photos of 160x120 pixels, with up to two drawn faces"
    rng, faces = np.random.default_rng(0), list_images(SAMPLE/'faces'/'test')
    (folder/'kinds').mkdir(parents=True)
    for k in range(kinds):
        image = np.full((120, 160, 3), rng.integers(60, 220, 3), np.uint8)
        for j in range(rng.integers(0, 3)):
            image[30:100, 5+80*j:75+80*j] = cv2.resize(read_image(faces[rng.integers(len(faces))]), (70, 70))
        cv2.imwrite(str(folder/'kinds'/f'{k}.jpg'), image[..., ::-1])
    for i in range(n):
        to = folder/f'{n}'/f'{i//1000:03}'/f'{i:06}.jpg'
        if i % 1000 == 0: to.parent.mkdir(parents=True)
        os.link(folder/'kinds'/f'{i % kinds}.jpg', to)
    return folder/f'{n}'


class Tree:
    "Processor time and memory of a process and all that it started, sampled"
    def __init__(self, pid): self.top, self.seconds, self.peak = psutil.Process(pid), {}, 0

    def sample(self):
        memory = 0
        try: family = [self.top, *self.top.children(recursive=True)]
        except psutil.Error: return sum(self.seconds.values())
        for p in family:
            try:
                t = p.cpu_times()
                self.seconds[p.pid] = t.user + t.system
                memory += p.memory_full_info().uss/2**20
            except psutil.Error: pass
        self.peak = max(self.peak, memory)
        return sum(self.seconds.values())


def job(photos, out, kill_after=None):
    "One run of the command: processor time a photo after the first chunk, memory, what it said"
    parts = out.with_name(out.name + '.parts')
    count = lambda: sum(o.name[0] == '0' for o in os.scandir(parts)) if parts.exists() else 0
    old, first, memory = count(), None, []
    code = 'from maskdetect.cli import main; raise SystemExit(main())'
    command = [sys.executable, '-c', code, 'score', photos, '--out', out, '--max-side', 160, '--workers', 2, '--json']
    child = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
    tree, cpu = Tree(child.pid), 0
    while child.poll() is None:
        now = tree.sample()
        if count() > old + 2:
            first = first or (now, count(), time.perf_counter())
            memory.append(tree.peak)
            tree.peak, cpu, wall, n = 0, now, time.perf_counter(), count()
            if kill_after and n - first[1] >= kill_after:
                child.send_signal(signal.SIGKILL)
                child.wait()
                return dict(killed=True)
        time.sleep(.2)
    done = json.loads(child.stdout.read())
    k = max(1, len(memory)//10)
    return dict(done, cpu_ms=1e3*(cpu-first[0])/(64*(n-first[1])), photos_a_second=64*(n-first[1])/(wall-first[2]),
                mb_first_tenth=np.median(memory[:k]), mb_last_tenth=np.median(memory[-k:]))


def many(n):
    "Cost and memory at three sizes; the largest job is killed five times"
    rng, rows = random.Random(0), []
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        for size in (1000, 10_000, n):
            photos, out, kills = draw(tmp/str(size), size), tmp/f'{size}.parquet', 0
            if size == n:
                for _ in range(5): kills += job(photos, out, rng.randint(10, max(11, n//64//12))).get('killed', False)
            got = job(photos, out)
            paths = pd.read_parquet(out).query('face <= 1').path
            assert sorted(paths) == sorted(map(str, list_images(photos))) and paths.is_monotonic_increasing
            told = {k: round(got[k], 3) for k in ('cpu_ms', 'photos_a_second', 'mb_first_tenth', 'mb_last_tenth')}
            rows.append(dict(photos=size, kills=kills, once=int(paths.is_unique), faces=got['faces'],
                             judged_by_the_last_run=got['judged_now'], **told))
            print(rows[-1], flush=True)
            shutil.rmtree(tmp/str(size))
    return rows


def cpu():
    "Processor time of this process and its children until now"
    return Tree(os.getpid()).sample()


EARLIER = """
import os, sys, time, cv2
os.sched_setaffinity(0, [*os.sched_getaffinity(0)][:1])
from maskdetect import MaskDetector
cv2.setNumThreads(1)
detector = MaskDetector()
for path in sys.argv[1:3]: detector.predict(path)
clock, start = time.perf_counter(), time.process_time()
for path in sys.argv[1:]: detector.predict(path)
print(time.perf_counter()-clock, time.process_time()-start)
"""


def imread(path):
    "How most programs read a picture: every pixel, by OpenCV"
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def took(way, paths):
    "Milliseconds a photo, on the clock and of the processor"
    start, clock = cpu(), time.perf_counter()
    way(paths)
    return 1e3*(time.perf_counter()-clock)/len(paths), 1e3*(cpu()-start)/len(paths)


def earlier(checkout, paths):
    "The same for another version's `predict`, in a process of its own"
    env = dict(os.environ, PYTHONPATH=str(checkout), MASKDETECT_DETECTOR=YUNET)
    command = [sys.executable, '-c', EARLIER, *map(str, paths)]
    told = subprocess.run(command, env=env, cwd=checkout, check=True, capture_output=True)
    return [1e3*float(o)/len(paths) for o in told.stdout.split()[-2:]]


FRAME = """
import os, sys, time
os.sched_setaffinity(0, [*os.sched_getaffinity(0)][:int(sys.argv[1])])
import cv2
from maskdetect import MaskDetector
detector, image = MaskDetector(), cv2.imread(sys.argv[2])[..., ::-1].copy()
print(len(detector.predict(image)), flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    for _ in range(5): detector.predict(image)
    print((time.perf_counter()-start)/5, flush=True)
"""


def start_frame(code, old, cores, picture):
    "A process in which a version waits for its turn at a frame"
    env = dict(os.environ, PYTHONPATH=str(code), MASKDETECT_DETECTOR=YUNET if old else '')
    command = [sys.executable, '-W', 'ignore', '-c', FRAME, str(cores), picture]
    return subprocess.Popen(command, env=env, cwd=code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def turn(child):
    "Milliseconds a frame"
    print(file=child.stdin, flush=True)
    return 1e3*float(child.stdout.readline())


def frame(checkout, rounds=21):
    "One frame by two versions, each in a process of its own, in turns, on one core and on two"
    rows, old = [], name_of(checkout)
    with tempfile.NamedTemporaryFile(suffix='.png') as file:
        cv2.imwrite(file.name, sample_frame(1280, 720, 4)[..., ::-1])
        for cores in (1, 2):
            versions = {old: start_frame(checkout, True, cores, file.name),
                        'this': start_frame(HERE.parents[1], False, cores, file.name)}
            found = {k: int(v.stdout.readline()) for k, v in versions.items()}
            ms = [{k: turn(v) for k, v in versions.items()} for _ in range(rounds)]
            for child in versions.values(): child.communicate()
            rows += [dict(package=k, cores=cores, faces=found[k], ms=np.median([o[k] for o in ms]),
                          time_ratio=np.median([o[k]/o[old] for o in ms])) for k in versions]
    print(pd.DataFrame(rows).round(2).to_string())
    return rows


def name_of(checkout):
    "Its commit"
    return subprocess.check_output(['git', '-C', checkout, 'rev-parse', '--short', 'HEAD'], text=True).strip()


def speed(checkout=None, rounds=2):
    "Ways to judge a folder, in turns, with one thread and at last with two: time on the clock and of the processor"
    from decode import large, whole
    from maskdetect import MaskDetector
    from maskdetect.score import Scorer, _Pool
    from maskdetect.training.sources import load_table
    scenes = load_table('ilc2021').path.drop_duplicates().sample(32, random_state=1).tolist()
    one, scorer, rows = MaskDetector(threads=1), Scorer(), []
    with tempfile.TemporaryDirectory() as tmp, _Pool(scorer, 1) as alone, _Pool(scorer, 2) as two:
        photos = [Path(tmp)/f'{i}.jpg' for i in range(32)]
        for path, scene in zip(photos, scenes): path.write_bytes(large(scene))
        def pooled(pool, paths):
            given = [pool.give([(str(o), None) for o in paths[i::8]]) for i in range(8)]
            for o in given: pool.take(*o)
        ways = {'loop, whole picture': lambda paths: [whole(one, o) for o in paths],
                'loop over cv2.imread': lambda paths: [one.predict(imread(o)) for o in paths],
                'loop over predict': lambda paths: [one.predict(o) for o in paths],
                'Scorer': lambda paths: scorer(dict(path=[str(o) for o in paths])),
                'score, a worker': partial(pooled, alone), 'score, two workers': partial(pooled, two)}
        ways = {k: partial(took, way) for k, way in ways.items()}
        if checkout:
            ways = {f'loop over the predict of {name_of(checkout)}': partial(earlier, checkout)} | ways
        for kind, paths in (('12 megapixels', photos), ('scene', scenes)):
            wall, work = {k: [] for k in ways}, {k: [] for k in ways}
            for i in range(rounds+1):
                for k, way in ways.items():
                    a, b = way(paths)
                    if not i: continue
                    wall[k].append(a)
                    work[k].append(b)
            first = next(iter(ways))
            rows += [dict(kind=kind, way=k, photos=len(paths), wall_ms=np.median(wall[k]), cpu_ms=np.median(work[k]),
                          times_as_fast=np.median(np.divide(wall[first], wall[k])),
                          times_as_cheap=np.median(np.divide(work[first], work[k]))) for k in ways]
    print(pd.DataFrame(rows).round(2).to_string())
    return rows


if __name__ == '__main__':
    verb, more = sys.argv[1], sys.argv[2:]
    if verb == 'many': rows = many(int(more[0]))
    else: rows = dict(speed=speed, frame=frame)[verb](*map(os.path.abspath, more))
    command = f"{'OMP_NUM_THREADS=1 '*(verb != 'frame')}python nbs/results/score.py {verb}"
    save_results(HERE/f'score_{verb}.csv', rows, command=command)
