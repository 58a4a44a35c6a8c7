"The README's first command, as a newcomer runs it: no network, no dataset, no weights"
import json, os, subprocess, sys, time
from pathlib import Path

OFFLINE = {'HTTPS_PROXY': 'http://127.0.0.1:9', 'HTTP_PROXY': 'http://127.0.0.1:9'}
FILES = ('model.pkl', 'model.onnx', 'model_card.md', 'report/report.html', 'log.csv', 'recipe.yaml')


def test_quickstart(tmp_path):
    ours = ('MASKDETECT', 'TORCH_HOME', 'OMP_NUM_THREADS')  # not set where a newcomer sits
    env = {k: v for k,v in os.environ.items() if not k.startswith(ours)} | OFFLINE
    env['MASKDETECT_CACHE'] = str(tmp_path/'cache')
    start = time.time()
    command = [Path(sys.executable).parent/'maskdetect', 'quickstart']
    p = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=1200)
    print(p.stdout, f"{time.time()-start:.0f} s")
    assert p.returncode == 0, p.stderr
    run = tmp_path/'quickstart'/'run'
    for name in FILES: assert (run/name).stat().st_size
    report = json.loads((run/'report'/'report.json').read_text())
    assert report['accuracy']['value'] > .55  # chance is .33
    for words in ('drawings', 'model.onnx says', 'model.pkl', 'Next:'): assert words in p.stdout
