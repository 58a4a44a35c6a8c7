"""The service under load: requests a second, latencies and memory, and whether every answer is that of its picture.

    python tests/serve_load.py --seconds 60 --out nbs/results/serve_load.csv
    python tests/serve_load.py --soak 60 --out nbs/results/soak.csv
"""
import argparse, base64, http.client, json, os, socket, subprocess, sys, threading, time
from collections import Counter
from contextlib import suppress

import cv2
import numpy as np
import psutil
from tqdm import tqdm
from websockets.sync.client import connect

from maskdetect.bench import sample_frame
from maskdetect.core import MaskdetectError, save_results
from maskdetect.detect import MaskDetector
from maskdetect.judge import Limits
from hostile import worst

MAIN = 'from maskdetect.cli import main; raise SystemExit(main())'
# clients, places, what happens besides: the service is killed in the middle; four others send it the dearest files; 32
# others send ten megabytes each; 48 streams bring noise, as large as a frame may be
RUNS = ((1, 64, ''), (8, 64, ''), (64, 64, ''), (64, 8, ''), (8, 64, 'killed'), (32, 64, 'hostile'), (16, 64, 'large'),
        (8, 64, 'streams'))


def jpeg(*args, kind='.jpg', roll=0):
    "An encoded picture with faces of the sample, all moved to the right by `roll` pixels"
    return cv2.imencode(kind, np.roll(sample_frame(*args), roll, axis=1)[..., ::-1])[1].tobytes()


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Service:
    "The service in a process of its own, started with these options"
    def __init__(self, *options):
        self.port = free_port()
        options = ('--port', self.port, '--api-key', '', *options)
        self.command = [sys.executable, '-c', MAIN, 'serve', *map(str, options)]
        self.start()

    def start(self):  # seconds until it is ready
        start = time.monotonic()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        while self.get('/readyz') != 200:
            late = self.process.poll() is not None or time.monotonic() - start > 60
            if late: raise MaskdetectError("the service does not start")
            time.sleep(.01)
        return time.monotonic() - start

    def get(self, path):
        c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=5)
        try:
            c.request('GET', path)
            return c.getresponse().status
        except OSError: return None
        finally: c.close()

    def memory(self):  # MB of it and of the processes that open pictures, now
        mb = 0
        for o in self.family():
            with suppress(psutil.NoSuchProcess): mb += o.memory_info().rss/(1 << 20)
        return mb

    def family(self):  # the service and its processes; none if it is gone
        try: return [p := psutil.Process(self.process.pid), *p.children(recursive=True)]
        except psutil.NoSuchProcess: return []

    def files(self):  # descriptors that they hold open, now
        n = 0
        for o in self.family():
            with suppress(psutil.NoSuchProcess): n += o.num_fds()
        return n

    def cpu(self):  # seconds of processor time so far
        try: return sum(psutil.Process(self.process.pid).cpu_times()[:2])
        except psutil.NoSuchProcess: return float('nan')

    def restart(self):
        self.process.kill()
        self.process.wait()
        return self.start(),self.cpu()

    def __enter__(self): return self
    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def agrees(said, want):
    "Whether an answer is that of this picture"
    def outline(o): return o['width'],o['height'],len(o['faces'])
    def probs(o): return [*o['probs'].values()]
    def same(a, b): return np.allclose(a['box'], b['box'], atol=1) and np.allclose(probs(a), probs(b), atol=.05)
    return outline(said) == outline(want) and all(map(same, said['faces'], want['faces']))


def client(port, data, want, until, log):
    "Ask for one picture again and again, and look at the answers"
    body = json.dumps(dict(image=base64.b64encode(data).decode()))
    conn,cut = None,False
    while (start := time.monotonic()) < until + 60*cut:  # who was cut off does not go without an answer
        try:
            conn = conn or http.client.HTTPConnection('127.0.0.1', port, timeout=120)
            conn.request('POST', '/v1/predict', body, {'Content-Type': 'application/json'})
            r = conn.getresponse()
            said = json.loads(r.read())
        except (OSError, http.client.HTTPException):  # cut off: ask again
            log.append(('dropped', None))
            conn,cut = None,True
            time.sleep(.05)
            continue
        if r.status == 200:
            cut = False
            log.append(('answers' if agrees(said, want) else 'wrong', time.monotonic() - start))
        elif r.status == 503 and r.headers.get('Retry-After'):
            log.append(('rejected', None))
            time.sleep(.2)
        else: log.append(('errors', None))


def hostile(port, files, until, log):
    "Send these files again and again, in requests that nobody honest would make"
    while time.monotonic() < until:
        for data in files:
            conn = http.client.HTTPConnection('127.0.0.1', port, timeout=120)
            body = json.dumps(dict(image=base64.b64encode(data).decode()))
            try:
                conn.request('POST', '/v1/predict', body, {'Content-Type': 'application/json'})
                log.append(('hostile', conn.getresponse().status))
            except (OSError, http.client.HTTPException): log.append(('hostile', None))
            finally: conn.close()


def flood(port, data, until, log):
    "Send a frame again and again, always one before the answer to the last"
    with connect(f'ws://127.0.0.1:{port}/v1/stream', max_size=None) as stream:
        stream.send(data)
        while time.monotonic() < until:
            stream.send(data)
            log.append(('hostile', stream.recv(timeout=60)))


def others(trouble, port, until, log):
    "The threads of those who are not honest"
    if trouble == 'hostile': jobs = [(hostile, worst())]*4
    elif trouble == 'large': jobs = [(hostile, [os.urandom(7_700_000)])]*32
    elif trouble == 'streams': jobs = [(flood, os.urandom(Limits().frame))]*48
    else: jobs = []
    return [threading.Thread(target=f, args=(port, what, until, log)) for f,what in jobs]


def run(clients, waiting, trouble, seconds, detector):
    "One run: a dictionary of what was seen"
    pictures = [jpeg(640, 480, 1 + k % 4, roll=k & ~3) for k in range(clients)]
    want,log,ready = [detector.predict(o).to_dict() for o in pictures],[],(None, None)
    with Service('--max-waiting', waiting, '--max-seconds', 60) as service:  # a slow machine shall be slow, not late
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=client, args=(service.port, *o, until, log)) for o in zip(pictures, want)]
        threads += others(trouble, service.port, until, log)
        for t in threads: t.start()
        time.sleep(seconds/4)
        before = service.memory()
        time.sleep(seconds/4)
        if trouble == 'killed': ready = service.restart()
        most = before
        while any(t.is_alive() for t in threads):
            time.sleep(.2)
            most = max(most, service.memory())
        after = service.memory()
    n = Counter(k for k,_ in log)
    ms = np.percentile([1e3*t for k,t in log if k == 'answers'] or [np.nan], [50, 95, 99]).round(1).tolist()
    row = dict(clients=clients, waiting=waiting, trouble=trouble, seconds=seconds)
    row |= dict(answers=n['answers'], answers_s=round(n['answers']/seconds, 1))
    row |= dict(zip(('p50_ms', 'p95_ms', 'p99_ms'), ms))
    row |= {k: n[k] for k in ('rejected', 'dropped', 'wrong', 'errors')}
    row |= dict(hostile=n['hostile'], mb_quarter=round(before), mb_most=round(most), mb_end=round(after))
    row |= {k: v and round(v, 2) for k,v in zip(('ready_s', 'ready_cpu_s'), ready)}
    return row | dict(load=round(os.getloadavg()[0], 1))


def soak(minutes, clients=32, points=60):
    "One long run: a row for each of `points` equal parts, with memory and descriptors at its end"
    pictures = [jpeg(640, 480, 1 + k % 4, roll=k & ~3) for k in range(clients)]
    detector = MaskDetector()
    want,log,rows = [detector.predict(o).to_dict() for o in pictures],[],[]
    part = minutes*60/points
    with Service('--max-waiting', 64, '--max-seconds', 60) as service:
        start = time.monotonic()
        until = start + minutes*60
        threads = [threading.Thread(target=client, args=(service.port, *o, until, log)) for o in zip(pictures, want)]
        for t in threads: t.start()
        for k in tqdm(range(1, points + 1), disable=None):
            time.sleep(max(0, start + k*part - time.monotonic()))
            n = Counter(o for o,_ in log)
            held = dict(mb=round(service.memory(), 1), files=service.files())
            told = {o: n[o] for o in ('answers', 'wrong', 'errors', 'dropped', 'rejected')}
            rows.append(dict(minutes=round(k*part/60, 2), clients=clients) | held | told)
        for t in threads: t.join()
    return rows


def measure_load(seconds=60, runs=RUNS, out=None):
    "A row for each run; `out` is a CSV to write"
    detector = MaskDetector()
    rows = [run(*o, seconds, detector) for o in tqdm(runs, disable=None)]
    if out: save_results(out, rows, **stamp(detector, f'--seconds {seconds:g}'))
    return rows


def stamp(detector, options):
    "What a CSV of this program says of its rows"
    return dict(command=f'tests/serve_load.py {options}', model=detector.model.path.name,
                engine=detector.model.engine, picture='640x480, 1 to 4 faces',
                note='clients on the machine of the service')


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--seconds', type=float, default=60, help='for each run')
    p.add_argument('--runs', nargs='+', metavar='CLIENTS,PLACES[,killed|,hostile|,large|,streams]',
                   help='such as 8,64 8,64,killed (default: eight of them)')
    p.add_argument('--soak', type=float, metavar='MINUTES', help='one long run of 32 clients, and a row a minute')
    p.add_argument('--out', metavar='CSV')
    args = p.parse_args()
    if args.soak:
        rows = soak(args.soak, points=max(1, round(args.soak)))
        if args.out: save_results(args.out, rows, **stamp(MaskDetector(), f'--soak {args.soak:g}'))
        print(rows[-1])
        raise SystemExit
    runs = [(int(o[0]), int(o[1]), ''.join(o[2:])) for o in (r.split(',') for r in args.runs or ())]
    shown = 'clients waiting trouble answers p50_ms p99_ms rejected wrong errors dropped ready_s hostile mb_most'
    for r in measure_load(args.seconds, runs or RUNS, args.out): print({k: r[k] for k in shown.split()})
