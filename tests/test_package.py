"The wheel, installed clean and used from outside the checkout"
import json, os, subprocess, sys, zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*args, **kwargs):
    "Run a command; its output is in the message if it fails"
    p = subprocess.run([str(a) for a in args], capture_output=True, text=True, **kwargs)
    assert p.returncode == 0, f"{args}\n{p.stdout}\n{p.stderr}"
    return p.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp('dist')
    run(sys.executable, '-m', 'build', '--outdir', out, ROOT)  # an sdist, and from it the wheel
    return next(out.glob('*.whl'))


def test_wheel_holds_everything(wheel):
    "Every module, recipe and template of the checkout is in the wheel, and the wheel holds nothing else"
    tracked = run('git', 'ls-files', 'maskdetect', cwd=ROOT).split()
    names = zipfile.ZipFile(wheel).namelist()
    assert set(tracked) == {n for n in names if '.dist-info/' not in n}
    assert any(n.endswith('.yaml') for n in names) and any(n.endswith('.html') for n in names)


@pytest.fixture(scope='module')
def bare(wheel, tmp_path_factory):
    "A new environment with the base install only; gives its folder of programs"
    env = tmp_path_factory.mktemp('env')
    run(sys.executable, '-m', 'venv', env)
    run(env/'bin'/'pip', 'install', '-q', wheel)
    return env/'bin'


def test_base_install_is_light(bare):
    listed = {p['name'].lower() for p in json.loads(run(bare/'pip', 'list', '--format', 'json'))}
    assert not listed & {'torch', 'fastai', 'pandas', 'matplotlib'}
    run(bare/'pip', 'check')
    site = Path(run(bare/'python', '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))').strip())
    def ours(f): return f.is_file() and f.relative_to(site).parts[0].split('-')[0] not in ('pip', 'setuptools')
    assert sum(f.stat().st_blocks*512 for f in site.rglob('*') if ours(f)) < 450*2**20


def test_base_install_starts_at_once(bare, tmp_path):
    "Processor time, against the libraries that it cannot do without; the best of three, as the first fills the caches"
    def seconds(what):
        code = f'import time; {what}; print(time.process_time())'
        return min(float(run(bare/'python', '-c', code, cwd=tmp_path)) for _ in range(3))
    assert seconds('from maskdetect import MaskDetector') < 2*seconds('import cv2, numpy, PIL.Image')


def test_base_install_helps(bare, tmp_path):
    "Help of every verb, the recipes too, without anything of the extras"
    assert 'quickstart' in run(bare/'maskdetect', '--help', cwd=tmp_path)
    p = subprocess.run([bare/'maskdetect'], cwd=tmp_path, capture_output=True, text=True)
    assert p.returncode == 2 and 'quickstart' in p.stdout and not p.stderr
    assert 'ResNet34' in run(bare/'maskdetect', 'train', '--help', cwd=tmp_path)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "What training makes, a model; with drawn faces and a scene"
    make = """
import shutil, sys
from pathlib import Path
from fastai.vision.all import ImageDataLoaders, Resize, resnet18, vision_learner
from maskdetect.core import LABELS, SAMPLE
from maskdetect.training.export import export_model, make_info
out = Path(sys.argv[1])
dls = ImageDataLoaders.from_folder(SAMPLE/'faces', vocab=list(LABELS), item_tfms=Resize(64), bs=4, num_workers=0)
learn = vision_learner(dls, resnet18, pretrained=False)
export_model(learn, out, make_info(learn))
shutil.copytree(SAMPLE/'faces'/'test'/'with_mask', out/'faces')
shutil.copy(SAMPLE/'people.jpg', out/'scene.jpg')
"""
    out = tmp_path_factory.mktemp('made')
    run(sys.executable, '-c', make, out)
    (out/'bad.jpg').write_bytes(b'not a picture')
    return out


def test_base_install_predicts(bare, made):
    "An .onnx made by training runs in an environment that cannot train, from another folder"
    n = len(list((made/'faces').iterdir()))
    command = [bare/'maskdetect', 'predict', '--crops', '--model', 'model.onnx']
    rows = json.loads(run(*command, '--json', 'faces', cwd=made))
    assert len(rows) == n and all(set(r) == {'path', 'label', 'probs'} for r in rows)
    p = subprocess.run([*command, 'faces', 'bad.jpg'], cwd=made, capture_output=True, text=True)
    assert p.returncode == 1 and 'bad.jpg' in p.stderr and 'Traceback' not in p.stderr
    assert len(p.stdout.splitlines()) == n


def test_base_install_judges_a_scene(bare, made):
    "Faces in a drawn scene, from Python and from the command line, with nothing heavy imported"
    code = """
import json, sys
from maskdetect import MaskDetector
from maskdetect.cli import main
faces = MaskDetector('model.onnx').predict('scene.jpg')
assert main(['predict', '--model', 'model.onnx', 'scene.jpg']) == 0
heavy = [o for o in ('torch', 'fastai', 'pandas', 'matplotlib') if o in sys.modules]
print(json.dumps([len(faces), faces.to_dict()['width'], heavy]))
"""
    n, width, heavy = json.loads(run(bare/'python', '-c', code, cwd=made).splitlines()[-1])
    assert n >= 3 and width > 0 and not heavy


TRAIN = (['train', 'resnet34', '--data', 'x'], ['evaluate', 'm.onnx', '--data', 'x'], ['data', 'list'], ['quickstart'],
         ['export', 'm.pkl'], ['data', 'show', 'x'], ['data', 'faces', 'x'])
OTHERS = ((['video', 'x.mp4'], 'video'), (['serve'], 'serve'), (['demo'], 'demo'),
          (['predict', '--engine', 'openvino', 'x.jpg'], 'openvino'), (['score', '.', '--out', 'x.csv'], 'scale'))


@pytest.mark.parametrize('args, extra', [*((o, 'train') for o in TRAIN), *OTHERS])
def test_missing_extra_is_named(bare, tmp_path, args, extra):
    (tmp_path/'m.pkl').write_bytes(b'x')
    p = subprocess.run([bare/'maskdetect', *args], cwd=tmp_path, capture_output=True, text=True)
    assert p.returncode == 1 and len(p.stderr.splitlines()) == 1 and f"maskdetect[{extra}]" in p.stderr, p.stderr
