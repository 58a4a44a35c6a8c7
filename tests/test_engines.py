"Engines: an .onnx answers the same on each; a .pkl of fastai's own is understood"
import importlib.util, os, pickle, subprocess, sys, threading, warnings

import numpy as np
import pytest

from maskdetect import classify
from maskdetect.classify import ENGINES, SHIPPED, TOLERANCE, MaskClassifier, read_info
from maskdetect.core import LABELS, SAMPLE, MissingExtra, ModelError, crop_face, read_image

with_openvino = pytest.mark.skipif(not importlib.util.find_spec('openvino'), reason='openvino is not installed')
each_engine = pytest.mark.parametrize('engine', ['onnxruntime', pytest.param('openvino', marks=with_openvino)])


@pytest.fixture(scope='module')
def faces(): return [read_image(p) for p in sorted((SAMPLE/'faces').rglob('*.jpg'))[::2][:500]]


@pytest.fixture(scope='module')
def expected(faces): return MaskClassifier.load(engine='onnxruntime').predict(faces)


@pytest.fixture
def fake(monkeypatch):
    "Put a function of the right logits, or an exception, in OpenVINO's place; returns the precisions asked for"
    asked = []
    def put(change):
        def engine(data, threads, precision='f32'):
            asked.append(precision)
            if isinstance(change, Exception): raise change
            logits, _ = classify._onnxruntime(data, threads)
            return (lambda x: change(logits(x))), 'CPU fake'
        monkeypatch.setattr(classify, '_openvino', engine)
        monkeypatch.setattr(classify.platform, 'machine', lambda: 'x86_64')
        monkeypatch.setattr(classify.util, 'find_spec', lambda name: name)
        return asked
    return put


# ---- the same answers

@each_engine
def test_the_same_answers(faces, expected, engine):
    "Which engines happen to be installed changes no probability by more than a thousandth, and no verdict"
    for model in (MaskClassifier.load(engine=engine), MaskClassifier.load()):
        probs = model.predict(faces)
        assert np.abs(probs - expected).max() < TOLERANCE == 1e-3
        verdict = model.info.verdict
        assert [verdict(p) for p in probs] == [verdict(p) for p in expected]


def test_bfloat16_is_asked_for_by_name_only(fake):
    asked = fake(lambda z: z)
    MaskClassifier.load()
    MaskClassifier.load(engine='openvino')
    assert set(asked) == {'f32'}
    assert MaskClassifier.load(engine='openvino-bf16').engine == 'openvino-bf16' and asked[-1] == 'bf16'


def test_a_rough_engine(fake):
    "A hundredth of a probability off: never by itself or as OpenVINO, but good enough for bfloat16"
    fake(lambda z: (z*1.03).astype(np.float32))
    with pytest.warns(UserWarning, match='that differ'): assert MaskClassifier.load().engine == 'onnxruntime'
    with pytest.raises(ModelError, match='built-in check'): MaskClassifier.load(engine='openvino')
    assert MaskClassifier.load(engine='openvino-bf16').engine == 'openvino-bf16'


@with_openvino
def test_bfloat16_or_an_error():
    "Nobody gets float32 in silence who asked for bfloat16"
    try: model = MaskClassifier.load(engine='openvino-bf16')
    except ModelError as e: assert 'computes in f32' in str(e)
    else: assert model.device == 'CPU bf16'


def test_eight_bits():
    "Engines round 8 bits differently: the reference alone by itself, a rough check by name"
    assert classify._candidates('auto', b'...QuantizeLinear...') == []
    assert [o[3] for o in classify._candidates('openvino', b'...QuantizeLinear...')] == [classify._ROUGH]


# ---- an engine is used only after it gave the reference answers

def test_a_right_engine_is_taken(fake):
    fake(lambda z: z + .0005)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model = MaskClassifier.load()
    assert (model.engine, model.device) == ('openvino', 'CPU fake') and 'openvino on CPU fake' in repr(model)
    assert MaskClassifier.load(engine='onnxruntime').engine == 'onnxruntime'


WRONG = dict(labels=lambda z: z[:, ::-1], faces=lambda z: z[::-1], nan=lambda z: z*np.nan, sure=lambda z: z*5,
             few=lambda z: z[:, :2], one_answer=lambda z: z[:1], constant=lambda z: np.zeros_like(z),
             bias=lambda z: z + np.float32([0, 0, 2]), raises=RuntimeError('no such\nkernel'))


@pytest.mark.parametrize('change', WRONG.values(), ids=WRONG)
def test_a_wrong_engine_is_rejected(faces, expected, fake, change):
    fake(change)
    with pytest.warns(UserWarning) as caught: model = MaskClassifier.load()
    assert model.engine == 'onnxruntime' and len(caught) == 1
    assert '\n' not in str(caught[0].message) and caught[0].filename == __file__   # points at the caller
    assert (model.predict(faces[:9]) == expected[:9]).all()
    for engine in ('openvino', 'openvino-bf16'):
        with pytest.raises(ModelError, match="engine='onnxruntime'"): MaskClassifier.load(engine=engine)


def test_wrong_only_in_a_batch(fake):
    fake(lambda z: z if len(z) == 1 else z[::-1])
    with pytest.raises(ModelError, match='built-in check'): MaskClassifier.load(engine='openvino')


def test_not_tried_where_it_would_be_slow_or_is_not_there(fake, monkeypatch):
    fake(lambda z: z)
    monkeypatch.setattr(classify.platform, 'machine', lambda: 'aarch64')
    assert MaskClassifier.load().engine == 'onnxruntime'
    monkeypatch.setattr(classify.platform, 'machine', lambda: 'AMD64')
    assert MaskClassifier.load().engine == 'openvino'
    monkeypatch.setattr(classify.util, 'find_spec', lambda name: None)
    assert MaskClassifier.load().engine == 'onnxruntime'


@pytest.mark.parametrize('engine', ['openvino', 'openvino-bf16'])
def test_missing_extra(monkeypatch, engine):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(MissingExtra, match=r'maskdetect\[openvino\]'): MaskClassifier.load(engine=engine)


def test_an_engine_that_cannot_be_imported(fake):
    fake(MissingExtra('openvino is damaged'))
    with pytest.warns(UserWarning, match='OpenVINO is not used: openvino is damaged'):
        assert MaskClassifier.load().engine == 'onnxruntime'


def test_a_card_that_cannot_be_used(monkeypatch):
    "A build with CUDA on a machine without: one warning, and the CPU"
    import onnxruntime
    both = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: both)
    with pytest.warns(UserWarning, match='CUDA'): model = MaskClassifier.load(engine='onnxruntime')
    assert (model.engine, model.device) == ('onnxruntime', 'CPU')


@pytest.mark.parametrize('engine', ['torch', 'tensorrt', '', 'bf16'])
def test_unknown_engine(engine):
    with pytest.raises(ModelError, match=' or '.join(ENGINES)): MaskClassifier.load(engine=engine)


# ---- in use

@each_engine
def test_engine(faces, expected, engine):
    "Threads, pickling and sizes of batches"
    model = MaskClassifier.load(engine=engine, threads=1)
    assert (model.engine, model.threads) == (engine, 1)
    for n in (1, 7, 40, 1): assert np.abs(model.predict(faces[:n]) - expected[:n]).max() < TOLERANCE
    assert model.predict([]).shape == (0, 3)
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.engine, copy.threads) == (engine, 1) and (copy.predict(faces[:9]) == model.predict(faces[:9])).all()
    wrong = []
    def ask(seed):
        for i in np.random.default_rng(seed).integers(0, 39, 20):
            if np.abs(model.predict(faces[i:i+2]) - expected[i:i+2]).max() > TOLERANCE: wrong.append(i)
    workers = [threading.Thread(target=ask, args=[i]) for i in range(4)]
    for w in workers: w.start()
    for w in workers: w.join()
    assert not wrong


@each_engine
def test_engines_call_nobody(tmp_path, engine):
    "Left alone, both would report to their makers, and leave an identity in the home folder"
    code = """
import sys
from maskdetect.classify import MaskClassifier
assert not {'openvino', 'onnxruntime'} & set(sys.modules)
print(MaskClassifier.load(engine=sys.argv[1]).engine, *(o for o in sys.modules if 'telemetry' in o))
"""
    env = {**os.environ, 'HOME': str(tmp_path)}
    for name in ('ORT_DISABLE_TELEMETRY', 'CI', 'XDG_CACHE_HOME'): env.pop(name, None)
    p = subprocess.run([sys.executable, '-c', code, engine], env=env, capture_output=True, text=True)
    assert p.returncode == 0 and p.stdout.split() == [engine], p.stderr
    assert not list(tmp_path.iterdir())


# ---- a learner of fastai's own

def learner(folder, names, size=40, **kwargs):
    "A tiny fastai learner on folders of these names, exported the way that fastai's course does it"
    fv = pytest.importorskip('fastai.vision.all')
    for name,label in zip(names, LABELS):
        (folder/'photos'/name).mkdir(parents=True)
        for p in sorted((SAMPLE/'faces'/'test'/label).glob('*.jpg'))[:6]:
            (folder/'photos'/name/p.name).write_bytes(p.read_bytes())
    fv.set_seed(0)
    dls = fv.ImageDataLoaders.from_folder(folder/'photos', valid_pct=.5, seed=0, bs=4, num_workers=0,
                                          item_tfms=fv.Resize(size), **kwargs)
    learn = fv.Learner(dls, fv.nn.Sequential(fv.ConvLayer(3, 8, stride=2), fv.AdaptiveAvgPool(4), fv.Flatten(),
                                             fv.nn.Linear(128, len(names))), loss_func=fv.CrossEntropyLossFlat())
    with learn.no_bar(), learn.no_logging(): learn.fit(1)
    learn.export(folder/'learner.pkl')
    return learn


def answers(learn, faces):
    with learn.no_bar(), learn.no_logging(): return np.stack([learn.predict(f)[2].numpy() for f in faces])


@pytest.mark.parametrize('names', [('with_mask', 'without_mask', 'incorrect_mask'), ('WithMask', 'WithoutMask'),
                                   ('With mask', 'WITHOUT-MASK', 'Incorrect Mask')], ids=' '.join)
def test_plain_learner(tmp_path, faces, names):
    "Labels in our order, size and numbers as its pipeline makes them, and fastai's own answers"
    from fastai.vision.all import Normalize, aug_transforms, imagenet_stats
    learn = learner(tmp_path, names, batch_tfms=[*aug_transforms(size=32), Normalize.from_stats(*imagenet_stats)])
    with pytest.warns(UserWarning, match='runs code'): model = MaskClassifier.load(tmp_path/'learner.pkl')
    assert model.labels == list(LABELS[:len(names)]) and (model.size, model.engine) == (32, 'torch')
    assert np.allclose(model.info.mean, [.485, .456, .406], atol=1e-5)
    assert np.allclose(model.info.std, [.229, .224, .225], atol=1e-5)
    order = [list(learn.dls.vocab).index(n) for n in names]
    small = [crop_face(f, size=32) for f in faces[::20]]
    theirs = answers(learn, [crop_face(f, size=40) for f in faces[::20]])[:, order]
    assert np.abs(model.predict(small) - theirs).max() < .1  # fastai shrinks 40 to 32, we do not


def test_plain_learner_to_a_thousandth(tmp_path, faces):
    "A face of the model's size: the same pixels, the same answers"
    learn = learner(tmp_path, LABELS)
    with pytest.warns(UserWarning): model = MaskClassifier.load(tmp_path/'learner.pkl')
    small = [crop_face(f, size=40) for f in faces[::20]]
    order = [list(learn.dls.vocab).index(n) for n in LABELS]
    assert np.abs(model.predict(small) - answers(learn, small)[:, order]).max() < 1e-3


def test_plain_learner_of_something_else(tmp_path):
    learner(tmp_path, ('cat', 'dog'))
    with pytest.warns(UserWarning), pytest.raises(ModelError, match=r"\['cat', 'dog'\].*name the folders") as e:
        MaskClassifier.load(tmp_path/'learner.pkl')
    assert len(str(e.value).splitlines()) == 1
    with pytest.raises(ModelError, match='without maskdetect'): read_info(tmp_path/'learner.pkl')


def test_no_learner_at_all(tmp_path):
    torch = pytest.importorskip('torch')
    torch.save(dict(weights=torch.zeros(3)), tmp_path/'weights.pkl')
    with pytest.warns(UserWarning), pytest.raises(ModelError): MaskClassifier.load(tmp_path/'weights.pkl')
    with pytest.raises(ModelError, match='not in'): MaskClassifier.load(SHIPPED, engine='torch')
