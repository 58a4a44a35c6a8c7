"Downloads against a server of our own: broken connections, wrong checksums, hostile archives, kills"
import io, json, signal, stat, subprocess, sys, threading, time, zipfile
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskdetect.core import DataError
from maskdetect.training import sources as D


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv('MASKDETECT_CACHE', str(tmp_path/'cache'))
    monkeypatch.delenv('MASKDETECT_DATA', raising=False)
    for k in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'all_proxy'):
        monkeypatch.delenv(k, raising=False)
    monkeypatch.setenv('NO_PROXY', '*')


@contextmanager
def serve(body, cut=(), status=200, slow=0, length=True):
    """A server of one file; yields (url, log of requests).
    `cut`: after how many bytes the connection breaks, one for each request"""
    log, cuts = [], list(cut)
    class H(BaseHTTPRequestHandler):
        def log_message(self, *a): pass
        def do_GET(self):
            log.append(self.path)
            if status != 200: return self.send_error(status)
            self.send_response(200)
            if length: self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            stop = cuts.pop(0) if cuts else None
            for i in range(0, len(body[:stop]), 65536):
                self.wfile.write(body[:stop][i:i+65536])
                if slow: threading.Event().wait(slow)
            if stop is not None:
                self.wfile.flush()
                self.connection.close()
    srv = ThreadingHTTPServer(('127.0.0.1', 0), H)
    srv.daemon_threads = True
    threading.Thread(target=srv.serve_forever, daemon=True).start()
    try: yield f'http://127.0.0.1:{srv.server_port}/photos.zip', log
    finally:
        srv.shutdown()
        srv.server_close()


# --- archives -------------------------------------------------------------------------------------------------------

def photo(n=0):
    pixels = np.random.default_rng(n).integers(0, 255, (24, 24, 3), np.uint8)
    f = io.BytesIO()
    Image.fromarray(pixels).save(f, 'jpeg')
    return f.getvalue()

def make_zip(path, members, links=()):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as z:
        for n,b in members.items(): z.writestr(n, b)
        for n in links:
            i = zipfile.ZipInfo(n); i.external_attr = (stat.S_IFLNK | 0o777) << 16; z.writestr(i, '/etc/passwd')
    return path

FINE = {'set-HEAD/with_mask/1.jpg': photo(1), 'set-HEAD/without_mask/2.jpg': photo(2)}

def test_unpack(tmp_path):
    out = D.unpack(make_zip(tmp_path/'a.zip', FINE), tmp_path/'out')
    assert {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob('*') if p.is_file()} == FINE

BAD_NAMES = ['../up.txt', 'a/../../up.txt', '/abs.txt', '..\\up.txt', 'C:\\win.txt', 'C:/win.txt', '\\\\host\\share']

def test_hostile_archive(tmp_path):
    "Names that lead out of the folder do not, and a link becomes a file"
    home = tmp_path/'home'; home.mkdir()
    f = make_zip(home/'a.zip', {**FINE, **dict.fromkeys(BAD_NAMES, b'x')}, links=['link'])
    out = D.unpack(f, home/'deep'/'out')
    files = [p for p in tmp_path.rglob('*') if p.is_file()]
    assert len(files) > len(FINE) and all(p == f or p.is_relative_to(out) and not p.is_symlink() for p in files)

def test_archive_bomb(tmp_path):
    home = tmp_path/'home'; home.mkdir()
    with pytest.raises(DataError, match='bomb'): D.unpack(make_zip(home/'a.zip', {'z': bytes(80_000_000)}), home/'out')
    assert [p.name for p in home.rglob('*')] == ['a.zip']  # nothing but the archive itself

@pytest.mark.parametrize('damage', [
    lambda b: b[:len(b)//2], lambda b: b[:60]+bytes(40)+b[100:], lambda b: b'', lambda b: b'<html>', lambda b: b[:-10]])
def test_damaged_archive(tmp_path, damage):
    f = make_zip(tmp_path/'a.zip', FINE)
    f.write_bytes(damage(f.read_bytes()))
    try: out = D.unpack(f, tmp_path/'out')
    except DataError: assert not (tmp_path/'out').exists()
    else: assert {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob('*') if p.is_file()} == FINE


# --- get ------------------------------------------------------------------------------------------------------------

def test_get_and_load(tmp_path, monkeypatch):
    with serve(make_zip(tmp_path/'a.zip', FINE).read_bytes()) as (url, log):
        monkeypatch.setitem(D.SOURCES, 'mask-folders', replace(D.SOURCES['mask-folders'], url=url, inside=''))
        p = D.get('mask-folders')
        n = len(log)
        assert D.get('mask-folders') == p and len(log) == n  # nothing is downloaded twice
    df = D.load_table('mask-folders')
    assert sorted(df.label) == ['with_mask', 'without_mask'] and set(df.source) == {'mask-folders'}

def test_get_to_a_folder(tmp_path, monkeypatch):
    with serve(make_zip(tmp_path/'a.zip', FINE).read_bytes()) as (url, log):
        monkeypatch.setitem(D.SOURCES, 'ilc2021', replace(D.SOURCES['ilc2021'], url=url))
        assert D.get('ilc2021', out=tmp_path/'here') == tmp_path/'here' and (tmp_path/'here'/'set-HEAD').is_dir()

def test_get_downloads_nothing_with_data_set(tmp_path, monkeypatch):
    monkeypatch.setenv('MASKDETECT_DATA', str(tmp_path))
    monkeypatch.setattr(D, '_fetch', lambda *a: pytest.fail('downloaded'))
    with pytest.raises(DataError, match='nothing is downloaded'): D.get('mask-folders')
    (tmp_path/'mask-folders').mkdir()
    assert D.get('mask-folders') == tmp_path/'mask-folders'

def test_get_without_address_or_name():
    with pytest.raises(DataError, match='By hand'): D.get('maskedface-net')
    with pytest.raises(DataError, match='no such source'): D.get('nonsense')
    with pytest.raises(DataError, match='maskdetect data get'): D.load_table('mask-folders')

def source(monkeypatch, url, name='mask-folders', **change):
    monkeypatch.setitem(D.SOURCES, name, replace(D.SOURCES[name], url=url, inside='', **change))

@pytest.mark.parametrize('status', [403, 404, 500])
def test_server_says_no(monkeypatch, status):
    with serve(b'', status=status) as (url, log):
        source(monkeypatch, url)
        with pytest.raises(DataError, match=f'{status}.*By hand'): D.get('mask-folders')

@pytest.mark.parametrize('length', [True, False])
def test_broken_connection_leaves_nothing_and_is_tried_again(tmp_path, monkeypatch, length):
    with serve(make_zip(tmp_path/'a.zip', FINE).read_bytes(), cut=(200,), length=length) as (url, log):
        source(monkeypatch, url)
        with pytest.raises(DataError, match='mask-folders'): D.get('mask-folders')
        with pytest.raises(DataError, match='data get'): D.load_table('mask-folders')  # half a download is no dataset
        assert len(list(D.get('mask-folders').rglob('*.jpg'))) == 2

def test_get_offline(tmp_path, monkeypatch):
    with serve(b'') as (url, log): pass
    monkeypatch.setitem(D.SOURCES, 'mask-folders', replace(D.SOURCES['mask-folders'], url=url))
    with pytest.raises(DataError, match='MASKDETECT_DATA'): D.get('mask-folders')


KILLED = '''
import sys
from dataclasses import replace
from maskdetect.training import sources as D
D.SOURCES['mask-folders'] = replace(D.SOURCES['mask-folders'], url=sys.argv[1], inside='')
print('go', flush=True)
D.get('mask-folders')
'''

def test_killed_download_starts_again(tmp_path, monkeypatch):
    big = {**FINE, 'set-HEAD/with_mask/noise.bin': np.random.default_rng(1).bytes(4_000_000)}
    body = make_zip(tmp_path/'a.zip', big).read_bytes()
    with serve(body, slow=.02) as (url, log):
        p = subprocess.Popen([sys.executable, '-c', KILLED, url], stdout=subprocess.PIPE)
        end = time.monotonic()+60
        while time.monotonic() < end and not log: threading.Event().wait(.01)
        threading.Event().wait(.3)
        p.send_signal(signal.SIGKILL)
        p.wait()
        assert not (tmp_path/'cache'/'data'/'mask-folders').exists()
        with pytest.raises(DataError): D.load_table('mask-folders')  # half a download is no dataset
        source(monkeypatch, url)
        got = D.get('mask-folders')
    assert (got/'set-HEAD/with_mask/noise.bin').read_bytes() == big['set-HEAD/with_mask/noise.bin']


# --- Kaggle ---------------------------------------------------------------------------------------------------------

@contextmanager
def kaggle(body, cut=()):
    "A stand-in for Kaggle's API: tells the version, then sends the archive"
    cuts = list(cut)
    class H(BaseHTTPRequestHandler):
        def log_message(self, *a): pass
        def do_POST(self):
            self.rfile.read(int(self.headers.get('Content-Length', 0)))
            if 'Download' in self.path: return self.file()
            out = json.dumps(dict(currentVersionNumber=3, ref='a/b', title='t')).encode()
            self.send_response(200)
            self.send_header('Content-Type', 'application/json')
            self.send_header('Content-Length', str(len(out)))
            self.end_headers()
            self.wfile.write(out)
        def do_GET(self): self.file()
        def file(self):
            start = int(self.headers['Range'][6:-1]) if self.headers.get('Range') else 0
            self.send_response(206 if start else 200)
            self.send_header('Accept-Ranges', 'bytes')
            self.send_header('Content-Length', str(len(body)-start))
            self.send_header('Content-Type', 'application/zip')
            self.end_headers()
            stop = cuts.pop(0) if cuts else None
            self.wfile.write(body[start:][:stop])
            if stop is not None: self.wfile.flush(); self.connection.close()
    srv = ThreadingHTTPServer(('127.0.0.1', 0), H); srv.daemon_threads = True
    threading.Thread(target=srv.serve_forever, daemon=True).start()
    try: yield f'http://127.0.0.1:{srv.server_port}'
    finally: srv.shutdown(); srv.server_close()

KAGGLE = {'Face Mask Dataset/Train/WithMask/1.png': photo(1), 'Face Mask Dataset/Test/WithoutMask/2.png': photo(2)}

@pytest.fixture
def to_stand_in(monkeypatch):
    pytest.importorskip('kagglehub')
    env = pytest.importorskip('kagglesdk.kaggle_env')
    monkeypatch.setenv('KAGGLE_API_ENVIRONMENT', 'TEST')
    for k in ('KAGGLE_USERNAME', 'KAGGLE_KEY', 'KAGGLE_API_TOKEN'): monkeypatch.delenv(k, raising=False)
    return lambda url: monkeypatch.setitem(env._env_to_endpoint, env.KaggleEnv.TEST, url)

def test_kaggle(tmp_path, to_stand_in):
    with kaggle(make_zip(tmp_path/'k.zip', KAGGLE).read_bytes()) as url:
        to_stand_in(url)
        p = D.get('face-mask-12k')
    assert p == tmp_path/'cache'/'data'/'face-mask-12k'
    df = D.load_table('face-mask-12k')
    assert sorted(zip(df.split, df.label)) == [('test', 'without_mask'), ('train', 'with_mask')]
    assert not list(p.glob('.complete')) and not list((tmp_path/'cache'/'data').glob('.tmp*'))

def test_kaggle_broken_then_again(tmp_path, to_stand_in):
    with kaggle(make_zip(tmp_path/'k.zip', KAGGLE).read_bytes(), cut=(300,)) as url:
        to_stand_in(url)
        with pytest.raises(DataError, match='not downloaded'): D.get('face-mask-12k')
        with pytest.raises(DataError, match='data get'): D.load_table('face-mask-12k')
        assert len(D.load_table(str(D.get('face-mask-12k')))) == 2

def test_kaggle_offline(to_stand_in):
    with kaggle(b'') as url: pass
    to_stand_in(url)
    with pytest.raises(DataError, match='no network.*By hand'): D.get('andrewmvd')
