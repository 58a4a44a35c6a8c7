"A training run that is killed at any moment and started again ends as if nothing had happened."
import os, random, subprocess, sys, time
from pathlib import Path

import pytest

pd = pytest.importorskip('pandas')
torch = pytest.importorskip('torch')
pytest.importorskip('fastai')

EPOCHS = 10
SCRIPT = f'''
import sys, torch
torch.set_num_threads(1)
from maskdetect.synth import make_sample
from maskdetect.train import Recipe, train
df = make_sample(sys.argv[1], n=150, size=32)
df['group'] = df.path
recipe = Recipe(name='tiny', arch='resnet18', size=32, bs=16, pretrained=False, epochs={EPOCHS}, lr=2e-3, precision='float32')
run = train(recipe, df, out=sys.argv[2])
print('finished', run.learn.predict(df.path[0])[0], flush=True)
'''


def start(tmp_path, out):
    env = {**os.environ, 'MASKDETECT_CACHE': str(tmp_path/'cache'), 'OMP_NUM_THREADS': '1', 'PYTHONUNBUFFERED': '1',
           'PYTHONPATH': os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get('PYTHONPATH', '')])}
    return subprocess.Popen([sys.executable, '-c', SCRIPT, str(tmp_path/'faces'), str(out)], env=env, cwd=tmp_path,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    assert 'finished' in text, text
    return text


def log(out):
    return pd.read_csv(out/'log.csv').drop(columns='seconds')


def test_killed_run_ends_like_an_undisturbed_one(tmp_path):
    seed = random.randrange(10**6)
    print('seed of the kills', seed)
    rng = random.Random(seed)
    finish(start(tmp_path, tmp_path/'whole'))
    whole = log(tmp_path/'whole')
    epoch = pd.read_csv(tmp_path/'whole'/'log.csv').seconds.mean()

    out = tmp_path/'killed'
    for n in (0, 1, 2):  # killed after so many epochs of a sitting, and up to one epoch later
        process = start(tmp_path, out)
        lines = (line for line in process.stdout if line.startswith('epoch ' if n else 'tiny:'))
        for _ in range(max(n, 1)): next(lines)
        time.sleep(rng.uniform(0, epoch))
        assert process.poll() is None, 'the run ended before it could be killed'
        process.kill()
        process.wait()
        process.stdout.close()
    finish(start(tmp_path, out))

    killed = log(out)
    assert list(killed.epoch) == list(range(1, EPOCHS+1))
    pd.testing.assert_frame_equal(killed, whole, atol=1e-4, rtol=1e-3)  # the same numbers, not only as many
    assert not list(out.glob('.tmp-*'))  # what a kill left is cleared away
    best = torch.load(out/'best.pth', weights_only=True)
    assert all(torch.isfinite(v.float()).all() for v in best.values())
    assert 'going on' not in finish(start(tmp_path, out))  # nothing is left to do
    assert len(log(out)) == EPOCHS
