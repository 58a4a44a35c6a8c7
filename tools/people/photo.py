"From people to pictures: one face, or a crowd"
import cv2
import numpy as np
from maskdetect.core import LABELS

from .head import (HOODS, paint_age, paint_beard, paint_body, paint_ears, paint_eye, paint_face, paint_glasses,
                   paint_hair_back, paint_hair_front, paint_hat, paint_lips, paint_neck, paint_nose, paint_scarf)
from .mask import paint_dangling_mask, paint_held, paint_mask
from .pen import Pen
from .person import choose_camera, face_spec, half_width, pick
from .place import paint_background


def shade(pen, light, k, before):
    "Turn flat paint into a round head, lit from the angle `light`; what is still as `before` stays"
    h,w = pen.img.shape[:2]
    v,u = np.mgrid[2:h+2:4,2:w+2:4].astype(np.float32)
    R = np.linalg.inv(pen.M).astype(np.float32)
    u = u-np.float32(pen.o[0])
    v = v-np.float32(pen.o[1])
    x = (u*R[0,0]+v*R[1,0])/1.15
    y = (u*R[0,1]+v*R[1,1]-.05)/1.5
    r = np.sqrt(x*x+y*y)+1e-6
    lambert = (x*np.cos(light)+y*np.sin(light))/np.maximum(r,1)+.55*np.sqrt(np.maximum(1-r*r,0))-.35
    g = np.clip(128*(1+k*lambert*np.clip(2.2-1.2*r,0,1)), 0, 255).astype(np.uint8)
    g = cv2.resize(g, (w,h), interpolation=cv2.INTER_CUBIC)
    lit = cv2.multiply(pen.img, cv2.merge([g,g,g]), scale=1/128)
    painted = cv2.transform(cv2.absdiff(pen.img, before), np.ones((1,3), np.float32))
    cv2.copyTo(lit, painted, pen.img)


def paint_layers(pen, body, p, m, c):
    "Paint a person from back to front"
    rng = np.random.default_rng(p.detail)
    hooded = p.hat in HOODS
    before = pen.img.copy()
    paint_body(body, p)
    paint_hair_back(pen, p, rng)
    paint_neck(body, p)
    if p.top=='scarf' and not hooded: paint_scarf(body, p)
    if not hooded: paint_ears(pen, p)
    paint_face(pen, p, rng)
    paint_age(pen, p)
    for side in (-1,1): paint_eye(pen, p, side)
    paint_nose(pen, p, c.light)
    paint_lips(pen, p)
    paint_beard(pen, p)
    if hooded: paint_hat(pen, p, rng)
    if m.hold=='scarf': paint_scarf(body, p, True)
    paint_mask(pen, p, m, rng)
    paint_hair_front(pen, p, rng)
    if not hooded: paint_hat(pen, p, rng)
    paint_glasses(pen, p)
    if m.wear=='ear': paint_dangling_mask(pen, p, m)
    shade(pen, c.light, c.shade, before)
    paint_held(pen, p, m, rng)


def make_pens(img, p, c, scale, at):
    "A pen for the head and one for the body, which turns less; they meet at the neck"
    pen = Pen(img, scale, at, c.roll, c.yaw, c.pitch)
    body = Pen(img, scale, (0,0), .25*c.roll)
    neck = [(0,p.chin-.1)]
    body.o = pen.at(neck)[0]-body.at(neck)[0]-body.M[0]*.6*c.yaw
    return pen,body


def paint_person(img, p, m, c, scale, at):
    "One person, from back to front; returns the box of the face"
    x0 = max(0,int(at[0]-2.9*scale))
    y0 = max(0,int(at[1]-2.4*scale))
    view = img[y0:,x0:int(at[0]+2.9*scale)]
    pen,body = make_pens(view, p, c, scale, (at[0]-x0,at[1]-y0))
    paint_layers(pen, body, p, m, c)
    q = pen.at([(x*half_width(p,y),y) for y in (-.8,-.3,.1,.5,.8*p.chin,p.chin) for x in (-1,1)])+[x0,y0]
    return (*q.min(0),*q.max(0))


def develop(img, c, size, rng):
    "From drawing to photo of `size` (width, height)"
    W,H = size
    g = np.array([1+c.warm,1,1-c.warm])*c.gain
    curve = ((np.arange(256)[:,None]-128)*c.contrast+128)*g
    img = cv2.LUT(img, np.clip(curve,0,255).astype(np.uint8).reshape(1,256,3))
    img = cv2.resize(img, (W,H), interpolation=cv2.INTER_AREA)
    y,x = np.mgrid[-1:1:8j,-1:1:8j]
    sweep = (1+c.sweep*(x*np.cos(c.sweep_dir)+y*np.sin(c.sweep_dir))).astype(np.float32)
    f = cv2.multiply(img, cv2.merge([cv2.resize(sweep, (W,H))]*3), dtype=cv2.CV_32F)
    if c.blur: f = cv2.GaussianBlur(f, (0,0), c.blur*H/128)
    if c.motion: f = cv2.blur(f, (max(3,W//25),1))
    if c.low<1:
        f = cv2.resize(f, (max(8,int(W*c.low)),max(8,int(H*c.low))), interpolation=cv2.INTER_AREA)
        f = cv2.resize(f, (W,H), interpolation=cv2.INTER_LINEAR)
    if c.noise: f += rng.standard_normal(f.shape, np.float32)*c.noise
    img = cv2.convertScaleAbs(cv2.max(f, 0))
    if c.gray: img = cv2.cvtColor(cv2.cvtColor(img, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if c.jpeg: img = cv2.imdecode(cv2.imencode('.jpg', img, [cv2.IMWRITE_JPEG_QUALITY, c.jpeg])[1], cv2.IMREAD_COLOR)
    return img


def draw_face(spec, size):
    "One face, a uint8 RGB array of `size` x `size` pixels; `spec` as `face_spec` gives it"
    p = spec.person
    c = spec.camera
    S = 3*size//2
    rng = np.random.default_rng([*spec.seed,3])
    img = paint_background(rng, S, S, c.place, c.depth)
    scale = S*c.fit*(1.08 if p.age=='child' else 1)
    paint_person(img, p, spec.mask, c, scale, (S*(.5+c.dx),S*(.5+c.dy)-((p.crown+p.chin)/2+.2)*scale))
    return develop(img, c, (size,size), rng)


def draw_scene(n_faces, seed, size, labels=LABELS):
    """A crowd in rows, so that nobody's face is hidden behind another's

    `size` is (width, height) in pixels; the labels are taken in equal parts.
    Returns the picture (uint8 RGB), the boxes (n, 4) as x0 y0 x1 y1, and the labels.
    """
    rng = np.random.default_rng([seed,n_faces])
    W = 2*size[0]
    H = 2*size[1]
    img = paint_background(rng, W, H, pick(rng, ['nature','city','room']), 1.2)
    cols = max(1, int(np.ceil(np.sqrt(n_faces*W/H*.8))))
    rows = -(-n_faces//cols)
    px = W/cols
    py = H/(rows+.4)
    who = rng.permutation([labels[i%len(labels)] for i in range(n_faces)])
    out = []
    for i in range(n_faces):
        r,k = divmod(i, cols)
        s = face_spec((seed,n_faces,i), str(who[i]))
        p = s.person
        scale = min(px*.3,py*.36)*(.82+.3*r/max(rows-1,1))*rng.uniform(.88,1.05)*(.88 if p.age=='child' else 1)
        x = W/min(cols,n_faces-r*cols)*(k+.5)+(r%2-.5)*.2*px*(rows>1)+rng.uniform(-.06,.06)*px
        y = py*(r+.5)+rng.uniform(-.04,.06)*py
        out.append((paint_person(img, p, s.mask, s.camera, scale, (x,y)), s.label))
    c = choose_camera(rng)
    c.update(blur=0, motion=False, low=1, gray=False, noise=2, jpeg=0, gain=1., sweep=.1)
    boxes = np.clip(np.array([b for b,_ in out]).reshape(-1,4)/2, 0, [*size]*2)
    return develop(img, c, size, rng), boxes, [l for _,l in out]
