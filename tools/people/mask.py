"The mask, wherever it sits, and what people hold before their faces"
import numpy as np

from .pen import Pen, mirror, oval
from .person import darker, half_width, lighter, mix


def mask_outline(p, m):
    t,s,l,b = m.place
    ws = .97*half_width(p,s)
    wl = max(.98*half_width(p,min(l,.97*p.chin)),.5*p.jaw)
    if m.cut=='cup':
        half = [(0,t),(.3,t+.03),(.66,(t+s)/2+.1),(.84*ws,.62*s+.38*l),(.86*wl,l),(.48,b-.05),(0,b+.02)]
    elif m.cut=='fold':
        half = [(0,t-.02),(.22,t+.12),(.6,t+.18),(ws,s+.12),(ws,s+.25),(.9*wl,l),(.4,b),(0,b+.05)]
    elif m.cut=='pleated':
        half = [(0,t),(.26,t+.05),(.62,.4*t+.6*s+.05),(ws,s),(.99*max(ws,wl),.5*(s+l)),(wl,l),(.5*p.jaw,b-.06),(0,b)]
    else:
        half = [(0,t-.02),(.24,t+.08),(.58,.5*(t+s)+.12),(ws,s+.04),(ws,s+.2),(.97*wl,l),(.42,b-.02),(0,b+.02)]
    return lean(m, mirror(half))


def lean(m, p):
    "The points `p`, tilted as the mask is"
    p = np.array(p, float)
    p[:,1] += m.tilt*p[:,0]
    return p


def paint_loops(pen, p, m):
    t,s,l,b = m.place
    ws = .95*half_width(p,s)
    wl = max(.95*half_width(p,min(l,.97*p.chin)),.48*p.jaw)
    for k in (-1,1):
        e = m.tilt*k
        upper = [(k*ws,s+.05+e),(k*.99,min(.08,s-.12)),(k*1.06,-.02)]
        lower = [(k*wl,l-.04+e),(k*1.0,max(.42,.6*l)),(k*1.05,.34)]
        if m.cut=='cup':
            upper = [(k*.8,s+.1+e),(k*1.06,0)]
            lower = [(k*.78,l-.05+e),(k*1.04,.42)]
        for o in (upper,lower): pen.line(o, m.loop, .055 if m.cut=='cup' else .04)


def paint_pattern(pen, m, rng):
    "The pattern of a cloth mask"
    t,_,_,b = m.place
    c = m.rgb2
    line = lambda o,w,alpha: pen.line(o, c, w, alpha, dz=.1)
    dot = lambda x,y,r,col=c: pen.fill(oval(x,y,r), col, dz=.1, smooth=False)
    if m.pattern in ('stripes','checks'):
        n = .2 if m.pattern=='stripes' else .24
        a = 1 if m.pattern=='stripes' else .55
        for y in np.arange(t-.2,b+.3,n): line([(-1.1,y-.12),(0,y),(1.1,y-.12)], .085, a)
        for x in np.arange(-1,1.1,.25) if m.pattern=='checks' else (): line([(x,t-.3),(x*.9,b+.2)], .09, a)
    for k,y in enumerate(np.arange(t-.15,b+.25,.22)):
        for x in np.arange(-1,1.1,.26)+.12*(k%2):
            if m.pattern=='dots': dot(x,y,.065)
            elif m.pattern=='flowers' and rng.random()<.6:
                for a in range(5): dot(x+.055*np.cos(a*1.257),y+.055*np.sin(a*1.257),.045)
                dot(x,y,.035,(245,215,110))
    for k in range(14 if m.pattern=='camo' else 0):
        blob = oval(rng.uniform(-.95,.95),rng.uniform(t-.1,b),.2,.12,rng.uniform(0,3))+rng.normal(0,.012,(24,2))
        pen.fill(blob, (darker(m.rgb,.4),lighter(m.rgb,.3),mix(m.rgb,c,.6))[k%3], dz=.1, smooth=False)
    if m.pattern=='smile':
        y = (t+b)/2+.08
        pen.fill([(-.3,y-.08),(0,y-.04),(.3,y-.08),(.18,y+.1),(0,y+.15),(-.18,y+.1)], (200,50,70))
        pen.line([(-.24,y-.03),(0,y+.01),(.24,y-.03)], (250,250,250), .05)


def paint_folds(pen, p, m):
    "What makes the mask a thing and not a patch: highlight, pleats, seams, creases"
    t,s,l,b = m.place
    c = m.rgb
    pen.fill(oval(-.12,t+.28*(b-t),.34,.24), lighter(c,.45), .5, .13, .2)
    pen.fill(mirror([(0,b-.1),(.6,b-.3),(1.1,l-.2),(1.1,b+.3),(0,b+.3)]), darker(c,.5), .4, .09, .1)
    for f in (.3,.5,.7) if m.cut=='pleated' else ():
        y = t+f*(b-t)
        z = s+f*(l-s)
        for d,col,w,a in ((-.02,darker(c,.28),.025,1),(.01,lighter(c,.4),.022,.7)):
            pen.line(lean(m,[(-1.1,z+d),(-.5,y+d),(0,y+d+.04),(.5,y+d),(1.1,z+d)]), col, w, a, dz=.1)
    if m.cut in ('seam','fold'):
        pen.line(lean(m,[(0,t-.05),(.03,(t+b)/2),(0,b+.1)]), darker(c,.3), .028, dz=.35)
        pen.line([(.035,t),(.065,(t+b)/2),(.03,b)], lighter(c,.5), .025, .7, dz=.35)
    for k in (-1,1) if m.cut=='fold' else ():
        pen.line([(k*1.0,s+.1),(k*.5,t+.42*(b-t)),(k*.1,t+.3*(b-t))], darker(c,.22), .022, dz=.1)
    for f in (.25,.55,.8) if m.wear=='chin' and m.cut!='cup' else ():
        y = t+f*(b-t)
        pen.line([(-.8,y-.2),(-.2,y+.03),(.3,y-.02),(.8,y-.2)], darker(c,.3), .03)


def paint_trim(pen, m):
    "Nose wire, valve, printed norm"
    t,_,_,b = m.place
    c = m.rgb
    if m.mask_type=='surgical':
        pen.line(lean(m,[(-.26,t+.10),(0,t+.055),(.26,t+.10)]), lighter(c,.45), .045, .8, dz=.15)
    if m.cut=='cup':
        y = t+.58*(b-t)
        pen.line([(-.24,t+.12),(0,t+.07),(.24,t+.12)], (178,182,186), .06, dz=.2)
        pen.fill(oval(0,y,.2), darker(c,.2), dz=.4, smooth=False)
        pen.fill(oval(0,y-.01,.16), mix(c,(120,150,190),.35), dz=.4, smooth=False)
        for k in (-.07,0,.07): pen.line([(-.09,y+k),(.09,y+k)], darker(c,.35), .022, dz=.4)
    for k in range(4) if m.cut=='fold' and m.tilt>0 else ():
        pen.line([(.28+.09*k,.45*t+.55*b),(.33+.09*k,.45*t+.55*b)], (80,90,110), .05, .7, dz=.1)


def paint_dangling_mask(pen, p, m):
    "A mask that hangs from one ear"
    s = m.side
    c = m.rgb
    a = s*(.14+2*abs(m.tilt))
    at = (s*(.93-.1*s*pen.turn[0]),.62)
    R = np.array([[np.cos(a),np.sin(a)],[-np.sin(a),np.cos(a)]])
    put = lambda o: np.asarray(o, float) @ R + at
    for y,x in ((0,-.22),(.1,.22)): pen.line([(s*1.06,y),*put([(x,.06)])], m.loop, .04)
    shape = np.array([(-.28,.03),(.28,.03),(.32,.55),(.28,1.1),(-.28,1.1),(-.32,.55)])
    pen.fill(put(shape+[0,.04]), (40,20,20), .35, .05)
    with pen.clip(pen.fill(put(shape), c)):
        for k in (-.13,0,.13):
            for d,col in ((0,darker(c,.28)),(.03,lighter(c,.4))):
                pen.line(put([(k+d,0),(k*1.25+d,.55),(k+d,1.15)]), col, .024)
    pen.line(put(shape), darker(c,.32), .02, .8, closed=True)
    pen.line(put([(-.25,1.08),(-.2,1.5),(.1,1.62),(.25,1.08)]), m.loop, .04)


def paint_mask(pen, p, m, rng):
    "The mask on the face, wherever it sits"
    if m.wear in ('none','ear'): return
    paint_loops(pen, p, m)
    q = mask_outline(p, m)
    for dy,alpha,soft in ((.06,.5,.045),(-.03,.3,.025)):
        pen.fill(q*[.93,1]+[0,dy], darker(p.skin,.75), alpha, soft, .1)
    with pen.clip(pen.fill(q, m.rgb, dz=.1)):
        paint_pattern(pen, m, rng)
        paint_folds(pen, p, m)
    pen.line(q, darker(m.rgb,.32), .02, .8, dz=.1, closed=True)
    paint_trim(pen, m)


def paint_tube(pen, p, color, width):
    "A limb or finger with a darker rim"
    pen.line(p, darker(color,.2), width+.035)
    pen.line(p, color, width)


def paint_hand(pen, p, at, angle, kind='flat', flip=1):
    "A hand, fingers up when `angle` is 0; `flat`, `fist` or `point`"
    h = Pen(pen.img, pen.scale*(.78 if p.age=='child' else .95), pen.at([at])[0], angle)
    f = flip
    c = lighter(p.skin,.06)
    paint_tube(h, [(0,.6),(f*.05,2.6)], c, .42)
    paint_tube(h, [(f*.03,1.25),(f*.06,2.8)], p.top_rgb, .6)
    palm = np.array([(-.3,0),(.3,0),(.34,.4),(.24,.72),(-.24,.72),(-.34,.4)])
    h.fill(palm*1.06, darker(c,.2))
    if kind=='flat':
        for x,y0,y1 in ((-.24,.05,-.42),(-.08,0,-.6),(.08,0,-.56),(.24,.06,-.4)):
            paint_tube(h, [(x,y0+.2),(x*1.2,y1)], c, .15)
    if kind=='point': paint_tube(h, [(-.2,.2),(-.2,-.62)], c, .15)
    h.fill(palm, c)
    for x in () if kind=='flat' else (-.22,-.07,.08,.22)[kind=='point':]: paint_tube(h, [(x,.06),(x,.3)], c, .14)
    paint_tube(h, [(f*.28,.5),(f*.5,.2) if kind=='flat' else (f*.1,.38)], c, .15)


def pen_at(pen, at, angle=0.):
    "A pen whose origin is the point `at` of the face"
    return Pen(pen.img, pen.scale, pen.at([at])[0], angle)


def paint_held(pen, p, m, rng):
    "Hands, a cup, a phone, a microphone: near bare faces often, near masks sometimes"
    s = m.side
    y = p.mouth
    u = rng.uniform
    c = p.hat_rgb2
    if m.hold=='cover':  paint_hand(pen, p, (s*u(.25,.5),y+u(-.02,.1)), -s*u(.75,1.35), 'flat', s)
    if m.hold=='think':  paint_hand(pen, p, (s*.3,p.chin-.02), -s*u(.1,.4), 'fist', s)
    if m.hold=='shh':    paint_hand(pen, p, (s*.2,y+.42), s*u(-.2,.05), 'point', -1)
    if m.hold=='adjust': paint_hand(pen, p, (s*.95,u(.75,.95)), s*u(-.5,-.2), 'flat', -s)
    if m.hold=='wave':   paint_hand(pen, p, (s*1.25,u(.7,1.)), s*u(-.1,.3), 'flat', -s)
    if m.hold=='phone':
        h = pen_at(pen, (s*1.08,.35), s*-.18)
        h.fill(np.array([(-.2,-.55),(.2,-.55),(.2,.62),(-.2,.62)]), mix(c,(30,30,34),.7), smooth=False)
        paint_hand(pen, p, (s*1.2,.55), s*.12, 'fist', -s)
    if m.hold=='cup':
        h = pen_at(pen, (s*.08,y+.02), s*u(-.25,.1))
        h.fill(np.array([(-.36,-.02),(.36,-.02),(.28,.8),(-.28,.8)]), c, smooth=False)
        h.fill(oval(0,0,.36,.07), lighter(c,.5))
        h.line([(-.33,.32),(.33,.32)], p.hat_rgb, .16)
        paint_hand(pen, p, (s*.3,y+.42), -s*.9, 'fist', s)
    if m.hold=='mic':
        h = pen_at(pen, (s*.1,y+.2), -s*u(.1,.5))
        paint_tube(h, [(0,.1),(0,1.3)], (52,52,58), .16)
        h.fill(oval(0,0,.23), (70,72,78), smooth=False)
        for k in (-.1,0,.1):
            for o in ([(-.19,k),(.19,k)],[(k,-.19),(k,.19)]): h.line(o, (140,142,148), .018, .7)
        paint_hand(pen, p, (s*.22,y+.85), -s*.5, 'fist', s)
