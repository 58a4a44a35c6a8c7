"The documentation site builds, holds together, and asks no other host for anything"
import functools, http.server, re, subprocess, sys, threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
pytest.importorskip('myst_nb', reason="needs the docs extra: pip install 'maskdetect[docs]'")
pytest.importorskip('sphinx_book_theme', reason="needs the docs extra: pip install 'maskdetect[docs]'")
# what a browser fetches by itself
LOADS = {'img': 'src', 'script': 'src', 'iframe': 'src', 'source': 'src', 'video': 'src', 'link': 'href'}


class Page(HTMLParser):
    "Links, fetched resources, anchors and text of a page"
    def __init__(self, path):
        super().__init__()
        self.links = set()
        self.loads = set()
        self.ids = set()
        self.text = ''
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
    command = [sys.executable, ROOT/'.ci'/'site', out]  # some ten seconds on an idle machine
    made = subprocess.run(command, capture_output=True, text=True, timeout=300)
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
            if not url.fragment or there not in pages: continue
            assert unquote(url.fragment) in pages[there].ids | {'', 'top'}, f"{path.name}: {link}"


def test_nothing_comes_from_elsewhere(site, pages):
    for path,page in pages.items():
        assert not [o for o in page.loads if urlsplit(o).netloc], path.name
    for css in site.rglob('*.css'):
        assert not re.search(r'(url\(|@import )[\'"]?(https?:)?//', css.read_text(encoding='utf-8')), css


def test_hidden_cells_and_directives_are_not_shown(pages):
    for path,page in pages.items():
        assert '#|' not in page.text or path.name == 'contributing.html', path.name
        assert '/content' not in page.text, path.name


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass


@pytest.fixture(scope='module')
def browser(browsers): return browsers()


@pytest.fixture(params=['http', 'file'])
def home(site, request):
    "Where the site is: on a server, or opened as files"
    if request.param == 'file':
        yield site.as_uri()
        return
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()


def test_search_in_a_browser(home, browser):
    "A hit shows prose, and leads to its page; nothing comes from elsewhere"
    page,elsewhere = browser.new_page(),[]
    page.on('request', lambda r: elsewhere.append(r.url) if not r.url.startswith((home, 'data:')) else None)
    page.goto(f'{home}/search.html?q=lr_find')
    hit = page.wait_for_selector('#search-results li:has(a[href*="01_first_model.html"])', timeout=20_000)
    assert 'lr_find' in hit.wait_for_selector('p.context').inner_text() and 'learn.' not in hit.inner_text()
    hit.query_selector('a').click()
    page.wait_for_url('**/01_first_model.html*')
    page.close()
    assert not elsewhere


@pytest.mark.parametrize('width', [390, 1000])
def test_nothing_to_scroll_sideways(site, browser, width):
    "The page itself, and its code"
    page = browser.new_page(viewport=dict(width=width, height=800))
    for name in ('index', '04_train', '90_cli'):
        page.goto(f'{site.as_uri()}/{name}.html')
        assert page.evaluate('document.documentElement.scrollWidth') <= width
        wide = "[...document.querySelectorAll('.cell_input pre')].filter(o => o.scrollWidth > o.clientWidth + 1).length"
        assert page.evaluate(wide) == 0
    page.close()
