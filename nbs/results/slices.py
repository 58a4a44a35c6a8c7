"""How faces with a beard, glasses, a scarf or a hand, and masks of each colour are judged: `slices.csv`.

    python nbs/results/slices.py choose FOLDER    # faces that the release did not learn from: sheets, chosen.csv
    python nbs/results/slices.py measure          # the shipped model on them, by `slices_readings.csv`

The sheets show neither source, label nor verdict. They were read by eye, by an AI model that helps to build this
package, 92 doubtful faces a second time, larger. What could not be read is empty. *Beard*: beard or moustache in sight.
"""
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskdetect import MaskClassifier
from maskdetect.core import LABELS, crop_face, data_dir, read_image, save_results
from maskdetect.training.recipe import Recipe
from maskdetect.training.report import wilson
from maskdetect.training.sources import load_table
from maskdetect.training.table import table_digest
from maskdetect.training.train import prepare_table

HERE = Path(__file__).parent
BOX = ['x0', 'y0', 'x1', 'y1']
READ = dict(truth='label', glasses='glasses', beard='beard', colour='mask colour', cover='over the mouth')
# source -> part of its test faces -> how many; a query picks the part
SHARES = {'selfie-scenes': {"label == 'with_mask'": 60, "label == 'without_mask'": 45},
          'worn-wrong': {"~path.str.contains('/4_')": 40},
          'ilc2021': {"label == 'with_mask'": 25, "label == 'without_mask'": 25, "label == 'incorrect_mask'": 20},
          'hand-to-face': {'x1 > x0': 70},
          'mask-types': {"mask_type == 'cloth'": 25, "mask_type == 'surgical'": 12, "mask_type == 'ffp2'": 8,
                         "label == 'without_mask'": 10},
          'mafa-faces': {f"path.str.contains('/{f}/')": n for f, n in
                         dict(covered=35, bare=20, to_read=25, worn_wrong=10).items()},
          'bare-faces': {"path.str.contains(r'/(?:3[1-9]|[4-9][0-9])_0_')": 50}}  # men over 30
PIXELS, A_SHEET, COLUMNS = 160, 40, 8


def unseen():
    "The test faces of the release, and a source that it does not know, of 48 pixels and more"
    recipe = Recipe.load('release')
    recipe.data.remove('spliced')  # made of training faces
    test, _ = prepare_table(recipe)
    test = pd.concat([test[test.split == 'test'], load_table('selfie-scenes')], ignore_index=True)
    side = np.fmax(test.x1 - test.x0, test.y1 - test.y0)
    for i in np.flatnonzero(side.isna()): side[i] = max(read_image(test.path[i]).shape)
    return test[side >= 48].reset_index(drop=True)


def choose(folder):
    "Some faces of each part, mixed, on sheets with nothing but a number"
    table, chosen = unseen(), []
    for source, shares in SHARES.items():
        faces = table[table.source == source]
        for query, n in shares.items():
            part = faces.query(query, engine='python')
            chosen.append(part.sample(min(n, len(part)), random_state=0))
            print(source, query, len(part), len(chosen[-1]))
    faces = pd.concat(chosen).sample(frac=1, random_state=0)
    faces = pd.concat([faces, scarves(table.drop(faces.index))]).reset_index(drop=True)
    file = [Path(p).relative_to(data_dir()/s).as_posix() for p, s in zip(faces.path, faces.source)]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    faces.assign(number=faces.index, file=file)[['number', 'source', 'file', *BOX, 'label']].round(2).to_csv(
        folder/'chosen.csv', index=False)
    for k in range(0, len(faces), A_SHEET):
        cells = [cell(i, f) for i, f in zip(range(k, k+A_SHEET), faces[k:k+A_SHEET].itertuples())]
        cells += [np.full_like(cells[0], 255)]*(-len(cells) % COLUMNS)
        sheet = np.concatenate([np.concatenate(cells[i:i+COLUMNS], 1) for i in range(0, len(cells), COLUMNS)])
        cv2.imwrite(str(folder/f'{k//A_SHEET:02}.png'), sheet[..., ::-1])


def scarves(table):
    "One sheet more: all faces of `mafa-faces` that were read as cloth before, among others of its folder `covered`"
    before = pd.read_csv(HERE/'mafa_readings.csv').query("read == 'cloth'").file
    faces = table[(table.source == 'mafa-faces') & table.path.str.contains('/covered/')]
    cloth = faces.path.isin([f'{data_dir()}/mafa-faces/{f}.jpg' for f in before])
    others = faces[~cloth].sample(A_SHEET - cloth.sum(), random_state=0)
    print('mafa-faces, read as cloth', cloth.sum())
    return pd.concat([faces[cloth], others]).sample(frac=1, random_state=0)


def cell(number, face):
    "A face with what is around it, below its number"
    box = None if np.isnan(face.x0) else (face.x0, face.y0, face.x1, face.y1)
    out = np.full((PIXELS + 16, PIXELS, 3), 255, np.uint8)
    out[16:] = crop_face(read_image(face.path), box, PIXELS, .5)
    return cv2.putText(out, str(number), (4, 13), cv2.FONT_HERSHEY_SIMPLEX, .45, (0, 0, 0), 1, cv2.LINE_AA)


def probabilities(faces):
    "What the shipped model says of each face"
    model = MaskClassifier.load(threads=1)
    boxes = [None if np.isnan(b[0]) else b for b in faces[BOX].to_numpy(float)]
    cuts = [crop_face(read_image(p), b, model.size, model.info.margin) for p, b in zip(faces.path, boxes)]
    assert list(model.labels) == list(LABELS)
    return model.predict(cuts), model.info.threshold


def row(what, value, faces, truth='all'):
    "The figures of some faces: against the source's labels, and against the reader's where one could tell"
    read = faces[faces.truth != '']
    out = dict(attribute=what, value=value, read_as=truth, faces=len(faces), sources=faces.source.nunique(),
               agree=(read.truth == read.label).mean(), unsure=faces.unsure.mean())
    for name, some, truth in (('label', faces, faces.label), ('reader', read, read.truth)):
        right = int((some.said == truth).sum())
        low, high = wilson(right, len(some))
        out |= {f'{name}_faces': len(some), f'{name}_right': right, f'{name}_share': right/max(1, len(some)),
                f'{name}_low': low, f'{name}_high': high}
    for label in LABELS: out[f'said_{label}'] = int((faces.said == label).sum())
    return out


def measure():
    "The rows of `slices.csv`: all faces, and those of each value of what was read, by the reader's truth as well"
    faces = pd.read_csv(HERE/'slices_readings.csv', keep_default_na=False)
    faces[BOX] = faces[BOX].replace('', np.nan).astype(float)
    faces['path'] = [str(data_dir()/s/f) for s, f in zip(faces.source, faces.file)]
    probs, threshold = probabilities(faces)
    faces['said'], faces['unsure'] = np.array(LABELS)[probs.argmax(1)], probs.max(1) < threshold
    rows = [row('all', '', faces)]
    for column, name in READ.items():
        aside = (faces.cover == 'scarf or veil') & (column not in ('truth', 'cover'))  # wrong, whatever else is worn
        kept = faces[~aside]
        for value, some in kept.groupby(column):
            rows.append(row(name, value or 'unclear', some))
            if column == 'truth' or not value: continue
            rows += [row(name, value, s, t) for t, s in some[some.truth != ''].groupby('truth')]
    save_results(HERE/'slices.csv', rows, seed=0, data=table_digest(faces.assign(split='test')),
                 command='python nbs/results/slices.py measure')


if __name__ == '__main__':
    if sys.argv[1:] == ['measure']: measure()
    elif sys.argv[1:2] == ['choose'] and sys.argv[2:]: choose(sys.argv[2])
    else: sys.exit(__doc__)
