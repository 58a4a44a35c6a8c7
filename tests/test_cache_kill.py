"The folder of faces, and the cache of looks at photos: killed half way, two at once, a full disk, changed photos"
import errno, os, signal, subprocess, sys, time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskdetect.core import DataError, MaskdetectError, crop_face, read_image
from maskdetect.training import faces as F
from maskdetect.training import table as T
from maskdetect.training.sources import load_table

N, SIZE = 600, 32


@pytest.fixture
def photos(tmp_path, monkeypatch):
    "A folder of 600 pictures, its own cache"
    monkeypatch.setenv('MASKDETECT_CACHE', str(tmp_path/'cache'))
    monkeypatch.delenv('MASKDETECT_DATA', raising=False)
    rng = np.random.default_rng(0)
    for k,label in enumerate(('with_mask', 'without_mask')):
        (tmp_path/'set'/label).mkdir(parents=True)
        for i in range(k, N, 2):
            im = rng.integers(0, 255, (4, 5, 3), np.uint8).repeat(10, 0).repeat(10, 1)
            Image.fromarray(im).save(tmp_path/'set'/label/f'{i:04}.png', compress_level=1)
    return tmp_path/'set'

def pictures(folder): return sorted(folder.rglob('*.jpg'))

def is_right(folder, df, every=37):
    "The folder holds the faces of the table, no others, and fresh ones"
    got = F.read_faces(folder)
    assert len(got) == len(df) == len(pictures(folder)) and sorted(got.photo) == sorted(df.path)
    for o in got[::every].itertuples():
        want = crop_face(read_image(o.photo), None, SIZE)
        assert np.abs(read_image(o.path).astype(float)-want).mean() < 8
        assert o.label == Path(o.photo).parent.name == Path(o.path).parent.name

WRITE = '''
import sys, time
from maskdetect.training import faces as F
from maskdetect.training.sources import load_table
slow, save = float(sys.argv[3]), F._save_face
def _save_face(*a): time.sleep(slow); return save(*a)
F._save_face = _save_face
F.write_faces(load_table(sys.argv[1]), sys.argv[2], 32)
'''
def writing(photos, out, slow):
    command = [sys.executable, '-c', WRITE, str(photos), str(out), str(slow)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

def wait(cond, seconds=120):
    end = time.monotonic()+seconds
    while not cond():
        assert time.monotonic() < end, 'waited too long'
        time.sleep(.01)


def test_killed_writing_goes_on(photos, tmp_path, monkeypatch):
    out = tmp_path/'faces'
    for least in (1, 200):  # killed twice
        p = writing(photos, out, .005)
        wait(lambda: p.poll() is not None or (out.exists() and len(pictures(out)) >= least))
        p.send_signal(signal.SIGKILL)
        p.wait()
    done = len([f for f in pictures(out) if not f.name.startswith('.')])
    assert 200 <= done < N and not (out/'metadata.csv').exists()
    with pytest.raises(DataError, match='no finished folder'): F.read_faces(out)
    with pytest.raises(DataError, match='is not finished'): load_table(out)
    save, asked = F._save_face, []
    monkeypatch.setattr(F, '_save_face', lambda *a: asked.append(a) or save(*a))
    df = load_table(photos)
    F.write_faces(df, out, SIZE)
    assert len(asked) == N-done  # nothing is cut twice
    assert not [*out.rglob('.tmp-*')]
    is_right(out, df)

def test_two_at_once(photos, tmp_path):
    both = [writing(photos, tmp_path/'faces', .001) for _ in range(2)]
    outs = [p.communicate(timeout=300) for p in both]
    assert [p.returncode for p in both] == [0, 0], outs
    is_right(tmp_path/'faces', load_table(photos))

def test_never_stale(photos, tmp_path):
    df, out = load_table(photos), tmp_path/'faces'
    F.write_faces(df, out, SIZE)
    before = {f: f.stat().st_mtime_ns for f in pictures(out)}
    F.write_faces(df, out, SIZE)
    assert {f: f.stat().st_mtime_ns for f in pictures(out)} == before  # nothing to do
    stamp = os.stat(df.path[5])
    Image.fromarray(np.full((40, 50, 3), 7, np.uint8)).save(df.path[5])
    os.utime(df.path[5], ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # only the size tells
    F.write_faces(df, out, SIZE)
    assert len(set(before) & set(pictures(out))) == N-1
    assert (read_image(F.read_faces(out).set_index('photo').path[df.path[5]]) == 7).all()
    boxed = df.assign(x0=1., y0=1., x1=9., y1=9.)
    names = [set(F._file_names(*o)) for o in [(df, SIZE, 0.), (df, 40, 0.), (boxed, SIZE, 0.), (boxed, SIZE, .2)]]
    assert len(set.union(*names)) == 4*N

def test_faces_that_left_the_table_go(photos, tmp_path):
    df, out = load_table(photos), tmp_path/'faces'
    F.write_faces(df, out, SIZE)
    F.write_faces(df[:50].assign(split='valid'), out, SIZE)
    is_right(out, df[:50], every=7)
    assert {f.parent.parent.name for f in pictures(out)} == {'valid'}

def test_two_photos_of_one_name(photos, tmp_path):
    for folder,value in (('a', 9), ('b', 200)):
        (tmp_path/'two'/folder/'with_mask').mkdir(parents=True)
        Image.fromarray(np.full((40, 50, 3), value, np.uint8)).save(tmp_path/'two'/folder/'with_mask'/'1.png')
    got = F.read_faces(F.write_faces(load_table(tmp_path/'two'), tmp_path/'faces', SIZE))
    assert sorted(read_image(p).mean().round() for p in got.path) == [9, 200]

def test_folder_with_other_pictures(photos, tmp_path):
    with pytest.raises(DataError, match='other pictures'): F.write_faces(load_table(photos), photos, SIZE)
    assert len(list(photos.rglob('*.png'))) == N

def test_full_disk(photos, tmp_path, monkeypatch):
    df = load_table(photos)
    def full(*a, **k): raise OSError(errno.ENOSPC, 'No space left on device')
    with monkeypatch.context() as m:
        m.setattr(Image.Image, 'save', full)
        with pytest.raises(MaskdetectError, match='make room'): F.write_faces(df, tmp_path/'faces', SIZE)
    assert not pictures(tmp_path/'faces')
    is_right(F.write_faces(df, tmp_path/'faces', SIZE), df)

def test_unreadable_photos_are_all_named(photos, tmp_path):
    df = load_table(photos)
    for i in (3, 300, 500): Path(df.path[i]).write_bytes(b'')
    for f in (lambda: F.cut_faces(df, SIZE), lambda: F.write_faces(df, tmp_path/'faces', SIZE)):
        with pytest.raises(DataError, match='3 photo.*data check'): f()
    good = df.drop([3, 300, 500]).reset_index(drop=True)
    is_right(F.write_faces(good, tmp_path/'faces', SIZE), good)

def test_missing_photo_is_named_before_anything_is_touched(photos, tmp_path):
    df = load_table(photos)
    F.write_faces(df, tmp_path/'faces', SIZE)
    Path(df.path[7]).unlink()
    with pytest.raises(DataError, match=Path(df.path[7]).name): F.write_faces(df, tmp_path/'faces', SIZE)
    assert len(F.read_faces(tmp_path/'faces')) == N

def test_looks_are_kept_and_never_stale(photos, tmp_path, monkeypatch):
    df = load_table(photos)
    T.photo_facts(df.path)
    look, asked = T._look, []
    monkeypatch.setattr(T, '_look', lambda p: asked.append(p) or look(p))
    T.photo_facts(df.path)
    assert not asked
    Image.fromarray(np.full((40, 50, 3), 7, np.uint8)).save(df.path[9])
    assert (T.photo_facts(df.path)['thumb'][9] == 7).all() and 0 < len(asked) < N  # only the piece that it is in
    for f in (tmp_path/'cache'/'looks').glob('*.npy'): f.write_bytes(f.read_bytes()[:500])
    assert T.photo_facts(df.path)['ok'].all()  # a damaged file of the cache is made again
