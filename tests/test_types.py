"A type checker knows the public names: `__init__.pyi` says what the package does"
import ast, inspect, os, subprocess, sys
from pathlib import Path

import maskdetect

GOOD = """
from maskdetect import FaceBoxes, MaskClassifier, MaskDetector, read_image
detector = MaskDetector(MaskClassifier.load())
faces = detector.predict('crowd.jpg')
names: list[str] = [face.label for face in faces]
image = faces.draw()
again = detector.judge(read_image('crowd.jpg'), FaceBoxes([[0, 0, 9, 9]]))
share: float = detector.model.classify(image)[0][1]['with_mask']
faces.to_pandas().to_csv('rows.csv')
"""
BAD = """
from maskdetect import MaskDetector
MaskDetector(engin='onnxruntime')
names: list[int] = [face.label for face in MaskDetector().predict(3)]
"""


def mypy(folder, text):
    (folder/'app.py').write_text(text)
    command = [sys.executable, '-m', 'mypy', '--strict', '--cache-dir', str(folder/'cache'), 'app.py']
    env = {**os.environ, 'MYPYPATH': str(Path(maskdetect.__file__).parents[1])}  # mypy looks into no editable install
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)


def test_mypy_accepts_right_use_and_no_other(tmp_path):
    good, bad = mypy(tmp_path, GOOD), mypy(tmp_path, BAD)
    assert good.returncode == 0, good.stdout
    assert bad.stdout.count('error:') == 3, bad.stdout


def test_the_stub_says_what_the_package_does():
    stub = ast.parse(Path(maskdetect.__file__).with_name('__init__.pyi').read_text())
    said = {o.name: o for o in stub.body if isinstance(o, (ast.ClassDef, ast.FunctionDef))}
    names = {*said, *(o.target.id for o in stub.body if isinstance(o, ast.AnnAssign))}
    assert names == {*maskdetect.__all__}
    functions = {k: (getattr(maskdetect, k), o) for k, o in said.items() if isinstance(o, ast.FunctionDef)}
    for c, node in ((getattr(maskdetect, k), o) for k, o in said.items() if isinstance(o, ast.ClassDef)):
        functions |= {f'{c.__name__}.{m.name}': (getattr(c, m.name), m) for m in node.body
                      if isinstance(m, ast.FunctionDef) and not m.decorator_list and not m.name.startswith('__get')}
        public = {k for k, v in vars(c).items() if inspect.isfunction(v) and not k.startswith('_')}
        assert public - {'load'} <= {m.name for m in node.body if isinstance(m, ast.FunctionDef)}, c
    for name, (f, node) in functions.items():
        assert [o.arg for o in node.args.args if o.arg != 'self'] == \
            [k for k in inspect.signature(f).parameters if k != 'self'], name
