"The crop cache: killed while it is built, built by two at once, a full disk, changed photos"
import os, signal, subprocess, sys, time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskdetect import data as D
from maskdetect.core import DataError, crop_face, read_image

N, SIZE = 1000, 64


@pytest.fixture
def faces(tmp_path, monkeypatch):
    "A folder of 1,000 pictures, its own cache"
    monkeypatch.setenv('MASKDETECT_CACHE', str(tmp_path/'cache'))
    monkeypatch.delenv('MASKDETECT_DATA', raising=False)
    rng = np.random.default_rng(0)
    for k,l in enumerate(('with_mask', 'without_mask')):
        (tmp_path/'set'/l).mkdir(parents=True)
        for i in range(k, N, 2): Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)).save(tmp_path/'set'/l/f'{i:04}.png', compress_level=1)
    return tmp_path/'set'

def right(x, df, every=37):
    for i in range(0, len(df), every): np.testing.assert_array_equal(x[i], crop_face(read_image(df.path[i]), None, SIZE))

BUILD = '''
import sys, time
from maskdetect import data as D
slow, cut = float(sys.argv[2]), D._cut
def _cut(*a): time.sleep(slow); return cut(*a)
D._cut = _cut
D.crops(D.load_table(sys.argv[1]), 64)
print('done', flush=True)
'''
def build(folder, slow): return subprocess.Popen([sys.executable, '-c', BUILD, str(folder), str(slow)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

def wait(cond, seconds=120):
    end = time.monotonic()+seconds
    while not cond():
        assert time.monotonic() < end, 'waited too long'
        time.sleep(.01)

def test_killed_build_goes_on(faces, tmp_path, monkeypatch):
    marks = lambda: list((tmp_path/'cache'/'crops').glob('*.mark'))
    for least in (1, 600):  # killed twice
        p = build(faces, .002)
        wait(lambda: p.poll() is not None or any(int(m.read_text() or 0) >= least for m in marks()))
        p.send_signal(signal.SIGKILL); p.wait()
    done = int(marks()[0].read_text())
    assert done >= 256 and not list((tmp_path/'cache'/'crops').glob('*.npy'))
    cut, asked = D._cut, []
    monkeypatch.setattr(D, '_cut', lambda p, *a: asked.append(p) or cut(p, *a))
    df = D.load_table(faces)
    x = D.crops(df, SIZE)
    assert len(asked) == N-done  # nothing is cut twice
    right(x, df)
    assert sorted(f.suffix for f in (tmp_path/'cache'/'crops').iterdir()) in (['.lock', '.npy'], ['.npy'])

def test_two_at_once(faces):
    a, b = build(faces, .001), build(faces, .001)
    outs = [p.communicate(timeout=300) for p in (a, b)]
    assert [p.returncode for p in (a, b)] == [0, 0], outs
    df = D.load_table(faces)
    right(D.crops(df, SIZE), df)

def test_never_stale(faces):
    df = D.load_table(faces)
    x = D.crops(df, SIZE)
    assert D.crops(df, SIZE).filename == x.filename and not x.flags.writeable
    before = x[5].copy()
    stamp = os.stat(df.path[5])
    Image.fromarray(np.full((40, 50, 3), 7, np.uint8)).save(df.path[5])
    os.utime(df.path[5], ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # only the size tells
    y = D.crops(df, SIZE)
    assert y.filename != x.filename and (y[5] != before).any() and (y[5] == 7).all()
    names = {D.crops(d, s, m, g).filename for d,s,m,g in [(df, SIZE, 0, False), (df, 32, 0, False), (df, SIZE, .2, False), (df, SIZE, 0, True), (df[::-1], SIZE, 0, False), (df[:9], SIZE, 0, False), (df.assign(x0=1., y0=1., x1=9., y1=9.), SIZE, 0, False)]}
    assert len(names) == 7
    assert D.crops(df, SIZE, gray=True).shape == (N, SIZE, SIZE)

def test_damaged_cache_file_is_rebuilt(faces):
    df = D.load_table(faces)
    f = Path(D.crops(df, SIZE).filename)
    f.write_bytes(f.read_bytes()[:5000])
    right(D.crops(df, SIZE), df)

def test_wrong_mark_starts_again(faces, tmp_path):
    df = D.load_table(faces)
    f = Path(D.crops(df, SIZE).filename)
    f.unlink()
    for text in ('', 'x', '-5', '99999999', '700'):
        f.with_suffix('.mark').write_text(text)
        f.with_suffix('.part').write_bytes(b'half')
        right(D.crops(df, SIZE), df); f.unlink()

def test_full_disk(faces, tmp_path, monkeypatch):
    df = D.load_table(faces)
    with monkeypatch.context() as m:
        m.setattr(D.shutil, 'disk_usage', lambda p: type('U', (), dict(free=1000)))
        with pytest.raises(DataError, match='MASKDETECT_CACHE'): D.crops(df, SIZE)
    def full(*a): raise OSError(28, 'No space left on device')
    if hasattr(os, 'posix_fallocate'):
        with monkeypatch.context() as m:
            m.setattr(os, 'posix_fallocate', full)
            with pytest.raises(DataError, match='make room'): D.crops(df, SIZE)
    right(D.crops(df, SIZE), df)

def test_unreadable_photos_are_all_named(faces):
    df = D.load_table(faces)
    for i in (3, 500, 900): Path(df.path[i]).write_bytes(b'')
    with pytest.raises(DataError, match='3 photo.*data check'): D.crops(df, SIZE)
    good = df.drop([3, 500, 900]).reset_index(drop=True)
    right(D.crops(good, SIZE), good)

def test_looks_are_kept_and_never_stale(faces, monkeypatch):
    df = D.load_table(faces)
    D.look(list(df.path))
    look, asked = D._look, []
    monkeypatch.setattr(D, '_look', lambda p: asked.append(p) or look(p))
    D.look(list(df.path))
    assert not asked
    Image.fromarray(np.full((40, 50, 3), 7, np.uint8)).save(df.path[9])
    assert (D.look(list(df.path))['thumb'][9] == 7).all()
