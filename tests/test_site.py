"The documentation site builds, holds together, and asks no other host for anything"
import functools, http.server, os, re, shutil, subprocess, sys, threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
pytest.importorskip('myst_nb', reason="needs the docs extra: pip install 'maskdetect[docs]'")
pytest.importorskip('sphinx_book_theme', reason="needs the docs extra: pip install 'maskdetect[docs]'")
LOADS = {'img': 'src', 'script': 'src', 'iframe': 'src', 'source': 'src', 'video': 'src', 'link': 'href'}  # what a browser fetches by itself


class Page(HTMLParser):
    "Links, fetched resources, anchors and text of a page"
    def __init__(self, path):
        super().__init__()
        self.links,self.loads,self.ids,self.text = set(), set(), set(), ''
        self.feed(path.read_text(encoding='utf-8'))
    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get('id'): self.ids.add(attrs['id'])
        if tag == 'a' and attrs.get('href'): self.links.add(attrs['href'])
        if attrs.get(LOADS.get(tag)): self.loads.add(attrs[LOADS[tag]])
    def handle_data(self, data): self.text += data


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp('site')/'html'
    made = subprocess.run([sys.executable, ROOT/'.ci'/'site', out], capture_output=True, text=True, timeout=300)  # some ten seconds on an idle machine
    assert made.returncode == 0, made.stderr
    return out


@pytest.fixture(scope='module')
def pages(site): return {p: Page(p) for p in site.rglob('*.html') if '_static' not in p.parts}


def test_every_notebook_has_a_page_and_a_place(site, pages):
    links = pages[site/'index.html'].links
    for nb in (ROOT/'nbs').glob('[0-9]*.ipynb'): assert f'{nb.stem}.html' in links


def test_links_and_pictures_lead_somewhere(site, pages):
    for path,page in pages.items():
        for link in page.links | page.loads:
            url = urlsplit(link)
            if url.scheme or link.startswith('data:'): continue
            there = (path.parent/unquote(url.path)).resolve() if url.path else path
            assert there.exists(), f"{path.name}: {link}"
            if url.fragment and there in pages: assert unquote(url.fragment) in pages[there].ids | {'', 'top'}, f"{path.name}: {link}"


def test_nothing_comes_from_elsewhere(site, pages):
    for path,page in pages.items():
        assert not [o for o in page.loads if urlsplit(o).netloc], path.name
    for css in site.rglob('*.css'): assert not re.search(r'(url\(|@import )[\'"]?(https?:)?//', css.read_text(encoding='utf-8')), css


def test_hidden_cells_and_directives_are_not_shown(pages):
    for path,page in pages.items():
        assert '#|' not in page.text or path.name == 'contributing.html', path.name
        assert '/content' not in page.text, path.name


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass


@pytest.fixture(scope='module')
def browser():
    sync_api = pytest.importorskip('playwright.sync_api', reason='needs playwright')
    with sync_api.sync_playwright() as p:
        chromium = shutil.which('chromium') or shutil.which('google-chrome') or p.chromium.executable_path
        if not os.path.exists(chromium): pytest.skip('needs Chromium: playwright install chromium')
        browser = p.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.mark.parametrize('scheme', ['http', 'file'])
def test_search_in_a_browser(site, browser, scheme):
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = f'http://127.0.0.1:{server.server_port}' if scheme == 'http' else site.as_uri()
    page,elsewhere = browser.new_page(viewport=dict(width=390, height=800)), []
    page.on('request', lambda r: elsewhere.append(r.url) if not r.url.startswith((home, 'data:')) else None)
    try:
        page.goto(f'{home}/index.html')
        assert page.evaluate('document.documentElement.scrollWidth') <= 390  # a phone need not scroll sideways
        page.goto(f'{home}/search.html?q=lr_find')
        page.wait_for_selector('#search-results a[href*="04_train.html"]', timeout=20_000)
        page.click('#search-results a[href*="04_train.html"]')
        page.wait_for_url('**/04_train.html*')
    finally:
        page.close()
        server.shutdown()
    assert not elsewhere
