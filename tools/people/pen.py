"A pen that draws smooth, soft-edged shapes in the coordinates of a face"
from contextlib import contextmanager
from functools import lru_cache

import cv2
import numpy as np

STEPS = np.linspace(0, 1, 6, endpoint=False)[:,None]
BASIS = np.hstack([-STEPS+2*STEPS**2-STEPS**3, 2-5*STEPS**2+3*STEPS**3,
                   STEPS+4*STEPS**2-3*STEPS**3, -STEPS**2+STEPS**3])/2  # of a Catmull-Rom spline


@lru_cache(None)
def spline(n, closed):
    "The matrix that turns `n` points into a smooth curve through them"
    p = np.eye(n)
    q = np.concatenate([p[-1:], p, p[:2]] if closed else [2*p[:1]-p[1:2], p, 2*p[-1:]-p[-2:-1]])
    m = (BASIS @ np.stack([q[i:i+len(q)-3] for i in range(4)], 1)).reshape(-1,n)
    return m if closed else np.concatenate([m, p[-1:]])


def smooth_curve(p, closed=True):
    "A smooth curve through the points `p`"
    return spline(len(p), closed) @ np.asarray(p, float)


def mirror(half):
    "A closed outline from its right half, listed from top to bottom"
    half = np.asarray(half, float)
    return np.concatenate([half, half[::-1][int(half[-1,0]==0):len(half)-int(half[0,0]==0)]*[-1,1]])

ANGLES = np.arange(24)*np.pi/12
RING = np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)
def oval(x, y, rx, ry=None, tilt=0.):
    "24 points of an ellipse"
    c = np.cos(tilt)
    s = np.sin(tilt)
    return RING*[rx, rx if ry is None else ry] @ np.array([[c,s],[-s,c]]) + [x,y]


def fixed_point(q, k=16): return [np.rint(q*k).astype(np.int32)]  # OpenCV draws to a sixteenth of a pixel


def blend(img, r, a, color, alpha):
    "Mix `color` into the region `r` of `img` as far as `a` covers it"
    v = img[r]
    d = cv2.subtract((*color,0), v, dtype=cv2.CV_16S)
    d = cv2.multiply(d, cv2.merge([a,a,a]), scale=alpha/255, dtype=cv2.CV_16S)
    cv2.add(v, d, v, dtype=cv2.CV_8U)


class Pen:
    "Draws on `img` in face coordinates: the eyes at y=0, half a head's width is 1, y points down"
    def __init__(self, img, scale, at, roll=0., yaw=0., pitch=0.):
        self.img = img
        self.scale = scale
        self.o = np.asarray(at, float)
        self.turn = np.array([yaw,pitch])
        self.turned = bool(yaw or pitch)
        c = scale*np.cos(roll)
        s = scale*np.sin(roll)
        self.M = np.array([[c,s],[-s,c]])

    def at(self, p, dz=0.):
        "Pixels of the points `p`; what stands out by `dz` moves more when the head turns"
        p = np.asarray(p, float)
        if self.turned:
            x = p[:,0]
            y = p[:,1]
            p = p + (np.maximum(1-x*x, 0)*(np.minimum(np.maximum((y+1.35)/.9, 0), 1)+dz))[:,None]*self.turn
        return p @ self.M + self.o

    def alpha(self, q, soft=0., width=None, closed=True):
        "The region that the pixels `q` touch, and how much of each of its pixels they cover"
        s = soft*self.scale
        pad = 2+int(2.4*s)+(width or 0)
        k = max(1, int(s/1.3))
        h,w = self.img.shape[:2]
        x0,y0 = q.min(0)-pad
        x1,y1 = q.max(0)+pad
        x0 = min(max(int(x0),0),w-1)
        y0 = min(max(int(y0),0),h-1)
        x1 = min(max(int(x1),x0+1),w)
        y1 = min(max(int(y1),y0+1),h)
        a = np.zeros((-(-(y1-y0)//k),-(-(x1-x0)//k)), np.uint8)
        q = fixed_point(q-[x0,y0], 16/k)
        if width is None: cv2.fillPoly(a, q, 255, cv2.LINE_AA, 4)
        else: cv2.polylines(a, q, closed, 255, max(1,round(width/k)), cv2.LINE_AA, 4)
        if s: a = cv2.GaussianBlur(a, (0,0), s/k)
        if k>1: a = cv2.resize(a, (a.shape[1]*k,a.shape[0]*k), interpolation=cv2.INTER_LINEAR)[:y1-y0,:x1-x0]
        return (slice(y0,y1),slice(x0,x1)),a

    def fill(self, p, color, alpha=1., soft=0., dz=0., smooth=True):
        "Fill the outline `p`; returns its pixels, for `clip`"
        q = self.at(smooth_curve(p) if smooth else p, dz)
        if alpha==1 and not soft: cv2.fillPoly(self.img, fixed_point(q), color, cv2.LINE_AA, 4)
        else: blend(self.img, *self.alpha(q, soft), color, alpha)
        return q

    def line(self, p, color, width=.03, alpha=1., soft=0., dz=0., closed=False, smooth=True):
        "Draw a line through the points `p`"
        q = self.at(smooth_curve(p, closed) if smooth else p, dz)
        w = max(1, round(width*self.scale))
        if alpha==1 and not soft: cv2.polylines(self.img, fixed_point(q), closed, color, w, cv2.LINE_AA, 4)
        else: blend(self.img, *self.alpha(q, soft, w, closed), color, alpha)

    @contextmanager
    def clip(self, q):
        "What is drawn inside the block shows only inside the outline `q` (pixels)"
        r,a = self.alpha(q)
        img = self.img
        o = self.o
        view = self.img[r]
        keep = view.copy()
        self.img = view
        self.o = o-[r[1].start,r[0].start]
        yield
        self.img = img
        self.o = o
        cv2.copyTo(keep, cv2.compare(a, 128, cv2.CMP_LT), view)
