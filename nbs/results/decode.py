"""What a smaller decode of a JPEG saves, and what it changes: the rows of `decode.csv`. Needs photos.

    OMP_NUM_THREADS=1 python nbs/results/decode.py

Large photos are made of the scenes of three sources: each is enlarged to 4000 pixels in width on a canvas of 4000x3000
and gets the grain of a sensor, for an enlarged picture is smooth and its JPEG small.
"""
import io, time, warnings
from statistics import median

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from maskdetect import MaskDetector
from maskdetect.core import crop_face, read_image, save_results
from maskdetect.detect import Faces, match_boxes
from maskdetect.training.sources import load_table

SCENES = 'ilc2021', 'andrewmvd', 'selfie-scenes'
FACES = (*SCENES, 'wider-mafa-scenes', 'mask-types', 'mask-folders', 'face-mask-12k', 'maskedface-net', 'bare-faces',
         'hand-to-face')


def whole(detector, path):
    "As it was before: every pixel is decoded"
    image = read_image(path)
    return Faces(detector.judge(image, detector.detector.detect(image)), image.shape[1::-1])


def large(path, width=4000, height=3000, grain=4):
    "A JPEG of 12 megapixels"
    image = read_image(path)
    scene = cv2.resize(image, (width, round(image.shape[0]*width/image.shape[1])), interpolation=cv2.INTER_CUBIC)
    canvas = np.full((height, width, 3), 128, np.int16)
    canvas[:scene.shape[0]] = scene[:height]
    canvas += np.random.default_rng(0).normal(0, grain, canvas.shape).astype(np.int16)
    Image.fromarray(canvas.clip(0, 255).astype(np.uint8)).save(out := io.BytesIO(), 'JPEG', quality=90)
    return out.getvalue()


def timed(f, *args):
    "What it gives, and the processor time that it takes: other things may run on the machine"
    start = time.process_time()
    return f(*args), time.process_time() - start


def photos(detector, n=30):
    "Whole and smaller in turns: times, and verdicts that differ"
    for source in SCENES:
        paths = load_table(source).path.drop_duplicates().sample(n, random_state=0)
        for kind, make in (('scene', lambda p: p), ('12 megapixels', large)):
            seconds, same, lost, changed, again = [], 0, 0, 0, 0
            for path in paths:
                photo = make(path)
                image, size, boxes = detector.find(photo)
                again += max(image.shape) > 1000 and len(boxes) > 0
                a, s = timed(whole, detector, photo)
                b, t = timed(detector.predict, photo)
                seconds.append((s, t))
                at = match_boxes([f.box for f in a], [f.box for f in b])
                lost += (at < 0).sum() + len(b) - (at >= 0).sum()
                same += sum(a[i].label == b[j].label for i, j in enumerate(at) if j >= 0)
                changed += sum(a[i].label != b[j].label for i, j in enumerate(at) if j >= 0)
            before, after = map(sum, zip(*seconds))
            yield dict(part='photos', source=source, kind=kind, photos=n, ms_whole=1e3*before/n, ms_smaller=1e3*after/n,
                       ratio=before/after, median_ratio=median(s/t for s, t in seconds), decoded_again=again,
                       verdicts_same=same, verdicts_changed=changed, boxes_in_one_only=int(lost))


def crops(path, box, info):
    "A face cut from 1/1, 1/2, 1/4 and 1/8 of its JPEG, and its side in pixels"
    out, full = [], read_image(path)
    for s in (1, 2, 4, 8):
        image, size = read_image(path, least=max(full.shape)//s)
        k = image.shape[1]/size[0]
        out.append(crop_face(image, None if box is None else box*k, info.size, info.margin))
    return (max(full.shape) if box is None else max(box[2:]-box[:2])*(1+info.margin)), out


def faces(model, n=500):
    "Of faces that measure 90 pixels and more, what is said of smaller decodes"
    rows = []
    for source in FACES:
        df = load_table(source)
        df = df[df.path.str.lower().str.endswith(('.jpg', '.jpeg'))]
        for r in df.sample(min(n, len(df)), random_state=0).itertuples():
            box = np.array([r.x0, r.y0, r.x1, r.y1], float)
            side, cuts = crops(r.path, None if np.isnan(box).any() else box, model.info)
            if side < 90: continue
            said = [model.labels[i] for i in model.predict(cuts).argmax(1)]
            rows += [dict(px=side/s, same=said[0] == l, whole=said[0] == r.label, smaller=l == r.label)
                     for s, l in zip((2, 4, 8), said[1:])]
    df = pd.DataFrame(rows)
    for px, part in df.groupby(pd.cut(df.px, [0, 24, 32, 48, 64, 96, 999]), observed=True):
        name = f'{px.left:g} to {px.right:g}'
        yield dict(part='faces', face_px=name, verdicts=len(part), **part.drop(columns='px').mean())


if __name__ == '__main__':
    warnings.simplefilter('ignore')
    cv2.setNumThreads(1)
    detector = MaskDetector(threads=1)
    rows = [*photos(detector), *faces(detector.model)]
    print(pd.DataFrame(rows).round(3).to_string())
    save_results('nbs/results/decode.csv', rows, threads=1, command='OMP_NUM_THREADS=1 python nbs/results/decode.py')
