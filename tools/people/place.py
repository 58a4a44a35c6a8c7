"What is behind the people: a wall, a room, trees, a city, lights, wallpaper"
import cv2
import numpy as np

from .person import CLOTH, darker, jitter, lighter, mix, pick


def paint_background(rng, w, h, kind, depth):
    "A place, painted small and out of focus"
    s = 128/min(w,h)
    W = max(8,round(w*s))
    H = max(8,round(h*s))
    c,d = (jitter(rng, pick(rng, CLOTH), 40) for _ in range(2))
    c = mix(c,(190,185,180),.35)
    d = mix(d,(170,170,170),.3)
    if kind=='nature':
        c = jitter(rng,(150,195,235),30)
        d = jitter(rng,(225,235,240),20)
    img = np.linspace(c, d, H)[:,None].repeat(W,1).astype(np.uint8)
    places = dict(room=paint_room, nature=paint_nature, city=paint_city, bokeh=paint_bokeh, pattern=paint_wallpaper)
    if kind in places: places[kind](img, rng, W, H, d)
    return cv2.resize(cv2.GaussianBlur(img, (0,0), depth), (w,h), interpolation=cv2.INTER_CUBIC)


def box(img, x, y, w, h, c): cv2.rectangle(img, (int(x),int(y)), (int(x+w),int(y+h)), c, -1)
def disc(img, x, y, r, c): cv2.circle(img, (int(x),int(y)), int(r), c, -1, cv2.LINE_AA)


def paint_room(img, rng, W, H, d):
    u = rng.uniform
    box(img, 0, .8*H, W, H, darker(d,.3))
    x = u(0,.6)*W
    window = (0,10,44,52,(236,238,236)), (3,13,38,46,jitter(rng,(170,205,235),30)), (20,10,3,52,(236,238,236))
    for dx,y,w,h,c in window:
        box(img, x+dx, y, w, h, c)
    x = u(0,.8)*W
    y = u(.25,.6)*H
    for k in range(8): box(img, x+k*6, y-u(10,20), 5, 20, pick(rng,CLOTH))
    box(img, x, y, 51, 4, (120,84,56))
    box(img, x, y+4, 51, 22, mix(d,(170,170,170),.2))


def paint_nature(img, rng, W, H, d):
    u = rng.uniform
    for k in range(2):
        at = (int(u(0,W)),int(H*(1+.1*k)))
        axes = (int(u(.6,1)*W),int(u(.3,.5)*H))
        cv2.ellipse(img, at, axes, 0, 0, 360, jitter(rng,(96,140,80),40), -1, cv2.LINE_AA)
    for k in range(int(rng.integers(2,4)*W/H)):
        x = u(0,W)
        y = u(.4,.75)*H
        r = u(.08,.2)*H
        box(img, x-2, y, 4, H, (96,70,50))
        disc(img, x, y, r, jitter(rng,(70,120,66),30))


def paint_city(img, rng, W, H, d):
    u = rng.uniform
    x = -5
    while x<W:
        w = u(14,34)
        top = u(.05,.6)*H
        c = jitter(rng, pick(rng, [(150,140,134),(120,124,136),(178,150,120),(200,196,190)]), 24)
        box(img, x, top, w, H, c)
        for y in np.arange(top+5,H,10):
            for k in np.arange(x+4,x+w-4,8): box(img, k, y, 3, 5, lighter(c,.6) if rng.random()<.4 else darker(c,.35))
        x += w+u(0,4)


def paint_bokeh(img, rng, W, H, d):
    for k in range(22*W//H):
        disc(img, rng.uniform(0,W), rng.uniform(0,H), rng.uniform(4,13), lighter(pick(rng,CLOTH),.2))


def paint_wallpaper(img, rng, W, H, d):
    g = int(rng.uniform(10,22))
    k = rng.integers(3)
    for a in range(0,W+H,g):
        if k==0: cv2.line(img, (a,0), (a-H,H), d, g//2, cv2.LINE_AA)
        elif k==1: box(img, a, 0, g//2, H, darker(d,.2))
        else:
            for b in range(0,H,g): disc(img, a, b, g//4, darker(d,.25))
