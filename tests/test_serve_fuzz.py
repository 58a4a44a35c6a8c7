"The service against requests made up from its own description, and against hostile pictures: no 500, memory bounded"
import base64, io, struct, time, zlib

import numpy as np
import pytest

schemathesis = pytest.importorskip('schemathesis')
import requests
from hypothesis import HealthCheck, Phase, given, settings
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from maskdetect.bench import sample_frame
from maskdetect.core import MaskdetectError
from maskdetect.detect import FaceDetector
from serve_load import Service

PIXELS = 4_000_000
STEADY = dict(deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
              suppress_health_check=list(HealthCheck))


@pytest.fixture(scope='module')
def service():
    "In a process of its own, so that its memory can be looked at"
    try: FaceDetector()
    except MaskdetectError as e: pytest.skip(str(e))
    with Service('--max-pixels', PIXELS, '--max-mb', 4) as s: yield s


@pytest.fixture(scope='module')
def url(service): return f'http://127.0.0.1:{service.port}'


@pytest.mark.parametrize('mode', list(GenerationMode), ids=lambda m: m.name.lower())
def test_made_up_requests(url, mode):
    "Statuses, bodies and headers are those of the description, whether a request fits it or not"
    ways = {o.ok().path: o.ok() for o in schemathesis.openapi.from_url(f'{url}/openapi.json').get_all_operations()}
    assert len(ways) == 5
    for path,way in ways.items():
        if mode.is_negative and path != '/v1/predict': continue  # they take nothing that could be wrong
        @given(case=way.as_strategy(generation_mode=mode))
        @settings(max_examples=60 if path == '/v1/predict' else 2, **STEADY)
        def check(case):  # not every string is a picture
            case.call_and_validate(excluded_checks=[positive_data_acceptance], timeout=20)
        check()


def test_description(url):
    "It names every route, and its example is an answer"
    d = requests.get(f'{url}/openapi.json').json()
    assert set(d['paths']) == {'/v1/predict', '/v1/model', '/healthz', '/readyz', '/metrics'}
    body = d['paths']['/v1/predict']['post']['requestBody']['content']['application/json']
    for name,example in body['examples'].items():
        assert requests.post(f'{url}/v1/predict', json=example['value']).status_code == 200, name


# ---- hostile pictures

def png(width, height, rows=b'', mode=2):
    "A PNG that announces a size and holds some rows"
    def number(n): return struct.pack('>I', n)
    def chunk(kind, data): return number(len(data)) + kind + data + number(zlib.crc32(kind + data))
    head = struct.pack('>IIBBBBB', width, height, 8, mode, 0, 0, 0)
    parts = [(b'IHDR', head), (b'IDAT', zlib.compress(rows, 9)), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*o) for o in parts)


def saved(image, kind, **kwargs):
    out = io.BytesIO()
    image.save(out, kind, **kwargs)
    return out.getvalue()


def film():
    "A GIF of 61 large frames"
    more = [Image.new('P', (1500, 1500), k) for k in range(60)]
    return saved(Image.new('P', (1500, 1500)), 'GIF', save_all=True, append_images=more)


TEXT = struct.pack('>I', 11) + b'zTXt' + b'a\0\0' + zlib.compress(bytes(99))[:8] + bytes(4)
BMP = struct.pack('<IHHIIiiHHIIiiII', 100, 0, 0, 54, 40, 2**31-1, 2**31-1, 1, 24, 0, 0, 0, 0, 0, 0)
TOO_LARGE = dict(
    png_claims=png(50_000, 50_000),
    png_is=png(20_000, 1000, bytes(60_001*1000)),
    png_grey=png(60_000, 60_000, mode=0),
    png_huge=png(2**31-1, 2**31-1),
    gif=saved(Image.new('P', (60_000, 2000)), 'GIF'),
    webp=saved(Image.new('RGB', (16_000, 16_000)), 'WEBP', quality=1),
    tiff=saved(Image.new('1', (30_000, 30_000)), 'TIFF', compression='group4'),
    bmp=b'BM' + BMP,
    ppm=b'P6 100000 100000 255\n' + bytes(100))
BOMBS = TOO_LARGE | dict(
    png_empty=png(0, 0),
    png_lies=png(100, 100, bytes(50_000_000)),
    png_text=png(8, 8)[:-12] + TEXT*1000,
    film=film())


def ask(url, data, how):
    if how == 'form': return requests.post(f'{url}/v1/predict', files=dict(file=data), timeout=30)
    return requests.post(f'{url}/v1/predict', json=dict(image=base64.b64encode(data).decode()), timeout=30)


@pytest.mark.parametrize('how', ['form', 'json'])
def test_bombs(service, url, how):
    "Each is refused or judged within its limits, and the memory that it took is given back"
    ask(url, saved(Image.new('RGB', (2000, 2000)), 'JPEG'), how)
    before = service.memory()
    for name,data in BOMBS.items():
        assert len(data) < 1 << 20, name
        start = time.monotonic()
        for _ in range(3): r = ask(url, data, how)
        assert r.status_code in (200, 400, 413) and time.monotonic() - start < 20, (name, r.status_code, r.text)
        if name in TOO_LARGE: assert r.status_code in (400, 413), (name, r.text)
    assert service.memory() - before < 150, (before, service.memory())


def test_damaged_pictures(service, url):
    "A picture with some bytes turned over, cut, repeated or mixed up, in each format: an answer or 400"
    image,rng = Image.fromarray(sample_frame(320, 240, 1)),np.random.default_rng(0)
    whole = [saved(image, kind) for kind in ('JPEG', 'PNG', 'WEBP', 'BMP', 'GIF', 'TIFF')]
    def damaged(data):
        data,how = bytearray(data),rng.integers(4)
        if how == 0: return bytes(data[:rng.integers(len(data))])
        for _ in range(rng.integers(1, 30)):
            i = rng.integers(len(data) if how == 1 else min(200, len(data)))
            data[i] = rng.integers(256)
        return bytes(data if how < 3 else data[len(data)//2:] + data)
    before,seen = service.memory(),set()
    for _ in range(40):
        r = requests.post(f'{url}/v1/predict', files=[('file', damaged(o)) for o in whole], timeout=60)
        assert r.status_code == 200, r.text
        for o in r.json()['results']:
            seen.add('error' in o)
            assert ('error' in o) != ('faces' in o) and '\n' not in o.get('error', '')
    assert seen == {True, False} and service.memory() - before < 150
    assert requests.get(f'{url}/readyz').status_code == 200


def test_memory_of_large_bodies(service, url):
    "Bodies beyond the limit are not kept"
    before = service.memory()
    for _ in range(10): assert ask(url, bytes(60 << 20), 'form').status_code == 413
    assert service.memory() - before < 60
