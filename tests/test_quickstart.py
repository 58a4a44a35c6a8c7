"The README's first command, as a newcomer runs it: no network, no dataset, no weights"
import json, os, subprocess, sys, time
from pathlib import Path


def test_quickstart(tmp_path):
    env = {k: v for k,v in os.environ.items() if not k.startswith('MASKDETECT') and k != 'TORCH_HOME'} | {
        'MASKDETECT_CACHE': str(tmp_path/'cache'), 'HTTPS_PROXY': 'http://127.0.0.1:9', 'HTTP_PROXY': 'http://127.0.0.1:9'}
    start = time.time()
    p = subprocess.run([Path(sys.executable).parent/'maskdetect', 'quickstart'], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=1200)  # five minutes on a slow one
    print(p.stdout, f"{time.time()-start:.0f} s")
    assert p.returncode == 0, p.stderr
    run = tmp_path/'quickstart'/'run'
    for name in ('model.pkl', 'model.onnx', 'model_card.md', 'report/report.html', 'log.csv', 'lr_find.png', 'curves.png', 'recipe.yaml'): assert (run/name).stat().st_size
    report = json.loads((run/'report'/'report.json').read_text())
    assert report['accuracy']['value'] > .55  # chance is .33
    assert 'drawn' in p.stdout and 'model.onnx says' in p.stdout and 'model.pkl' in p.stdout
