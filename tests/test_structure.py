"The plan of the package: what may import what, and how large things may grow (`python .ci/counts` prints the counts)"
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from statistics import median

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
loader = SourceFileLoader('counts', str(ROOT/'.ci'/'counts'))
counts = module_from_spec(spec_from_loader('counts', loader))
loader.exec_module(counts)

HEAVY = ('torch', 'torchvision', 'fastai', 'timm', 'sklearn', 'pandas', 'matplotlib', 'maskdetect.training')
# Late imports that the runtime may make inside a function: a .pkl needs fastai; tables and plots are for those who ask.
LATE = {'maskdetect.classify': {'torch', 'fastai'}, 'maskdetect.detect': {'pandas'}, 'maskdetect.draw': {'matplotlib'},
        'maskdetect.outputs': {'matplotlib'}, 'maskdetect.demo': {'matplotlib', 'pandas'}}
# Functions of the command line that train or judge models
TRAINING_VERBS = ('do_quickstart', 'do_data_', 'do_train', 'do_evaluate', 'do_export',
                  '_table', '_recipe', '_train_run', '_compare')
FASTAI = ('vision_learner', 'aug_transforms', 'fine_tune', 'lr_find', 'show_batch', 'ClassificationInterpretation',
          'plot_confusion_matrix', 'plot_top_losses', 'learn.export', 'load_learner')


def heavy(name):
    "The heavy library (or the training modules) that an import brings, or ''"
    return next((h for h in HEAVY if name == h or name.startswith(h + '.')), '')


@pytest.mark.parametrize('module', [m for m in counts.modules() if not m.startswith('maskdetect.training')])
def test_runtime_needs_no_training(module):
    "Neither at the top of a module nor late, nor by name in a string"
    for name,inside in counts.imports(module, counts.modules()[module]):
        h = heavy(name)
        if not h: continue
        if module == 'maskdetect.cli' and inside.startswith(TRAINING_VERBS): continue
        assert inside and h in LATE.get(module, ()), f"{module} imports {name} in {inside or 'its head'}"


def test_no_circle_of_imports():
    "Late imports count"
    assert not counts.circle()


def test_no_name_has_two_homes():
    assert not counts.twice()


def test_lines_are_short_and_modules_small():
    texts = {str(p): p.read_text(encoding='utf-8') for p in [*counts.modules().values(), *(ROOT/'tests').glob('*.py'),
                                                             *(p for p in (ROOT/'.ci').iterdir() if p.is_file())]}
    texts |= {p.name: '\n'.join(s for _,s in counts.cells(p)) for p in counts.notebooks()}
    assert not {name: lines for name,t in texts.items() if (lines := counts.wide(t))}
    lines = {m: len(p.read_text(encoding='utf-8').splitlines()) for m,p in counts.modules().items()}
    assert not {m: n for m,n in lines.items() if n > 450}
    assert sum(p.stat().st_size for p in counts.modules().values()) <= 432_000  # the aim is 300,000


def test_cells_are_small_and_followed_by_something_to_see():
    cells = [c for p in counts.notebooks() for c in counts.cells(p)]
    assert not [s for _,s in cells if len(counts.code_lines(s)) > 40]
    exported = [len(counts.code_lines(s)) for kind,s in cells if kind == 'exported']
    assert median(exported) <= 10
    assert sum(kind == 'shown' for kind,_ in cells) >= 1.5*len(exported)


def test_first_notebook_speaks_fastai():
    "Its own names, the first training call among the first twelve code cells, and no cell longer than eight lines"
    nb = nbformat.read(ROOT/'nbs'/'01_first_model.ipynb', 4)
    cells = [c.source for c in nb.cells if c.cell_type == 'code' and c.source.strip()]
    text = '\n'.join(cells)
    assert not [n for n in FASTAI if n not in text]
    assert 'ImageDataLoaders' in text or 'DataBlock' in text
    assert any('fine_tune' in c or 'fit_one_cycle' in c for c in cells[:12])
    assert not [c for c in cells if len(counts.code_lines(c)) > 8]
