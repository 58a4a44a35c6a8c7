"""Well-formed pictures that cost far more than their size says."""
import io, struct, zlib

import numpy as np
from PIL import Image


def _saved(im, **how):
    im.save(data := io.BytesIO(), **how)
    return data.getvalue()

def _photo(w=64, h=48, mode='RGB'):
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 255, (h, w, 3), np.uint8)).convert(mode)

def jpeg_scans(n, w=64, h=48):
    "A progressive JPEG whose last scan comes `n` times"
    data = _saved(Image.new('RGB', (w, h), 'gray'), format='JPEG', progressive=True)
    at = data.rindex(b'\xff\xda')
    return data[:at] + data[at:-2]*n + data[-2:]

def jpeg_pieces(n, marker, piece, w=64, h=48):
    "A JPEG with `n` marker segments before its picture"
    data = _saved(_photo(w, h), format='JPEG')
    return data[:2] + (b'\xff' + bytes([marker]) + struct.pack('>H', len(piece)+2) + piece)*n + data[2:]

def jpeg_restarts(w=1000, h=1000):
    "A JPEG with a restart marker after each block"
    return _saved(_photo(w, h), format='JPEG', restart_marker_blocks=1)

def bmp_rle(w, h, bits=8, kind=1, data=b'\x00\x01'):
    "A BMP with run-length coding; by default it says at once that it ends"
    palette = b'\0\0\0\0'*(1 << bits)
    head = struct.pack('<IiiHHIIiiII', 40, w, h, 1, bits, kind, len(data), 0, 0, 1 << bits, 0)
    start = 14 + len(head) + len(palette)
    return b'BM' + struct.pack('<IHHI', start + len(data), 0, 0, start) + head + palette + data

def gif_comments(n, text=b'x'):
    "A GIF with `n` comments before its picture"
    data = _saved(_photo(16, 16).convert('P'), format='GIF')
    at = 13 + 3*(2 << (data[10] & 7))
    return data[:at] + (b'\x21\xfe' + bytes([len(text)]) + text + b'\0')*n + data[at:]

def _chunk(name, data): return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))

def png(w, h, bits=1, color=0, extra=b'', pieces=1, interlace=0):
    "A PNG of one colour, with chunks before the picture"
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[color]
    row = b'\0'*(1 + (w*bits*channels + 7)//8)
    packer = zlib.compressobj(1)
    data = b''.join(packer.compress(row*min(64, h-y)) for y in range(0, h, 64)) + packer.flush()
    step = -(-len(data)//pieces)
    parts = b''.join(_chunk(b'IDAT', data[i:i+step]) for i in range(0, len(data), step))
    head = _chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, bits, color, 0, 0, interlace))
    return b'\x89PNG\r\n\x1a\n' + head + extra + parts + _chunk(b'IEND', b'')

def png_chunks(n, name=b'tEXt', data=b'k\0v'): return png(64, 64, extra=_chunk(name, data)*n)

def png_text_bomb(n, mb=1):
    return png(64, 64, extra=_chunk(b'zTXt', b'k\0\0' + zlib.compress(b'x'*(mb << 20), 9))*n)

def frames(n, format, size=(64, 48)):
    "A picture of `n` frames"
    rng = np.random.default_rng(0)
    ims = [Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), np.uint8)) for _ in range(n)]
    return _saved(ims[0], format=format, save_all=True, append_images=ims[1:])

def webp(w, h): return _saved(Image.new('RGB', (w, h)), format='WEBP', lossless=True, method=0)

def ppm(kind, w, h, token=b'0 '):
    "Numbers as text"
    return b'P%d\n%d %d\n' % (kind, w, h) + (b'' if kind == 1 else b'255\n') + token*(w*h*(3 if kind == 3 else 1))

def tiff(w, h, compression='tiff_adobe_deflate', mode='L'):
    return _saved(Image.new(mode, (w, h)), format='TIFF', compression=compression)

def tiff_strips(n, width=8):
    "A TIFF with `n` strips of one row"
    tags = [(256, 4, 1, width), (257, 4, 1, n), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1),
            (278, 4, 1, 1)]
    k = len(tags) + 2
    offsets = 8 + 2 + 12*k + 4
    counts, pixels = offsets + 4*n, offsets + 8*n
    tags = sorted(tags + [(273, 4, n, offsets), (279, 4, n, counts)])
    body = struct.pack('<H', k) + b''.join(struct.pack('<HHII', *t) for t in tags) + b'\0\0\0\0'
    lists = struct.pack(f'<{n}I', *([pixels]*n)) + struct.pack(f'<{n}I', *([width]*n))
    return b'II*\0\x08\0\0\0' + body + lists + b'\0'*width

def tiff_tags(n):
    "A TIFF with `n` unknown tags"
    data = bytearray(_saved(_photo(16, 16), format='TIFF'))
    at, = struct.unpack_from('<I', data, 4)
    k, = struct.unpack_from('<H', data, at)
    old = bytes(data[at+2:at+2+12*k])
    more = b''.join(struct.pack('<HHII', 40000 + i % 20000, 4, 1, i) for i in range(n))
    new = struct.pack('<H', k+n) + old + more + b'\0'*4
    struct.pack_into('<I', data, 4, len(data))
    return bytes(data) + new


def _jpegs(most):
    for n in (20, 100, 500, 2000): yield f'jpeg {n} scans', jpeg_scans(n)
    for w,h,n in ((1000, 1000, 20), (5000, 5000, 25), (5000, 5000, 1000), (5000, 5000, 100_000)):
        yield f'jpeg {w}x{h} {n} scans', jpeg_scans(n, w, h)
    pieces = (b'', b'Exif\0\0', b'Exif\0\0II*\0\x08\0\0\0', b'ICC_PROFILE\0\1\1', b'http://ns.adobe.com/xap/1.0/\0<x/>',
              b'MPF\0', b'Photoshop 3.0\0')
    for marker in (0xe0, 0xe1, 0xe2, 0xed, 0xee, 0xfe):
        for piece in pieces:
            sizes = (100, 5_000, most//2//(4 + len(piece)))[:3 if marker in (0xe1, 0xfe) else 2]
            for n in sizes: yield f'jpeg {n} pieces {marker:x} {piece[:4]!r}', jpeg_pieces(n, marker, piece)
    yield 'jpeg restarts', jpeg_restarts()

def _bmps_and_gifs(most):
    runs = (b'\0\1', b'\0\2\xff\xff'*50_000, b'\xff\0'*100_000, b'\0\0'*100_000)
    for kind,bits in ((1, 8), (2, 4)):
        for w,h in ((5000, 5000), (100_000, 250), (250, 100_000), (30_000, 30_000)):
            for data in runs: yield f'bmp rle{bits} {w}x{h} {data[:2].hex()}', bmp_rle(w, h, bits, kind, data)
    for n in (100, 5_000, 500_000, most//5):
        for text in (b'', b'x'):
            if n*(4 + len(text)) < most: yield f'gif {n} comments of {len(text)}', gif_comments(n, text)

def _pngs(most):
    yield 'png 10000x10000', png(10_000, 10_000)
    for w,h in ((1, 25_000_000), (25_000_000, 1), (5000, 5000), (70_000, 300), (300, 70_000)):
        for bits,color in ((1, 0), (8, 2), (16, 6)): yield f'png {w}x{h} {bits}/{color}', png(w, h, bits, color)
    chunks = {b'tEXt': b'k\0v', b'iTXt': b'k\0\0\0\0\0v', b'zTXt': b'k\0\0' + zlib.compress(b'v'),
              b'eXIf': b'II*\0\x08\0\0\0\0\0', b'iCCP': b'k\0\0' + zlib.compress(b'v'), b'tIME': b'\7\xd0\1\1\1\1\1',
              b'fcTL': b'\0'*26, b'acTL': b'\0\0\0\1\0\0\0\0', b'abCd': b''}
    for name,data in chunks.items():
        for n in (100, 4_000, most//2//(12 + len(data))): yield f'png {n} {name.decode()}', png_chunks(n, name, data)
    for n,mb in ((1, 1), (60, 1), (1, 60), (500, 1)): yield f'png {n} texts of {mb} MB', png_text_bomb(n, mb)
    yield 'png pieces', png(5000, 5000, 8, 2, pieces=1000)

def _others():
    for kind in ('GIF', 'WEBP', 'PNG', 'TIFF'):
        for n in (50, 300): yield f'{kind} {n} frames', frames(n, kind)
    for w,h in ((5000, 5000), (16_383, 1500), (1500, 16_383), (16_383, 6000)): yield f'webp {w}x{h}', webp(w, h)
    numbers = ((1, 3000, 1600, b'0 '), (1, 3000, 3000, b'0'), (2, 2000, 2400, b'0 '), (3, 1250, 1250, b'0 '),
               (2, 5000, 5000, b''), (3, 1000, 300, b'#\n0 '))
    for kind,w,h,token in numbers: yield f'ppm P{kind} {w}x{h}', ppm(kind, w, h, token)
    for w,h in ((5000, 5000), (1, 25_000_000), (70_000, 300)):
        for how in ('tiff_adobe_deflate', 'tiff_lzw'):
            for mode in ('L', 'CMYK'): yield f'tiff {w}x{h} {how} {mode}', tiff(w, h, how, mode)
    for n in (1000, 100_000, 1_000_000): yield f'tiff {n} strips', tiff_strips(n)
    for n in (100, 60_000): yield f'tiff {n} tags', tiff_tags(n)

def files(mb=10):
    "(name, picture) one by one; none is larger than `mb` megabytes"
    most = mb*1_000_000
    yield from _jpegs(most)
    yield from _bmps_and_gifs(most)
    yield from _pngs(most)
    yield from _others()


def worst():
    "One of each kind that once held the service up"
    return [jpeg_scans(2000), jpeg_scans(25, 5000, 5000), jpeg_pieces(200_000, 0xe1, b'Exif\0\0'),
            gif_comments(400_000, b'x'), bmp_rle(30_000, 30_000)]
