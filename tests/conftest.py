"What tests of several files share"
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope='module')
def browsers():
    "Starts headless Chromium; skips where there is none"
    missing = "playwright is not installed; run: pip install 'maskdetect[dev]'"
    sync_api = pytest.importorskip('playwright.sync_api', reason=missing)
    with sync_api.sync_playwright() as p:
        found = [o for n in ('chromium', 'chromium-browser', 'google-chrome', 'chrome') if (o := shutil.which(n))]
        path = Path(found[0] if found else p.chromium.executable_path)
        if not path.exists(): pytest.skip("no Chromium: apt install chromium, or playwright install chromium")
        opened = []
        def start(*args):
            opened.append(p.chromium.launch(executable_path=path, args=['--no-sandbox', *args]))
            return opened[-1]
        yield start
        for o in opened: o.close()
