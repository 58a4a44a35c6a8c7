"The .pkl is a plain fastai learner: it opens where only fastai (and timm, for a timm network) is installed"
import json, subprocess, sys

import numpy as np
import pytest

from maskdetect.classify import MaskClassifier, open_learner
from maskdetect.core import LABELS, SAMPLE, ModelError

for module in ('torch', 'fastai'): pytest.importorskip(module)

FASTAI = {'fastai', 'fastcore', 'fasttransform', 'plum', 'torch', 'torchvision', 'numpy', 'PIL'}  # pip's fastai
PYTHON = {'__builtin__', '_codecs', '_operator', 'builtins', 'collections', 'functools', 'importlib', 'inspect',
          'operator', 'random', 'typing'}
RECIPES = {'resnet34': 64, 'gray-cnn': 64, 'cnn128': 128, 'cnn50': 50, 'mobilenet-3class': 64, 'release': 64,
           'quickstart': 40, 'vit': 70}  # name -> pixels: smaller than the recipe's, where its network allows


@pytest.fixture(scope='module')
def table():
    from maskdetect.training.faces import read_faces
    return read_faces(SAMPLE/'faces').groupby(['split', 'label']).head(3).reset_index(drop=True)


@pytest.fixture(scope='module')
def made(table, tmp_path_factory):
    "A .pkl of each recipe's network (random weights), with temperature and prior, and a face of its size"
    from maskdetect.training.export import export_pkl, make_info, plain_learner
    from maskdetect.training.faces import write_faces
    from maskdetect.training.recipe import Recipe, recipes
    from maskdetect.training.train import build_learner, face_dls
    assert set(recipes()) == set(RECIPES)
    folder,out = tmp_path_factory.mktemp('plain'), {}
    for name,size in RECIPES.items():
        if name == 'vit': pytest.importorskip('timm')
        recipe = Recipe.load(name, size=size, samples=0)
        faces = write_faces(table, folder/name/'faces', size)
        learn = build_learner(recipe, face_dls(faces, recipe), pretrained=False)
        labels = list(learn.dls.vocab)
        prior,sampled = (dict(zip(labels, shares)) for shares in ((.8, .1, .1), (.5, .25, .25)))
        ref = plain_learner(learn, temperature=1.5, prior=prior, sampled=sampled)
        export_pkl(ref, folder/name/'model.pkl', make_info(ref, recipe))
        out[name] = dict(pkl=folder/name/'model.pkl', face=sorted(faces.rglob('*.jpg'))[0], labels=labels)
    return out


@pytest.mark.parametrize('name', RECIPES)
def test_imports_fastai_only(made, name):
    from maskdetect.training.export import pickle_imports
    packages = {o.split('.')[0] for o in pickle_imports(made[name]['pkl'])}
    assert packages <= FASTAI | PYTHON | ({'timm'} if name == 'vit' else set())
    assert not [o for o in pickle_imports(made[name]['pkl']) if 'Posix' in o or 'Windows' in o]


PREDICT = """
import json, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('maskdetect', 'cv2'): raise ImportError(name)
sys.meta_path.insert(0, Blocker())
sys.modules['maskdetect'] = None
from fastai.vision.all import load_learner
answers = {}
for name,(pkl,face) in json.load(open(sys.argv[1])).items():
    learn = load_learner(pkl)
    with learn.no_bar(): label,_,probs = learn.predict(face)
    answers[name] = [label, probs.tolist(), list(learn.dls.vocab), [o.name for o in learn.cbs]]
print(json.dumps(answers))
"""

def test_opens_where_only_fastai_is(made, tmp_path):
    "load_learner(...).predict('face.jpg') answers as MaskClassifier does"
    (tmp_path/'jobs.json').write_text(json.dumps({k: [str(v['pkl']), str(v['face'])] for k,v in made.items()}))
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', PREDICT, tmp_path/'jobs.json'], cwd=tmp_path,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert {len(v[1]) for v in answers.values()} == {2, 3}
    for name,(label,probs,vocab,cbs) in answers.items():
        assert vocab == made[name]['labels'] == list(LABELS[:len(vocab)]) and label == vocab[np.argmax(probs)]
        assert cbs == ['train_eval', 'recorder', 'cast_to_tensor', 'progress']
        want = MaskClassifier.load(made[name]['pkl']).predict([made[name]['face']])[0]
        assert np.abs(np.array(probs) - want).max() < 1e-3, name


def test_goes_on_training(made, table, tmp_path):
    "The .pkl is a start for more training, and its paths are of the system"
    from fastai.vision.all import (CategoryBlock, DataBlock, GrandparentSplitter, ImageBlock, get_image_files,
                                   load_learner, parent_label)
    from maskdetect.training.faces import write_faces
    learn = load_learner(made['quickstart']['pkl'])
    block = DataBlock((ImageBlock, CategoryBlock(list(learn.dls.vocab), sort=False)), get_items=get_image_files,
                      get_y=parent_label, splitter=GrandparentSplitter())
    learn.dls = block.dataloaders(write_faces(table, tmp_path/'faces', 40), bs=4, num_workers=0)
    learn.path = learn.path/tmp_path
    with learn.no_bar(), learn.no_logging(): learn.fit(1, 1e-4)
    learn.save('again')
    assert (tmp_path/'models'/'again.pth').exists()


def test_both_files_of_a_plain_learner_say_the_same(table, tmp_path):
    "A learner of plain fastai, with labels in another order and spelling: exported again, all files agree"
    from fastai.vision.all import ConvLayer, Flatten, ImageDataLoaders, Learner, Normalize, Resize, imagenet_stats, nn
    from maskdetect.training.export import export_again, export_pkl, make_info
    from maskdetect.training.faces import write_faces
    faces = write_faces(table[table.label != 'incorrect_mask'], tmp_path/'faces', 48)
    for split in ('train', 'valid'):
        for ours,theirs in zip(LABELS, ('WithMask', 'WithoutMask')): (faces/split/ours).rename(faces/split/theirs)
    dls = ImageDataLoaders.from_folder(faces, train='train', valid='valid', vocab=['WithoutMask', 'WithMask'],
                                       item_tfms=Resize(32), batch_tfms=Normalize.from_stats(*imagenet_stats),
                                       bs=2, num_workers=0)
    net = nn.Sequential(ConvLayer(3, 8, stride=2), nn.AdaptiveAvgPool2d(1), Flatten(), nn.Linear(8, 2))
    learn = Learner(dls, net, path=tmp_path)
    learn.export('theirs.pkl')
    theirs = MaskClassifier.load(tmp_path/'theirs.pkl')
    files = export_again(tmp_path/'theirs.pkl', tmp_path/'out')
    export_pkl(learn, tmp_path/'out'/'model.pkl', make_info(learn))
    some = sorted((SAMPLE/'faces'/'test').rglob('*.jpg'))[:20]
    for path in (files['onnx'], tmp_path/'out'/'model.pkl'):
        model = MaskClassifier.load(path)
        assert tuple(model.labels) == LABELS[:2]
        assert np.abs(model.predict(some) - theirs.predict(some)).max() < 1e-3


def test_a_class_of_ours_is_an_error(made, tmp_path):
    "A network with a layer of this package would tie the file to it"
    from torch import nn
    from maskdetect.training.export import export_pkl
    from maskdetect.training.augment import ToGray
    learn = open_learner(made['quickstart']['pkl'])
    learn.model = nn.Sequential(learn.model)
    learn.model.ours = ToGray()
    with pytest.raises(ModelError, match='does not know maskdetect'): export_pkl(learn, tmp_path/'x.pkl', learn.info)
    assert not list(tmp_path.iterdir())
