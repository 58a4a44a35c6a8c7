"Training in two processes, as on two GPUs: gradients are averaged, a kill goes on, and the model is as good."
import os, subprocess, sys
from pathlib import Path

import psutil
import pytest

pd = pytest.importorskip('pandas')
torch = pytest.importorskip('torch')
pytest.importorskip('fastai')
pytest.importorskip('accelerate')

EPOCHS = 3
SCRIPT = f'''
import sys
from fastai.vision.all import *
from maskdetect.core import SAMPLE
from maskdetect.training.recipe import Recipe
from maskdetect.training.sources import load_table
from maskdetect.training.train import train

class Averaged(Callback):
    "The gradient of the first step, against that of one process on the faces of all"
    def before_batch(self): self.own = deepcopy(get_model(self.model))
    def before_step(self):
        if num_distrib() < 2 or hasattr(self, 'done'): return
        self.done, parts = True, [None]*num_distrib()
        torch.distributed.all_gather_object(parts, (self.xb[0], self.yb[0], [o.grad for o in self.model.parameters()]))
        x,y = (torch.cat([p[i].as_subclass(torch.Tensor) for p in parts]) for i in range(2))
        F.cross_entropy(self.own(x), y).backward()
        assert not torch.equal(parts[0][0], parts[1][0]), 'the same faces twice'
        for a, b, o in zip(*(p[2] for p in parts), self.own.parameters()):
            assert torch.equal(a, b) and torch.allclose(a, o.grad, atol=1e-5), (a - o.grad).abs().max()
        if not rank_distrib(): print('averaged over', len(x), 'faces', flush=True)

torch.set_num_threads(1)
defaults.callbacks.append(Averaged)
df = load_table(SAMPLE/'faces')
df = df[df.split != 'test'].groupby(['split', 'label']).head(200)
recipe = Recipe(name='tiny', arch='cnn50', size=32, bs=16, ps=0., pretrained=False, epochs={EPOCHS}, lr=2e-3,
                precision='float32')
run = train(recipe, df, out=sys.argv[1])
print('finished', run.learn.predict(df.path.iloc[0])[0], flush=True)
'''


def start(tmp_path, out, processes=2):
    (tmp_path/'script.py').write_text(SCRIPT)
    env = {**os.environ, 'MASKDETECT_CACHE': str(tmp_path/'cache'), 'OMP_NUM_THREADS': '1', 'PYTHONUNBUFFERED': '1',
           'PYTHONPATH': os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get('PYTHONPATH', '')])}
    torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', str(processes)]
    return subprocess.Popen([sys.executable, *torchrun*(processes > 1), 'script.py', str(out)], env=env, cwd=tmp_path,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    assert text.count('finished') == 1, text  # the first process alone goes on
    return text


def test_two_processes(tmp_path):
    killed = start(tmp_path, tmp_path/'two')
    lines = (line for line in killed.stdout if line.startswith('epoch '))
    for _ in range(2): next(lines)  # what the first epoch led to is on the disk before the second one is told
    for o in (killed, *psutil.Process(killed.pid).children(recursive=True)): o.kill()
    killed.communicate()
    text = finish(start(tmp_path, tmp_path/'two'))
    assert any(f'{n} epochs are done' in text for n in (1, 2))
    assert text.count('averaged over 16 faces') == 1
    one = start(tmp_path, tmp_path/'one', processes=1)
    finish(one)
    logs = {o: pd.read_csv(tmp_path/o/'log.csv') for o in ('one', 'two')}
    assert all(list(log.epoch) == list(range(EPOCHS)) for log in logs.values())  # once, not once a process
    one, two = (log.valid_accuracy.max() for log in logs.values())
    assert min(one, two) > .4 and abs(one - two) < .15
    assert not list((tmp_path/'two').glob('.tmp-*'))
