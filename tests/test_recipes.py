"Every recipe goes from photos to an .onnx in one command, and pictures and films take any of these."
import json, logging, shutil

import pytest

for module in ('torch', 'fastai', 'trackers'): pytest.importorskip(module)
cv2 = pytest.importorskip('cv2')

RECIPES = {'resnet34': ['--from-scratch', '--set', 'lr_find=false'],
           'gray-cnn': ['--set'], 'cnn128': ['--set'], 'cnn50': ['--set'],
           'mobilenet-3class': ['--from-scratch', '--set', 'freeze_epochs=0'],
           'vit': ['--from-scratch', '--set', 'samples=0', 'reread=false', 'arch=test_vit']}  # timm's smallest


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    "Faces to learn from, a picture and a film of some people"
    from maskdetect.core import LABELS, SAMPLE
    folder = tmp_path_factory.mktemp('recipes')
    for split, n in (('train', 12), ('valid', 4), ('test', 4)):
        for label in LABELS:
            (folder/'faces'/split/label).mkdir(parents=True)
            for p in sorted((SAMPLE/'faces'/split/label).glob('*.jpg'))[:n]: shutil.copy(p, folder/'faces'/split/label)
    scene = cv2.resize(cv2.imread(str(SAMPLE/'people.jpg')), (640, 480))
    cv2.imwrite(str(folder/'scene.png'), scene)
    film = cv2.VideoWriter(str(folder/'film.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (640, 480))
    for _ in range(8): film.write(scene)
    film.release()
    return folder


@pytest.mark.parametrize('recipe', RECIPES)
def test_from_photos_to_verdicts(drawn, recipe, capsys, monkeypatch):
    import torch
    from maskdetect.cli import main
    if recipe == 'vit': pytest.importorskip('timm')
    torch.set_num_threads(1)
    monkeypatch.setattr(logging.getLogger('torch.__trace'), 'disabled', True)  # thousands of records an export
    monkeypatch.chdir(drawn)
    monkeypatch.setenv('MASKDETECT_CACHE', str(drawn/'cache'))
    assert main(['train', recipe, '--data', 'faces', *RECIPES[recipe], 'size=48', 'epochs=1', 'bs=16', 'detect=false',
                 'precision=float32', '--json', '--out', f'runs/{recipe}']) == 0
    model = f'runs/{recipe}/model.onnx'
    labels = 2 if recipe in ('gray-cnn', 'cnn128', 'cnn50') else 3
    capsys.readouterr()
    assert main(['predict', 'scene.png', '--model', model, '--engine', 'onnxruntime', '--json']) == 0
    faces = json.loads(capsys.readouterr().out)[0]['faces']
    assert faces and all(len(o['probs']) == labels and abs(sum(o['probs'].values()) - 1) < 1e-3 for o in faces)
    assert main(['video', 'film.avi', '--model', model, '--engine', 'onnxruntime', '--json']) == 0
    assert json.loads(capsys.readouterr().out)['frames'] == 8


def test_every_recipe_is_valid():
    from maskdetect.training.recipe import Recipe, recipes
    assert set(recipes()) == {*RECIPES, 'quickstart', 'release'}
    assert all(Recipe.load(k).name == k for k in recipes())
