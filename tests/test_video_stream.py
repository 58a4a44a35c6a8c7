"Cameras: streams that the tests serve on loopback, cut and picked up again; a slow machine; a webhook that fails"
import base64, json, re, socketserver, struct, threading, time
from contextlib import contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np
import pytest

from maskdetect import frames
from maskdetect.frames import VideoError, open_video
from maskdetect.outputs import EventLog, VideoWriter, Webhook
from maskdetect.people import Event
from maskdetect.video import watch
from test_video import FPS, Script, face, plays, whole_lines


@contextmanager
def serving(server):
    "A server in a thread"
    server.daemon_threads,server.block_on_close = True,False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try: yield server.server_address[1]
    finally: server.shutdown(); server.server_close()

def number(image): return sum(int(image[4, 8*k+4].mean() > 127) << k for k in range(12))

def jpeg(i, size=(128, 96)):
    "A picture with a number in its corner"
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    for k in range(12): image[:8, 8*k:8*k+8] = 255*(i >> k & 1)
    return cv2.imencode('.jpg', image)[1].tobytes()

class Camera(BaseHTTPRequestHandler):
    "Sends pictures as they come, and hangs up after `cut` of them; `down` is how long nobody answers then"
    def do_GET(self):
        s = self.server
        s.calls += 1
        if time.monotonic() < s.down_until: self.send_error(503); return
        self.send_response(200)
        self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=next')
        self.end_headers()
        for _ in range(s.cut):
            data = jpeg(int((time.monotonic() - s.began)*s.fps), s.size)
            head = b'--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n' % len(data)
            try: self.wfile.write(head + data + b'\r\n')
            except OSError: return
            time.sleep(1/s.fps)
        s.down_until = time.monotonic() + s.down
    def log_message(self, *args): pass

def camera(cut=10**6, down=0., fps=25, size=(128, 96)):
    server = ThreadingHTTPServer(('127.0.0.1', 0), Camera)
    server.cut = cut
    server.down = down
    server.down_until = 0.
    server.fps = fps
    server.began = time.monotonic()
    server.calls = 0
    server.size = size
    return server

def test_a_stream_that_is_cut_is_picked_up_again(tmp_path, capfd):
    server = camera(cut=20, down=1.2)
    with serving(server) as port:
        s = watch(f'http://user:secret@127.0.0.1:{port}/door?key=secret', Script([face()]),
                  [VideoWriter(tmp_path/'out.mp4'), EventLog(tmp_path/'e.jsonl')], seconds=6)
    err = capfd.readouterr().err
    assert s.reopened >= 2 and s.frames > 20 and not s.notes and s.seconds >= 3
    assert err.count('trying again in 0.5 s') >= 2 and 'trying again in 1.0 s' in err and '5XX' in err
    assert 'secret' not in err + str(s) + json.dumps(s.to_dict())
    assert all(o.startswith('maskdetect: ') for o in err.splitlines())
    assert plays(tmp_path/'out.mp4') == s.frames
    times = [json.loads(o)['time'] for o in (tmp_path/'e.jsonl').read_text().splitlines()]
    assert whole_lines(tmp_path/'e.jsonl')[0] == 'entered' and max(times) > 3
    assert all(json.loads(o)['clock'] for o in (tmp_path/'e.jsonl').read_text().splitlines())

def test_patience_ends(capfd):
    server = camera(cut=20, down=99)
    with serving(server) as port:
        start = time.monotonic()
        s = watch(f'http://127.0.0.1:{port}/', Script([face()]), patience=2)
        assert time.monotonic() - start < 8
    assert s.frames and len(s.notes) == 1 and 'gave up' in s.notes[0] and s.people == 1

def test_patience_ends_though_the_camera_answers(monkeypatch, capfd):
    "A webcam that opens and gives no picture, and a stream in which nothing can be decoded any more"
    class Webcam:
        def __init__(self, index): pass
        def isOpened(self): return True
        def get(self, what): return 30.
        def read(self): time.sleep(.01); return False,None
        def release(self): pass
    monkeypatch.setattr(cv2, 'VideoCapture', Webcam)
    monkeypatch.setattr(frames, 'FIRST_WAIT', .1)
    class Damaged(Camera):
        def do_GET(self):
            self.server.cut = 5
            super().do_GET()
            head = b'--next\r\nContent-Type: image/jpeg\r\nContent-Length: 100\r\n\r\n'
            with suppress(OSError):
                for _ in range(200):
                    self.wfile.write(head + b'\xff\xd8' + bytes(96) + b'\xff\xd9\r\n')
                    time.sleep(.02)
    server = camera(fps=50)
    server.RequestHandlerClass = Damaged
    with serving(server) as port:
        for source,why,n in ((0, 'no picture', 0),
                             (f'http://127.0.0.1:{port}/', 'nothing came that can be decoded', 5)):
            with open_video(source, patience=.6) as video:
                late = threading.Timer(5, video.close)
                late.start()
                assert len(list(video)) <= n
                late.cancel()
            assert video.notes == [f'no picture for 0.6 s, gave up ({why})']
    err = capfd.readouterr().err
    assert all(f'again in 0.{n} s' in err for n in (1, 2, 4))  # the webcam is left alone for longer each time

def test_a_stream_that_falls_silent_does_not_hang(monkeypatch):
    "It stays connected and sends nothing more"
    monkeypatch.setattr(frames, 'TIMEOUT', 1)
    class Silent(Camera):
        def do_GET(self):
            self.server.cut = 10
            super().do_GET()
            time.sleep(30)
    server = camera(down=99)
    server.RequestHandlerClass = Silent
    with serving(server) as port:
        start = time.monotonic()
        s = watch(f'http://127.0.0.1:{port}/', Script([face()]), patience=2)
        assert time.monotonic() - start < 8 and s.frames and 'gave up' in s.notes[0]

def test_a_slow_machine_skips_and_stays_near_the_live_edge():
    ages = []
    server = camera(fps=25)
    with serving(server) as port:
        def slow(frame, tracks):
            ages.append(time.monotonic() - server.began - number(frame.image)/server.fps)
            time.sleep(.25)
        s = watch(f'http://127.0.0.1:{port}/', Script([face()]), on_frame=slow, seconds=5)
    assert s.frames <= 21 and s.skipped > 2*s.frames
    assert max(ages[2:]) < 1 and ages[-1] < ages[2] + .5  # it does not fall behind

def test_fps_limits_what_is_judged():
    with serving(camera(fps=25)) as port:
        s = watch(f'http://127.0.0.1:{port}/', Script([face()]), fps=5, seconds=3)
    assert 8 <= s.frames <= 16 and s.skipped <= 2

def test_a_film_that_is_served_is_read_to_its_end(tmp_path):
    from test_video import film
    data = film(tmp_path/'film.mp4', 45).read_bytes()
    class Film(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.send_header('Content-Length', str(len(data))); self.end_headers()
            try: self.wfile.write(data)
            except OSError: pass
        def log_message(self, *args): pass
    with serving(ThreadingHTTPServer(('127.0.0.1', 0), Film)) as port:
        s = watch(f'http://127.0.0.1:{port}/film.mp4', Script([face()]))
    assert (s.frames, s.skipped, s.notes) == (45, 0, [])

def test_what_is_no_stream():
    "A page, a playlist that names a local file, a redirect to one"
    bodies = {'/list.m3u8': b'#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n', '/page': b'<html>'*99}
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            body = bodies.get(self.path, b'')
            self.send_response(302 if self.path == '/away' else 200)
            if self.path == '/away': self.send_header('Location', 'file:///etc/passwd')
            self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
        def log_message(self, *args): pass
    with serving(ThreadingHTTPServer(('127.0.0.1', 0), Page)) as port:
        for path in ('list.m3u8', 'page', 'empty', 'away'):
            with pytest.raises(VideoError): open_video(f'http://127.0.0.1:{port}/{path}')


# RTSP, as cameras speak it: H.264 in RTP packets, inside the connection

class Rtsp(socketserver.StreamRequestHandler):
    def handle(self):
        while head := self.ask():
            verb,n = head.split()[0],re.search(r'CSeq: *(\d+)', head, re.I)[1]
            more,body = '',''
            if verb == 'DESCRIBE':
                sps,pps = self.server.units[0][:2]
                sets = ','.join(base64.b64encode(o).decode() for o in (sps, pps))
                body = ('v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=door\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n'
                        'a=rtpmap:96 H264/90000\r\n'
                        f'a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\na=control:1\r\n')
                more = f'Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n'
            if verb == 'SETUP': more = 'Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n'
            if verb == 'OPTIONS': more = 'Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n'
            self.wfile.write(f'RTSP/1.0 200 OK\r\nCSeq: {n}\r\n{more}\r\n{body}'.encode())
            if verb == 'PLAY': self.play(); return

    def ask(self):
        lines = []
        while line := self.rfile.readline().decode():
            if not line.strip(): return ''.join(lines)
            lines.append(line)

    def play(self):
        s,seq = self.server,0
        s.calls += 1
        for i,units in enumerate(s.units):
            for k,unit in enumerate(units):
                seq += 1
                packet = struct.pack('>BBHII', 0x80, 96 | (k == len(units)-1) << 7, seq & 65535, i*90000//FPS, 7) + unit
                try: self.wfile.write(struct.pack('>cBH', b'$', 0, len(packet)) + packet)
                except OSError: return
            time.sleep(1/FPS)

def h264(n):
    "The NAL units of each picture"
    codec = av.CodecContext.create('libx264', 'w')
    codec.width = 128
    codec.height = 96
    codec.pix_fmt = 'yuv420p'
    codec.time_base = Fraction(1, FPS)
    codec.options = dict(tune='zerolatency', g='15')
    for i in range(n):
        f = av.VideoFrame.from_ndarray(cv2.imdecode(np.frombuffer(jpeg(i), np.uint8), 1), format='rgb24')
        f.pts = i
        yield [o for p in codec.encode(f) for o in re.split(b'\0?\0\0\1', bytes(p)) if o]

def test_rtsp_is_read_and_picked_up_again(capfd):
    server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), Rtsp)
    server.units,server.calls = list(h264(30)),0
    numbers = []
    with serving(server) as port:
        s = watch(f'rtsp://admin:secret@127.0.0.1:{port}/door', Script([face()]),
                  on_frame=lambda f, t: numbers.append(number(f.image)), seconds=6)
    assert server.calls >= 2 and s.reopened >= 1 and s.frames > 15
    assert max(numbers) > 10 and any(b < a for a,b in zip(numbers, numbers[1:]))  # the second call begins anew
    assert 'secret' not in capfd.readouterr().err


# A webcam, played by a stand-in

def test_a_webcam_that_is_unplugged(monkeypatch, capfd):
    opened = []
    class Webcam:
        def __init__(self, index): self.n = 0; opened.append(index)
        def isOpened(self): return len(opened) != 2  # the first try to open it again fails
        def get(self, what): return 30.
        def read(self):
            time.sleep(.03); self.n += 1
            return self.n <= 15,np.full((48, 64, 3), (10, 20, 200), np.uint8)
        def release(self): pass
    monkeypatch.setattr(cv2, 'VideoCapture', Webcam)
    reds = []
    s = watch('0', Script([face()]), on_frame=lambda f, t: reds.append(f.image[0, 0].tolist()), seconds=4)
    assert opened[:3] == [0]*3 and s.reopened >= 1 and s.source == 'camera 0' and reds[0] == [200, 20, 10]
    assert 'camera 0: dropped (no picture); trying again in 0.5 s' in capfd.readouterr().err

def test_a_broken_reader_is_an_error(monkeypatch):
    "Not a silent end"
    class Webcam:
        def __init__(self, index): pass
        def isOpened(self): return True
        def get(self, what): return 30.
        def read(self): raise RuntimeError('driver')
        def release(self): pass
    monkeypatch.setattr(cv2, 'VideoCapture', Webcam)
    with pytest.raises(RuntimeError, match='driver'): watch(0, Script([face()]))


# Webhook

class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        s,data = self.server,self.rfile.read(int(self.headers['Content-Length']))
        s.tries += 1
        answer = s.answers.pop(0) if s.answers else 204
        if answer == 'hang': time.sleep(5); return
        if answer == 204: s.got.append((json.loads(data), self.headers.get('Authorization')))
        self.send_response(answer)
        if answer == 302: self.send_header('Location', f'http://127.0.0.1:{s.server_address[1]}/elsewhere')
        self.end_headers()
    do_GET = lambda self: self.server.leaks.append(self.path)
    def log_message(self, *args): pass

def hook(*answers):
    server = ThreadingHTTPServer(('127.0.0.1', 0), Hook)
    server.answers,server.tries,server.got,server.leaks = list(answers),0,[],[]
    return server

def event(i=0): return Event('entered', float(i), 1 + i, 'with_mask', .9)

def test_webhook_fails_twice_then_accepts(monkeypatch, capfd):
    monkeypatch.setenv('MASKDETECT_WEBHOOK_TOKEN', 'secret-token')
    server = hook(500, 503)
    with serving(server) as port:
        with Webhook(f'http://127.0.0.1:{port}/secret-path') as sink:
            for i in range(5): sink.event(event(i))
            time.sleep(2)
    assert [e for e,_ in server.got] == [event(i).to_dict() for i in range(5)]
    assert server.tries == 7 and sink.undelivered == 0
    assert {a for _,a in server.got} == {'Bearer secret-token'}
    err = capfd.readouterr().err
    assert err.count('trying again') == 2 and 'secret' not in err

def test_webhook_never_blocks(capfd):
    "Nobody answers: events are dropped from a full queue, the end comes in time, and what is lost is counted"
    sink = Webhook('http://127.0.0.1:9/x', limit=10, patience=1.)
    sink.start()
    start = time.monotonic()
    for i in range(1000): sink.event(event(i))
    assert time.monotonic() - start < .5
    sink.close()
    assert time.monotonic() - start < 4 and sink.undelivered == 1000
    assert f'{sink.undelivered} events not delivered' in capfd.readouterr().err

def test_webhook_that_hangs():
    server = hook('hang', 'hang')
    with serving(server) as port:
        sink = Webhook(f'http://127.0.0.1:{port}/', patience=1., timeout=30.)
        sink.start()
        sink.event(event()); sink.event(event(1))
        start = time.monotonic()
        sink.close()
        assert time.monotonic() - start < 3 and sink.undelivered == 2

def test_webhook_refused_for_good():
    "A wrong address is not asked for ever, and the secret follows no redirect"
    server = hook(404, 302)
    with serving(server) as port:
        with Webhook(f'http://127.0.0.1:{port}/') as sink:
            for i in range(3): sink.event(event(i))
    assert server.tries == 3 and sink.undelivered == 2 and sink.sent == 1 and not server.leaks

def test_webhook_does_not_disturb_the_video(tmp_path):
    from test_video import film
    clip = film(tmp_path/'clip.mp4', 60)
    server = hook()
    with serving(server) as port:
        s = watch(clip, Script(*[[face()]]*30, *[[face('without_mask')]]*30), [Webhook(f'http://127.0.0.1:{port}/')])
    assert [e['event'] for e,_ in server.got] == ['entered', 'mask_off', 'left'] and s.undelivered == 0
    s = watch(clip, Script([face()]), [Webhook('http://127.0.0.1:9/')])
    assert s.frames == 60 and s.undelivered == 2
