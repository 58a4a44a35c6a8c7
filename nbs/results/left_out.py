"""Trains the release without some sources, and measures it on them: rows of `left_out.csv`.

    python nbs/results/left_out.py train ilc2021      # one of `TOGETHER`; into runs/left_out/ilc2021
    python nbs/results/left_out.py measure            # the rows of the runs that are there, into runs/left_out/rows.csv
"""
import json, sys
from pathlib import Path

import numpy as np
import pandas as pd

from maskdetect.core import LABELS, save_results
from maskdetect.training.export import finish
from maskdetect.training.recipe import Recipe
from maskdetect.training.report import Report, ece, wilson
from maskdetect.training.sources import load_table
from maskdetect.training.table import table_digest
from maskdetect.training.train import train

TOGETHER = {'ilc2021': ['ilc2021', 'hand-to-face'], 'andrewmvd': ['andrewmvd'],
            'bare-faces': ['bare-faces', 'mask-types'],
            'face-mask-12k': ['face-mask-12k', 'mask-folders', 'maskedface-net']}  # sources that share photos or people
AGES = {'0-1': (0, 1), '2-12': (2, 12), '0-12': (0, 12), '13-19': (13, 19), '20-39': (20, 39), '40-59': (40, 59),
        '60 and older': (60, 200)}
THRESHOLD = .6
FOLDER = Path('runs/left_out')


def train_without(run):
    "Train on all sources but those of a run, which become the test"
    recipe = Recipe.load('release')
    table = load_table(*(s for s in recipe.data if s != 'spliced'))
    left = table.source.isin(TOGETHER[run])
    table = table.assign(split=table.split.mask(left, 'test'))[left | (table.split != 'test')].reset_index(drop=True)
    finish(train(recipe, table, out=FOLDER/run))


def load_report(folder):
    "The report that `save_report` wrote, without its table"
    d, rows = json.loads((folder/'report.json').read_text()), pd.read_csv(folder/'predictions.csv')
    probs = rows[[f'p_{o}' for o in d['labels']]]
    return Report(d['labels'], rows['truth'], probs, None, d['name'], d['meta'], d['unknown'])


def answers(folder):
    "The faces that a run was tested on, with their boxes, and its probabilities at the recipe's temperature"
    report = load_report(folder/'report')
    table = pd.read_csv(folder/'table.csv', low_memory=False).query("split == 'test'").reset_index(drop=True)
    assert list(table.label) == [(*report.labels, *report.unknown)[i] for i in report.targets]
    side = np.fmax(table.x1 - table.x0, table.y1 - table.y0).fillna(999)  # a cut face counts as large
    return table.assign(side=side), report.probs


def parts(table, source):
    "Name -> which faces belong to it"
    here = table.source == source
    found = {'all': here, '>=32 px': here & (table.side >= 32), '<32 px': here & (table.side < 32)}
    if source in ('andrewmvd', 'ilc2021'): found['test part'] = here & table.path.isin(fixed_test(source))
    found |= {f'age {k}': here & pd.to_numeric(table.age, errors='coerce').between(*v) for k, v in AGES.items()}
    for c in ('skin_tone', 'mask_type'):
        found |= {f"{c.replace('_', ' ')} {v}": here & (table[c] == v) for v in table[c][here].dropna().unique() if v}
    return {k: v.to_numpy() for k, v in found.items() if v.any()}


def fixed_test(source):
    "The photos of a source that no training sees"
    return set(load_table(source).query("split == 'test'").path)


def figures(truth, probs):
    "How often some faces are judged right"
    said = np.array(LABELS)[probs.argmax(1)]
    of_two = np.array(LABELS[:2])[probs[:, :2].argmax(1)]
    right = {f'right_{l}': (said[truth == l] == l).mean() for l in LABELS[:2] if l in truth}
    two, wrong, called = np.isin(truth, LABELS[:2]), truth == LABELS[2], said == LABELS[2]
    sure = probs.max(1) >= THRESHOLD
    hits = int((said == truth)[two].sum())
    low, high = wilson(hits, two.sum())
    return dict(faces=int(two.sum()), **right, balanced=np.mean([*right.values()]),
                balanced_of_two=np.mean([(of_two[truth == l] == l).mean() for l in LABELS[:2] if l in truth]),
                accuracy=hits/max(1, two.sum()), low=low, high=high,
                wrong=int(wrong.sum()), wrong_found=int((wrong & called).sum()), called_wrong=int(called.sum()),
                wrong_called_mask=int((wrong & (said == LABELS[0])).sum()),
                ece=ece(probs, [LABELS.index(o) for o in truth]), sure=sure.mean(),
                accuracy_sure=(said == truth)[sure].mean())


def measure():
    "The rows of all runs"
    runs = {run: answers(FOLDER/run) for run in TOGETHER if (FOLDER/run/'report').exists()}
    rows = []
    for run, (table, probs) in runs.items():
        t = Recipe.load(FOLDER/run/'recipe.yaml').temperature
        for source in TOGETHER[run]:
            for name, some in parts(table, source).items():
                told = figures(table.label.to_numpy()[some], probs[some])
                rows.append(dict(recipe='second release', left_out=source, faces_of=name,
                                 data=table_digest(table[some])[:16], temperature=t, **told))
    save_results(FOLDER/'rows.csv', rows, seed=0, threshold=THRESHOLD, command='python nbs/results/left_out.py measure')


if __name__ == '__main__':
    if sys.argv[1:] == ['measure']: measure()
    elif sys.argv[1:2] == ['train'] and sys.argv[2:3] and sys.argv[2] in TOGETHER: train_without(sys.argv[2])
    else: sys.exit(__doc__)
