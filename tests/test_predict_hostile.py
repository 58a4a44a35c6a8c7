"Damaged and hostile pictures through `predict`: for each an answer or an error of one line; no crash, no hang"
import http.server, io, json, os, random, shutil, signal, socket, subprocess, sys, threading, time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from maskdetect.bench import sample_frame
from maskdetect.classify import SHIPPED
from maskdetect.cli import main
from maskdetect.core import SAMPLE, MaskdetectError
from maskdetect.detect import Faces, MaskDetector

SLOW = 10  # seconds that no input may take

@pytest.fixture(scope='module')
def folder(tmp_path_factory): return tmp_path_factory.mktemp('hostile')

@pytest.fixture(scope='module')
def model(): return SHIPPED

@pytest.fixture(scope='module')
def detector(model): return MaskDetector(model)

@pytest.fixture(scope='module')
def scene(): return sample_frame(320, 240, 4)

def encoded(image, suffix, **kwargs):
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, suffix, **kwargs)
    return out.getvalue()

def answer(detector, src):
    "What came for one source: `Faces` that fit the picture, or an error of one line"
    start = time.monotonic()
    got = list(detector.predict_many([src]))
    assert time.monotonic() - start < SLOW
    assert len(got) == 1 and got[0][0] is src
    result = got[0][1]
    if isinstance(result, MaskdetectError): assert 0 < len(str(result).splitlines()) < 2, str(result)
    else:
        assert isinstance(result, Faces)
        w,h = result.image_size
        for f in result:
            assert 0 <= f.box[0] < f.box[2] <= w and 0 <= f.box[1] < f.box[3] <= h
            assert np.isfinite([*f.box, f.score, *f.probs.values()]).all()
        json.dumps(result.to_dict(), allow_nan=False)
        result.to_rows()
    return result

def errors(err):
    "The lines of the standard error without those that say where files are"
    return [l for l in err.splitlines() if not l.startswith(('marked copies: ', 'table: '))]

# ---- damaged bytes

FORMATS = ('JPEG', 'PNG', 'WEBP', 'GIF', 'BMP', 'TIFF')

@pytest.fixture(scope='module')
def files(scene): return {k: encoded(scene, k) for k in FORMATS}

@pytest.mark.parametrize('part', (0, .001, .01, .1, .3, .5, .8, .95, .999))
@pytest.mark.parametrize('kind', FORMATS)
def test_truncated(detector, files, kind, part): answer(detector, files[kind][:int(len(files[kind])*part)])

@pytest.mark.parametrize('seed', range(12))
@pytest.mark.parametrize('kind', FORMATS)
def test_changed_bytes(detector, files, kind, seed):
    rng,data = random.Random(f'{kind}{seed}'),bytearray(files[kind])
    reach = len(data) if seed % 2 else min(200, len(data))
    for _ in range(1 + seed): data[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    answer(detector, bytes(data))

NO_PICTURES = [b'\0'*5000, b'\xff'*5000, b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n', b'GIF89a', b'RIFF\0\0\0\0WEBP', b'BM',
               b'II*\0', b'P6 9 9 255 ', b'<svg/>', b'<html>', b'{}', b'%PDF-1.7', b'PK\3\4', b'\x7fELF',
               b'#!/bin/sh', b'text', '\N{SNOWMAN}'.encode(), b'P6 100000 100000 255 ', b'P5\n-5 5\n255\n',
               bytes(range(256))*20]

@pytest.mark.parametrize('data', NO_PICTURES)
def test_no_picture(detector, data): assert isinstance(answer(detector, data), MaskdetectError)

# ---- every kind of pixel

def turned(scene, exif):
    tags = Image.Exif()
    tags[0x112] = exif
    return encoded(scene, 'JPEG', exif=tags)

def frames(scene, suffix):
    "Several pictures in one file"
    return encoded(Image.fromarray(scene), suffix, save_all=True, append_images=[Image.new('RGB', (320, 240))]*3)

KINDS = {
    'cmyk': lambda s: encoded(Image.fromarray(s).convert('CMYK'), 'JPEG'),
    'grey': lambda s: encoded(Image.fromarray(s).convert('L'), 'JPEG'),
    'grey, 16 bit': lambda s: encoded(Image.fromarray(s[..., 0].astype(np.uint16)*256), 'PNG'),
    'colour, 16 bit': lambda s: cv2.imencode('.png', s[..., ::-1].astype(np.uint16)*256)[1].tobytes(),
    'palette': lambda s: encoded(Image.fromarray(s).convert('P'), 'PNG'),
    'palette, one colour clear': lambda s: encoded(Image.fromarray(s).convert('P'), 'PNG', transparency=0),
    'one bit': lambda s: encoded(Image.fromarray(s).convert('1'), 'PNG'),
    'alpha': lambda s: encoded(Image.fromarray(np.dstack([s, np.full(s.shape[:2], 255, np.uint8)])), 'PNG'),
    'grey and alpha': lambda s: encoded(Image.fromarray(s).convert('LA'), 'PNG'),
    # Pillow 12.3 can't read back an uncompressed one
    'ycbcr tiff': lambda s: encoded(Image.fromarray(s).convert('YCbCr'), 'TIFF', compression='tiff_lzw'),
    'lab tiff': lambda s: encoded(Image.fromarray(s).convert('LAB'), 'TIFF'),
    'animated gif': lambda s: frames(s, 'GIF'),
    'animated webp': lambda s: frames(s, 'WEBP'),
    'animated png': lambda s: frames(s, 'PNG'),
    'several pages': lambda s: frames(s, 'TIFF'),
    'progressive': lambda s: encoded(s, 'JPEG', progressive=True),
    'something behind it': lambda s: encoded(s, 'JPEG') + b'\0'*10_000}

@pytest.mark.parametrize('kind', KINDS)
def test_pixels(detector, scene, kind):
    "Whatever the coding, the first frame's faces are found where they are"
    got = answer(detector, KINDS[kind](scene))
    assert got.image_size == (320, 240) and (len(got) >= 2 or kind == 'one bit')

@pytest.mark.parametrize('kind', ['float', 'int32'])
def test_refused_pixels(detector, scene, kind):
    grey = scene[..., 0]
    grey = grey.astype(np.float32) if kind == 'float' else grey.astype(np.int32)*70_000
    assert isinstance(answer(detector, encoded(Image.fromarray(grey), 'TIFF')), MaskdetectError)

@pytest.mark.parametrize('exif', range(1, 9))
def test_turned(detector, scene, exif):
    "Boxes are those of the upright picture, whichever way the camera was held"
    undo = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
            5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a), 7: lambda a: np.rot90(a.transpose(1, 0, 2), 2),
            8: lambda a: np.rot90(a, -1)}[exif]
    upright = answer(detector, encoded(scene, 'PNG'))
    got = answer(detector, turned(np.ascontiguousarray(undo(scene)), exif))
    assert got.image_size == (320, 240) and len(got) == len(upright)
    boxes = [np.array(sorted(f.box for f in o)) for o in (upright, got)]
    assert np.abs(boxes[0] - boxes[1]).max() < 12

@pytest.mark.parametrize('exif', [0, 9, 255, 65535])
def test_turned_by_nonsense(detector, scene, exif):
    assert answer(detector, turned(scene, exif)).image_size == (320, 240)

# ---- every shape

SHAPES = [(1, 1), (1, 2), (2, 1), (3, 3), (8, 8), (31, 33), (1, 3000), (3000, 1), (2, 9000), (9000, 2), (30_000, 40),
          (40, 30_000), (30_000, 3), (5000, 3000)]

@pytest.mark.parametrize('size', SHAPES)
def test_shapes(detector, size):
    data = encoded(Image.new('RGB', size, (200, 150, 120)), 'PNG', compress_level=1)
    assert answer(detector, data).image_size == size

def test_far_away_in_a_wide_picture(detector, scene):
    wide = np.full((240, 6000, 3), 90, np.uint8)
    wide[:, 3000:3320] = scene
    large = MaskDetector(detector.model, type(detector.detector)(max_side=4096))
    got = answer(large, wide)
    assert len(got) >= 2 and all(3000 <= f.box[0] and f.box[2] <= 3320 for f in got)

def bomb(width, height):
    "A PNG of a few bytes that claims to be huge"
    import struct, zlib
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    head = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + head + chunk(b'IDAT', zlib.compress(bytes(1000))) + chunk(b'IEND', b'')

@pytest.mark.parametrize('size', [(30_000, 30_000), (2**31-1, 2**31-1), (100_000, 1001), (0, 5), (2**31-1, 1)])
def test_bomb(detector, size): assert isinstance(answer(detector, bomb(*size)), MaskdetectError)

ARRAYS = [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((5, 5, 2), np.uint8),
          np.zeros(5, np.uint8), np.zeros((2, 5, 5, 3), np.uint8), np.full((50, 50, 3), np.nan, np.float32),
          np.zeros((50, 50, 4), np.uint8), np.zeros((50, 50, 3), np.int64), np.zeros((60, 50, 3), np.uint8)[::2, ::-1]]

@pytest.mark.parametrize('array', ARRAYS)
def test_arrays(detector, array): answer(detector, array)

NO_SOURCES = [None, 5, 2.5, object, {}, set(), '', b'', '\0', 'a\0b.jpg', 'x'*5000, 'http://', 'https://',
              'http:///x', 'http://[', 'http://\0/', 'http://a b/', 'ftp://x/y.jpg', 'file:///etc/passwd',
              'data:image/png;base64,xx', 'http://127.0.0.1:1/x.jpg', 'http://127.0.0.1:99999/x.jpg',
              '~/no.jpg', '*.nothing', '[', '[]', '**/nothing-*.jpg']

@pytest.mark.parametrize('src', NO_SOURCES, ids=lambda o: repr(o)[:30])
def test_no_source(detector, src): assert isinstance(answer(detector, src), MaskdetectError)

# ---- the file system

NAMES = ['sp ace.jpg', 'ünïcödé-\N{SNOWMAN}-文字.jpg', 'new\nline.jpg', 'tab\tand\rreturn.jpg', '-leading.jpg',
         '--json', 'quote\'".jpg', '[brackets].jpg', 'star*.jpg', '%s{0}$HOME.jpg', '.hidden.jpg', 'noending',
         'x'*200 + '.jpg', 'UPPER.JPG', 'two.dots.jpg', b'not-utf8-\xff.jpg']

@pytest.mark.skipif(sys.platform != 'linux', reason='names of Linux')
@pytest.mark.parametrize('good', [True, False])
@pytest.mark.parametrize('name', NAMES, ids=ascii)
def test_names(model, folder, files, name, good, capsys, monkeypatch):
    "Odd names: judged, copied, written to the table; and named in one line when they are bad"
    there = folder/f'name{NAMES.index(name)}{good}'
    there.mkdir()
    monkeypatch.chdir(there)
    Path(os.fsdecode(name)).write_bytes(files['JPEG'] if good else files['JPEG'][:900])
    status = main(['predict', '--model', str(model), '--csv', 't.csv', '--out', 'marked', '--', os.fsdecode(name)])
    out,err = capsys.readouterr()
    assert (status, len(errors(err)), out) == ((0, 0, '') if good else (1, 1, ''))
    assert len(list(Path('marked').glob('*.jpg'))) == good
    import csv
    rows = list(csv.DictReader(open('t.csv', encoding='utf-8', errors='surrogateescape', newline='')))
    assert rows and all(os.fsencode(r['path']) == os.fsencode(name) and bool(r['error']) != good for r in rows)
    status = main(['predict', '--model', str(model), '--', os.fsdecode(name)])
    assert len(capsys.readouterr()[0].splitlines()) == (len(rows) if good else 0)

def test_what_is_no_file(detector, folder, files):
    there = folder/'odd'
    there.mkdir()
    (there/'dangling.jpg').symlink_to(there/'gone.jpg')
    (there/'loop.jpg').symlink_to(there/'loop.jpg')
    (there/'folder.jpg').mkdir()
    os.mkfifo(there/'pipe.jpg')
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(there/'s.jpg'))
    (there/'empty.jpg').touch()
    (there/'closed.jpg').write_bytes(files['JPEG'])
    (there/'closed.jpg').chmod(0)
    with open(there/'sparse.jpg', 'wb') as f: f.truncate(1 << 40)
    for src in [*sorted(there.iterdir()), '/dev/zero', '/dev/tty', '/dev/null', '/proc/self/mem', '/etc/shadow/x']:
        if Path(src).name == 'closed.jpg' and os.geteuid() == 0: continue  # root reads everything
        if Path(src).name != 'folder.jpg': assert isinstance(answer(detector, src), MaskdetectError), src
    empty = there/'folder.jpg'
    assert [str(e) for _,e in detector.predict_many(empty)] == [f"{empty}: no pictures in this folder"]
    results = list(detector.predict_many(there))
    assert len(results) == 8 and sum(isinstance(r, Faces) for _,r in results) == (os.geteuid() == 0)

@pytest.mark.parametrize('name', ['clip.mp4', 'clip.avi', 'clip.MKV', 'clip.webm', 'clip.jpg'])
def test_films(detector, folder, scene, name):
    path = folder/name
    film = cv2.VideoWriter(str(folder/'film.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (320, 240))
    for _ in range(3): film.write(scene)
    film.release()
    shutil.copy(folder/'film.avi', path)
    got = answer(detector, path)
    assert isinstance(got, MaskdetectError) and ('maskdetect video' in str(got) or name == 'clip.jpg')

# ---- the network

class Hostile(http.server.BaseHTTPRequestHandler):
    data = b''
    def do_GET(self):
        page = self.path.strip('/')
        where = dict(loop='/loop', local='file:///etc/passwd').get(page)
        if page.isdigit() or where:
            self.send_response(302 if where else int(page))
            if where: self.send_header('Location', where)
            self.end_headers()
            return
        if page == 'nonsense':
            self.wfile.write(b'\xff\xfe nonsense\r\n\r\n')
            return
        self.send_response(200)
        if page == 'liar': self.send_header('Content-Length', str(1 << 40))
        if page == 'negative': self.send_header('Content-Length', '-5')
        if page == 'word': self.send_header('Content-Length', 'many')
        if page == 'short': self.send_header('Content-Length', str(2*len(self.data)))
        self.end_headers()
        if page != 'nothing': self.wfile.write(b'<html>' if page == 'html' else self.data)
    def log_message(self, *args): pass

@pytest.fixture(scope='module')
def server(files):
    Hostile.data = files['JPEG']
    s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hostile)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{s.server_port}'
    s.shutdown()

@pytest.mark.parametrize('page', ['404', '500', '204', '301', 'loop', 'local', 'nonsense', 'liar', 'word', 'short',
                                  'html', 'nothing'])
def test_bad_pages(detector, server, page):
    got = answer(detector, f'{server}/{page}')
    assert isinstance(got, MaskdetectError) and page in str(got)

def test_good_page(detector, server): assert len(answer(detector, f'{server}/crowd.jpg?size=large')) >= 2

@pytest.mark.parametrize('kind', ['silent', 'drip'])
def test_slow_server(detector, monkeypatch, kind):
    "A server that says nothing, and one that never comes to an end"
    import maskdetect.detect as d
    get = d._get
    monkeypatch.setattr(d, '_get', lambda url, limit: get(url, limit, timeout=1, total=2))
    s = socket.create_server(('127.0.0.1', 0))
    def serve():
        c = s.accept()[0]
        try:
            if kind == 'drip':
                c.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
                while True: c.sendall(b'x'); time.sleep(.1)
            else: time.sleep(4)
        except OSError: pass
    threading.Thread(target=serve, daemon=True).start()
    assert isinstance(answer(detector, f'http://127.0.0.1:{s.getsockname()[1]}/x.jpg'), MaskdetectError)

# ---- all together, from the command line

def test_a_folder_of_everything(model, folder, files, server, monkeypatch, capsys):
    "One line or one row for each, pure JSON, an exit status that tells; nothing overwrites anything"
    there = folder/'all'
    (there/'a').mkdir(parents=True)
    (there/'b').mkdir()
    monkeypatch.chdir(there)
    for k in ('a', 'b'): Path(f'{k}/crowd.jpg').write_bytes(files['JPEG'])
    Path('a/crowd.png').write_bytes(files['PNG'])
    Path('a/cut.jpg').write_bytes(files['JPEG'][:700])
    before = {p: p.read_bytes() for p in there.rglob('*.*')}
    status = main(['predict', '--model', str(model), '--json', '--csv', 'faces.csv', '--out', 'a', 'a', 'b/*.jpg',
                   f'{server}/crowd.jpg', f'{server}/404', 'none/*.jpg', 'missing.jpg'])
    out,err = capsys.readouterr()
    items = json.loads(out)
    assert status == 1 and len(items) == 8 and len(errors(err)) == 4 == sum('error' in i for i in items)
    copies = [i['copy'] for i in items if 'copy' in i]
    assert len(set(copies)) == 4 and all(Image.open(o).size == (320, 240) for o in copies)
    assert all(p.read_bytes() == data for p,data in before.items())
    assert main(['predict', '--model', str(model), 'b', '--json']) == 0 and len(json.loads(capsys.readouterr()[0])) == 1

@pytest.mark.parametrize('options', [['--crops'], ['--out', 'marked']])
def test_strip(model, folder, files, options, monkeypatch, capsys):
    "A picture that fits into no square, and into no JPEG, is one line; the rest goes on"
    there = folder/f'strip{options[0]}'
    there.mkdir()
    monkeypatch.chdir(there)
    Image.new('RGB', (70_000, 20)).save('a.png')
    Path('b.jpg').write_bytes(files['JPEG'])
    assert main(['predict', '--model', str(model), '--json', *options, 'a.png', 'b.jpg']) == 1
    out,err = capsys.readouterr()
    strip,crowd = json.loads(out)
    assert 'a.png' in strip['error'] and 'error' not in crowd and len(errors(err)) == 1

@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no /dev/full')
def test_full_disk(model, folder, files, capsys):
    (folder/'crowd.jpg').write_bytes(files['JPEG'])
    assert main(['predict', '--model', str(model), '--csv', '/dev/full', str(folder/'crowd.jpg')]) == 1
    assert 'No space left' in capsys.readouterr()[1]
    code = ("import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
            "from maskdetect.cli import main; sys.exit(main(sys.argv[1:]))")
    many = folder/'many'
    many.mkdir()
    for k in range(30): (many/f'{k:02}.jpg').write_bytes(files['JPEG'])
    done = subprocess.run([sys.executable, '-c', code, 'predict', '--model', str(model), '--engine', 'onnxruntime',
                           '--csv', str(folder/'t.csv'), str(many)], capture_output=True, text=True)
    text = (folder/'t.csv').read_text()
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and 'rows up to here' in done.stderr
    lines = text.splitlines()
    assert text.endswith('\n') and len({l.count(',') for l in lines}) == 1 and 5 < len(lines) < 60

@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGKILL])
def test_stopped(model, folder, files, how):
    "Ctrl-C and a kill keep what was done; after Ctrl-C the JSON is whole too"
    there = folder/f'stopped{int(how)}'
    there.mkdir()
    for k in range(400): (there/f'{k:03}.jpg').write_bytes(files['JPEG'])
    # a shell that starts tests in the background has Ctrl-C ignored
    code = ('import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n'
            'from maskdetect.cli import main; sys.exit(main(sys.argv[1:]))')
    p = subprocess.Popen([sys.executable, '-c', code, 'predict', '--model', str(model), '--json',
                          '--csv', str(folder/'s.csv'), str(there)],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(5): p.stdout.readline()
    p.send_signal(how)
    out,err = p.communicate(timeout=SLOW)
    rows = (folder/'s.csv').read_text()
    assert rows.endswith('\n') and len({r.split(',')[0] for r in rows.splitlines()}) > 4
    if how == signal.SIGINT: assert p.returncode == 130 and len(err.strip().splitlines()) == 1 and out.endswith(']\n')


# ---- the end, and secrets

COMMAND = [sys.executable, '-c', 'from maskdetect.cli import main; raise SystemExit(main())', 'predict']


@pytest.mark.skipif(os.name != 'posix', reason="signals of POSIX")
def test_ended_by_a_signal_the_list_is_whole(tmp_path):
    said = tmp_path/'said.json'
    with said.open('w') as f:
        many = [SAMPLE/'people.jpg']*1000
        p = subprocess.Popen([*COMMAND, *many, '--json'], stdout=f, stderr=subprocess.PIPE, text=True)
        while not said.stat().st_size and p.poll() is None: time.sleep(.02)
        p.send_signal(signal.SIGTERM)
        err = p.communicate(timeout=60)[1]
    assert p.returncode == 130 and 'are kept' in err
    assert 1 <= len(json.loads(said.read_text())) < 1000


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason="no device that is always full")
def test_full_disk_is_one_line():
    with open('/dev/full', 'w') as full:
        done = subprocess.run([*COMMAND, SAMPLE/'people.jpg', '--json'], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode and 'No space left' in done.stderr and 'Traceback' not in done.stderr


def test_passwords_are_sent_and_not_told():
    "A camera that asks for name and password, which no message repeats"
    seen = []
    class Camera(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_): pass
        def do_GET(self):
            seen.append(self.headers.get('Authorization'))
            self.send_response(200 if self.path == '/shot.jpg' else 404)
            self.end_headers()
            self.wfile.write((SAMPLE/'people.jpg').read_bytes())
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Camera) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f'http://guest:p%40ss@127.0.0.1:{server.server_port}'
        for path,status in (('/shot.jpg', 0), ('/none.jpg', 1)):
            done = subprocess.run([*COMMAND, url + path], capture_output=True, text=True)
            assert done.returncode == status and 'p%40ss' not in done.stdout + done.stderr
            for more in ('--json', '--crops'):
                done = subprocess.run([*COMMAND, url + path, more], capture_output=True, text=True)
                assert 'p%40ss' not in done.stdout + done.stderr
        server.shutdown()
    assert seen == ['Basic Z3Vlc3Q6cEBzcw==']*6
