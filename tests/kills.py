"""Commands that write more than one file, killed at random moments: what is left is whole, or does not load.

    python tests/kills.py --times 30 --out nbs/results/kills.csv
"""
import argparse, csv, json, os, random, subprocess, sys, tempfile, time
from pathlib import Path

import cv2
import pandas as pd
import psutil
from PIL import Image
from tqdm import tqdm

from maskdetect.classify import MaskClassifier
from maskdetect.core import SAMPLE, MaskdetectError, list_images, save_results

MAIN = 'from maskdetect.cli import main; raise SystemExit(main())'
TINY = '{arch: cnn50, data: [sample], size: 32, pretrained: false, epochs: 2, lr: 0.002, precision: float32, bs: 32}'
PICTURES, FACES, TESTED, FRAMES = 60, 1200, 180, 60


def prepare(folder):
    "What the commands read"
    faces = list_images(SAMPLE/'faces'/'test')
    for i in range(PICTURES):
        to = folder/'photos'/f'{i:03}.jpg'
        to.parent.mkdir(exist_ok=True)
        Image.open(faces[i]).resize((160, 160)).save(to)
    (folder/'tiny.yaml').write_text(TINY)


def lines(path, n=None):
    "A table whose lines are all whole; with `n` rows if given"
    if not path.exists(): return False
    text = path.read_text()
    rows = list(csv.reader(text.splitlines()))
    assert text.endswith('\n') and len({*map(len, rows)}) == 1, path
    return n is None or len(rows) == n + 1


def pictures(folder):
    "How many pictures there are, each of them whole"
    found = list_images(folder) if folder.exists() else []
    for o in found: Image.open(o).load()
    return len(found)


def faces(out):
    from maskdetect.training.faces import read_faces
    try: n = len(read_faces(out/'faces'))
    except MaskdetectError: return False
    assert n == FACES == pictures(out/'faces')
    return True


def run(out):
    import torch
    for o in out.glob('run/*.pth'): torch.load(o, weights_only=True)
    for o in (*out.glob('run/*.onnx'), *out.glob('run/*.pkl')): MaskClassifier.load(o)
    return (out/'run'/'model_card.md').exists() and report(out/'run')


def report(out):
    there = (out/'report'/'report.json').exists()
    if there: assert json.loads((out/'report'/'report.json').read_text())['labels']
    return lines(out/'report'/'predictions.csv', TESTED) and there


def predicted(out): return pictures(out/'copies') == PICTURES and lines(out/'rows.csv')


def scored(out):
    for o in out.glob('rows.parquet.parts/0*.parquet'): pd.read_parquet(o)
    if not (out/'rows.parquet').exists(): return False
    assert len(pd.read_parquet(out/'rows.parquet').query('face <= 1')) == PICTURES
    return True


def film(out):
    lines(out/'events.csv')
    pictures(out/'snapshots')
    video = cv2.VideoCapture(str(out/'film.webm'))  # a film is written as it goes, and plays until its end
    return sum(video.grab() for _ in range(FRAMES)) == FRAMES


WRITERS = {  # command, what looks at what is left: whether it is complete
    'data faces': (['data', 'faces', SAMPLE/'faces', '--size', 48, '--out', 'faces'], faces),
    'train': (['train', '../tiny.yaml', '--out', 'run'], run),
    'evaluate': (['evaluate', MaskClassifier.load().path, '--data', SAMPLE/'faces', '--out', 'report'], report),
    'predict': (['predict', '../photos', '--out', 'copies', '--csv', 'rows.csv'], predicted),
    'score': (['score', '../photos', '--out', 'rows.parquet', '--workers', 1], scored),
    'video': (['video', SAMPLE/'walk.webm', '--out', 'film.webm', '--events', 'events.csv', '--snapshots', 'snapshots'],
              film)}


def start(args, out):
    out.mkdir(exist_ok=True)
    env = {**os.environ, 'MASKDETECT_CACHE': str(out/'cache'), 'OMP_NUM_THREADS': '1'}
    return subprocess.Popen([sys.executable, '-c', MAIN, *map(str, args)], cwd=out, env=env,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill(process):
    "It and what it started, at once"
    for o in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]: o.kill()
    process.wait()


def measure(name, times, home, seed=0):
    "Kill a command so often, each time in a new folder, and let the last folder be finished"
    (args, complete), rng = WRITERS[name], random.Random(f'{name} {seed}')
    begin = time.monotonic()
    assert start(args, home/'whole').wait(600) == 0 and complete(home/'whole')
    seconds, left, done = time.monotonic() - begin, 0, 0
    for i in tqdm(range(times), name, disable=None):
        out = home/f'{i}'
        process = start(args, out)
        time.sleep(rng.uniform(.3, 1)*seconds)
        if process.poll() is None: kill(process)
        done += complete(out)
        left += any(o.is_file() for o in out.rglob('*'))
    assert start(args, out).wait(600) == 0 and complete(out)  # the same command again
    return dict(command=name, kills=times, seconds=round(seconds, 1), left_something=left, complete=done)


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--times', type=int, default=30)
    p.add_argument('--only', nargs='+', choices=WRITERS, default=list(WRITERS))
    p.add_argument('--out', metavar='CSV')
    args, rows = p.parse_args(), []
    for name in args.only:
        with tempfile.TemporaryDirectory() as tmp:
            prepare(Path(tmp))
            rows.append(measure(name, args.times, Path(tmp)))
        print(rows[-1], flush=True)
        if args.out: save_results(args.out, rows, seed=0, program=f'tests/kills.py --times {args.times}')
