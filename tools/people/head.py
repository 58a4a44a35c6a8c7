"Shoulders, head, hair, hats and glasses; called from back to front"
import cv2
import numpy as np

from .pen import fixed_point, mirror, oval, smooth_curve
from .person import darker, half_width, lighter, mix


def paint_body(pen, p):
    "Shoulders and what they wear"
    b = p.chin+.38
    w = 1.25 if p.age=='child' else 1.55 if p.fem else 1.8
    c = p.top_rgb
    q = pen.fill(mirror([(0,b+.06),(.42,b),(.8*w,b+.26),(w,b+.6),(w+.12,b+2.2),(w+.1,b+9),(0,b+9)]), c)
    with pen.clip(q):
        if p.top=='stripes':
            for y in np.arange(b+.15,b+3,.3): pen.line([(-2,y+.1),(0,y),(2,y+.1)], p.top_rgb2, .13)
        if p.top=='suit':
            pen.fill(np.array([(-.42,b-.1),(.42,b-.1),(0,b+1.3)]), (236,236,232), smooth=False)
            pen.fill(np.array([(-.09,b+.1),(.09,b+.1),(.13,b+1),(0,b+1.3),(-.13,b+1)]), p.top_rgb2, smooth=False)
        for s in (-1,1): pen.line([(s*(w-.1),b+.8),(s*(w-.16),b+3)], darker(c), .04)


def paint_neck(pen, p):
    b = p.chin+.38
    w = .42 if p.age=='child' else .5 if p.fem else .62
    v = dict(vneck=.62, suit=.3, shirt=.3, scrubs=.3).get(p.top,.16)
    neck = np.array([(-w,.5),(w,.5),(w*.96,b-.12),(w+.08,b+.03),(0,b+v),(-w-.08,b+.03),(-w*.96,b-.12)])
    with pen.clip(pen.fill(neck, darker(p.skin,.1), smooth=False)):
        pen.fill(oval(0,p.chin-.05,.75,.34), darker(p.skin,.55), .5, .1)
    if p.top=='turtle': pen.fill(mirror([(0,b-.2),(w+.04,b-.26),(w+.1,b+.15),(0,b+.25)]), darker(p.top_rgb,.08))
    elif p.top in ('shirt','suit'):
        c = lighter(p.top_rgb,.3) if p.top=='shirt' else (240,240,238)
        for s in (-1,1):
            pen.fill(np.array([(s*(w+.02),b-.16),(s*(w+.16),b+.05),(s*.34,b+.45),(s*.02,b+.3)]), c, smooth=False)
    elif p.top=='hoodie':
        for s in (-1,1):
            pen.line([(s*(w+.12),b-.1),(s*.4,b+.22),(s*.12,b+.38)], darker(p.top_rgb,.18), .17)
            pen.line([(s*.2,b+.4),(s*.22,b+.9)], (240,240,235), .04)
    else:
        collar = [(-w-.1,b+.01),(-w*.6,b+.04+v*.5),(0,b+v+.02),(w*.6,b+.04+v*.5),(w+.1,b+.01)]
        pen.line(collar, darker(p.top_rgb,.2), .06, smooth=v<.2)


def paint_scarf(pen, p, high=False):
    "A scarf round the neck; a high one comes up to the chin, never over the mouth"
    b = p.chin+(0 if high else .16)
    c = p.top_rgb2
    q = pen.fill(mirror([(0,b+.02),(.5,b-.06),(.98,b-.12),(1.06,b+.3),(.6,b+.62),(0,b+.7)]), c)
    with pen.clip(q):
        for y in (.16,.36,.54): pen.line([(-1.1,b+y-.22),(0,b+y),(1.1,b+y-.2)], darker(c), .04)
    pen.fill(np.array([(.2,b+.5),(.62,b+.45),(.74,b+1.8),(.24,b+1.9)]), darker(c,.08), smooth=False)


def paint_ears(pen, p):
    s = dict(child=.9, old=1.1).get(p.age,1.)
    for side in (-1,1):
        x = side*(1.02-.2*max(0,side*pen.turn[0]))
        pen.fill(oval(x,.16,.15*s,.27*s,side*.15), p.skin)
        pen.line([(x,0),(x+side*.07,.1),(x+side*.02,.3)], darker(p.skin,.3), .035)
        if p.earring: pen.fill(oval(x+side*.03,.47,.05), (232,200,110))


def paint_face(pen, p, rng):
    ys = np.array([-.95,-.6,-.2,.1,.45,.65*p.chin,.86*p.chin])
    half = [(0,p.crown),(.5,p.crown+.1),*zip(half_width(p,ys),ys),(.36*p.jaw,.975*p.chin),(0,p.chin)]
    pen.fill(mirror(half), p.skin)
    if p.blush>.05:
        for s in (-1,1): pen.fill(oval(s*.58,p.nose-.05,.24,.18), mix(p.skin,(225,80,80),.55), p.blush, .1)
    for x,y in rng.uniform([-.65,.15],[.65,.6],(p.freckles,2)):
        pen.fill(oval(x,y,.016), darker(p.skin,.35), smooth=False)


def paint_eye(pen, p, s):
    "One eye: white, iris, pupil and a light, clipped to the lids; then lashes and brow"
    x = s*p.eye_dx
    w = .2*p.eye
    h = .125*p.eye*p.lid
    lid = [(x-w,.02+s*p.slant),(x-.45*w,-h),(x+.45*w,-h),(x+w,.02-s*p.slant),(x+.4*w,.75*h),(x-.4*w,.75*h)]
    pen.fill(oval(x,0,w*1.35,.2*p.eye), darker(p.skin,.3), .35, .05)
    q = pen.fill(lid, (240,238,234))
    gx = x+p.gaze[0]*w*.6
    gy = p.gaze[1]*h
    r = .105*p.eye
    with pen.clip(q):
        pen.fill(oval(gx,gy,r), p.iris, smooth=False)
        pen.fill(oval(gx,gy,.52*r), (16,12,14), smooth=False)
        pen.fill(oval(gx-.035,gy-.04,.03), (255,255,255), smooth=False)
        pen.line(lid[:4], (90,80,84), .05, .4)
    pen.line(lid[:4], (36,24,24), .045 if p.fem else .032)
    pen.line([(x-w,-.05),(x,-h-.09),(x+w,-.05)], darker(p.skin,.45), .022, .7)
    y = -.3+p.brow-.05*(p.eye-1)
    pen.fill([(x-s*.24,y+.05),(x-s*.05,y-.02),(x+s*.26,y+.03),(x-s*.02,y-.02-1.6*p.brow_w),(x-s*.25,y-p.brow_w)],
             mix(p.hair_rgb,(40,28,24),.35))


def paint_nose(pen, p, light):
    n = p.nose
    w = p.nose_w
    d = darker(p.skin,.38)
    x = 1 if np.cos(light)<0 else -1  # the side in the shadow
    pen.fill([(x*.03,.05),(x*.1,.2),(x*w*1.05,n-.02),(x*w*.5,n+.08),(0,n+.05)], d, .45, .035, .2)
    pen.fill(oval(0,n-.02,.62*w,.10), lighter(p.skin,.35), .55, .05, .25)
    pen.line([(-x*.03,.08),(-x*.035,n-.12)], lighter(p.skin,.4), .045, .4, .02, .2)
    for s in (-1,1):
        pen.line([(s*w*.95,n-.1),(s*w*1.12,n),(s*w*.8,n+.07)], darker(p.skin,.5), .03, .85, dz=.2)
        pen.fill(oval(s*w*.48,n+.055,.26*w,.032,s*-.3), darker(p.skin,.78), dz=.22, smooth=False)
    pen.line([(-.4*w,n+.10),(0,n+.115),(.4*w,n+.10)], d, .03, .6, dz=.2)


def paint_lips(pen, p):
    m = p.mouth
    w = p.mouth_w
    k = p.smile
    c = p.lip_rgb
    upper = [(-w,m-k),(-.5*w,m-.045),(-.1*w,m-.065),(.1*w,m-.065),(.5*w,m-.045),(w,m-k)]
    if p.lips in ('grin','open'):
        d = .13 if p.lips=='grin' else .2
        pen.fill(upper+[(.6*w,m+.7*d),(0,m+d+.03),(-.6*w,m+.7*d)], c)
        q = pen.fill([(-.8*w,m-k*.7),(0,m-.01),(.8*w,m-k*.7),(.45*w,m+.55*d),(0,m+.8*d),(-.45*w,m+.55*d)], (92,24,30))
        with pen.clip(q):
            pen.fill([(-w,m-.14),(w,m-.14),(.8*w,m+.05),(0,m+.09),(-.8*w,m+.05)], (248,246,240))
            if p.lips=='open': pen.fill(oval(0,m+.85*d,.5*w,.07), (200,90,96))
    else:
        pen.fill(upper+[(.5*w,m+.075),(0,m+.105),(-.5*w,m+.075)], c)
        pen.line([(-w,m-k),(-.4*w,m+.008),(0,m-.005),(.4*w,m+.008),(w,m-k)], darker(c,.55), .026)
        pen.fill(oval(-.05,m+.055,.1,.02), lighter(c,.4), .5, .015)
    pen.line([(-.3*w,m+.175),(.3*w,m+.175)], darker(p.skin,.4), .04, .35, .03)


def paint_age(pen, p):
    "Folds, crow's feet and lines on the forehead"
    k = p.wrinkles
    d = darker(p.skin,.45)
    if not k: return
    for s in (-1,1):
        pen.line([(s*(p.nose_w+.03),p.nose),(s*.36,p.mouth-.14),(s*.42,p.mouth+.06)], d, .028, .75*k)
        pen.line([(s*(p.eye_dx-.2),.13),(s*p.eye_dx,.2),(s*(p.eye_dx+.2),.14)], d, .024, .7*k)
        for a in (-.06,.03,.11) if k>.4 else (): pen.line([(s*.68,a*.5),(s*.83,a*1.4)], d, .02, .7*k)
    for y in (-.56,-.68,-.79) if k>.4 else (): pen.line([(-.45,y+.02),(-.2,y),(.2,y),(.45,y+.02)], d, .022, .6*k)


def paint_beard(pen, p):
    b = p.beard
    m = p.mouth
    n = p.chin
    c = p.hair_rgb
    if b=='none': return
    if b in ('full','long','stubble'):
        jaw = [(half_width(p,.3)-.03,.3),(.98*half_width(p,.6),.62),(half_width(p,.82*n)+.02,.82*n)]
        jaw += [(.4*p.jaw,n+.02),(0,n+.05)]
        if b=='long': jaw[2:] = [(.8*p.jaw,n+.05),(.5*p.jaw,n+.5),(0,n+.66)]
        jaw = np.array(jaw)
        cheek = np.array([(.84,.36),(.6,m-.25),(.3,m-.2),(.42,m-.1),(.36,m+.12),(0,m+.2)])
        ring = np.concatenate([jaw, jaw[::-1]*[-1,1], cheek*[-1,1], cheek[::-1]])
        if b=='stubble':
            pen.fill(ring, c, .3, .03)
            return pen.fill([(-.36,m-.06),(-.2,m-.2),(0,m-.17),(.2,m-.2),(.36,m-.06),(0,m-.1)], c, .28, .02)
        with pen.clip(pen.fill(ring, c)):
            for i,x in enumerate(np.linspace(-.9,.9,19)):
                pen.line([(x,m-.3),(x*.85,n+.6)], lighter(c,.16) if i%3 else darker(c,.3), .02)
    if b=='goatee': pen.fill(mirror([(0,m+.17),(.2,m+.15),(.3,m+.25),(.22,n+.04),(0,n+.12)]), c)
    pen.fill([(-.4,m+.06),(-.3,m-.14),(0,m-.2),(.3,m-.14),(.4,m+.06),(.2,m-.06),(0,m-.085),(-.2,m-.06)], c)

HOODS = ('hijab','hood')  # these go round the whole head
def paint_strands(pen, q, c, rng, n=12, y1=1.2):
    with pen.clip(q):
        for x in rng.uniform(-1.2,1.2,n):
            pen.line([(x*.35,-1.6),(x*.9,-.9),(x*1.05,y1)], lighter(c,.13) if rng.random()<.5 else darker(c,.3), .03)


def paint_hair_back(pen, p, rng):
    c = darker(p.hair_rgb,.2)
    t = p.crown
    s = p.side
    if p.hat in (*HOODS,'turban'): return
    if p.hair in ('long','bob'):
        e = p.chin+(.75 if p.hair=='long' else .02)
        q = pen.fill(mirror([(0,t-.2),(.75,t-.1),(1.2,-.5),(1.28,.4),(1.22,e-.2),(.9,e+.06),(0,e)]), c)
        paint_strands(pen, q, c, rng, 10, e)
    elif p.hair=='curly':
        r,over = (.34,.35) if p.fem else (.24,0)
        for a in np.linspace(-over,np.pi+over,15):
            y = -.2-1.12*np.sin(a)*(.8 if p.hat!='none' else 1)+rng.normal(0,.03)
            pen.fill(oval(1.08*np.cos(a),y,r), c, smooth=False)
    elif p.hair=='bun' and p.hat=='none':
        pen.fill(oval(.1,t-.32,.4,.36), p.hair_rgb)
        pen.line(oval(.1,t-.3,.2), darker(p.hair_rgb,.3), .035)
    elif p.hair=='ponytail': pen.fill([(.7*s,-.9),(1.35*s,-.6),(1.45*s,.4),(1.2*s,1.2),(1.0*s,.3)], c)
    elif p.hair=='pigtails':
        for s in (-1,1):
            pen.fill([(s*.9,-.5),(s*1.35,-.6),(s*1.6,.1),(s*1.4,.75),(s*1.15,.1)], p.hair_rgb)
            pen.fill(oval(s*1.05,-.45,.13), p.hat_rgb, smooth=False)


def fringe_edge(p):
    "The lower edge of the hair over the forehead, right to left"
    x = np.array([.8,.5,.2,-.2,-.5,-.8])
    if p.fringe=='parted': return list(zip(x, -.62-.3*np.exp(-((x-p.part)/.22)**2)))
    return list(zip(x, dict(swept=-.66+.3*x*p.side, straight=np.full(6,-.45), high=-.86+.18*x*x)[p.fringe]))


def paint_hair_front(pen, p, rng):
    c = p.hair_rgb
    t = p.crown
    h = p.hair
    hat = p.hat not in ('none','headband')
    if p.hat in HOODS or h=='bald': return
    if h=='receding':
        for s in (-1,1): pen.fill([(s*.8,-.85),(s*1.0,-.75),(s*1.1,-.1),(s*1.02,.22),(s*.95,0),(s*.9,-.4)], c)
        return
    if h=='buzz':
        return pen.fill(mirror([(0,t-.04),(.7,t+.22),(1.02,-.5),(1.0,0),(.93,-.45),(.6,-.82),(0,-.88)]), c, .85, .012)
    v = 0 if hat else dict(curly=.2, bun=.06, ponytail=.06).get(h,.14)
    e = dict(long=.9, bob=.75).get(h, .2 if p.fem else .12)
    side = [(1.0,e),(1.1+.2*v,-.2),(1.0,-.75),(.6,t+.04-v)]
    outer = [(-x,y) for x,y in side]+[(0,t-.06-v)]+side[::-1]
    paint_strands(pen, pen.fill(outer+[(.93,e*.6),(.93,-.3)]+fringe_edge(p)+[(-.93,-.3),(-.93,e*.6)], c), c, rng)
    for x in np.linspace(-.8,.8,8) if not hat else ():
        if h=='spiky':
            y = t+.28*abs(x)+.05
            pen.fill(np.array([(x-.18,y),(x*1.15+rng.normal(0,.05),t+.3*x*x-.42),(x+.18,y)]), c, smooth=False)
        if h=='curly':
            y = -.85-.32*np.sqrt(1-x*x)+rng.normal(0,.03)
            pen.fill(oval(x,y,.2), lighter(c,.1) if rng.random()<.4 else c, smooth=False)


def paint_hood(pen, p):
    "A headscarf or hood: cloth with an opening for the face"
    e = p.chin
    t = p.crown
    c = p.hat_rgb
    out = mirror([(0,t-.22),(.75,t-.08),(1.2,-.45),(1.26,.4),(1.1,e-.05),(1.2,e+.5),(.8,e+.8),(0,e+.9)])
    hole = mirror([(0,-.88),(.5,-.8),(.84,-.45),(.9,.15),(.8,.62*e),(.5,.93*e),(0,e)])
    cv2.fillPoly(pen.img, [fixed_point(pen.at(smooth_curve(o)))[0] for o in (out,hole)], c, cv2.LINE_AA, 4)
    pen.line(hole*1.01, darker(c,.3), .035, closed=True)
    for k in (.18,.34): pen.line([(-1.05,.2+k),(-.75,.8*e+k),(0,e+.1+k),(.8,.75*e+k),(1.08,.1+k)], darker(c), .03, .8)
    pen.line([(-.7,-1.05),(0,-1.2),(.7,-1.02)], lighter(c,.3), .05, .4, .03)


def paint_hat(pen, p, rng):
    c = p.hat_rgb
    d = p.hat_rgb2
    t = p.crown
    k = p.hat
    if k in HOODS: return paint_hood(pen, p)
    if k=='headband': pen.line([(-1.03,-.55),(-.5,-.88),(.5,-.88),(1.03,-.55)], c, .18)
    if k in ('none','headband'): return
    with pen.clip(pen.fill(mirror([(0,t-.36),(.65,t-.22),(1.08,-.95),(1.1,-.5),(.6,-.62),(0,-.66)]), c)):
        for x in np.linspace(-1,1,11) if k=='beanie' else (-.6,0,.6) if k=='cap' else ():
            pen.line([(x*.5,t-.4),(x,t),(x*1.1,-.5)], darker(c,.2), .03)
        for x in np.linspace(-.9,.9,7) if k=='turban' else ():
            pen.line([(-1.1,-.5-.3*x),(0,-1.05-.55*x),(1.1,-.6-.5*x)], darker(c,.28), .035)
        for x,y in rng.uniform([-1,t-.3],[1,-.6],(22,2)) if k=='scrubcap' and p.part>0 else ():
            pen.fill(oval(x,y,.06), d, smooth=False)
    paint_brim(pen, p)


def paint_brim(pen, p):
    c = p.hat_rgb
    d = p.hat_rgb2
    t = p.crown
    k = p.hat
    edge = [(-1.07,-.52),(-.6,-.66),(0,-.7),(.6,-.66),(1.07,-.52)]
    if k=='beanie':
        pen.line(edge, d, .24)
        if p.part<0: pen.fill(oval(0,t-.48,.22), d, smooth=False)
    if k=='scrubcap': pen.line(edge, darker(c,.15), .08)
    if k=='turban':
        pen.fill([(-.12,-.7),(0,-1.15),(.12,-.7)], lighter(c))
        pen.fill(oval(0,-.8,.07), (230,200,120), smooth=False)
    if k=='cap':
        pen.fill([(-.98,-.6),(-.5,-.78),(.5,-.78),(.98,-.6),(.75,-.42),(0,-.34),(-.75,-.42)], d, dz=.5)
        pen.line([(-.75,-.42),(0,-.34),(.75,-.42)], darker(d,.3), .03, dz=.5)
    if k=='sunhat':
        brim = [(-1.75,-.5),(-1.1,-.75),(0,-.84),(1.1,-.75),(1.75,-.5),(1.0,-.42),(0,-.46),(-1.0,-.42)]
        pen.fill(brim, lighter(c,.1))
        pen.line([(-1.08,-.74),(0,-.86),(1.08,-.74)], d, .16)


def paint_glasses(pen, p):
    if p.glasses=='none': return
    c = p.glasses_rgb
    r = .3*max(1,p.eye*.96)
    dx = p.eye_dx+.02
    for s in (-1,1):
        x = s*dx
        square = smooth_curve([(x-r,-.17),(x+r,-.17),(x+.92*r,.2),(x-.9*r,.2)])
        lens = square if p.glasses=='square' else oval(x,.03,r,.9*r)
        if p.glasses=='sun':
            pen.fill(lens, (34,32,38), dz=.1, smooth=False)
            pen.line([(x-.12,-.1),(x-.02,.08)], (150,150,160), .05, .5, .02, dz=.1)
        else:
            pen.fill(lens, (235,245,250), .12, dz=.1, smooth=False)
            pen.line([(x-.2,.02),(x-.12,-.12)], (255,255,255), .04, .5, .012, dz=.1)
        pen.line(lens, c, .05, dz=.1, closed=True, smooth=False)
        pen.line([(x+s*r,-.02),(s*1.0,-.02)], c, .05)
    pen.line([(-dx+r,0),(0,-.05),(dx-r,0)], c, .05, dz=.15)
