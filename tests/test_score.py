"`score`: every photo exactly once, whatever is killed on the way; every source and table; errors of one line"
import io, json, os, pickle, random, signal, subprocess, sys, time
from pathlib import Path

import cv2
import numpy as np
import pytest

pa = pytest.importorskip('pyarrow', reason="pyarrow is not installed; run: pip install 'maskdetect[scale]'")
import psutil
import pyarrow.parquet as pq

from maskdetect import MaskDetector
from maskdetect.bench import sample_frame
from maskdetect.cli import main
from maskdetect.core import SAMPLE, MaskdetectError
from maskdetect.score import CHUNK, Scorer, _chunks, _Pool, list_pictures, score

FAST = dict(engine='onnxruntime', max_side=160)
N = 4*CHUNK + 7


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    "Small drawn photos, one of them damaged"
    folder = tmp_path_factory.mktemp('scale')/'photos'
    folder.mkdir()
    kinds = [cv2.imencode('.jpg', sample_frame(160, 120, n)[..., ::-1])[1].tobytes() for n in (1, 0, 2)]
    for i in range(N): (folder/f'{i:04}.jpg').write_bytes(kinds[i % 3])
    (folder/'0100.jpg').write_bytes(kinds[0][:900])
    return folder


def names(folder): return sorted(str(o) for o in folder.iterdir())


def rows(path): return pq.read_table(path).to_pylist()


def start(photos, out, *more):
    code = 'from maskdetect.cli import main; raise SystemExit(main())'
    args = ['score', photos, '--out', out, '--engine', 'onnxruntime', '--max-side', 160, '--workers', 2, *more]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return subprocess.Popen([sys.executable, '-c', code, *map(str, args)], **pipes)


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(.02)
    return found


def workers(job):
    "The processes that judge; another child only keeps count of semaphores"
    try: return [p for p in psutil.Process(job.pid).children() if 'spawn_main' in ' '.join(p.cmdline())]
    except psutil.Error: return []


def gone(p): return not p.is_running() or p.status() == psutil.STATUS_ZOMBIE


def test_killed_at_random_every_photo_comes_once(photos, tmp_path):
    out, rng = tmp_path/'rows.parquet', random.Random(0)
    for _ in range(2):
        if out.exists(): break  # a fast machine
        job = start(photos, out)
        some = until(lambda: workers(job))
        time.sleep(rng.uniform(0, .5))
        some += workers(job)
        job.kill()
        job.wait()
        assert not out.exists() or job.returncode == 1
        until(lambda: all(map(gone, some)), 20)
    job = start(photos, out, '--json')
    done = json.loads(job.communicate()[0])
    assert job.returncode == 1 and done['pictures'] == N and done['failed'] == 1
    first = [r for r in rows(out) if r['face'] <= 1]
    assert [r['path'] for r in first] == names(photos)
    assert {o.suffix for o in (tmp_path/'rows.parquet.parts').iterdir()} == {'.parquet', '.json'}
    assert len(rows(out)) == N + len(range(2, N, 3))


def test_a_killed_worker_is_replaced(photos, tmp_path):
    job = start(photos, tmp_path/'rows')
    until(lambda: list((tmp_path/'rows').glob('0*.parquet')))
    workers(job)[0].kill()
    assert job.wait(60) == 1
    parts = sorted((tmp_path/'rows').glob('*.parquet'))  # a name without an ending is a folder
    got = [r for p in parts for r in rows(p)]
    assert [r['path'] for r in got if r['face'] <= 1] == names(photos)
    assert [r['path'] for r in got if r['error']] == [str(photos/'0100.jpg')]


def test_ctrl_c_keeps_what_is_done(photos, tmp_path):
    job = start(photos, tmp_path/'rows.csv', '--max-side', 1600)  # else a fast machine is done
    until(lambda: list(tmp_path.glob('rows.csv.parts/0*.parquet')))
    job.send_signal(signal.SIGINT)
    assert job.wait(20) == 130 and 'run the same command to go on' in job.stderr.read()
    assert not (tmp_path/'rows.csv').exists()


class Deadly(Scorer):
    "Some pictures end the process"
    def __call__(self, batch):
        if 'deadly' in ''.join(batch['path']): os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch)


def test_a_picture_that_ends_its_worker_is_an_error(photos):
    good = names(photos)[:2]
    with _Pool(Deadly(**FAST), 1) as pool:
        table = pool.take(*pool.give([(o, None) for o in (good[0], 'deadly.jpg', good[1])]))
    errors = dict(zip(*(table[k].to_pylist() for k in ('path', 'error'))))
    assert [bool(errors[o]) for o in (good[0], 'deadly.jpg', good[1])] == [False, True, False]
    assert errors['deadly.jpg'].startswith('deadly.jpg: ended its process')


def test_the_scorer_says_what_predict_says_and_can_be_sent():
    detector = MaskDetector(engine='onnxruntime', threads=1)
    scorer = pickle.loads(pickle.dumps(Scorer(engine='onnxruntime')))
    paths = [str(SAMPLE/o) for o in ('crowd.jpg', 'people.jpg', 'hard.jpg')]
    got = scorer(dict(path=np.array(paths), bytes=np.array([Path(o).read_bytes() for o in paths], object)))
    want = [r for o in paths for r in detector.predict(o).to_rows()]
    for k in want[0]:
        if k in ('path', 'face', 'label'): assert got[k].tolist() == [r[k] for r in want]
        else: np.testing.assert_allclose(got[k], [r[k] for r in want], atol=.002)
    assert all(isinstance(o, np.ndarray) for o in got.values()) and len(scorer(dict(path=[]))['face']) == 0


def test_every_source_and_every_table(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos.parent)
    some = [f'photos/{i:04}.jpg' for i in range(4)]
    data = [Path(o).read_bytes() for o in some]
    (tmp_path/'list.txt').write_text('\n'.join(some) + '\n\n')
    pq.write_table(pa.table(dict(path=some)), tmp_path/'paths.parquet')
    pq.write_table(pa.table(dict(path=some, bytes=data)), tmp_path/'bytes.parquet')
    pq.write_table(pa.table(dict(image=[dict(bytes=o, path='a.jpg') for o in data])), tmp_path/'hf.parquet')
    scorer, want = Scorer(**FAST), None
    for source in ('list.txt', 'paths.parquet', 'bytes.parquet', 'hf.parquet', (tmp_path/'list.txt').as_uri()):
        pictures, n = list_pictures(source if '://' in source else tmp_path/source)
        chunk = next(_chunks(pictures))[1]
        got = scorer(dict(path=[o for o, _ in chunk], bytes=[o for _, o in chunk]))
        faces = got['face'].tolist(), got['x0'].tolist()
        assert n == 4 and str(faces) == str(want := want or faces)
    bucket = [o for o, _ in list_pictures(photos.as_uri())[0]]  # as in s3://, without a server
    assert bucket == [Path(o).as_uri() for o in names(photos)]
    assert [bool(o) for o in scorer(dict(path=bucket[99:102]))['error']].count(True) == 1
    assert 'no such file' in scorer(dict(path=[bucket[0] + 'x']))['error'][0]
    for kind in ('csv', 'jsonl'): score(tmp_path/'list.txt', tmp_path/f'rows.{kind}', workers=1, **FAST)
    lines = [json.loads(o) for o in (tmp_path/'rows.jsonl').read_text().splitlines()]
    assert [r['path'] for r in lines if r['face'] <= 1] == some
    assert len((tmp_path/'rows.csv').read_text().splitlines()) == 1 + len(lines)


def test_retry_tries_what_failed_and_keeps_the_order(photos, tmp_path):
    good = Path(names(photos)[0]).read_bytes()
    listed = [str(tmp_path/f'{o}.jpg') for o in 'abac']  # one twice
    (tmp_path/'list.txt').write_text('\n'.join(listed))
    for o in 'ac': (tmp_path/f'{o}.jpg').write_bytes(good)
    first = score(tmp_path/'list.txt', tmp_path/'rows.parquet', workers=1, **FAST)
    assert (first['failed'], first['judged_now']) == (1, 4)
    assert 'no such file' in Path(first['failures']).read_text()
    (tmp_path/'b.jpg').write_bytes(good)
    again = score(tmp_path/'list.txt', tmp_path/'rows.parquet', workers=1, **FAST)
    assert (again['failed'], again['judged_now']) == (1, 0)
    again = score(tmp_path/'list.txt', tmp_path/'rows.parquet', workers=1, retry=True, **FAST)
    assert (again['failed'], again['judged_now'], again['failures']) == (0, 1, None)
    assert [Path(r['path']).stem for r in rows(tmp_path/'rows.parquet')] == list('abac')
    assert not Path(first['failures']).exists()
    (tmp_path/'list.txt').write_text(str(tmp_path/'c.jpg'))  # the source has changed: judged anew
    assert score(tmp_path/'list.txt', tmp_path/'rows.parquet', workers=1, **FAST)['judged_now'] == 1
    assert len(rows(tmp_path/'rows.parquet')) == 1


def test_bad_input_is_one_line(photos, tmp_path, capsys):
    (tmp_path/'empty').mkdir()
    (tmp_path/'empty.txt').write_text('\n')
    (tmp_path/'bad.parquet').write_bytes(b'PAR1' + bytes(99))
    (tmp_path/'there.csv').write_text('mine')
    (tmp_path/'mine').mkdir()
    (tmp_path/'dir.csv').mkdir()
    (tmp_path/'mine'/'diary.txt').write_text('mine')
    pq.write_table(pa.table(dict(url=['a'])), tmp_path/'url.parquet')
    out = tmp_path/'out.parquet'
    for source, out_, says in (
            (tmp_path/'none', out, 'no such folder'), (tmp_path/'none.txt', out, 'no such file'),
            (tmp_path/'empty', out, 'no pictures'), (tmp_path/'empty.txt', out, 'no pictures'),
            (tmp_path/'bad.parquet', out, 'cannot be read'), (tmp_path/'url.parquet', out, 'has the columns url'),
            ('s3x://bucket', out, 'Protocol not known'),
            ('ftp://me:secret@127.0.0.1:1/photos', out, '127.0.0.1:1/photos'),
            (photos, tmp_path/'out.xls', 'must end in'), (photos, tmp_path/'there.csv', 'is there already'),
            (photos, tmp_path/'dir.csv', 'is there already'),
            (photos, tmp_path/'mine', 'no folder of `score`'), (photos, '/proc/rows.parquet', 'was not written')):
        assert main(['score', str(source), '--out', str(out_), '--engine', 'onnxruntime']) == 1
        err = capsys.readouterr().err
        assert says in err and len(err.splitlines()) == 1 and 'secret' not in err, err
    assert main(['score', str(photos)]) == 1 and '--out' in capsys.readouterr().err
    assert (tmp_path/'there.csv').read_text() == (tmp_path/'mine'/'diary.txt').read_text() == 'mine'
    assert not out.exists()


def test_a_table_is_read_a_little_at_a_time(tmp_path):
    "The bytes of a large table are never in memory together"
    data = io.BytesIO()
    np.save(data, np.random.default_rng(0).integers(0, 255, 1 << 20, np.uint8))
    with pq.ParquetWriter(tmp_path/'large.parquet', pa.schema([('bytes', pa.binary())])) as writer:
        for _ in range(8): writer.write_table(pa.table(dict(bytes=[data.getvalue()]*10)))
    assert [len(chunk) for _, chunk in _chunks(list_pictures(tmp_path/'large.parquet')[0])] == [32, 32, 16]


def test_ray_gives_the_same_rows(photos):
    ray = pytest.importorskip('ray', reason="Ray is not installed; run: pip install 'maskdetect[scale]'")
    some = names(photos)[:40]
    try: ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    except Exception as e: pytest.skip(f"Ray does not start here: {e}")  # on a busy machine
    try:
        got = ray.data.from_items([dict(path=o) for o in some]).repartition(4).map_batches(
            Scorer, fn_constructor_kwargs=FAST, batch_size=10, compute=ray.data.ActorPoolStrategy(size=1)).take_all()
    finally: ray.shutdown()
    want = Scorer(**FAST)(dict(path=some))
    got.sort(key=lambda r: (r['path'], r['face']))
    for k in ('path', 'face', 'label'): assert [r[k] for r in got] == want[k].tolist()


def test_a_bucket(photos, tmp_path, monkeypatch):
    moto = pytest.importorskip('moto.server', reason="pip install 'moto[server,s3]' s3fs")
    s3fs = pytest.importorskip('s3fs')
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    where = 'http://{}:{}'.format(*server.get_host_and_port())
    for k, v in dict(ACCESS_KEY_ID='a', SECRET_ACCESS_KEY='b', DEFAULT_REGION='us-east-1', ENDPOINT_URL=where).items():
        monkeypatch.setenv(f'AWS_{k}', v)
    try:
        fs = s3fs.S3FileSystem()
        fs.mkdir('bucket')
        for o in names(photos)[98:103]: fs.put(o, f'bucket/photos/{Path(o).name}')
        done = score('s3://bucket/photos', tmp_path/'rows.parquet', workers=1, **FAST)
        assert (done['pictures'], done['failed']) == (5, 1)
        for bad in ('s3://bucket/none', 's3://nobodys/photos'):
            with pytest.raises(MaskdetectError, match='no pictures|no such file'): score(bad, tmp_path/'none.parquet')
    finally: server.stop()
