"A training run that is killed at any moment and started again has all its epochs and a model that works."
import os, random, subprocess, sys, time
from pathlib import Path

import pytest

pd = pytest.importorskip('pandas')
torch = pytest.importorskip('torch')
pytest.importorskip('fastai')

EPOCHS = 6
SCRIPT = f'''
import sys, torch
torch.set_num_threads(1)
from maskdetect.core import SAMPLE
from maskdetect.training.recipe import Recipe
from maskdetect.training.sources import load_table
from maskdetect.training.train import train
df = load_table(SAMPLE/'faces')
df = df[df.split != 'test'].groupby(['split', 'label']).head(40)
recipe = Recipe(name='tiny', arch='cnn50', size=32, bs=16, pretrained=False, epochs={EPOCHS}, lr=2e-3,
                precision='float32')
run = train(recipe, df, out=sys.argv[1])
print('finished', run.learn.predict(df.path.iloc[0])[0], flush=True)
'''


def start(tmp_path, out):
    env = {**os.environ, 'MASKDETECT_CACHE': str(tmp_path/'cache'), 'OMP_NUM_THREADS': '1', 'PYTHONUNBUFFERED': '1',
           'PYTHONPATH': os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get('PYTHONPATH', '')])}
    return subprocess.Popen([sys.executable, '-c', SCRIPT, str(out)], env=env, cwd=tmp_path,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    text, _ = process.communicate(timeout=600)
    assert process.returncode == 0, text
    assert 'finished' in text, text
    return text


def test_killed_run_goes_on(tmp_path):
    seed = random.randrange(10**6)
    print('seed of the kills', seed)
    rng = random.Random(seed)
    out = tmp_path/'run'
    for n in (1, 2):  # killed after so many epochs of a sitting, and up to half a second later
        process = start(tmp_path, out)
        lines = (line for line in process.stdout if line.startswith('epoch '))
        for _ in range(n): next(lines)
        time.sleep(rng.uniform(0, .5))
        process.kill()
        process.wait()
        process.stdout.close()
    text = finish(start(tmp_path, out))

    assert 'epochs are done' in text
    log = pd.read_csv(out/'log.csv')
    assert list(log.epoch) == list(range(EPOCHS))
    assert log.notna().all(axis=None)
    assert not list(out.glob('.tmp-*'))  # what a kill left is cleared away
    kept = torch.load(out/'model.pth', weights_only=True)
    assert all(torch.isfinite(v.float()).all() for v in kept.values())
    again = finish(start(tmp_path, out))
    assert 'epoch 0' not in again and len(pd.read_csv(out/'log.csv')) == EPOCHS  # nothing is left to do


def test_damaged_and_foreign_folders(tmp_path):
    from maskdetect.core import SAMPLE, MaskdetectError, ModelError
    from maskdetect.training.recipe import Recipe
    from maskdetect.training.sources import load_table
    from maskdetect.training.train import Run, train
    torch.set_num_threads(1)
    df = load_table(SAMPLE/'faces')
    df = df[df.split != 'test'].groupby(['split', 'label']).head(16)
    recipe = Recipe(name='tiny', arch='cnn50', size=32, bs=16, pretrained=False, epochs=1, lr=2e-3, precision='float32')
    train(recipe, df, out=tmp_path/'run')
    with pytest.raises(MaskdetectError, match=r'another recipe or other data \(seed\)'):
        train(recipe.changed(seed=1), df, out=tmp_path/'run')
    with pytest.raises(MaskdetectError, match='the faces'): train(recipe, df.iloc[1:], out=tmp_path/'run')
    (tmp_path/'run'/'last.pth').write_bytes(b'half')
    with pytest.raises(ModelError, match='damaged'): train(recipe, df, out=tmp_path/'run')
    assert len(Run.load(tmp_path/'run').log) == 1
    assert len(train(recipe, df, out=tmp_path/'run', resume=False).log) == 1


def test_more_epochs(tmp_path):
    "With a constant rate a run may go on for longer than was asked for at first; the folder tells of all"
    from maskdetect.core import SAMPLE
    from maskdetect.training.recipe import Recipe
    from maskdetect.training.sources import load_table
    from maskdetect.training.train import Run, train
    torch.set_num_threads(1)
    df = load_table(SAMPLE/'faces')
    df = df[df.split != 'test'].groupby(['split', 'label']).head(16)
    recipe = Recipe(name='tiny', arch='cnn50', size=32, bs=16, pretrained=False, epochs=1, lr=2e-3, precision='float32',
                    schedule='constant')
    train(recipe, df, out=tmp_path/'run')
    train(recipe.changed(epochs=2), df, out=tmp_path/'run')
    again = Run.load(tmp_path/'run')
    assert again.recipe.epochs == len(again.log) == 2


def test_few_faces_and_labels(tmp_path, capsys):
    from maskdetect.core import LABELS, SAMPLE
    from maskdetect.training.recipe import Recipe
    from maskdetect.training.sources import load_table
    from maskdetect.training.train import fit_to, prepare_table
    df = load_table(SAMPLE/'faces')
    assert Recipe.load('resnet34').labels == []  # it learns what the data have
    assert prepare_table(Recipe.load('resnet34'), df)[0].label.nunique() == 3
    prepare_table(Recipe(name='two', labels=LABELS[:2]), df)
    assert '400 faces are left out: two does not learn incorrect_mask' in capsys.readouterr().out
    fitted = fit_to(Recipe.load('resnet34'), 103)
    assert fitted.bs == 8 and sum(n for _, n in fitted.phases)*(103//8) >= 300
    assert fit_to(Recipe.load('resnet34', epochs='2'), 103).epochs == 2  # what a user sets is kept
    assert fit_to(Recipe.load('resnet34'), 9000) == Recipe.load('resnet34')
