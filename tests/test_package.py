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
    run(sys.executable, '-m', 'build', '--outdir', out, ROOT)   # an sdist, and from it the wheel
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
    ours = [f for f in site.rglob('*') if f.is_file() and f.relative_to(site).parts[0].split('-')[0] not in ('pip', 'setuptools')]
    assert sum(f.stat().st_blocks*512 for f in ours) < 450*2**20


def test_base_install_starts_at_once(bare, tmp_path):
    "Processor time, against the libraries that it cannot do without; the best of three, because the first one fills the caches"
    def seconds(what): return min(float(run(bare/'python', '-c', f'import time; {what}; print(time.process_time())', cwd=tmp_path)) for _ in range(3))
    assert seconds('from maskdetect import MaskDetector') < 2*seconds('import cv2, numpy, PIL.Image')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "What the training wing makes: faces, a model and a scene"
    make = """
import sys
from pathlib import Path
from PIL import Image
from fastai.vision.all import Learner, create_vision_model, resnet18
from maskdetect.augment import dataloaders
from maskdetect.classify import ModelInfo
from maskdetect.core import LABELS
from maskdetect.export import export_model
from maskdetect.synth import draw_scene, make_sample
out = Path(sys.argv[1])
table = make_sample(out/'faces', n=30, size=64)
learn = Learner(dataloaders(table, 64, bs=4, strengths={}), create_vision_model(resnet18, 3, pretrained=False))
export_model(learn, out, ModelInfo(labels=LABELS, size=64))
Image.fromarray(draw_scene(4, size=(1280, 720))[0]).save(out/'scene.png')
"""
    out = tmp_path_factory.mktemp('made')
    run(sys.executable, '-c', make, out)
    (out/'bad.jpg').write_bytes(b'not a picture')
    return out


def test_base_install_predicts(bare, made):
    "An .onnx made by the training wing runs where there is no training wing, from another folder"
    rows = json.loads(run(bare/'maskdetect', 'predict', '--crops', '--model', 'model.onnx', '--json', 'faces', cwd=made))
    assert len(rows) == 30 and all(set(r) == {'path', 'label', 'probs'} for r in rows)
    p = subprocess.run([bare/'maskdetect', 'predict', '--crops', '--model', 'model.onnx', 'faces', 'bad.jpg'], cwd=made, capture_output=True, text=True)
    assert p.returncode == 1 and 'bad.jpg' in p.stderr and 'Traceback' not in p.stderr and len(p.stdout.splitlines()) == 30


def test_base_install_judges_a_scene(bare, made):
    "Faces in a drawn scene, from Python and from the command line, with nothing heavy imported"
    from maskdetect.core import MaskdetectError
    from maskdetect.detect import FaceDetector
    try: detector = FaceDetector().path
    except MaskdetectError as e: pytest.skip(str(e))
    code = """
import json, sys
from maskdetect import MaskDetector
from maskdetect.cli import main
faces = MaskDetector('model.onnx').predict('scene.png')
assert main(['predict', '--model', 'model.onnx', 'scene.png']) == 0
print(json.dumps([len(faces), faces.to_dict(), [o for o in ('torch', 'fastai', 'pandas', 'matplotlib') if o in sys.modules]]))
"""
    env = {**os.environ, 'MASKDETECT_DETECTOR': str(detector.resolve())}
    n, said, heavy = json.loads(run(bare/'python', '-c', code, cwd=made, env=env).splitlines()[-1])
    assert 3 <= n <= 5 and said['width'] == 1280 and not heavy


@pytest.mark.parametrize('args, extra', [*((o, 'train') for o in (['train', 'resnet34', '--data', 'x'], ['evaluate', 'm.onnx', '--data', 'x'], ['data', 'list'],
                                         ['quickstart'], ['export', 'm.pkl'], ['data', 'show', 'x'])),
                                         (['video', 'x.mp4'], 'video'), (['serve'], 'serve'), (['demo'], 'demo'), (['predict', '--engine', 'openvino', 'x.jpg'], 'openvino')])
def test_missing_extra_is_named(bare, tmp_path, args, extra):
    (tmp_path/'m.pkl').write_bytes(b'x')
    p = subprocess.run([bare/'maskdetect', *args], cwd=tmp_path, capture_output=True, text=True)
    assert p.returncode == 1 and len(p.stderr.splitlines()) == 1 and f"maskdetect[{extra}]" in p.stderr, p.stderr
