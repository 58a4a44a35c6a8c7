"Engines for .onnx files: one is used only after it gave the reference answers"
import importlib.util, os, pickle, subprocess, sys, threading, warnings

import numpy as np
import pytest

from maskdetect import classify
from maskdetect.classify import TOLERANCE, MaskClassifier, ModelInfo
from maskdetect.core import LABELS, MissingExtra, ModelError

with_openvino = pytest.mark.skipif(not importlib.util.find_spec('openvino'), reason='openvino is not installed')


@pytest.fixture(scope='module')
def onnx_file(tmp_path_factory):
    "A small network with random weights"
    import torch
    from torch import nn
    from maskdetect.export import to_onnx, write_onnx
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 3)).eval()
    with torch.no_grad(): net[-1].weight.mul_(20)
    path, info = tmp_path_factory.mktemp('model')/'model.onnx', ModelInfo(labels=LABELS, size=48)
    write_onnx(to_onnx(net, info), path, info)
    return path


@pytest.fixture(scope='module')
def faces():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (60, 60, 3), dtype=np.uint8) for _ in range(40)]


@pytest.fixture
def fake(monkeypatch):
    "Put another engine in OpenVINO's place: a function of the right logits, or an exception"
    def put(change):
        def engine(data, threads, precision=''):
            if isinstance(change, Exception): raise change
            logits, _ = classify._onnxruntime(data, threads)
            return (lambda x: change(logits(x))), 'CPU fake'
        monkeypatch.setattr(classify, '_openvino', engine)
        monkeypatch.setattr(classify.platform, 'machine', lambda: 'x86_64')
        monkeypatch.setattr(classify.util, 'find_spec', lambda name: name)
    return put


def test_a_right_engine_is_taken(onnx_file, faces, fake):
    fake(lambda z: z + .005)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model = MaskClassifier.load(onnx_file)
    assert (model.engine, model.device) == ('openvino', 'CPU fake') and 'openvino on CPU fake' in repr(model)
    assert MaskClassifier.load(onnx_file, engine='onnxruntime').engine == 'onnxruntime'


WRONG = dict(labels=lambda z: z[:, ::-1], faces=lambda z: z[::-1], nan=lambda z: z*np.nan, sure=lambda z: z*5, few=lambda z: z[:, :2],
             one_answer=lambda z: z[:1], constant=lambda z: np.zeros_like(z), bias=lambda z: z + np.float32([0, 0, 2]), raises=RuntimeError('no such\nkernel'))


@pytest.mark.parametrize('change', WRONG.values(), ids=WRONG)
def test_a_wrong_engine_is_refused(onnx_file, faces, fake, change):
    fake(change)
    with pytest.warns(UserWarning) as caught: model = MaskClassifier.load(onnx_file)
    assert model.engine == 'onnxruntime' and len(caught) == 1
    assert '\n' not in str(caught[0].message) and caught[0].filename == __file__   # points at the caller
    assert (model.predict(faces) == MaskClassifier.load(onnx_file, engine='onnxruntime').predict(faces)).all()
    with pytest.raises(ModelError, match="engine='onnxruntime'"): MaskClassifier.load(onnx_file, engine='openvino')


def test_wrong_only_in_a_batch(onnx_file, fake):
    fake(lambda z: z if len(z) == 1 else z[::-1])
    with pytest.raises(ModelError, match='built-in check'): MaskClassifier.load(onnx_file, engine='openvino')


def test_not_tried_where_it_would_be_slow_or_is_not_there(onnx_file, fake, monkeypatch):
    fake(lambda z: z)
    monkeypatch.setattr(classify.platform, 'machine', lambda: 'aarch64')
    assert MaskClassifier.load(onnx_file).engine == 'onnxruntime'
    monkeypatch.setattr(classify.platform, 'machine', lambda: 'AMD64')
    assert MaskClassifier.load(onnx_file).engine == 'openvino'
    monkeypatch.setattr(classify.util, 'find_spec', lambda name: None)
    assert MaskClassifier.load(onnx_file).engine == 'onnxruntime'


def test_missing_extra(onnx_file, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(MissingExtra, match=r'maskdetect\[openvino\]'): MaskClassifier.load(onnx_file, engine='openvino')


def test_an_engine_that_cannot_be_imported(onnx_file, fake):
    fake(MissingExtra('openvino is damaged'))
    with pytest.warns(UserWarning, match='OpenVINO is not used: openvino is damaged'): assert MaskClassifier.load(onnx_file).engine == 'onnxruntime'


def test_a_card_that_cannot_be_used(onnx_file, monkeypatch):
    "A build with CUDA on a machine without: one warning, and the CPU"
    import onnxruntime
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CUDAExecutionProvider', 'CPUExecutionProvider'])
    with pytest.warns(UserWarning, match='CUDA'): model = MaskClassifier.load(onnx_file, engine='onnxruntime')
    assert (model.engine, model.device) == ('onnxruntime', 'CPU')


@pytest.mark.parametrize('engine', ['torch', 'tensorrt', ''])
def test_unknown_engine(onnx_file, engine):
    with pytest.raises(ModelError, match='onnxruntime or openvino'): MaskClassifier.load(onnx_file, engine=engine)


@pytest.mark.parametrize('engine', ['onnxruntime', pytest.param('openvino', marks=with_openvino)])
def test_engine(onnx_file, faces, engine):
    "Answers, threads, pickling and sizes of batches"
    model, expected = MaskClassifier.load(onnx_file, engine=engine, threads=1), MaskClassifier.load(onnx_file, engine='onnxruntime').predict(faces)
    assert (model.engine, model.threads) == (engine, 1)
    for n in (1, 7, 40, 1): assert np.abs(model.predict(faces[:n]) - expected[:n]).max() < TOLERANCE
    assert model.predict([]).shape == (0, 3)
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.engine, copy.threads) == (engine, 1) and (copy.predict(faces) == model.predict(faces)).all()
    wrong = []
    def ask(seed):
        for i in np.random.default_rng(seed).integers(0, 39, 40):
            if np.abs(model.predict(faces[i:i+2]) - expected[i:i+2]).max() > TOLERANCE: wrong.append(i)
    workers = [threading.Thread(target=ask, args=[i]) for i in range(4)]
    for w in workers: w.start()
    for w in workers: w.join()
    assert not wrong


@pytest.mark.parametrize('engine', ['onnxruntime', pytest.param('openvino', marks=with_openvino)])
def test_engines_call_nobody(onnx_file, tmp_path, engine):
    "Left alone, both would report to their makers, and leave an identity in the home folder"
    code = """
import sys
from maskdetect.classify import MaskClassifier
assert not {'openvino', 'onnxruntime'} & set(sys.modules)
print(MaskClassifier.load(sys.argv[1], engine=sys.argv[2]).engine, *(o for o in sys.modules if 'telemetry' in o))
"""
    env = {**os.environ, 'HOME': str(tmp_path)}
    for name in ('ORT_DISABLE_TELEMETRY', 'CI', 'XDG_CACHE_HOME'): env.pop(name, None)
    p = subprocess.run([sys.executable, '-c', code, str(onnx_file), engine], env=env, capture_output=True, text=True)
    assert p.returncode == 0 and p.stdout.split() == [engine], p.stderr
    assert not list(tmp_path.iterdir())
