"The service: key, other sites, headers, limits, stream, nothing on the disk, and how it starts and stops"
import asyncio, base64, json, os, re, signal, socket, subprocess, sys, time
from pathlib import Path

import pytest

requests = pytest.importorskip('requests')
serve = pytest.importorskip('maskdetect.serve', reason='the extra [serve] is not installed', exc_type=Exception)
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from maskdetect.core import SAMPLE, MaskdetectError
from maskdetect.detect import MaskDetector
from maskdetect.judge import Limits
from maskdetect.serve import create_app, serving
from serve_load import MAIN, jpeg


@pytest.fixture(scope='module')
def detector():
    try: return MaskDetector()
    except MaskdetectError as e: pytest.skip(str(e))


@pytest.fixture(scope='module')
def picture(): return jpeg(640, 480, 4)


@pytest.fixture(scope='module')
def url(detector):
    "A service with small limits"
    limits = Limits(mb=1, pixels=2_000_000, faces=8, pictures=3)
    with serving(create_app(detector, api_key='', limits=limits)) as u: yield u


@pytest.fixture(scope='module')
def locked(detector):
    with serving(create_app(detector, api_key='sécret', cors=['https://good.example'])) as u: yield u


def post(url, *pictures, **kwargs):
    return requests.post(f'{url}/v1/predict', files=[('file', o) for o in pictures], timeout=30, **kwargs)


# ---- answers

def test_three_ways_give_one_answer(url, detector, picture):
    want = [f.to_dict() for f in detector.predict(picture)]
    text = base64.b64encode(picture).decode()
    wrapped = '\n'.join(text[i:i+76] for i in range(0, len(text), 76))  # as the program base64 does
    assert len(want) == 4
    ways = text,wrapped,'data:image/jpeg;base64,' + text
    said = [post(url, picture), *(requests.post(f'{url}/v1/predict', json=dict(image=o)) for o in ways)]
    for r in said:
        d = r.json()
        assert r.status_code == 200 and d['faces'] == want and (d['width'], d['height']) == (640, 480)
        assert d['model']['labels'] == detector.model.labels
        assert d['ms']['total'] >= d['ms']['detect'] > 0 and len(d['model']['digest']) == 12


def test_many(url, picture):
    other = jpeg(320, 240, 1)
    r = post(url, picture, b'no picture', other).json()['results']
    assert [len(o.get('faces', [])) for o in r] == [4, 0, 1] and list(r[1]) == ['error'] and r[2]['width'] == 320
    r = requests.post(f'{url}/v1/predict', json=dict(images=[base64.b64encode(other).decode()])).json()
    assert list(r) == ['results'] and len(r['results']) == 1


def test_an_empty_room_is_an_answer(url): assert post(url, jpeg(320, 240, 0)).json()['faces'] == []


def test_about_the_model(url, detector):
    d = requests.get(f'{url}/v1/model').json()
    info = detector.model.info
    assert (d['threshold'], d['size'], d['limits']['faces']) == (info.threshold, info.size, 8)
    assert requests.get(f'{url}/healthz').json() == dict(status='alive')
    assert requests.get(f'{url}/readyz').status_code == 200


def test_figures(url, picture):
    def value(name):
        lines = [o for o in requests.get(f'{url}/metrics').text.splitlines() if o.startswith(name)]
        return sum(float(o.split()[-1]) for o in lines)
    route = 'route="/v1/predict"'
    names = ('maskdetect_faces_total', f'maskdetect_requests_total{{{route},status="200"}}',
             f'maskdetect_request_seconds_count{{{route}}}')
    before = [value(o) for o in names]
    post(url, picture)
    assert [value(o) - b for o,b in zip(names, before)] == [4, 1, 1] and value('maskdetect_waiting') == 0


# ---- refusals

JSON,FORM = {'Content-Type': 'application/json'},{'Content-Type': 'multipart/form-data; boundary=y'}
WRONG = [{}, [], 5, {'image': 1}, {'images': []}, {'images': 'x'}, {'images': [None]}, {'image': 'x', 'images': ['x']}]


@pytest.mark.parametrize('status, words, request_', [
    (400, 'not a picture', dict(files=dict(file=b'GIF8'))),
    (400, 'damaged', dict(files=dict(file=jpeg(640, 480, 1)[:4000]))),
    (400, 'base64', dict(json=dict(image='é'))),
    (400, 'empty', dict(json=dict(image=''))),
    (400, 'no JSON', dict(data=b'\xff', headers=JSON)),
    (400, 'no JSON', dict(data=b'['*100_000, headers=JSON)),
    (400, 'damaged form', dict(data=b'x', headers=FORM)),
    (400, 'damaged form', dict(data=b'x', headers={'Content-Type': 'multipart/form-data'})),
    (413, 'limit of 1 MB', dict(files=dict(file=bytes(5 << 20)))),
    (413, 'limit of 1 MB', dict(data=(bytes(1 << 16) for _ in range(40)), headers=JSON)),
    (413, 'pixels are more than the limit of 2,000,000', dict(files=dict(file=jpeg(2000, 1500, 0)))),
    (413, 'faces are more than the limit of 8', dict(files=dict(file=jpeg(1280, 720, 12)))),
    (415, 'send a form', dict(data=b'x')),
    (415, 'send a form', dict(data=b'x', headers={'Content-Type': 'image/jpeg'})),
    (422, '4 pictures are more', dict(files=[('file', b'x')]*4)),
    (422, "named 'file'", dict(files=dict(photo=b'x'))),
    (422, "named 'file'", dict(files=dict(file=(None, 'a field')))),
    *((422, 'send {', dict(json=o)) for o in WRONG)])
def test_refused(url, status, words, request_):
    r = requests.post(f'{url}/v1/predict', timeout=30, **request_)
    why = r.json()
    assert (r.status_code, list(why)) == (status, ['error']), r.text
    assert words in why['error'] and '\n' not in why['error'], r.text


def test_other_routes(url):
    ways = {'v1/predict': 405, 'none': 404, 'docs': 404, 'static/../serve.py': 404, 'static/%2e%2e/serve.py': 404}
    for path,status in ways.items():
        r = requests.get(f'{url}/{path}')
        assert r.status_code == status and list(r.json()) == ['error']
    pointed_to = re.search(r'<noscript>.*see (/[\w./]*\w)', requests.get(url).text)[1]
    assert requests.get(url + pointed_to).status_code == 200
    assert requests.get(f'{url}/static/people.jpg').content == (SAMPLE/'people.jpg').read_bytes()


def test_slow_sender_and_slow_answer(detector, picture):
    "408 and 504; then it goes on as before"
    with serving(create_app(detector, api_key='', limits=Limits(seconds=.5))) as u:
        host,port = u.removeprefix('http://').split(':')
        with socket.create_connection((host, int(port))) as s:
            heads = b'POST /v1/predict HTTP/1.1', b'Host: x', b'Content-Type: application/json', b'Content-Length: 100'
            s.sendall(b'\r\n'.join([*heads, b'', b'{']))
            assert b' 408 ' in s.recv(4096)
        assert requests.get(f'{u}/readyz').status_code == 200

    class Slow:
        model,detector_ = detector.model,detector.detector
        def detect(self, image): time.sleep(1); return self.detector_.detect(image)
    with serving(create_app(MaskDetector(detector.model, Slow()), api_key='', limits=Limits(seconds=.3))) as u:
        r = post(u, picture)
        assert r.status_code == 504 and 'limit of 0.3 seconds' in r.json()['error']


def test_a_decoder_that_hangs_is_ended(detector, picture, monkeypatch):
    "Here it hangs for as many seconds as pixels are allowed; the next picture is opened"
    limits = Limits(seconds=2, pixels=2_000_000)
    with serving(create_app(detector, api_key='', limits=limits)) as u:
        with monkeypatch.context() as m:
            m.setattr('maskdetect.judge.read_image', _hang)
            r = post(u, picture)
        assert r.status_code == 400 and 'more than 1 seconds' in r.json()['error']
        assert len(post(u, picture).json()['faces']) == 4


def _hang(data, pixels, least): time.sleep(pixels)


def test_a_bug_is_one_line(detector, picture):
    class Broken:
        def detect(self, image): raise ZeroDivisionError
    app = create_app(MaskDetector(detector.model, Broken()), api_key='')
    with serving(app) as u:
        r = post(u, picture)
        assert r.status_code == 500 and list(r.json()) == ['error'] and 'Traceback' not in r.text
        assert 'X-Content-Type-Options' in r.headers
        assert app.state.service.gate.taken['request'] == 0


# ---- who may

def test_headers(url, picture):
    for r in (requests.get(f'{url}/'), post(url, picture), requests.get(f'{url}/none')):
        h = r.headers
        policy = h['Content-Security-Policy']
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and 'unsafe' not in policy
        assert (h['X-Content-Type-Options'], h['Referrer-Policy']) == ('nosniff', 'no-referrer')
        assert 'camera=(self)' in h['Permissions-Policy'] and 'server' not in h
        assert 'Access-Control-Allow-Origin' not in h


def test_key(locked, picture):
    for headers in ({}, {'X-API-Key': 'secret'}, {'Authorization': 'Bearer '}, {'X-API-Key': b'\xff'}):
        told = [requests.get(f'{locked}/{o}', headers=headers) for o in ('v1/model', 'metrics')]
        for r in (post(locked, picture, headers=headers), *told):
            assert r.status_code == 401 and 'Bearer' in r.headers['WWW-Authenticate']
            assert 'X-API-Key' in r.json()['error']
    for headers in ({'X-API-Key': 'sécret'.encode()}, {'Authorization': 'Bearer sécret'.encode()}):
        assert post(locked, picture, headers=headers).status_code == 200
    for path in ('/', '/healthz', '/readyz', '/openapi.json'): assert requests.get(locked + path).status_code == 200
    assert post(locked, bytes(5 << 20)).status_code == 401  # whoever has no key may send a lot, and is told


def test_key_from_the_environment(detector, monkeypatch):
    monkeypatch.setenv('MASKDETECT_API_KEY', 'k')
    assert [create_app(detector, api_key=o).state.service.gate.key for o in (None, '')] == [b'k', b'']


def test_cors(url, locked):
    ask = {'Origin': 'https://good.example', 'Access-Control-Request-Method': 'POST',
           'Access-Control-Request-Headers': 'X-API-Key'}
    r = requests.options(f'{locked}/v1/predict', headers=ask)
    assert r.status_code == 200 and r.headers['Access-Control-Allow-Origin'] == 'https://good.example'
    for u,headers in ((url, ask), (locked, ask | dict(Origin='https://evil.example'))):
        assert 'Access-Control-Allow-Origin' not in requests.options(f'{u}/v1/predict', headers=headers).headers


# ---- the stream

def ws(url, talk, **kwargs):
    async def go():
        async with connect(url.replace('http', 'ws') + '/v1/stream', **kwargs) as c:
            return await asyncio.wait_for(talk(c), 30)
    return asyncio.run(go())


def test_stream(url, picture):
    "Answers in order, each with its number; what is no picture is said so, and the stream goes on"
    sent = [picture, b'junk', jpeg(320, 240, 1), b'', jpeg(2000, 1500, 0),
            jpeg(400, 300, 1, kind='.png'), jpeg(400, 300, 1, kind='.webp')]
    async def talk(c):
        for o in sent: await c.send(o)  # all at once
        return [json.loads(await c.recv()) for _ in sent]
    said = ws(url, talk)
    assert [d['frame'] for d in said] == list(range(7))
    assert [len(d.get('faces', 'x')) for d in said] == [4, 1, 1, 1, 1, 1, 1]
    assert [k for k,d in enumerate(said) if 'error' in d] == [1, 3, 4]
    assert said[2]['width'] == 320 and 'pixels' in said[4]['error']


def test_stream_refuses_what_is_too_large(url):
    async def talk(c):
        await c.send(bytes(2 << 20))
        await c.recv()
    with pytest.raises(ConnectionClosed) as e: ws(url, talk, max_size=None)
    assert e.value.rcvd.code == 1009


def test_stream_with_key(locked, picture):
    async def answer(c, first): await c.send(first); return json.loads(await c.recv())
    async def right(c): await c.send(json.dumps(dict(key='sécret'))); return await answer(c, picture)
    assert len(ws(locked, right)['faces']) == 4
    headers = {'Authorization': 'Bearer s\u00c3\u00a9cret'}
    assert len(ws(locked, lambda c: answer(c, picture), additional_headers=headers)['faces']) == 4
    for first in (picture, 'x', '{}', '[]', '{"key": "wrong"}', '{"key": 1}', '['*100_000):
        async def wrong(c):
            d = await answer(c, first)
            with pytest.raises(ConnectionClosed): await c.recv()
            return d,c.close_code
        d,code = ws(locked, wrong)
        assert list(d) == ['error'] and code == 1008


def test_stream_and_other_sites(url, locked):
    async def nothing(c): return True
    assert ws(url, nothing) and ws(url, nothing, origin=url) and ws(locked, nothing, origin='https://good.example')
    evil = 'https://good.example.evil.example'
    for u,origin in ((url, 'https://evil.example'), (url, 'null'), (locked, evil), (locked, 'http://good.example')):
        with pytest.raises(InvalidStatus): ws(u, nothing, origin=origin)


def test_stream_when_busy(detector, picture):
    class Slow:
        def detect(self, image): time.sleep(.5); return detector.detector.detect(image)
    with serving(create_app(MaskDetector(detector.model, Slow()), api_key='', limits=Limits(waiting=1))) as u:
        async def talk(c):
            other = asyncio.create_task(asyncio.to_thread(post, u, picture))
            await asyncio.sleep(.1)
            start = time.monotonic()
            await c.send(picture)
            busy = json.loads(await c.recv())
            assert busy == dict(error='busy', retry_after=1, frame=0) and time.monotonic() - start < .3
            assert len((await other).json()['faces']) == 4
            await c.send(picture)
            assert json.loads(await c.recv())['frame'] == 1
        ws(u, talk)


def opened(url, *text):
    "A raw connection that asked for a stream and sent these short texts, and the answer to the former"
    s = socket.create_connection(url.removeprefix('http://').split(':'))
    heads = [b'GET /v1/stream HTTP/1.1', b'Host: x', b'Connection: Upgrade', b'Upgrade: websocket',
             b'Sec-WebSocket-Version: 13', b'Sec-WebSocket-Key: ' + base64.b64encode(bytes(16))]
    s.sendall(b'\r\n'.join([*heads, b'', b'']))
    said = s.recv(4096)
    for o in text: s.sendall(bytes([0x81, 0x80 | len(o)]) + bytes(4) + o)
    return s,said


def test_open_streams_are_counted(detector, capsys):
    "As many as there are places, key or not (half a frame takes memory too); one sent away counts until it goes"
    app = create_app(detector, api_key='k', limits=Limits(waiting=2))
    def are_open(n):
        for _ in range(100):
            if app.state.service.gate.taken['stream'] == n: return True
            time.sleep(.02)
    with serving(app) as u:
        for text in ((), (b'no key',)):
            some = [opened(u, *text) for _ in range(2)]
            assert all(b' 101 ' in said for _,said in some)
            time.sleep(.2)
            refused,said = opened(u)
            assert b' 503 ' in said and b'retry-after: 1\r\n' in said and are_open(2)
            for s,_ in [*some, (refused, '')]: s.close()
            assert are_open(0)
        figures = requests.get(f'{u}/metrics', headers={'X-API-Key': 'k'}).text
        assert 'maskdetect_rejected_total 2.0' in figures and 'maskdetect_waiting 0.0' in figures
    assert 'ERROR' not in capsys.readouterr().err


def test_silent_connections_are_closed(detector, picture):
    "Honest clients are served while 2,000 say nothing, or half a head, and others hold streams; the silent ones go"
    app = create_app(detector, api_key='', limits=Limits(seconds=1, waiting=8))
    with serving(app) as u:
        address = u.removeprefix('http://').split(':')
        silent = [socket.create_connection(address) for _ in range(2000)]
        for s in silent[::2]: s.sendall(b'GET / HTTP/1.1\r\nHost: ')
        streams = [opened(u) for _ in range(200)]
        assert sum(b' 101 ' in said for _,said in streams) == 8
        assert len(post(u, picture).json()['faces']) == 4 and requests.get(f'{u}/readyz').status_code == 200
        time.sleep(1.2)
        late = [opened(u) for _ in range(8)]
        assert sum(b' 101 ' in said for _,said in late) >= 4
        time.sleep(1.5)
        for s in silent: s.settimeout(.2)
        assert all(s.recv(9) == b'' for s in silent)
        for s in [*silent, *(o for o,_ in streams + late)]: s.close()


def test_pages_of_others(detector, picture, url, locked):
    "A page of another site, a name of the internet that leads to 127.0.0.1, and guesses of the key"
    assert post(url, picture, headers={'Origin': 'https://evil.example'}).status_code == 403
    assert post(url, picture, headers={'Origin': url}).status_code == 200
    with serving(create_app(detector, api_key='', names=['127.0.0.1', 'masks.example'])) as u:
        for host,status in (('evil.example:8000', 400), ('masks.example', 200), ('127.0.0.1:1', 200)):
            assert requests.get(f'{u}/readyz', headers={'Host': host}).status_code == status
    start = time.monotonic()
    assert post(locked, picture, headers={'X-API-Key': 'guess'}).status_code == 401 and time.monotonic() - start >= 1


# ---- nothing stays

def test_nothing_is_written(detector, tmp_path):
    "Every file that Python opens to write while large pictures are sent in every way; what reaches the log"
    code = """
import asyncio, base64, io, json, logging, os, sys
import cv2, numpy as np, requests
from websockets.sync.client import connect
from maskdetect.serve import create_app, serving
noise = np.random.default_rng(0).integers(0, 255, (1300, 1300, 3), np.uint8)
data = cv2.imencode('.png', noise)[1].tobytes()
assert len(data) > 4 << 20
small = cv2.imencode('.png', noise[:800, :800])[1].tobytes()
assert len(small) > 1 << 20
log = io.StringIO()
logging.basicConfig(stream=log, level=logging.INFO)
for name in ('urllib3', 'websockets.client'): logging.getLogger(name).disabled = True
written = []
def watch(event, args):
    if event != 'open' or not isinstance(args[2], int): return
    if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT): written.append(str(args[0]))
with serving(create_app(api_key='')) as url:
    requests.get(url + '/readyz')
    sys.addaudithook(watch)
    text = base64.b64encode(data).decode()
    assert requests.post(url + '/v1/predict', files=dict(file=('my-name.png', data))).status_code == 200
    assert requests.post(url + '/v1/predict', json=dict(image=text)).status_code == 200
    assert requests.post(url + '/v1/predict', files=[('file', data[:3000]), ('file', b'x')]).status_code == 200
    with connect(url.replace('http', 'ws') + '/v1/stream') as ws:
        ws.send(small); assert 'faces' in ws.recv()
        ws.send(data[:5000]); assert 'error' in ws.recv()
print(json.dumps([[o for o in written if o != os.devnull], log.getvalue()]))
"""
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    written, log = json.loads(done.stdout)
    assert not written and not list(tmp_path.iterdir())
    assert 'my-name' not in log and len(log) < 2000, log


# ---- start and stop

def test_health_of_the_container(url):
    "A proxy that the container is told of is none for itself"
    dockerfile = (Path(__file__).parents[1]/'Dockerfile').read_text()
    command = json.loads(re.search(r'HEALTHCHECK.*\\\n *CMD (.*)', dockerfile)[1])
    env = {k: v for k,v in os.environ.items() if k.lower() != 'no_proxy'} | dict(http_proxy='http://127.0.0.1:9')
    for u,healthy in ((url, True), (url + '/none', False)):
        there = [o.replace('http://127.0.0.1:8000', u) for o in command[1:]]
        assert healthy == (not subprocess.run([sys.executable, *there], env=env, capture_output=True).returncode)


def started(*args, env=None):
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
    p = subprocess.Popen([sys.executable, '-c', MAIN, 'serve', '--port', '0', *args], **pipes)
    lines = [p.stdout.readline(), p.stdout.readline()]
    return p,next((w for w in lines[1].split() if w.startswith('http')), None)


@pytest.mark.parametrize('how', [signal.SIGTERM, signal.SIGINT])
def test_stops_when_the_work_is_done(detector, how):
    "A request that is in work is answered; then it goes, without a traceback"
    import threading
    p,url = started()
    for _ in range(100):
        try: requests.get(url); break
        except OSError: time.sleep(.05)
    said = []
    many = [('file', jpeg(1280, 720, 4))]*12
    t = threading.Thread(target=lambda: said.append(requests.post(f'{url}/v1/predict', files=many).json()))
    t.start()
    time.sleep(.15)
    p.send_signal(how)
    t.join()
    out,err = p.communicate(timeout=20)
    assert len(said[0]['results']) == 12 and 'Traceback' not in err and len(err.strip().splitlines()) <= 1, err
    assert p.returncode in (0, 130, 143)


def test_lines_on_the_terminal(detector):
    "Each trouble is one line"
    with socket.create_server(('127.0.0.1', 0)) as s:
        wrong = {f'{s.getsockname()[1]}': 'in use', '70000': 'no port',
                 '0 --host no.such.host.invalid': 'cannot listen',
                 '0 --model none.onnx': 'no such model', '0 --max-waiting 0': 'waiting must be more'}
        for args,words in wrong.items():
            command = [sys.executable, '-c', MAIN, 'serve', '--port', *args.split()]
            p = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert p.returncode == 1 and words in p.stderr and not p.stdout, p.stderr
            assert len(p.stderr.splitlines()) == 1, p.stderr
    for env,lines in (({}, 1), (dict(MASKDETECT_API_KEY='k'), 0)):
        p,url = started('--host', '0.0.0.0', env=env)
        others = p.stdout.readline()
        assert url.startswith('http://127.0.0.1:') and '0.0.0.0' not in others and 'from other machines http' in others
        for address in (url, re.search(r'http://\S+', others)[0]):
            for _ in range(100):
                try: assert requests.get(f'{address}/healthz').status_code == 200; break
                except requests.ConnectionError: time.sleep(.05)
            else: assert False, address
        p.terminate()
        assert len(p.communicate(timeout=20)[1].splitlines()) == lines


def test_light():
    heavy = ('torch', 'fastai', 'pandas', 'matplotlib', 'gradio', 'fastapi', 'pydantic')
    code = f"import sys, maskdetect.serve; print([o for o in {heavy} if o in sys.modules])"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip() == '[]'
