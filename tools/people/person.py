"Who is drawn, how the mask is worn, in what light: numbers and words, nothing is painted here"
import numpy as np
from fastcore.basics import AttrDict

SKIN = [(250,226,208),(244,212,188),(238,198,168),(224,178,142),(205,155,116),  # tones 1 to 10, light to dark
        (180,129,90),(150,102,70),(121,80,55),(98,66,48),(76,53,42)]
AGES = ('child','young','middle','old')
WEARS = ('right','nose_out','mouth_out','chin','ear')  # and 'none'; 'right' is with_mask, the others incorrect_mask

HAIR = dict(black=(34,28,30), dark=(58,40,32), brown=(98,66,44), auburn=(128,62,38), ginger=(186,96,44),
            blond=(214,176,110), grey=(150,148,146), white=(226,224,220), pink=(222,120,160), blue=(70,110,180))
CLOTH = [(232,232,230),(40,40,46),(110,170,210),(64,120,180),(70,150,140),(190,60,60),(230,190,90),(120,90,150),
         (90,110,80),(226,150,160),(140,110,84),(200,180,150),(60,70,110),(240,140,70),(150,205,220)]
SURGICAL = dict(light_blue=(150,200,226), blue=(92,160,206), teal=(112,186,176), white=(238,240,240),
                pink=(238,182,196), black=(44,44,50), lilac=(190,176,220), mint=(186,222,200))
FFP2 = dict(white=(242,242,238), black=(46,46,50), grey=(150,154,158), light_blue=(170,204,224),
            beige=(222,198,170), coral=(232,140,124))


def mix(a, b, t): return tuple(float(x+(y-x)*t) for x,y in zip(a,b))
def darker(c, t=.25): return mix(c, (20,8,12), t)
def lighter(c, t=.25): return mix(c, (255,252,245), t)
def jitter(rng, c, s=8): return tuple(np.clip(np.asarray(c)+rng.normal(0,s/2)+rng.normal(0,s/2,3), 4, 252).tolist())
def apart(c, d, gap=26):
    "The colour `c`, moved away from `d` if the two can hardly be told apart"
    if max(abs(x-y) for x,y in zip(c,d))>=gap: return c
    return lighter(c,.3) if sum(d)<330 else darker(c,.22)


def pick(rng, d):
    "A random key of `d`, whose values are weights; or a random item of a list"
    if not isinstance(d, dict): return d[int(rng.integers(len(d)))]
    w = np.cumsum(list(d.values()))
    return list(d)[int(np.searchsorted(w, rng.random()*w[-1], side='right'))]


def choose_hair_color(rng, age, tone):
    if age=='old': return pick(rng, dict(grey=.5, white=.4, dark=.1))
    if tone>5: return pick(rng, dict(black=8, dark=4, brown=1, pink=.2, blue=.2, grey=1.5*(age=='middle')))
    return pick(rng, dict(black=2, dark=2.5, brown=3, auburn=1, ginger=1, blond=2.4, pink=.2, blue=.2,
                          grey=1.2*(age=='middle')))


def choose_hair_style(rng, age, fem):
    child = age=='child'
    old = age=='old'
    if fem: return pick(rng, dict(long=3, bob=2.5, bun=1.5, ponytail=1.5, curly=1.5, short=.7, pigtails=2.5*child))
    return pick(rng, dict(short=4, spiky=1, curly=1.2, buzz=1.5, bald=1.2*(not child)+1.5*old,
                          receding=2*old+.5*(age=='middle'), long=.4))


def choose_person(rng):
    "Everything about one person that stays when the mask comes off"
    p = AttrDict(age=pick(rng, dict(child=.17, young=.33, middle=.28, old=.22)), skin_tone=int(rng.integers(1,11)))
    p.fem = bool(rng.random()<.5)
    child = p.age=='child'
    p.skin = jitter(rng, SKIN[p.skin_tone-1], 10-.7*p.skin_tone)
    p.hair_color = choose_hair_color(rng, p.age, p.skin_tone)
    p.hair_rgb = jitter(rng, HAIR[p.hair_color], 14)
    p.hair = choose_hair_style(rng, p.age, p.fem)
    p.fringe = pick(rng, dict(parted=2, swept=2, straight=1.5, high=1.5))
    p.part = float(rng.uniform(-.5,.5))
    p.side = 1 if p.part>0 else -1
    p.hat = pick(rng, dict(none=7, hijab=1.3*p.fem, beanie=.6, cap=.7, turban=.35*(not p.fem and not child), sunhat=.4,
                           hood=.4, scrubcap=.4, headband=.4*p.fem))
    p.hat_rgb,p.hat_rgb2 = (jitter(rng, pick(rng, CLOTH), 14) for _ in range(2))
    beards = dict(none=5, stubble=1.2, moustache=.8, goatee=.9, full=1.5, long=.5)
    p.beard = 'none' if p.fem or child else pick(rng, beards)
    p.glasses = pick(rng, dict(none=7, round=1.2, square=1.4, sun=.6))
    p.glasses_rgb = pick(rng, [(30,28,30),(110,70,40),(150,40,50),(190,160,90),(60,80,120),(200,200,205)])
    p.top = pick(rng, dict(tee=3, shirt=2, vneck=1.5, hoodie=1.2, suit=1., turtle=.8, scarf=1., stripes=1.2, scrubs=.8))
    p.top_rgb,p.top_rgb2 = (jitter(rng, pick(rng, CLOTH), 14) for _ in range(2))
    return choose_features(rng, p)


def choose_features(rng, p):
    "Proportions and face"
    child = p.age=='child'
    old = p.age=='old'
    u = rng.uniform
    p.nose,p.mouth,p.chin = (.44,.70,1.02) if child else (.60,.91,1.33)
    p.chin += u(-.05,.06)
    p.crown = -1.28 if child else -1.2
    p.jaw = u(.92,1.04) if child else u(.82,1.06)-.06*p.fem
    p.eye = (1.22 if child else 1.)*u(.9,1.12)
    p.eye_dx = u(.385,.43)
    p.lid = u(.6,1.)
    p.slant = u(-.03,.05)
    p.gaze = (u(-.35,.35),u(-.2,.2))
    p.brow = u(-.05,.03)
    p.brow_w = u(.035,.06)+.02*(not p.fem)
    p.iris = pick(rng, [(62,38,24),(74,48,28),(50,34,26)] if p.skin_tone>5 else
                       [(70,44,26),(60,110,150),(86,120,70),(110,80,44),(90,110,120)])
    p.nose_w = u(.15,.21)*(.85 if child else 1.)+.015*(p.skin_tone>6)
    p.smile = u(-.03,.11)
    p.lips = pick(rng, dict(closed=3, grin=2, open=.8, neutral=1.2))
    p.mouth_w = u(.26,.36)*(.85 if child else 1.)
    made_up = p.fem and not child and rng.random()<.5
    lips = pick(rng, [(190,30,60),(200,60,90),(150,30,50)]) if made_up else (178,60,66)
    p.lip_rgb = mix(p.skin, lips, u(.5,.85) if made_up else u(.3,.5))
    p.wrinkles = u(.5,1.) if old else u(.1,.4) if p.age=='middle' else 0.
    p.freckles = int(rng.integers(12,30)) if p.skin_tone<5 and rng.random()<.15 else 0
    p.blush = u(0,.3)
    p.earring = bool(p.fem and rng.random()<.35)
    p.detail = int(rng.integers(2**31))
    return p


def half_width(p, y):
    "Half the width of the face at height `y`"
    c = p.chin
    j = p.jaw
    return np.interp(y, [p.crown,-.9,-.4,.1,.45,.65*c,.86*c,.96*c,c+.02], [0,.83,.99,1,.97,.88*j,.66*j,.42*j,.3])


def choose_mask(rng, p, label):
    "How the mask is worn, and what is held near the face"
    m = AttrDict(wear='none', mask_type='none', mask_color='none', pattern='plain', hold='none',
                 side=int(rng.choice([-1,1])))
    if label=='without_mask':
        m.hold = pick(rng, dict(none=5.2, cover=1.2, cup=.7, phone=.7, think=.6, shh=.4, mic=.5, scarf=.7))
        return m
    m.wear = 'right' if label=='with_mask' else pick(rng, dict(nose_out=4, mouth_out=2, chin=2.5, ear=1.5))
    m.mask_type = pick(rng, dict(surgical=4.5, cloth=4, ffp2=2.2*(m.wear!='ear')))
    m = choose_fabric(rng, p, m)
    m.loop = jitter(rng, pick(rng, [(240,240,240),(240,240,240),lighter(m.rgb,.4),(50,50,54)]), 5)
    m.hold = pick(rng, dict(none=8, phone=.7, adjust=.8*(m.wear=='right'), wave=.5))
    m.tilt = rng.uniform(-.04,.04)
    return place_mask(rng, p, m)


def choose_fabric(rng, p, m):
    "Colour, pattern and cut"
    if m.mask_type=='cloth':
        m.mask_color = pick(rng, dict(black=2, dark=1.5, white=1, skin=1.2, bright=4))
        named = dict(black=(42,42,46), dark=(64,68,86), white=(236,234,228), skin=mix(p.skin,(150,120,100),.2))
        m.rgb = named.get(m.mask_color) or pick(rng, CLOTH)
        m.cut = pick(rng, dict(smooth=2, seam=1.5, pleated=1))
        m.pattern = pick(rng, dict(plain=3.5, dots=1.2, stripes=1.2, checks=1, flowers=1, camo=.8,
                                   smile=.5*(m.wear=='right')))
    else:
        pal,w = (SURGICAL,[4,2,1,2.5,.6,1.6,.5,.6]) if m.mask_type=='surgical' else (FFP2,[5,1.5,.7,.5,.6,.5])
        m.mask_color = pick(rng, dict(zip(pal,w)))
        m.rgb = pal[m.mask_color]
        m.cut = 'pleated' if m.mask_type=='surgical' else pick(rng, dict(fold=2, cup=1))
    m.rgb = apart(jitter(rng, m.rgb, 12), p.skin)
    m.rgb2 = jitter(rng, pick(rng, CLOTH), 12)
    return m


def place_mask(rng, p, m):
    "Heights of the upper edge, the upper and lower corners, and the lower edge"
    u = rng.uniform
    n = p.nose
    l = p.mouth
    c = p.chin
    if m.wear=='right':
        t = n*u(.34,.5)
        m.place = t, t+u(.04,.14), .70*c, c+u(.04,.1)
    elif m.wear=='nose_out':
        t = u(n+.145, l-.10)
        m.place = t, t-u(0,.14), .80*c, c+u(.08,.18)
    elif m.wear=='mouth_out':
        t = l+u(.17,.22)
        m.place = t, t-u(.12,.22), c-u(.02,.12), c+u(.22,.34)
    else:
        t = c-u(.02,.1)
        m.place = t, t-u(.2,.32), c+u(.02,.1), c+u(.3,.45)
    return m


def choose_camera(rng):
    "Where the camera stands, the light, and what becomes of the picture"
    u = rng.uniform
    c = AttrDict(fit=u(.285,.372), dx=u(-.05,.05), dy=u(-.04,.04), roll=float(rng.normal(0,.13)),
                 yaw=float(np.clip(rng.normal(0,.17),-.36,.36)), pitch=u(-.05,.05))
    c.place = pick(rng, dict(wall=2, room=2, bokeh=1.5, nature=2, city=1.6, pattern=1.2))
    c.depth = u(.4,3.2)
    c.light = u(-2.6,-.5)
    c.shade = u(.12,.42)
    c.sweep = u(0,.3)
    c.sweep_dir = u(0,2*np.pi)
    c.gain = u(.86,1.12)
    c.contrast = u(.84,1.06)
    c.warm = float(rng.normal(0,.05))
    c.low = pick(rng, [1,1,1,1,1,.6,.45,.36])
    c.blur = pick(rng, [0,0,0,0,0,.5,.7,1.])*(c.low==1)
    c.motion = bool(rng.random()<.06 and c.low==1)
    c.noise = pick(rng, [0,2,3,5,9])
    c.jpeg = pick(rng, [0,0,85,65,45,30])
    c.gray = bool(rng.random()<.07)
    return c


def face_spec(seed, label):
    """Who is drawn (`person`), with what mask (`mask`), in what light (`camera`)

    `seed` is a number, or several such as (seed, i); the same seed gives the same person under every label.
    """
    s = [int(o) for o in np.atleast_1d(seed)]
    rngs = [np.random.default_rng([*s,k]) for k in range(3)]
    p = choose_person(rngs[0])
    return AttrDict(person=p, mask=choose_mask(rngs[1], p, label), camera=choose_camera(rngs[2]), label=label, seed=s)
