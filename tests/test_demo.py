"The Gradio demo, in a browser: a drawn picture in, a labelled one out"
import base64

import cv2
import numpy as np
import pytest

pytest.importorskip('gradio', reason='the extra [demo] is not installed')
from maskdetect.core import SAMPLE, MaskdetectError
from maskdetect.demo import demo
from maskdetect.draw import STYLES


@pytest.fixture(scope='module')
def url():
    try: page = demo(wait=False)
    except MaskdetectError as e: pytest.skip(str(e))
    yield page.local_url
    page.close(verbose=False)


@pytest.fixture(scope='module')
def chrome(browsers): return browsers()


@pytest.fixture
def page(chrome, url):
    "The open demo, which asks no other server for anything"
    hosts,page = set(),chrome.new_page()
    page.set_default_timeout(60_000)
    page.on('request', lambda r: hosts.add(r.url.split('/')[2]))
    page.goto(url)
    page.wait_for_selector('text=Drawn examples')
    yield page
    assert hosts == {url.split('/')[2]}


def pixels(page, where):
    "A picture as the browser shows it"
    src = page.wait_for_selector(f'{where} img').get_attribute('src')
    data = page.evaluate("""async src => {
      const bytes = new Uint8Array(await (await fetch(src)).arrayBuffer());
      return btoa(Array.from(bytes, v => String.fromCharCode(v)).join(''));
    }""", src)
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def test_picture(page):
    page.set_input_files('input[type=file] >> nth=0', str(SAMPLE/'people.jpg'))
    page.wait_for_selector('#words:has-text("6 faces: 2 mask, 2 no mask, 2 worn wrong")')
    marked,plain = pixels(page, '#marked'),cv2.imread(str(SAMPLE/'people.jpg'))[..., ::-1].astype(int)
    assert marked.shape == plain.shape
    for label in ('with_mask', 'without_mask', 'incorrect_mask'):
        now,before = ((np.abs(o-STYLES[label][1]).max(-1) < 30).sum() for o in (marked, plain))
        assert now > before + 1000, label
    page.fill('input[type=number]', '0.99')
    page.press('input[type=number]', 'Enter')
    page.dispatch_event('input[type=number]', 'blur')
    page.wait_for_selector('#words:has-text("unsure")')


def test_damaged_picture_is_told(page, tmp_path):
    (tmp_path/'broken.png').write_bytes(b'\x89PNG\r\n\x1a\n, no more')
    page.set_input_files('input[type=file] >> nth=0', str(tmp_path/'broken.png'))
    page.wait_for_selector('.toast-body, [data-testid=toast-body]')
    page.reload() # and it goes on
    page.set_input_files('input[type=file] >> nth=0', str(SAMPLE/'crowd.jpg'))
    page.wait_for_selector('#words:has-text("faces")')


def test_phone(chrome, url):
    "All six columns of the table can be seen on a narrow screen"
    context = chrome.new_context(viewport=dict(width=390, height=844), is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(url)
    page.set_input_files('input[type=file] >> nth=0', str(SAMPLE/'people.jpg'))
    page.wait_for_selector('#words:has-text("6 faces")', timeout=60_000)
    page.wait_for_function("document.querySelectorAll('#faces [data-testid^=cell-]').length >= 36", timeout=60_000)
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
    cells = page.locator('#faces [data-testid^=cell-]')
    assert max(cells.evaluate_all('all => all.map(o => o.getBoundingClientRect().right)')) <= 390
    context.close()


def test_clip(page):
    page.click('role=tab[name=Video]')
    page.set_input_files('[role=tabpanel]:visible input[type=file]', str(SAMPLE/'walk.webm'))
    page.wait_for_selector('video:visible')
    page.click('text=Judge the clip')
    page.wait_for_function("document.querySelector('#summary textarea')?.value.includes('people')", timeout=120_000)
    seen = page.wait_for_selector('#film video')
    page.wait_for_function("document.querySelector('#film video').videoWidth == 640") # the browser can play it
    assert seen.get_attribute('src').endswith('.webm')
