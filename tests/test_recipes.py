"Every recipe goes from photos to an .onnx in one command, and pictures and films take any of these."
import json, logging

import pytest

for module in ('torch', 'fastai', 'trackers'): pytest.importorskip(module)
cv2 = pytest.importorskip('cv2')

RECIPES = {'resnet34': ['--from-scratch', '--set', 'lr_find=false'], 'gray-cnn': ['--set'], 'cnn128': ['--set'], 'cnn50': ['--set'],
           'mobilenet-3class': ['--from-scratch', '--set', 'freeze_epochs=0'], 'vit': ['--from-scratch', '--set', 'samples=0', 'reread=false', 'precision=float32']}


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    "Faces to learn from, a picture and a film of three people"
    from maskdetect.core import LABELS
    from maskdetect.synth import draw_scene, make_sample
    folder = tmp_path_factory.mktemp('recipes')
    make_sample(folder/'faces', n=60, size=48, labels=LABELS)
    scene = draw_scene(3, seed=1, size=(320, 240))[0][..., ::-1]
    cv2.imwrite(str(folder/'scene.png'), scene)
    film = cv2.VideoWriter(str(folder/'film.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (320, 240))
    for _ in range(8): film.write(scene)
    film.release()
    return folder


@pytest.mark.parametrize('recipe', RECIPES)
def test_from_photos_to_verdicts(drawn, recipe, capsys, monkeypatch):
    import torch
    from maskdetect import train as training
    from maskdetect.cli import main
    monkeypatch.setitem(training.VITS, 'dinov2_small', 'test_vit')  # timm's smallest, which is exported in no time
    torch.set_num_threads(1)
    monkeypatch.setattr(logging.getLogger('torch.__trace'), 'disabled', True)  # thousands of records an export
    monkeypatch.chdir(drawn)
    monkeypatch.setenv('MASKDETECT_CACHE', str(drawn/'cache'))
    train = ['train', recipe, '--data', 'faces', *RECIPES[recipe], 'size=48', 'epochs=1', 'bs=16', 'detect=false', 'precision=float32', '--json', '--out', f'runs/{recipe}']
    assert main(train) == 0
    model = f'runs/{recipe}/model.onnx'
    labels = 3 if recipe in ('mobilenet-3class', 'vit') else 2
    capsys.readouterr()
    assert main(['predict', 'scene.png', '--model', model, '--engine', 'onnxruntime', '--json']) == 0
    faces = json.loads(capsys.readouterr().out)[0]['faces']
    assert faces and all(len(o['probs']) == labels and abs(sum(o['probs'].values()) - 1) < 1e-3 for o in faces)
    assert main(['video', 'film.avi', '--model', model, '--engine', 'onnxruntime', '--json']) == 0
    assert json.loads(capsys.readouterr().out)['frames'] == 8
