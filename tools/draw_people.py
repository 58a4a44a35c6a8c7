"""Draw the sample that comes with maskdetect: faces, scenes with their boxes, a short clip; and the README's pictures

    python tools/draw_people.py maskdetect/sample --images images

The same code and seeds give the same faces and scenes, byte for byte.
"""
import argparse
import csv
from pathlib import Path

import av
import cv2
import numpy as np
from maskdetect.core import LABELS

from people.person import choose_camera, face_spec
from people.photo import develop, draw_face, draw_scene, paint_person
from people.place import paint_background

SPLITS = ('train',)*14+('valid',)*3+('test',)*3  # of every 20 faces of a label
SCENES = dict(  # (people, seed, size); the shipped model is right about everybody, except in `hard`
    crowd=(12, 35, (1280,720)),
    people=(6, 12, (1280,720)),
    hard=(9, 10, (960,420)),
)
README_SCENE = (9, 15, (960,420))
WALKERS = [  # seed of a person, and the labels at the start and at the end of the clip
    (16, 'with_mask', 'with_mask'),
    (17, 'without_mask', 'without_mask'),
    (24, 'with_mask', 'without_mask'),
    (22, 'incorrect_mask', 'incorrect_mask'),
]


def jpeg(path, image, quality):
    "Write an RGB picture"
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    path.write_bytes(cv2.imencode('.jpg', image[..., ::-1], options)[1])


def write_csv(path, rows):
    with open(path, 'w', newline='') as f:
        writer = csv.DictWriter(f, list(rows[0]), lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows)


def sample_face(i, size, seed):
    "The spec of face `i`: a camera no worse than a phone's, so that a learner can see what is drawn"
    spec = face_spec((seed,i), LABELS[i%len(LABELS)])
    camera = spec.camera
    camera.low = max(camera.low, .7)
    camera.noise = min(camera.noise, 2)
    camera.blur = min(camera.blur, .5)
    camera.motion = False
    camera.gray = camera.gray and i%2==0
    return spec


def write_faces(out, n, size=80, seed=0):
    "`{train,valid,test}/{label}/NNNN.jpg` and `metadata.csv`"
    rows = []
    for i in range(n):
        spec = sample_face(i, size, seed)
        split = SPLITS[i//len(LABELS)%len(SPLITS)]
        name = f'{split}/{spec.label}/{i:04d}.jpg'
        jpeg(out/name, draw_face(spec, size), 84)
        rows.append(dict(file_name=name, label=spec.label, split=split, source='sample', group=f'sample-{i:04d}',
                         mask_type=spec.mask.mask_type, age=spec.person.age, skin_tone=spec.person.skin_tone))
    write_csv(out/'metadata.csv', rows)


def write_scenes(out):
    "The scenes, and `scenes.csv` with the true box and label of every face"
    rows = []
    for name,(n,seed,size) in SCENES.items():
        image,boxes,labels = draw_scene(n, seed, size)
        jpeg(out/f'{name}.jpg', image, 82)
        for box,label in zip(boxes, labels):
            corners = dict(zip(('x0','y0','x1','y1'), box.round(1).tolist()))
            rows.append(dict(file=f'{name}.jpg', **corners, label=label))
    write_csv(out/'scenes.csv', rows)


def clip_frames(size, fps, seconds=4, seed=0):
    "People who look round and move a little; at half time one of them takes the mask off"
    W,H = 2*size[0],2*size[1]
    rng = np.random.default_rng(seed)
    place = paint_background(rng, W, H, 'city', 1.6)
    light = choose_camera(rng)
    light.update(blur=0, motion=False, low=1, gray=False, noise=0, jpeg=0, gain=1., sweep=.1, warm=0.)
    for i in range(fps*seconds):
        t = i/fps
        image = place.copy()
        for k,(person_seed,first,last) in enumerate(WALKERS):
            spec = face_spec(person_seed, first if t<seconds/2 else last)
            angle = 2*np.pi*t/seconds+1.7*k
            spec.camera.update(yaw=.22*np.sin(angle), roll=.07*np.sin(angle+1), pitch=.03*np.cos(angle))
            scale = H*(.17+.012*np.sin(angle+2))*(.88 if spec.person.age=='child' else 1)
            x = W*(k+.5)/len(WALKERS)+30*np.sin(angle)+20*t-40
            y = H*.42+10*np.sin(2*angle)+50*(k%2)
            paint_person(image, spec.person, spec.mask, spec.camera, scale, (x,y))
        yield develop(image, light, size, rng)


def write_clip(path, size=(640,360), fps=15):
    "A WebM file, VP8"
    with av.open(str(path), 'w', options=dict(fflags='+bitexact')) as file:
        stream = file.add_stream('libvpx', rate=fps)
        stream.bit_rate = 400_000
        stream.options = dict(deadline='good', threads='1')
        stream.width,stream.height = size
        for image in clip_frames(size, fps):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, 'rgb24')))
        file.mux(stream.encode())


def write_images(out):
    "The two pictures of the README: a scene, and the shipped model's verdicts on it"
    from maskdetect import MaskDetector
    image,_,_ = draw_scene(*README_SCENE)
    jpeg(out/'crowd.jpg', image, 92)
    jpeg(out/'verdicts.jpg', MaskDetector().predict(out/'crowd.jpg').draw(), 90)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=Path, help='folder for the sample, such as maskdetect/sample')
    parser.add_argument('-n', type=int, default=1200, help='how many faces')
    parser.add_argument('--images', type=Path, help='folder for the pictures of the README')
    parser.add_argument('--only', choices=('faces','scenes','clip','images'), help='make this part only')
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.only in (None,'faces'): write_faces(args.out/'faces', args.n)
    if args.only in (None,'scenes'): write_scenes(args.out)
    if args.only in (None,'clip'): write_clip(args.out/'walk.webm')
    if args.images and args.only in (None,'images'): write_images(args.images)


if __name__=='__main__': main()
