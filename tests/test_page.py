"The page of the service, in a browser with a camera that plays drawn faces"
import base64, json, re, socket, subprocess, sys, time

import cv2
import numpy as np
import pytest

pytest.importorskip('maskdetect.serve', reason='the extra [serve] is not installed', exc_type=Exception)
from maskdetect.core import SAMPLE, MaskdetectError
from maskdetect.detect import MaskDetector
from maskdetect.draw import STYLES
from maskdetect.serve import create_app, serving
from serve_load import MAIN, free_port

# people.jpg, from left to right
TRUTH = ['incorrect_mask', 'with_mask', 'without_mask', 'incorrect_mask', 'with_mask', 'without_mask']
FAKE = '--use-fake-device-for-media-stream'
WAIT = 60_000 # ms; networks are compiled in some tests, on machines that are busy


@pytest.fixture(scope='module')
def detector():
    try: return MaskDetector()
    except MaskdetectError as e: pytest.skip(str(e))


@pytest.fixture(scope='module')
def url(detector):
    with serving(create_app(detector, api_key='')) as u: yield u


@pytest.fixture(scope='module')
def scene(): return cv2.imread(str(SAMPLE/'people.jpg'))


@pytest.fixture(scope='module')
def chrome(browsers, scene, tmp_path_factory):
    "A browser that allows the camera, which shows the drawn people"
    clip = tmp_path_factory.mktemp('camera')/'people.mjpeg'
    clip.write_bytes(cv2.imencode('.jpg', scene)[1].tobytes()*4)
    return browsers(FAKE, '--use-fake-ui-for-media-stream', f'--use-file-for-fake-video-capture={clip}',
                    '--host-resolver-rules=MAP camera.example 127.0.0.1')


@pytest.fixture
def new(request):
    "Opens pages; none of them may complain on its console, ask another server, or break a rule of its own"
    wrong,contexts = [],[]
    harmless = 'net::', 'status of', 'WebSocket', 'Opener-Policy'
    def complained(m):
        if m.type == 'error' and not any(o in m.text for o in harmless): wrong.append(m.text)
    def opened(browser, url, ready=True, **kwargs):
        contexts.append(browser.new_context(**kwargs))
        page = contexts[-1].new_page()
        page.set_default_timeout(WAIT)
        page.on('pageerror', lambda e: wrong.append(str(e)))
        page.on('console', complained)
        page.on('request', lambda r: wrong.append(r.url) if not r.url.startswith((url, 'blob:')) else None)
        page.goto(url)
        if ready: state(page, 'ready')
        return page
    yield opened
    for o in contexts: o.close()
    assert not wrong


def state(page, name): page.wait_for_selector(f'#state[data-state={name}]')


def live(page, verdicts=6):
    page.click('#start')
    state(page, 'live')
    page.wait_for_function(f"document.querySelector('#overlay').dataset.verdicts.split(' ').length == {verdicts}")


def test_camera(chrome, new, url, detector, scene):
    "Boxes of the right colour where the faces are, counts, speed, history, pause, mirror, stop"
    page = new(chrome, url)
    live(page)
    faces = detector.predict(cv2.cvtColor(scene, cv2.COLOR_BGR2RGB))
    assert [f.label for f in faces] == page.get_attribute('#overlay', 'data-verdicts').split() == TRUTH
    for mirror in (True, False):
        page.set_checked('#mirror', mirror)
        page.wait_for_timeout(300)
        png = page.evaluate("document.querySelector('#overlay').toDataURL()").split(',')[1]
        shown = cv2.imdecode(np.frombuffer(base64.b64decode(png), np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
        size = shown.shape[1::-1]
        k = size[0]/scene.shape[1]
        for f in faces:
            x0,y0,x1,y1 = (v*k for v in f.box)
            x = size[0]-x0 if mirror else x0
            # the left side of the box, in the middle of its height
            edge = shown[round(y0*.6+y1*.4):round(y0*.3+y1*.7), max(0, round(x)-8):round(x)+9]
            assert (np.abs(edge-STYLES[f.label][1]).max(-1) < 12).any(1).mean() > .9, (f.label, mirror)
    assert [page.inner_text(f'#counts [data-label={l}] b') for l in STYLES] == ['2', '2', '2', '0']
    page.wait_for_function("+document.querySelector('#fps').textContent > 1")
    page.wait_for_function("/^[0-9]+ ms$/.test(document.querySelector('#latency').textContent)")
    page.wait_for_function("""() => {
      const o = document.querySelector('#counts canvas');
      const d = o.getContext('2d').getImageData(0, 0, o.width, o.height).data;
      let n = 0;
      for (let i = 0; i < d.length; i += 4) n += d[i] == 60 && d[i+1] == 175;
      return n > 5;
    }""")
    assert page.inner_text('#said') == '6 faces: 2 mask, 2 no mask, 2 worn wrong'
    page.click('#pause')
    assert page.get_attribute('#pause', 'aria-pressed') == 'true' and page.inner_text('#state') == 'Paused'
    page.click('#pause')
    state(page, 'live')
    page.click('#stop')
    state(page, 'ready')
    assert page.is_visible('#start') and page.evaluate("document.querySelector('#video').srcObject") is None


def test_pictures(chrome, new, url, tmp_path):
    "Chosen, dropped, pasted; a wrong one is told; the marked copy can be saved"
    page = new(chrome, url)
    (tmp_path/'broken.png').write_bytes(b'\x89PNG\r\n\x1a\n, no more')
    (tmp_path/'notes.txt').write_text('no picture')
    page.set_input_files('#files', [str(o) for o in (SAMPLE/'people.jpg', tmp_path/'broken.png', tmp_path/'notes.txt')])
    page.wait_for_selector('.wrong >> nth=1')
    assert page.locator('tbody tr').evaluate_all('rows => rows.map(o => o.dataset.label)') == TRUTH
    assert page.locator('tbody tr td:first-child').all_inner_texts() == list('123456')
    told = page.locator('.wrong').all_inner_texts()
    assert 'notes.txt is no picture' in told[0] and 'broken.png' in told[1] and 'damaged' in told[1]
    with page.expect_download() as download: page.click('text=Download with verdicts')
    copy = cv2.imread(download.value.path())
    assert download.value.suggested_filename == 'people-verdicts.jpg' and copy.shape == (720, 1280, 3)
    assert (np.abs(copy.astype(int) - cv2.imread(str(SAMPLE/'people.jpg'))).max(-1) > 40).mean() > .01
    give = """async ([kind, target]) => {
      const data = new DataTransfer(), blob = await (await fetch('/static/people.jpg')).blob();
      data.items.add(new File([blob], kind + '.jpg', {type: 'image/jpeg'}));
      if (kind == 'paste') return dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));
      const o = document.querySelector(target), how = {dataTransfer: data, bubbles: true, cancelable: true};
      const event = name => o.dispatchEvent(new DragEvent(name, how));
      event('dragenter');
      const hinted = !document.querySelector('#drop').hidden;
      event('dragover'); event('drop');
      return hinted && document.querySelector('#drop').hidden;
    }"""
    for kind in ('drop', 'paste'):
        assert page.evaluate(give, [kind, 'footer'])
        page.wait_for_selector(f'article:has-text("{kind}.jpg") td:has-text("no mask")')
    assert not page.locator('.wrong').count()


def test_no_camera_no_permission_no_https(browsers, chrome, new, url):
    "Each is said in words, and pictures can be judged all the same"
    refuses,has_none = browsers(FAKE, '--deny-permission-prompts'),browsers()
    there = url.replace('127.0.0.1', 'camera.example')
    for browser,address,words in ((refuses, url, 'may not use the camera'), (has_none, url, 'No camera was found'),
                                  (chrome, there, 'https://')):
        page = new(browser, address)
        page.click('#start')
        page.wait_for_selector(f'#note:has-text("{words}")')
        assert page.is_enabled('#start')
    page.click('#example')
    page.wait_for_selector('article td')


def test_labels_leave_each_other_room(chrome, new, url):
    "On a crowd, every label lies in the picture and covers no other, with and without words, mirrored or not"
    page = new(chrome, url)
    boxes = [[x, y, x + 60, y + 70] for y in (5, 90, 175) for x in range(-20, 900, 75)]
    draw = """async ([boxes, numbers, mirror, u]) => {
      const {draw} = await import('/static/verdicts.js'), canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [900, 300];
      const face = (box, i) => ({box, label: ['with_mask', 'without_mask', 'incorrect_mask'][i % 3], probs: {a: .97}});
      const places = draw(canvas.getContext('2d'), boxes.map(face), {numbers, mirror, u});
      return places.map(o => [o.x, o.y, o.x + o.w, o.y + o.h]);
    }"""
    for some,numbers,mirror,u in ((boxes[::3], True, False, 1), (boxes, True, True, 2), (boxes, False, False, 2)):
        places = page.evaluate(draw, [some, numbers, mirror, u])
        assert len(places) == len(some) and all(min(o) >= 0 and o[2] <= 900 and o[3] <= 300 for o in places)
        for k,a in enumerate(places):
            assert not any(min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1]) for b in places[:k])


def test_server_that_goes_away_and_returns(chrome, new, detector):
    port = free_port()
    def start():
        command = [sys.executable, '-W', 'ignore', '-c', MAIN, 'serve', '--port', str(port)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = start()
    try:
        for _ in range(300):
            with socket.socket() as s:
                if not s.connect_ex(('127.0.0.1', port)): break
            time.sleep(.1)
        page = new(chrome, f'http://127.0.0.1:{port}')
        live(page)
        server.kill()
        server.wait()
        state(page, 'lost')
        page.wait_for_selector('#note:has-text("Trying again")')
        assert page.is_visible('#retry') and page.get_attribute('#overlay', 'data-verdicts') == ''
        server = start()
        page.wait_for_selector('#state[data-state=live]', timeout=40_000) # nobody presses anything
        page.wait_for_function("document.querySelector('#overlay').dataset.verdicts != ''")
        assert not page.is_visible('#note')
    finally:
        server.kill()
        server.wait()


def test_key(chrome, new, detector):
    with serving(create_app(detector, api_key='Sésame, öffne dich')) as url:
        page = new(chrome, url, ready=False)
        for key in ('with a curly quote”', 'Sésame, öffne dich'):
            page.wait_for_selector('#ask[open]')
            page.fill('#key', key)
            page.press('#key', 'Enter')
        state(page, 'ready')
        live(page)
        page.click('#example')
        page.wait_for_selector('article td')
        assert page.evaluate('[localStorage.length, document.cookie]') == [0, '']
        page.evaluate('sessionStorage.clear()') # as if it had been changed meanwhile
        page.click('#stop'); page.click('#start')
        page.wait_for_selector('#ask[open]')
        page.keyboard.press('Escape')
        page.wait_for_selector('#note:has-text("Without a key")')


def test_busy(chrome, new, url):
    "The page says so, waits as long as it is told, and goes on"
    page = new(chrome, url)
    sent = []
    def answer(ws, message):
        sent.append(time.monotonic())
        if len(sent) == 1: ws.send(json.dumps(dict(error='busy', retry_after=1)))
        else: server.send(message)
    def route(ws):
        nonlocal server
        server = ws.connect_to_server()
        ws.on_message(lambda m: answer(ws, m))
    server = None
    page.route_web_socket(re.compile('/v1/stream'), route)
    tries = []
    def once(route):
        tries.append(route)
        if len(tries) > 1: return route.continue_()
        route.fulfill(status=503, headers={'Retry-After': '1'}, json=dict(error='busy; try again later'))
    page.route('**/v1/predict', once)
    page.click('#start')
    page.wait_for_selector('#note:has-text("all the work")')
    state(page, 'live')
    assert sent[1]-sent[0] > .9
    page.click('#example')
    page.wait_for_selector('#hint:has-text("busy")')
    page.wait_for_selector('article td')
    assert len(tries) == 2


def test_everybody_can_use_it(chrome, new, url):
    "Names, order, focus and announcements; a phone; less motion; dark"
    phone = dict(viewport=dict(width=390, height=844), has_touch=True, is_mobile=True)
    page = new(chrome, url, **phone, color_scheme='dark', reduced_motion='reduce')
    live(page)
    page.click('#example')
    page.wait_for_selector('article td')
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
    assert page.evaluate("""[...document.querySelectorAll('button, .button, select')].filter(o => o.offsetParent)
        .every(o => o.getBoundingClientRect().height >= 40)""")
    assert page.evaluate("getComputedStyle(document.querySelector('#state'), '::before').animationName") == 'none'
    names = page.evaluate("""[...document.querySelectorAll('button, input, select, canvas, video, img')]
        .filter(o => !o.closest('[aria-hidden]') && o.offsetParent)
        .map(o => [o.outerHTML.slice(0, 60), o.hasAttribute('alt')
                   || (o.getAttribute('aria-label') ?? o.labels?.[0]?.textContent ?? o.textContent)])""")
    assert len(names) > 8 and all(n for _,n in names), names
    heads = page.locator('h1, h2, h3').evaluate_all('all => all.map(o => +o.tagName[1])')
    assert heads[0] == 1 and heads.count(1) == 1 and all(b-a <= 1 for a,b in zip(heads, heads[1:]))
    assert page.locator('[aria-live], [role=status], [role=alert]').count() >= 3
    page.click('#stop')
    assert page.evaluate('document.activeElement.id') == 'start'
    page.keyboard.press('Enter') # the keyboard alone
    state(page, 'live')
    for _ in range(8):
        page.keyboard.press('Tab')
        if page.evaluate('document.activeElement.id') == 'stop': break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == 'solid'
    page.keyboard.press('Space')
    state(page, 'ready')
