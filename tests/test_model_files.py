"Model files: the same answers in any process, nothing heavy imported, and no damaged file gets through"
import concurrent.futures as cf, multiprocessing as mp, os, random, subprocess, sys, threading, zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskdetect.classify import MaskClassifier, ModelInfo, open_learner, read_info
from maskdetect.core import LABELS, SAMPLE, ModelError, read_image

BOUND = 1e-3
TIMEOUT = 120

def load(path):
    "In float32, as the learner computes; test_engines.py has the others"
    return MaskClassifier.load(path, engine='torch' if str(path).endswith('.pkl') else 'onnxruntime')

@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "A small network with everything that a real one has, trained for a moment, and its files"
    from fastai.callback.all import SaveModelCallback
    from fastai.vision.all import (CategoryBlock, ConvLayer, DataBlock, GrandparentSplitter, ImageBlock,
                                   LabelSmoothingCrossEntropyFlat, Learner, Normalize, accuracy, aug_transforms,
                                   create_head, get_image_files, imagenet_stats, nn, parent_label, set_seed)
    from maskdetect.training.export import export_model, make_info, plain_learner
    from maskdetect.training.faces import read_faces, write_faces
    folder = tmp_path_factory.mktemp('model')
    set_seed(0)
    table = read_faces(SAMPLE/'faces').groupby(['split', 'label']).head(40).reset_index(drop=True)
    photos = write_faces(table, folder/'faces', 48)
    block = DataBlock((ImageBlock, CategoryBlock(LABELS, sort=False)), get_items=get_image_files, get_y=parent_label,
                      splitter=GrandparentSplitter(),
                      batch_tfms=[*aug_transforms(), Normalize.from_stats(*imagenet_stats)])
    body = nn.Sequential(ConvLayer(3, 16, stride=2), ConvLayer(16, 24, stride=2), ConvLayer(24, 32))
    net = nn.Sequential(body, create_head(32, 3, lin_ftrs=[]))
    learn = Learner(block.dataloaders(photos, bs=16, num_workers=0), net,
                    loss_func=LabelSmoothingCrossEntropyFlat(), metrics=accuracy, path=folder,
                    cbs=SaveModelCallback(monitor='valid_loss'))
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(3, 5e-3)
    before = {k: v.clone() for k,v in learn.model.state_dict().items()}
    table = read_faces(photos)
    faces = np.stack([read_image(o) for o in table.path[:70]])
    ref = plain_learner(learn, temperature=1.2)
    files = export_model(ref, folder/'out', make_info(ref, table=table), faces)
    np.save(folder/'faces.npy', faces)
    assert all((before[k] == v).all() for k,v in learn.model.state_dict().items())
    assert any(isinstance(o, SaveModelCallback) for o in learn.cbs)
    answers = load(files['onnx']).predict(faces)
    return dict(learn=learn, ref=ref, table=table, faces=faces, folder=folder, answers=answers, **files)

def bare(code, *args):
    "Run code in a fresh Python that starts in /, knows no notebook, and finds maskdetect as installed"
    env = {k: v for k,v in os.environ.items() if not k.startswith(('MASKDETECT', 'PYTEST', 'JPY'))}
    done = subprocess.run([sys.executable, '-c', code, *map(str, args)], cwd='/', env=env, capture_output=True,
                          text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout

# ---- the same answers

PREDICT = """
import sys, numpy as np
from maskdetect.classify import MaskClassifier
model = MaskClassifier.load(sys.argv[1], engine=dict(onnx='onnxruntime', pkl='torch')[sys.argv[1].split('.')[-1]])
np.save(sys.argv[3], model.predict(np.load(sys.argv[2])))
heavy = ('torch', 'torchvision', 'fastai', 'pandas', 'matplotlib', 'IPython', 'ipykernel', 'maskdetect.training')
print(*(o for o in heavy if o in sys.modules))
"""

def test_bare_process(made):
    imported = {}
    for kind in ('onnx', 'pkl'):
        out = made['folder']/f'{kind}.npy'
        imported[kind] = bare(PREDICT, made[kind], made['folder']/'faces.npy', out).split()
        assert np.abs(np.load(out) - made['answers']).max() < BOUND
    assert imported['onnx'] == []
    assert not {'ipykernel', 'maskdetect.training'} & set(imported['pkl'])

def test_temperature_is_in_the_weights(made):
    "The .onnx and the .pkl say what the learner says at that temperature, and the note has none"
    from maskdetect.training.report import face_probs, scale_probs
    assert read_info(made['pkl']).temperature == read_info(made['onnx']).temperature == 1
    assert np.abs(scale_probs(face_probs(made['learn'], made['faces']), 1.2) - made['answers']).max() < BOUND
    assert np.abs(face_probs(made['learn'], made['faces']) - made['answers']).max() > 10*BOUND

@pytest.mark.parametrize('kind', ['onnx', 'pkl'])
def test_threads(made, kind):
    model = load(made[kind])
    parts = [made['faces'][i:i+10] for i in range(0, 70, 10)]
    with cf.ThreadPoolExecutor(4) as pool: got = list(pool.map(model.predict, parts))
    assert np.abs(np.concatenate(got) - made['answers']).max() < BOUND
    loaded = []
    t = threading.Thread(target=lambda: loaded.append(load(made[kind]).predict(made['faces'])))
    t.start(); t.join()
    assert np.abs(loaded[0] - made['answers']).max() < BOUND

def _predict_there(model, faces): return model.predict(faces)
def _load_there(path, faces): return load(path).predict(faces)

def test_spawned_process(made):
    with cf.ProcessPoolExecutor(1, mp_context=mp.get_context('spawn')) as pool:
        jobs = [pool.submit(_predict_there, load(made[k]), made['faces']) for k in ('onnx', 'pkl')]
        jobs += [pool.submit(_load_there, made[k], made['faces']) for k in ('onnx', 'pkl')]
        for job in jobs: assert np.abs(job.result(TIMEOUT) - made['answers']).max() < BOUND

def test_relative_path_from_its_own_folder(made):
    code = ("import os, sys; os.chdir(sys.argv[1]); from maskdetect.classify import read_info\n"
            "print(read_info('model.onnx').size)")
    assert bare(code, made['onnx'].parent) == '48\n'

def test_any_number_of_any_size(made):
    model = load(made['onnx'])
    assert model.predict([]).shape == (0, 3)
    rng = np.random.default_rng(0)
    odd = [rng.integers(0, 256, (*rng.integers(1, 90, 2), 3), dtype=np.uint8) for _ in range(67)]
    probs = model.predict(odd)
    assert probs.shape == (67, 3) and probs.dtype == np.float32
    assert np.abs(probs.sum(1) - 1).max() < 1e-5
    assert np.abs(np.concatenate([model.predict([o]) for o in odd[:5]]) - probs[:5]).max() < 1e-5

def test_gray_two_labels(made, tmp_path):
    from fastai.vision.all import (CategoryBlock, ConvLayer, DataBlock, Flatten, ImageBlock, Learner, PILImageBW,
                                   Resize, get_image_files, nn, parent_label)
    from maskdetect.training.export import export_model, make_info
    blocks = ImageBlock(PILImageBW), CategoryBlock(LABELS[:2], sort=False)
    block = DataBlock(blocks, get_y=parent_label, item_tfms=Resize(32))
    items = [o for o in get_image_files(made['folder']/'faces') if parent_label(o) in LABELS[:2]]
    net = nn.Sequential(ConvLayer(1, 8, stride=2), nn.AdaptiveAvgPool2d(2), Flatten(), nn.Linear(32, 2))
    learn = Learner(block.dataloaders(items, bs=16, num_workers=0), net)
    info = make_info(learn)
    assert (info.channels, info.mean, info.std, info.margin, info.labels) == (1, (0,), (1,), 0, LABELS[:2])
    files = export_model(learn, tmp_path, replace(info, margin=.1), made['faces'])
    assert load(files['onnx']).predict(made['faces']).shape == (70, 2)

def test_files_hold_no_data_and_no_paths(made):
    weights = sum(p.numel()*4 for p in made['learn'].model.parameters())
    assert made['onnx'].stat().st_size < weights + 30_000
    assert made['pkl'].stat().st_size < weights + 120_000
    for kind in ('onnx', 'pkl'):
        data = made[kind].read_bytes()
        assert b'site-packages' not in data and str(made['folder']).encode() not in data

# ---- damaged files

def mutants(data, rng, n):
    "Cuts, flipped bits, zeroed blocks, inserted and removed bytes, swapped halves"
    for i in range(n):
        b,at = bytearray(data), rng.randrange(len(data))
        kind = i % 6
        if kind == 0: b = b[:at]
        elif kind == 1: b[at] ^= 1 << rng.randrange(8)
        elif kind == 2: b[at:at+64] = bytes(len(b[at:at+64])) if any(b[at:at+64]) else b'\xff'*len(b[at:at+64])
        elif kind == 3: b[at:at] = bytes(rng.randrange(256) for _ in range(1 + rng.randrange(9)))
        elif kind == 4: del b[at:at + 1 + rng.randrange(9)]
        else: b = b[at:] + b[:at]
        if bytes(b) != data: yield bytes(b)

def refused(path):
    try: load(path)
    except ModelError as e:
        assert '\n' not in str(e).strip() and len(str(e)) < 700, e
        return True
    return False

def test_damaged_onnx(made, tmp_path):
    "Every changed byte is noticed"
    data,path = made['onnx'].read_bytes(),tmp_path/'x.onnx'
    for i,m in enumerate(mutants(data, random.Random(1), 90)):
        path.write_bytes(m)
        assert refused(path), f'mutant {i} was opened'
        try: read_info(path)
        except ModelError: pass

def test_damaged_pkl(made, tmp_path):
    "A zip has bytes that mean nothing, such as time stamps: either it is refused, or it answers as it did"
    data,path = made['pkl'].read_bytes(),tmp_path/'x.pkl'
    opened = 0
    for i,m in enumerate(mutants(data, random.Random(2), 90)):
        path.write_bytes(m)
        if not refused(path):
            opened += 1
            assert np.abs(load(path).predict(made['faces']) - made['answers']).max() < BOUND, f'mutant {i} is wrong'
        try: read_info(path)
        except ModelError: pass
    assert opened < 20

@pytest.mark.parametrize('suffix', ['.onnx', '.pkl'])
@pytest.mark.parametrize('content', [b'', b'\0', b'PK\3\4', b'PK\5\6' + bytes(18), b'\x08\x0a', b'GIF89a', b'{}',
                                     b'\xff'*5000, bytes(5000), b'\x80\x02.'])
def test_foreign_files(suffix, content, tmp_path):
    path = tmp_path/f'x{suffix}'
    path.write_bytes(content)
    assert refused(path)
    with pytest.raises(ModelError): read_info(path)

def test_wrong_kind(made, tmp_path):
    onnx_bytes,pkl_bytes = (made[o].read_bytes() for o in ('onnx', 'pkl'))
    for suffix,data in (('.onnx', pkl_bytes), ('.pkl', onnx_bytes), ('.pt', pkl_bytes)):
        path = tmp_path/f'x{suffix}'
        path.write_bytes(data)
        assert refused(path)
    assert refused(tmp_path) and refused(tmp_path/'not there.onnx')

def test_no_model_named(monkeypatch, made):
    monkeypatch.delenv('MASKDETECT_MODEL', raising=False)
    assert MaskClassifier.load().path.name == 'release.onnx'  # the shipped one
    monkeypatch.setenv('MASKDETECT_MODEL', str(made['onnx']))
    assert MaskClassifier.load().size == 48

# ---- files of others, and of other times

def test_plain_onnx_and_plain_pkl(made, tmp_path):
    import onnx
    proto = onnx.load(made['onnx'])
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path/'plain.onnx')
    made['learn'].export(tmp_path/'plain.pkl')
    for f in (MaskClassifier.load, read_info):
        with pytest.raises(ModelError, match='without maskdetect'): f(tmp_path/'plain.onnx')
    with pytest.raises(ModelError, match='without maskdetect'): read_info(tmp_path/'plain.pkl')
    assert tuple(MaskClassifier.load(tmp_path/'plain.pkl').labels) == LABELS

def test_changed_graph_is_noticed(made, tmp_path):
    import onnx
    proto = onnx.load(made['onnx'])
    proto.graph.node[0].name = 'other'
    onnx.save(proto, tmp_path/'other.onnx')
    with pytest.raises(ModelError, match='checksum'): load(tmp_path/'other.onnx')

def rewritten(pkl, out, **change):
    "A copy of a .pkl with other members"
    with zipfile.ZipFile(pkl) as old, zipfile.ZipFile(out, 'w') as new:
        for o in old.infolist():
            f = change.get(o.filename.split('/')[-1].replace('.', '_'))
            new.writestr(o.filename, f(old.read(o)) if f else old.read(o))
    return out

@pytest.mark.parametrize('old,new', [(b'cfastai.learner\nLearner\n', b'cfastai.learner\nOldLearner\n'),
                                     (b'cfastai.learner\nLearner\n', b'cfastai.gone\nLearner\n'),
                                     (b'cfastai.vision.augment\nResize\n', b'cfastai.vision.augment\nOldResize\n')])
def test_foreign_versions(made, tmp_path, old, new):
    info = replace(read_info(made['pkl']), versions=dict(python='3.8.1', fastai='2.7.19', torch='1.13.1'))
    path = rewritten(made['pkl'], tmp_path/'old.pkl', data_pkl=lambda b: b.replace(old, new),
                     maskdetect_json=lambda b: info.to_json())
    assert read_info(path) == info
    import fastai, torch
    with pytest.raises(ModelError) as e: open_learner(path)
    words = 'written with', 'fastai 2.7.19', 'torch 1.13.1', f'fastai {fastai.__version__}', '.onnx'
    assert all(o in str(e.value) for o in words)

def test_note_of_other_times(made, tmp_path):
    import json
    note = json.loads(read_info(made['pkl']).to_json())
    def with_note(d): return rewritten(made['pkl'], tmp_path/'n.pkl', maskdetect_json=lambda b: json.dumps(d))
    assert read_info(with_note(note | dict(later='x'))) == read_info(made['pkl'])
    without_std = {k: v for k,v in note.items() if k != 'std'}
    for d,words in ((note | dict(format=99), 'pip install -U'), (without_std, 'lacks std'),
                    (note | dict(size=-1), 'size must be'), (note | dict(temperature='warm'), 'temperature must be'),
                    (note | dict(labels=['a']), 'labels must be'), ([], 'not an object')):
        for f in (read_info, MaskClassifier.load):
            with pytest.raises(ModelError, match=words): f(with_note(d))

def test_reading_the_note_runs_nothing(made, tmp_path):
    flag = tmp_path/'ran'
    path = rewritten(made['pkl'], tmp_path/'evil.pkl', data_pkl=lambda b: f"cposix\nmkdir\n(V{flag}\ntR.".encode())
    assert read_info(path) == read_info(made['pkl'])
    assert not flag.exists()

# ---- what export stops at

def test_export_stops(made, tmp_path):
    import torch
    from fastai.vision.all import Learner
    from maskdetect.training.export import export_model, export_onnx, export_pkl
    learn,info = made['ref'],read_info(made['pkl'])
    for export,suffix in ((export_onnx, '.onnx'), (export_pkl, '.pkl')):
        for wrong,words in ((dict(mean=(0., 0., 0.)), 'differs'), (dict(labels=LABELS[:2]), 'make_info'),
                            (dict(temperature=1.2), 'plain_learner')):
            changed = replace(info, **wrong)
            with pytest.raises(ModelError, match=words): export(learn, tmp_path/f'x{suffix}', changed, made['faces'])
    class Local(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.end = torch.nn.Linear(3, 3)
        def forward(self, x): return self.end(x.mean((2, 3)))
    with pytest.raises(ModelError, match='in a module'): export_model(Learner(learn.dls, Local()), tmp_path, info)
    twice = torch.nn.Sequential(learn.model, torch.nn.LogSoftmax(1), torch.nn.Linear(3, 4))
    with pytest.raises(ModelError, match='nn.Linear'): export_model(Learner(learn.dls, twice), tmp_path, info)
    assert list(tmp_path.iterdir()) == []
