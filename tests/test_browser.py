"The page that judges in the browser: the same answers as Python's, and nothing leaves it"
import base64, json, shutil, subprocess, tarfile, threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby

import cv2
import numpy as np
import pytest

pytest.importorskip('maskdetect.serve', reason='the extra [serve] is not installed', exc_type=Exception)
from maskdetect.classify import SHIPPED, MaskClassifier, _open_onnx, seal
from maskdetect.core import SAMPLE, MaskdetectError, crop_face, read_image
from maskdetect.detect import _resized
from maskdetect.serve import create_app, serving
from maskdetect.web import write_page
from test_page import FAKE, TRUTH, chrome, detector, live, new, scene, state, url  # some are fixtures

ENCODE = """(a => { let s = '';
  for (let i = 0; i < a.length; i += 8192) s += String.fromCharCode(...a.subarray(i, i + 8192));
  return btoa(s); })"""
DECODE = "((data, width, height) => ({data: Uint8Array.from(atob(data), c => c.charCodeAt(0)), width, height}))"


def rgba(image): # as `DECODE` takes it
    h,w = image.shape[:2]
    return [base64.b64encode(np.dstack([image, np.full((h, w), 255, np.uint8)]).tobytes()).decode(), w, h]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    "What `python -m maskdetect.web` writes; skips where npm cannot fetch the runtime"
    out = tmp_path_factory.mktemp('page')
    try: write_page(out)
    except MaskdetectError as e: pytest.skip(str(e))
    return out


@contextmanager
def static(folder):
    "The plainest web server: its address, and the paths that it was asked for"
    asked = []
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_): asked.append(self.path)
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(.02,), daemon=True)
        thread.start()
        try: yield f'http://127.0.0.1:{server.server_port}/',asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope='module')
def site(folder):
    with static(folder) as (address, _): yield address


def crops(rng, w, h, n=12):
    "Boxes of all sizes, some of them beyond the edges, with a side and a margin"
    for size in [8, 50, 112, 224]*(n//4):
        x,y,a,b = rng.uniform(-.1, .8)*w, rng.uniform(-.1, .8)*h, rng.uniform(.12, .5)*w, rng.uniform(.12, .5)*h
        yield [float(np.float32(o)) for o in (x, y, x+a, y+b)], size, float(rng.choice([0, .2]))


def test_pixels_are_those_of_opencv(chrome, new, url):
    "Cut and scaled within one grey level, on drawings and on noise"
    page,rng = new(chrome, url),np.random.default_rng(0)
    pictures = [read_image(SAMPLE/o) for o in ('people.jpg', 'hard.jpg')]
    pictures += [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((97, 311, 3), (480, 360, 3), (9, 5, 3))]
    script = f"""async ([picture, sides, crops]) => {{
      const {{crop, resized}} = await import('/static/pixels.js'), image = {DECODE}(...picture);
      const all = [...sides.map(s => resized(image, s)), ...crops.map(c => crop(image, ...c))];
      return all.map(o => [o.height, o.width, {ENCODE}(o.data)]);
    }}"""
    worst = []
    for image in pictures:
        h,w = image.shape[:2]
        sides,some = [736, 184, 97, 20],[*crops(rng, w, h), [None, 112, 0]]
        want = [_resized(image, s) for s in sides] + [crop_face(image, *o) for o in some]
        got = page.evaluate(script, [rgba(image), sides, some])
        for a,(rows,columns,data) in zip(want, got, strict=True):
            b = np.frombuffer(base64.b64decode(data), np.uint8).reshape(rows, columns, 3)
            assert a.shape == b.shape
            worst.append(np.abs(a.astype(int) - b).max())
    assert len(worst) == 85 and max(worst) <= 1


def test_people_keep_their_verdict(chrome, new, url):
    "One frame that says otherwise changes nothing, several do; people who cross are not mixed up"
    page = new(chrome, url)
    got = page.evaluate("""async () => {
      const {Tracks} = await import('/static/tracks.js'), tracks = new Tracks(), said = [];
      const face = (x, y, p) => ({box: [x, y, x + 100, y + 100], probs: {with_mask: p, without_mask: 1 - p}});
      for (let t = 0; t < 40; t++) {
        const one = face(10 * t, 0, t === 8 || t > 20 ? .05 : .95), two = face(500 - 10 * t, 60, .52);
        said.push(tracks.update(t % 2 ? [one, two] : [two, one], .6, t / 10).map(f => f.label)[t % 2 ? 0 : 1]);
      }
      return [said, tracks.all.length, new Tracks().update([face(0, 0, .52)], .6).map(f => f.label)];
    }""")
    assert [k for k,_ in groupby(got[0])] == ['with_mask', 'unsure', 'without_mask'] and got[0][20] == 'with_mask'
    assert got[1:] == [2, ['unsure']]


def test_verdicts_are_those_of_python(chrome, new, site, detector):
    "On 100 drawn faces, and on scenes from the file on"
    page = new(chrome, site)
    model = MaskClassifier.load(engine='onnxruntime')
    paths = sorted((SAMPLE/'faces'/'test').rglob('*.jpg'))[::2]+sorted((SAMPLE/'faces'/'valid').rglob('*.jpg'))[:10]
    faces = [read_image(o) for o in paths]
    want = model.classify(faces)
    got = page.evaluate(f"""async faces => {{
      const ort = await import('/private/ort.wasm.min.mjs'), {{crop}} = await import('/static/pixels.js');
      const {{classify, readInfo}} = await import('/static/classify.js');
      const bytes = new Uint8Array(await (await fetch('/private/model.onnx')).arrayBuffer());
      const info = await readInfo(bytes, 'model');
      Object.assign(ort.env.wasm, {{numThreads: 1, wasmPaths: new URL('/private/', location).href}});
      const session = await ort.InferenceSession.create(bytes, {{logSeverityLevel: 3}});
      const net = (data, dims) => session.run({{crops: new ort.Tensor('float32', data, dims)}});
      return classify(net, info, faces.map(f => crop({DECODE}(...f), null, info.size)));
    }}""", [rgba(o) for o in faces])
    assert len(faces) == 100 and [o['label'] for o in got] == [label for label,_ in want]
    assert max(abs(o['probs'][k] - p) for o,(_,probs) in zip(got, want) for k,p in probs.items()) < .03
    for name in ('people.jpg', 'crowd.jpg', 'hard.jpg'):
        data = base64.b64encode((SAMPLE/name).read_bytes()).decode()
        got = page.evaluate("""async data => {
          const {browser} = await import('/static/browser.js');
          const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
          return browser.predict(new File([bytes], 'x.jpg', {type: 'image/jpeg'}));
        }""", data)
        want = detector.predict(SAMPLE/name)
        assert (got['width'], got['height']) == want.image_size
        assert [o['label'] for o in got['faces']] == [o.label for o in want]
        assert np.abs(np.array([o['box'] for o in got['faces']]) - [o.box for o in want]).max() < 1


def test_nothing_leaves_the_browser(chrome, new, folder):
    "Camera and pictures, with the server and without it, and opened again when it is gone"
    with static(folder) as (address, asked):
        page = new(chrome, address)
        sent = []
        before = len(asked)
        page.context.on('request', lambda r: sent.append(r.url))
        live(page)
        assert page.get_attribute('#overlay', 'data-verdicts').split() == TRUTH
        page.click('#example')
        page.wait_for_selector('article td')
        assert page.locator('tbody tr').evaluate_all('rows => rows.map(o => o.dataset.label)') == TRUTH
        assert 'stay in this browser' in page.inner_text('#where') and not page.is_visible('#backends')
        # the browser itself may look whether there is a newer sw.js; it sends nothing with that
        assert set(asked[before:]) <= {'/sw.js'}
        assert {o for o in sent if not o.startswith('blob:')} <= {f'{address}static/people.jpg'} # which was kept
    page.set_input_files('#files', SAMPLE/'walk.webm') # in place of the camera
    page.wait_for_selector('#overlay[data-verdicts^="with_mask without_mask "]')
    page.reload()
    state(page, 'ready')
    live(page)
    assert page.get_attribute('#overlay', 'data-verdicts').split() == TRUTH


def test_switch(chrome, new, folder, detector):
    "The page of the service with --private: on the server, in the browser, and back, while the camera runs"
    with serving(create_app(detector, api_key='', private=folder)) as url:
        page = new(chrome, url)
        live(page)
        for choice,words in (('browser', 'stay in this browser'), ('server', '127.0.0.1')):
            asked = []
            page.on('request', lambda r: asked.append(r.url))
            page.locator(f'[name=backend][value={choice}]').focus()
            page.keyboard.press('Space')
            page.wait_for_selector('#state:not([data-state=live])')
            state(page, 'live')
            page.wait_for_function("document.querySelector('#overlay').dataset.verdicts.split(' ').length == 6")
            assert page.get_attribute('#overlay', 'data-verdicts').split() == TRUTH
            assert words in page.inner_text('#where') and page.url.endswith(f'#{choice}')
            assert any('/v1/' in o for o in asked) == (choice == 'server')
    with pytest.raises(MaskdetectError, match='python -m maskdetect.web'): create_app(detector, private=folder.parent)


def sealed(note):
    "The shipped network with another note"
    data,_,body = _open_onnx(SHIPPED)
    def field(number, value): return bytes([number << 3 | 2]) + size(len(value)) + value
    def size(n): return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + size(n >> 7)
    note = json.dumps(note).encode()
    meta = dict(maskdetect=note, maskdetect_sha256=seal(data[:body], note))
    return data[:body] + b''.join(field(14, field(1, k.encode()) + field(2, v)) for k,v in meta.items())


def test_own_model(browsers, new, site, tmp_path):
    "Opened and used, on a phone without a camera; a wrong file is told, and the model before it goes on"
    phone = dict(viewport=dict(width=390, height=844), color_scheme='dark')
    page = new(browsers(FAKE, '--deny-permission-prompts'), site, **phone)
    data,meta,body = _open_onnx(SHIPPED)
    note = json.loads(meta['maskdetect'])
    good = sealed(note | dict(threshold=.95))
    wrong = {'text': (b'no model at all', 'damaged or no .onnx model'),
             'plain': (data[:body], "without maskdetect's description"),
             'bent': (good[:9000] + b'bent' + good[9004:], 'checksum'),
             'cats': (sealed(note | dict(labels=['cat', 'dog'])), 'not cat,dog'),
             'new': (sealed(note | dict(format=2)), 'newer maskdetect'),
             'grey': (sealed(note | dict(channels=1, mean=[0], std=[1])), 'does not run')}
    for name,(bad,words) in wrong.items():
        (tmp_path/f'{name}.onnx').write_bytes(bad)
        page.set_input_files('#model-file', tmp_path/f'{name}.onnx')
        page.wait_for_selector(f'.wrong:has-text("{name}.onnx"):has-text("{words}")')
    page.click('#example')
    page.wait_for_selector('article td')
    assert page.locator('tbody tr').evaluate_all('rows => rows.map(o => o.dataset.label)') == TRUTH
    (tmp_path/'mine.onnx').write_bytes(good)
    page.set_input_files('#model-file', tmp_path/'mine.onnx')
    page.wait_for_selector('#model:has-text("mine.onnx"):has-text("95%")')
    page.click('#example')
    page.wait_for_selector('article >> nth=1')
    assert page.locator('article >> nth=0').locator('tr[data-label=unsure]').count()
    page.set_input_files('#files', dict(name='broken.png', mimeType='image/png', buffer=b'\x89PNG\r\n\x1a\n, no more'))
    page.wait_for_selector('.wrong:has-text("broken.png: damaged")')
    page.click('#start')
    page.wait_for_selector('#note:has-text("may not use the camera")')
    assert page.evaluate('document.documentElement.scrollWidth') <= 390


def test_no_webassembly(chrome, site):
    "The page says so; and it can reach no other site"
    context = chrome.new_context()
    context.add_init_script('delete globalThis.WebAssembly')
    page = context.new_page()
    page.goto(site)
    page.wait_for_selector('#note:has-text("no WebAssembly")')
    assert page.inner_text('#state') == 'Not loaded' and page.is_visible('#retry')
    assert page.evaluate("fetch('https://example.org/').then(() => 'let out', () => 'held back')") == 'held back'
    context.close()


def test_axe_finds_nothing(chrome, new, url, tmp_path):
    "The checks of axe-core, which npm fetches: on a desk, and on a phone in the evening"
    npm = shutil.which('npm')
    if not npm or subprocess.run([npm, 'pack', 'axe-core'], cwd=tmp_path, capture_output=True).returncode:
        pytest.skip("npm or its registry is not here")
    with tarfile.open(next(tmp_path.glob('*.tgz'))) as t: axe = t.extractfile('package/axe.min.js').read().decode()
    for how in ({}, dict(viewport=dict(width=390, height=844), color_scheme='dark')):
        page = new(chrome, url, **how)
        live(page)
        page.click('#example')
        page.wait_for_selector('article td')
        page.click('#pause')
        page.evaluate(f'{axe};0')
        assert page.evaluate("axe.run().then(o => o.violations.map(v => `${v.id}: ${v.nodes[0].html}`))") == []
