"More than 200 damaged pictures and annotations: each gives a valid result or a MaskdetectError that names the file"
import io, json, os, signal, struct, zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskdetect.core import LABELS, SAMPLE, DataError, ImageError, MaskdetectError, read_image
from maskdetect.training.check import check
from maskdetect.training.faces import cut_faces, write_faces
from maskdetect.training.sources import load_table

SECONDS = 20  # an item that takes longer hangs
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('MASKDETECT_CACHE', str(tmp_path/'cache'))
    monkeypatch.delenv('MASKDETECT_DATA', raising=False)


def sample_face(label, size):
    "A drawn face of the package, as a Pillow image"
    return Image.open(next((SAMPLE/'faces'/'test'/label).glob('*.jpg'))).convert('RGB').resize((size, size))


@contextmanager
def limit(what, seconds=SECONDS):
    "Fail an item that hangs (where the system can interrupt it)"
    if not hasattr(signal, 'SIGALRM'): yield; return
    def late(*_): raise TimeoutError(f'{what}: more than {seconds} s')
    old = signal.signal(signal.SIGALRM, late); signal.alarm(seconds)
    try: yield
    finally: signal.alarm(0); signal.signal(signal.SIGALRM, old)


def flips(b, n, start=0):
    "The same bytes with one bit wrong, `n` times"
    for k in np.linspace(start, len(b)-1, n).astype(int):
        c = bytearray(b); c[k] ^= 1 << int(rng.integers(8)); yield f'flip{k}', bytes(c)

def cuts(b, n):
    for k in np.linspace(0, len(b)-1, n).astype(int): yield f'cut{k}', b[:k]

def zeros(b, n):
    for k in np.linspace(0, len(b)-8, n).astype(int): yield f'zero{k}', b[:k]+bytes(8)+b[k+8:]


# --- pictures -------------------------------------------------------------------------------------------------------

def encoded(im, kind, **kw):
    f = io.BytesIO(); im.save(f, kind, **kw); return f.getvalue()

def chunk(name, data): return struct.pack('>I', len(data))+name+data+struct.pack('>I', zlib.crc32(name+data))
def png_head(w, h, bits=8, kind=2):
    return b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, bits, kind, 0, 0, 0))

def pictures():
    "(file name, bytes) of many damaged and unusual pictures"
    face = sample_face('with_mask', 48)
    ends = dict(JPEG='jpg', PNG='png', WEBP='webp', BMP='bmp', GIF='gif', TIFF='tif')
    for kind,end in ends.items():
        b = encoded(face, kind)
        for name,c in [*cuts(b, 7), *flips(b, 7), *zeros(b, 4)]: yield f'{end}-{name}.{end}', c
        yield f'{end}-tail.{end}', b+rng.bytes(500)
        yield f'{end}-as-jpg.jpg', b
    for mode in ('L', 'P', '1'): yield f'{mode}.png', encoded(face.convert(mode), 'PNG')
    for mode in ('CMYK', 'YCbCr'): yield f'{mode}.jpg', encoded(face.convert(mode), 'JPEG')
    for mode in ('RGBA', 'LA'): yield f'{mode}.png', encoded(face.convert(mode), 'PNG')
    deep = Image.fromarray(np.asarray(face.convert('L')).astype(np.uint16)*257)
    yield 'sixteen.png', encoded(deep, 'PNG')
    yield 'sixteen.tif', encoded(deep, 'TIFF')
    yield 'float.tif', encoded(Image.fromarray(np.asarray(face.convert('L')).astype(np.float32)), 'TIFF')
    yield 'int32.tif', encoded(Image.fromarray(np.asarray(face.convert('L')).astype(np.int32)*100_000), 'TIFF')
    yield 'huge.png', png_head(60_000, 60_000)+chunk(b'IDAT', zlib.compress(bytes(1000)))+chunk(b'IEND', b'')
    yield 'huge2.png', png_head(2**31-1, 2**31-1)+chunk(b'IDAT', zlib.compress(bytes(1000)))+chunk(b'IEND', b'')
    yield 'wide.png', png_head(9_000_000, 1)+chunk(b'IDAT', zlib.compress(bytes(1000)))+chunk(b'IEND', b'')
    yield 'none.png', png_head(0, 10)+chunk(b'IEND', b'')
    b = bytearray(encoded(face, 'JPEG')); at = b.index(b'\xff\xc0'); b[at+5:at+9] = b'\xff\xff\xff\xff'
    yield 'huge.jpg', bytes(b)
    bmp_head = struct.pack('<IHHIIiiHHIIiiII', 100, 0, 0, 54, 40, 50_000, 50_000, 1, 24, 0, 0, 0, 0, 0, 0)
    yield 'huge.bmp', b'BM'+bmp_head+bytes(100)
    bomb = chunk(b'zTXt', b'a\0\0'+zlib.compress(bytes(80_000_000)))
    yield 'text-bomb.png', png_head(8, 8)+bomb+chunk(b'IDAT', zlib.compress(bytes(8*25)))+chunk(b'IEND', b'')
    no_pictures = dict(
        empty=b'', html=b'<html>404</html>', nul=bytes(5000), noise=rng.bytes(5000),
        eps=b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', svg=b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        pdf=b'%PDF-1.4\n%%EOF', zip=b'PK\x03\x04'+bytes(40), one=b'\xff')
    for name,c in no_pictures.items(): yield f'{name}.jpg', c
    e = Image.Exif(); e[274] = 99
    yield 'exif99.jpg', encoded(face, 'JPEG', exif=e)
    yield 'exif-noise.jpg', encoded(face, 'JPEG', exif=b'Exif\0\0'+rng.bytes(60))

PICTURES = list(pictures())


def test_pictures(tmp_path):
    "read_image, then the whole folder through check, cut_faces and write_faces: they agree on what cannot be used"
    folder, bad = tmp_path/'set'/'with_mask', set()
    folder.mkdir(parents=True)
    for name,b in PICTURES: (folder/name).write_bytes(b)
    for name,_ in PICTURES:
        with limit(name):
            try: im = read_image(folder/name)
            except ImageError as e:
                assert name in str(e) and '\n' not in str(e).strip()
                bad.add(name)
            else: assert im.dtype == np.uint8 and im.ndim == 3 and im.shape[2] == 3 and 0 not in im.shape, name
    assert len(PICTURES) > 120 and 30 < len(bad) < len(PICTURES)-30
    assert {'empty.jpg', 'html.jpg', 'huge.png', 'huge2.png', 'none.png', 'jpg-cut0.jpg', 'png-cut0.png'} <= bad
    assert not {'L.png', 'P.png', 'CMYK.jpg', 'RGBA.png', 'sixteen.png', 'exif99.jpg', 'png-as-jpg.jpg'} & bad
    with limit('check', 120): report = check(tmp_path/'set')
    assert {Path(k).name for k in report.damaged} == bad and not report.ok
    df = load_table(tmp_path/'set')
    with limit('cut', 120), pytest.raises(DataError, match=f'{len(bad)} photo'): cut_faces(df, 32)
    with limit('write', 120), pytest.raises(DataError, match=f'{len(bad)} photo.*data check'):
        write_faces(df, tmp_path/'faces', 32)
    assert not (tmp_path/'faces'/'metadata.csv').exists()
    for name in bad: (folder/name).unlink()
    assert cut_faces(load_table(tmp_path/'set'), 32).shape == (len(PICTURES)-len(bad), 32, 32, 3)


# --- annotations ----------------------------------------------------------------------------------------------------

H, W = 180, 320
SCENE = np.full((H, W, 3), 190, np.uint8)
BOXES = [(10+100*k, 40+10*k, 90+100*k, 120+10*k) for k in range(3)]
WORN = list(LABELS)
for (x0,y0,x1,y1),worn in zip(BOXES, WORN): SCENE[y0:y1, x0:x1] = np.asarray(sample_face(worn, 80))
JPEG = encoded(Image.fromarray(SCENE), 'JPEG')
BOXES = [[float(round(float(v), 2)) for v in b] for b in BOXES]
WORN = [str(l) for l in WORN]

def boxed(x0='1', y0='1', x1='9', y1='9', name='with_mask'):
    box = f'<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>'
    return f'<object><name>{name}</name><bndbox>{box}</bndbox></object>'

def voc(objects=None, head='<annotation><filename>street.jpg</filename>', tail='</annotation>'):
    faces = ''.join(boxed(*b, l) for b,l in zip(BOXES, WORN))
    return (head+faces+(objects or '')+tail).encode()

def coco(**change):
    images = [dict(id=7, file_name='street.jpg', width=W, height=H)]
    faces = [dict(id=k, image_id=7, category_id=LABELS.index(l), bbox=[x0, y0, x1-x0, y1-y0])
             for k,((x0,y0,x1,y1),l) in enumerate(zip(BOXES, WORN))]
    categories = [dict(id=i, name=l) for i,l in enumerate(LABELS)]
    return json.dumps({**dict(images=images, categories=categories, annotations=faces), **change}).encode()

def coco_and(annotation): return coco(annotations=json.loads(coco())['annotations']+[annotation])

def more(**a):
    "COCO with one more annotation, changed"
    return coco_and({**dict(id=9, image_id=7, category_id=0, bbox=[10, 10, 20, 20]), **a})

def without(key):
    "COCO with one more annotation that lacks this"
    whole = dict(image_id=7, category_id=0, bbox=[1, 1, 9, 9])
    return coco_and({k: v for k,v in whole.items() if k != key})

def yolo(extra=''):
    lines = [f'{LABELS.index(l)} {(x0+x1)/2/W:.6f} {(y0+y1)/2/H:.6f} {(x1-x0)/W:.6f} {(y1-y0)/H:.6f}'
             for (x0,y0,x1,y1),l in zip(BOXES, WORN)]
    return '\n'.join([*lines, extra]).encode()

def table(extra='', head='filename,xmin,ymin,xmax,ymax,class'):
    lines = [','.join(map(str, ['street.jpg', *b, l])) for b,l in zip(BOXES, WORN)]
    return '\n'.join([head, *lines, extra]).encode()

def wobot(*extra, **change):
    kinds = dict(with_mask='face_with_mask', without_mask='face_no_mask', incorrect_mask='face_with_mask_incorrect')
    faces = [dict(BoundingBox=b, classname=kinds[l]) for b,l in zip(BOXES, WORN)]
    return json.dumps({**dict(FileName='street.jpg', Annotations=faces+list(extra)), **change}).encode()

LAUGHS = ''.join(f'<!ENTITY {c} "{f"&{p};"*10}">' for p,c in zip('abcdefghi', 'bcdefghij'))
LOL = f'<!DOCTYPE l [<!ENTITY a "ha">{LAUGHS}]>'
NUMBERS = ['nan', 'inf', '-inf', '', 'ten', '1e309', '99999999', '0x10', '--1', '1,5']

def annotations():
    "(name, annotation's file name, bytes, must it be refused?)"
    yield from (('voc', f, voc(), False) for f in ['street.xml'])
    for name,b in [*cuts(voc(), 12), *flips(voc(), 16), *zeros(voc(), 4)]:
        yield f'voc-{name}', 'street.xml', b, None if name[0] == 'f' else True
    for v in NUMBERS: yield f'voc-x-{v}', 'street.xml', voc(boxed(x0=v)), True
    objects = dict(
        reversed=boxed(x0='9', x1='1'), flat=boxed(y1='1'), noname=boxed().replace('<name>with_mask</name>', ''),
        nobox='<object><name>with_mask</name></object>',
        halfbox=boxed().replace('<xmax>9</xmax><ymax>9</ymax>', ''),
        hat=boxed(name='hat'), blank=boxed(name=''), entity=boxed(name='&nope;'))
    for name,o in objects.items(): yield f'voc-{name}', 'street.xml', voc(o), True
    yield 'voc-bomb', 'street.xml', voc(boxed(name='&j;'), head=LOL+'<annotation>'), True
    long = '<!DOCTYPE l [<!ENTITY a "'+'x'*100_000+'">]><annotation>'
    yield 'voc-quadratic', 'street.xml', voc(boxed(name='&a;'*10_000), head=long), True
    other = '<!DOCTYPE l [<!ENTITY f SYSTEM "file:///etc/passwd">]><annotation>'
    yield 'voc-file', 'street.xml', voc(boxed(name='&f;'), head=other), True
    yield 'voc-dtd', 'street.xml', b'<!DOCTYPE l SYSTEM "http://127.0.0.1:9/x.dtd">'+voc(boxed(name='&x;')), True
    yield 'voc-deep', 'street.xml', b'<annotation>'+b'<a>'*200_000+b'</a>'*200_000+b'</annotation>', None
    yield 'voc-root', 'street.xml', b'<nothing/>', True
    yield 'voc-html', 'street.xml', b'<html><body>404</body></html>', True
    yield 'voc-latin1', 'street.xml', voc(boxed(name='caf\u00e9')).decode().encode('latin-1'), True
    yield 'voc-utf16', 'street.xml', ('<?xml version="1.0" encoding="UTF-16"?>'+voc().decode()).encode('utf-16'), False
    yield 'voc-encoding', 'street.xml', b'<?xml version="1.0" encoding="klingon"?>'+voc(), True
    yield 'voc-nul', 'street.xml', bytes(500), True
    yield 'voc-orphan', 'other.xml', voc(head='<annotation><filename>gone.jpg</filename>'), True
    yield 'voc-escape', 'other.xml', voc(head='<annotation><filename>../../../../etc/passwd</filename>'), True
    yield 'coco', 'faces.json', coco(), False
    for name,b in [*cuts(coco(), 10), *flips(coco(), 20)]:
        yield f'coco-{name}', 'faces.json', b, None if name[0] == 'f' else True
    files = dict(
        list=b'[]', number=b'7', null=b'null', string=b'"images annotations categories"',
        noimages=coco(images=None), images=coco(images={}), image=coco(images=['street.jpg']),
        nofile=coco(images=[dict(id=7)]), cats=coco(categories=[]), catlist=coco(categories=[['with_mask']]),
        anns=coco(annotations=None), ann=coco(annotations=[7]), text=coco(annotations='all'),
        deep=b'{"images": '+b'['*100_000+b']'*100_000+b', "annotations": [], "categories": []}',
        nobox=without('bbox'), nocat=without('category_id'), noimage=without('image_id'),
        nan=more(bbox=[float('nan'), 1, 5, 5]), inf=more(bbox=[1, 1, float('inf'), 5]),
        negative=more(bbox=[9, 9, -5, -5]), zero=more(bbox=[9, 9, 0, 5]), three=more(bbox=[1, 2, 3]),
        five=more(bbox=[1, 2, 3, 4, 5]), words=more(bbox=['a', 'b', 'c', 'd']), none=more(bbox=None),
        dict=more(bbox={}), big=more(bbox=[1, 1, 10**400, 5]), category=more(category_id=99),
        other=more(image_id=99), unhashable=more(category_id=[]),
        gone=coco(images=[dict(id=7, file_name='gone.jpg')]), latin=coco().replace(b'street', b'stre\xe9t'))
    for name,b in files.items(): yield f'coco-{name}', 'faces.json', b, True
    yield 'yolo', 'street.txt', yolo(), False
    for name,b in [*cuts(yolo(), 8), *flips(yolo(), 20), *zeros(yolo(), 4)]: yield f'yolo-{name}', 'street.txt', b, None
    lines = dict(
        text='hello world', four='0 .5 .5 .1', six='0 .5 .5 .1 .1 .9', word='0 .5 .5 .1 big', cls='zero .5 .5 .1 .1',
        unknown='7 .5 .5 .1 .1', minus='-1 .5 .5 .1 .1', nan='0 nan .5 .1 .1', inf='0 .5 inf .1 .1',
        pixels='0 100 50 20 20', zero='0 .5 .5 0 .1', negative='0 .5 .5 -.1 .1', float='0.5 .5 .5 .1 .1')
    for name,x in lines.items(): yield f'yolo-{name}', 'street.txt', yolo(x), True
    yield 'yolo-latin', 'street.txt', yolo('\u00e9').decode().encode('latin-1'), True
    yield 'yolo-utf16', 'street.txt', yolo().decode().encode('utf-16'), True
    yield 'yolo-noise', 'street.txt', rng.bytes(300), True
    yield 'csv', 'faces.csv', table(), False
    for name,b in [*cuts(table(), 8), *flips(table(), 24)]: yield f'csv-{name}', 'faces.csv', b, None
    lines = dict(
        short='street.jpg,1,1', long='street.jpg,1,1,9,9,with_mask,7', word='street.jpg,1,one,9,9,with_mask',
        nan='street.jpg,nan,1,9,9,with_mask', half='street.jpg,1,,9,9,with_mask',
        reversed='street.jpg,9,1,1,9,with_mask', hat='street.jpg,1,1,9,9,hat', nolabel='street.jpg,1,1,9,9,',
        gone='gone.jpg,1,1,9,9,with_mask', up='../../etc/passwd,1,1,9,9,with_mask',
        quote='"street.jpg,1,1,9,9,with_mask')
    for name,x in lines.items(): yield f'csv-{name}', 'faces.csv', table(x), True
    heads = dict(
        nolabel='filename,xmin,ymin,xmax,ymax,what', nopath='what,xmin,ymin,xmax,ymax,class',
        halfbox='filename,xmin,ymin,xmax,what,class', headless='street.jpg,1,1,9,9,with_mask', empty='')
    for name,h in heads.items(): yield f'csv-head-{name}', 'faces.csv', table(head=h), True
    yield 'csv-latin', 'faces.csv', table('caf\u00e9.jpg,1,1,9,9,with_mask').decode().encode('latin-1'), True
    yield 'csv-utf16', 'faces.csv', table().decode().encode('utf-16'), True
    yield 'csv-nul', 'faces.csv', bytes(400), True
    yield 'csv-empty', 'faces.csv', b'', True
    yield 'csv-bom', 'faces.csv', b'\xef\xbb\xbf'+table(), False
    yield 'wobot', 'street.jpg.json', wobot(), False
    for name,b in [*cuts(wobot(), 6), *flips(wobot(), 12)]:
        yield f'wobot-{name}', 'street.jpg.json', b, None if name[0] == 'f' else True
    def boxes(box, classname='face_no_mask'): return wobot(dict(BoundingBox=box, classname=classname))
    files = dict(
        null=b'null', list=b'[1, 2]', noann=wobot(Annotations=None), anns=wobot(Annotations=[7]),
        nobox=wobot(dict(classname='face_no_mask')), noclass=wobot(dict(BoundingBox=[1, 1, 9, 9])),
        nan=boxes([1, float('nan'), 9, 9], 'hat'), reversed=boxes([9, 9, 1, 1]), three=boxes([9, 9, 1]),
        ghost=boxes([1, 1, 9, 9], 'ghost'))
    for name,b in files.items(): yield f'wobot-{name}', 'street.jpg.json', b, True

ANNOTATIONS = list(annotations())


def test_enough(): assert len(PICTURES)+len(ANNOTATIONS) >= 300 and len({n for n,*_ in ANNOTATIONS}) == len(ANNOTATIONS)


@pytest.mark.parametrize('name,file,content,refused', ANNOTATIONS, ids=[a[0] for a in ANNOTATIONS])
def test_annotation(tmp_path, name, file, content, refused):
    "A valid table, or an error that names the file; and `check` reports what `load_table` refuses"
    folder = tmp_path/'wobot' if name.startswith('wobot') else tmp_path/'set'
    folder.mkdir()
    (folder/'street.jpg').write_bytes(JPEG)
    (folder/file).write_bytes(content)
    if name.startswith('yolo'): (folder/'classes.txt').write_text('\n'.join(LABELS))
    with limit(name):
        try: df = load_table(folder)
        except MaskdetectError as e:
            assert refused is not False, f'{name} is fine, but: {e}'
            named = file in str(e) or 'not understood' in str(e) or 'no faces' in str(e)
            assert named, f'{name}: the error does not name {file}: {e}'
            assert '\n' not in str(e) and len(str(e)) < 2000
            failed = True
        else:
            assert refused is not True, f'{name} passed silently with {len(df)} rows'
            b = df[['x0', 'y0', 'x1', 'y1']].to_numpy()
            assert len(df) and set(df.label) <= set(LABELS) and np.isfinite(b).all()
            assert (b[:, 2] > b[:, 0]).all() and (b[:, 3] > b[:, 1]).all()
            if not name.startswith(('yolo-cut', 'csv-cut')):
                assert len(df) >= len(BOXES), f'{name}: faces vanished silently'
            failed = False
        try: report = check(folder)
        except MaskdetectError as e: assert failed and file in str(e)
        else: assert not (failed and report.ok), f'{name}: refused by load_table, fine for check'


@pytest.mark.parametrize('yml', [
    'names: [', 'names: 7', 'names: {a: b}', '- 1', '\0', 'names: !!python/object/apply:os.system ["true"]',
    'a: &a [1]\nb: &b [*a, *a]\nnames: *b', ''])
def test_yolo_names(tmp_path, yml):
    folder = tmp_path/'s'
    folder.mkdir()
    (folder/'street.jpg').write_bytes(JPEG)
    (folder/'street.txt').write_bytes(yolo())
    (folder/'data.yaml').write_text(yml)
    with limit(yml), pytest.raises(MaskdetectError): load_table(folder)

@pytest.mark.parametrize('what', ['nothing', 'gone', 'text', 'loop', 'only text'])
def test_folders(tmp_path, what):
    p = tmp_path/'s'
    if what != 'gone': p.mkdir()
    if what == 'text': p = p/'faces.txt'; p.write_text('x')
    if what == 'loop': os.symlink(p, p/'again')
    if what == 'only text': (p/'with_mask').mkdir(); (p/'with_mask'/'a.txt').write_text('x')
    with limit(what), pytest.raises(MaskdetectError): load_table(p)


@pytest.mark.parametrize('box', ['1,1,9000,9', '5000,1,5009,9'])
def test_box_that_cannot_be_meant(tmp_path, box):
    "`cut_faces` names the photo, and `check`, to which it sends its reader, counts it"
    (tmp_path/'street.jpg').write_bytes(JPEG)
    (tmp_path/'faces.csv').write_text(f'filename,xmin,ymin,xmax,ymax,class\nstreet.jpg,{box},with_mask\n')
    with pytest.raises(DataError, match=r'street\.jpg: .*data check'): cut_faces(load_table(tmp_path), 32)
    assert len(check(tmp_path).damaged) == 1


def test_strip_that_fits_into_no_square(tmp_path):
    (tmp_path/'with_mask').mkdir()
    Image.new('RGB', (9000, 20)).save(tmp_path/'with_mask'/'strip.png')
    with pytest.raises(DataError, match=r'strip\.png: .*data check'): cut_faces(load_table(tmp_path), 32)
    assert list(check(tmp_path).damaged.values()) == ['a strip: the square around it is far larger']
