"What is generated fits what it was generated from"
import re, subprocess
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent


def sh(command, cwd=ROOT):
    return subprocess.run(command, shell=True, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def clone(tmp_path):
    "A copy of the checkout as it is now, with everything committed in it"
    files = sh('git ls-files --cached --others --exclude-standard').splitlines()
    for f in files:
        if (ROOT/f).exists():
            (tmp_path/f).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path/f).write_bytes((ROOT/f).read_bytes())
    sh('git init -q && git add -A && git -c user.name=t -c user.email=t@t commit -qm start', cwd=tmp_path)
    return tmp_path


def test_export_and_clean_change_nothing(clone):
    sh('nbdev-export && nbdev-clean', cwd=clone)
    assert sh('git status --porcelain', cwd=clone) == ''


def test_readme_is_rendered_from_index(clone):
    sh('python .ci/readme', cwd=clone)
    assert sh('git status --porcelain', cwd=clone) == ''


def test_readme_is_short():
    assert (ROOT/'README.md').stat().st_size <= 8000


def test_links_inside_the_repository():
    "Every relative link and picture in the README and the notebooks points at a file"
    pages = [ROOT/'README.md', ROOT/'CONTRIBUTING.md', *(ROOT/'nbs').glob('*.ipynb')]
    for page in pages:
        if page.suffix == '.md': text = page.read_text(encoding='utf-8')
        else: text = '\n'.join(c.source for c in nbformat.read(page, 4).cells if c.cell_type == 'markdown')
        for link in re.findall(r'\]\(([^)#\s]+)', text):
            if '://' not in link: assert (page.parent/link).exists(), f"{page.name}: {link}"


def test_one_version():
    "The version stands in settings.ini; changelog and citation repeat it"
    version = re.search(r'^version = (.+)$', (ROOT/'settings.ini').read_text(), re.M)[1]
    assert f'## {version}' in (ROOT/'CHANGELOG.md').read_text()
    assert f'version: {version}\n' in (ROOT/'CITATION.cff').read_text()
    for f in ('setup.py', 'pyproject.toml', 'maskdetect/__init__.py'): assert version not in (ROOT/f).read_text()


@pytest.mark.parametrize('nb', sorted((ROOT/'nbs').glob('*.ipynb')), ids=lambda p: p.name)
def test_notebook_is_small_and_whole(nb):
    "Outputs are there, small, and hold no error"
    cells = nbformat.read(nb, 4).cells
    assert nb.stat().st_size < 1_500_000
    assert not [o for c in cells for o in c.get('outputs', []) if o.output_type == 'error']
    assert cells[0].source.startswith('# ')
