"Video: votes, events, damaged and hostile files, and outputs that survive Ctrl-C, a kill and a full disk"
import json, os, random, signal, subprocess, sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from maskdetect import outputs
from maskdetect.core import LABELS, Face, MaskdetectError
from maskdetect.frames import VideoError, open_video
from maskdetect.outputs import CountsPlot, EventLog, Snapshots, VideoWriter, Webhook, Window
from maskdetect.people import Event, People, Vote
from maskdetect.video import watch

FPS = 15


def face(label='with_mask', p=.9, box=(20, 10, 60, 50), score=.9):
    return Face(box, label, {o: p if o == label else (1-p)/2 for o in LABELS}, score)

class Script:
    "A detector that says, frame by frame, what it was told to"
    def __init__(self, *frames): self.frames,self.i = frames,-1
    def predict(self, image):
        self.i += 1
        return self.frames[min(self.i, len(self.frames)-1)]

def happens(frames, fps=FPS, **options):
    "The events of scripted frames"
    people = People(fps, **options)
    found = [e for i,faces in enumerate(frames) for e in people.update(faces, i/fps)]
    return found + people.close(), people

def film(path, n=30, size=(96, 64), fourcc='mp4v'):
    "A small film by OpenCV"
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), FPS, size)
    image = np.tile(np.arange(size[0], dtype=np.uint8)[None, :, None]*2, (size[1], 1, 3))
    for i in range(n): out.write(np.roll(image, 3*i, 1))
    out.release()
    return path

def plays(path):
    "How many frames OpenCV reads"
    video,n = cv2.VideoCapture(str(path)),0
    while video.read()[0]: n += 1
    return n

@pytest.fixture(scope='module')
def clip(tmp_path_factory): return film(tmp_path_factory.mktemp('clip')/'clip.mp4', 60)


# Votes and events

def test_vote_waits_and_holds():
    vote = Vote(least=5)
    assert [vote.add(face().probs, i/FPS) for i in range(5)] == [None]*4 + ['with_mask']
    for i in range(5, 200):  # wrong on every fifth frame
        assert vote.add(face('without_mask' if i % 5 == 0 else 'with_mask').probs, i/FPS) == 'with_mask'

def test_vote_changes_once():
    vote = Vote()
    labels = [vote.add(face('with_mask' if i < 60 else 'without_mask').probs, i/FPS) for i in range(120)][4:]
    assert sum(a != b for a,b in zip(labels, labels[1:])) == 1 and labels[-1] == 'without_mask'

@pytest.mark.parametrize('gap', [.01, .5, 1, 60])
def test_one_wrong_frame_is_never_enough(gap):
    vote = Vote()
    for i in range(20): vote.add(face().probs, i*gap)
    assert vote.add(face('without_mask', 1.).probs, 20*gap) == 'with_mask'

def test_near_a_tie_nothing_flickers():
    vote = Vote()
    rng = np.random.default_rng(0)
    labels = [vote.add(dict(with_mask=.5+d, without_mask=.5-d), i/30) for i,d in enumerate(rng.normal(0, .2, 1000))][4:]
    assert sum(a != b for a,b in zip(labels, labels[1:])) <= 2

def test_a_verdict_needs_half_of_the_vote():
    vote,unclear = Vote(),dict(with_mask=.4, without_mask=.35, incorrect_mask=.25)
    for i in range(50): assert vote.add(unclear, i/FPS) is None
    for i in range(50, 90): vote.add(face('without_mask').probs, i/FPS)
    for i in range(90, 200): assert vote.add(unclear, i/FPS) == 'without_mask'
    events,people = happens([[Face((0, 0, 30, 30), 'with_mask', unclear, .9)]]*30)
    assert not events and people.unsettled == 1

def test_events_of_one_person():
    off = face('without_mask')
    incorrect = face('incorrect_mask')
    events,people = happens([[face()]]*30 + [[off]]*30 + [[incorrect]]*40 + [[face()]]*30 + [[]]*60)
    assert [e.event for e in events] == ['entered', 'mask_off', 'incorrect', 'mask_on', 'left']
    assert [e.label for e in events] == ['with_mask', 'without_mask', 'incorrect_mask', 'with_mask', 'with_mask']
    assert {e.track for e in events} == {1} and people.people == 1
    left = events[-1]
    assert abs(left.time - 129/FPS) < .01 and abs(left.duration - 128/FPS) < .02
    assert abs(sum(e.duration for e in events[1:4]) - events[3].time) < .1

def test_one_bad_frame_raises_nothing():
    events,people = happens(([[face()]]*20 + [[face('without_mask')]])*5)
    assert [e.event for e in events] == ['entered', 'left']

def test_a_glimpse_is_no_person():
    events,people = happens([[face()]]*4 + [[]]*40)
    assert not events and people.people == 0 and people.unsettled == 1

def test_out_of_sight_for_a_moment_keeps_the_identity():
    events,_ = happens([[face()]]*20 + [[]]*15 + [[face()]]*20)
    assert [(e.event, e.track) for e in events] == [('entered', 1), ('left', 1)]

def test_few_frames_are_no_absence():
    "At one frame in 2.5 seconds people are seen, and leave when three frames lack them"
    events,people = happens([[face()]]*10 + [[]]*4, fps=.4)
    assert [(e.event, e.time) for e in events] == [('entered', 12.5), ('left', 22.5)] and people.people == 1

@pytest.mark.parametrize('gap', [1, 3, 20])
def test_a_slow_machine_keeps_the_identity(gap):
    "Of a camera that sends 25 frames a second, with boxes that tremble a little"
    rng,people = np.random.default_rng(0),People(25)
    for i in range(60): people.update([face(box=tuple(np.array([100, 100, 180, 190]) + rng.normal(0, 3, 4)))], gap*i)
    people.close()
    assert (people.people, people.unsettled) == (1, 0)

def test_two_people_crossing_frames():
    def both(i): return [face(box=(10+2*i, 10, 50+2*i, 50)), face('without_mask', box=(300-2*i, 80, 340-2*i, 120))]
    events,people = happens([both(i)[::(-1)**i] for i in range(60)])
    assert [e.event for e in events].count('entered') == len(events)/2 == people.people == 2
    assert people.verdicts == {'with_mask': 1, 'without_mask': 1}

def test_two_label_models_and_empty_rooms():
    events,_ = happens([[]]*10 + [[Face((0, 0, 30, 30), 'with_mask', dict(with_mask=.8, without_mask=.2), .9)]]*10)
    assert [e.event for e in events] == ['entered', 'left']
    assert happens([[]]*100)[0] == []

def test_live_events_have_a_clock():
    from datetime import datetime, timezone
    events,_ = happens([[face()]]*10, started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
    assert events[0].clock.startswith('2026-01-02T03:04:05.') and events[0].clock.endswith('+00:00')


# Files that are not what they should be

BATCH = """
import json, signal, sys, time
from maskdetect.core import MaskdetectError
from maskdetect.video import watch
sys.path.insert(0, sys.argv[1])
from test_video import Script, face
watch(sys.argv[2], Script([face()]))  # imports are not counted
def late(*args): raise SystemExit('hangs')
signal.signal(signal.SIGALRM, late)
for path in json.load(sys.stdin):
    print(json.dumps(path), flush=True)
    signal.alarm(10)
    try:
        s = watch(path, Script([face()]))
        print(json.dumps([s.frames, s.notes]), flush=True)
    except MaskdetectError as e: print(json.dumps(str(e)), flush=True)
    signal.alarm(0)
"""

def judged(paths, clip):
    "What `watch` says of each file: a message, or frames and notes; it runs apart, since a crash would end the tests"
    p = subprocess.run([sys.executable, '-c', BATCH, str(Path(__file__).parent), str(clip)],
                       input=json.dumps([str(o) for o in paths]), capture_output=True, text=True, timeout=200)
    lines = [json.loads(o) for o in p.stdout.splitlines()]
    assert p.returncode == 0, f"{lines[-1:]}\n{p.stderr[-2000:]}"
    assert lines[::2] == [str(o) for o in paths]
    return lines[1::2]

@pytest.fixture(scope='module')
def films(tmp_path_factory):
    "One film of 30 frames in each kind of file"
    folder = tmp_path_factory.mktemp('films')
    for suffix,fourcc in (('.mp4', 'mp4v'), ('.avi', 'MJPG'), ('.mkv', 'mp4v')):
        film(folder/f'opencv{suffix}', fourcc=fourcc)
    for suffix in ('.mp4', '.mkv', '.webm'):
        image = np.tile(np.arange(96, dtype=np.uint8)[None, :, None]*2, (64, 1, 3))
        with VideoWriter(folder/f'ours{suffix}', FPS) as out:
            for i in range(30): out.frame(np.roll(image, 3*i, 1), i/FPS)
    return sorted(folder.iterdir())

def test_whole_files_have_no_notes(films, clip):
    assert judged(films, clip) == [[30, []]]*6

def test_truncated_files_say_so(films, clip, tmp_path):
    paths = []
    for f in films:
        data = f.read_bytes()
        for k in range(1, 10):
            paths.append(tmp_path/f'{k}-{f.name}')
            paths[-1].write_bytes(data[:len(data)*k//10])
    assert len(paths) == 54
    for path,said in zip(paths, judged(paths, clip)):
        if isinstance(said, str): assert '\n' not in said and path.name in said
        else: assert 0 < said[0] <= 30 and said[1], f"{path.name}: {said}"

def test_damaged_files(films, clip, tmp_path):
    "Flipped bits, blanked and swapped pieces: something is read or something is said, and nothing crashes or hangs"
    rng,paths = random.Random(0),[]
    for f in films:
        for k in range(12):
            data = bytearray(f.read_bytes())
            if k < 6:
                for _ in range(4**(k % 4)): data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            elif k < 9: at = rng.randrange(len(data)); data[at:at+300] = bytes(300)
            else: at = rng.randrange(len(data)//2); data[at:at+200],data[-200:] = data[-200:],data[at:at+200]
            paths.append(tmp_path/f'{k}-{f.name}')
            paths[-1].write_bytes(data)
    assert len(paths) == 72
    for path,said in zip(paths, judged(paths, clip)): assert said[0] if isinstance(said, list) else said, path.name

def test_hostile_files(films, clip, tmp_path):
    "Things that are no videos, and things that want FFmpeg to open something else"
    secret = tmp_path/'secret.mp4'
    secret.write_bytes(films[1].read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes()
    black = np.zeros((64, 64, 3), np.uint8)
    png = cv2.imencode('.png', black)[1].tobytes()
    playlist = f'#EXTM3U\n#EXTINF:5,\n{secret}\n#EXT-X-ENDLIST\n'.encode()
    wav = b'RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0@\x1f\0\0\x01\0\x08\0data\0\0\0\0'
    things = {
        'empty.mp4': b'', 'one.mp4': b'\0', 'zeros.avi': bytes(10_000), 'noise.mkv': noise,
        'text.txt': b'hello\n'*100, 'text.mp4': b'hello\n'*100,
        'photo.png': png, 'photo.mp4': png, 'photo.jpg': cv2.imencode('.jpg', black)[1].tobytes(),
        'anim.gif': b'GIF89a'+noise, 'page.html': b'<html>', 'list.m3u8': playlist, 'list.mp4': playlist,
        'concat.txt': f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
        'session.sdp': b'v=0\nm=video 5004 RTP/AVP 96\n', 'sound.wav': wav, 'head.mp4': films[1].read_bytes()[:32],
        'code.py': b'print(1)\n', 'archive.zip': b'PK\x03\x04'+noise, 'dash.mpd': b'<MPD></MPD>'}
    for name,data in things.items(): (tmp_path/name).write_bytes(data)
    (tmp_path/'folder.mp4').mkdir()
    os.mkfifo(tmp_path/'pipe.mp4')
    (tmp_path/'loop.mp4').symlink_to(tmp_path/'loop.mp4')
    names = [*things, 'folder.mp4', 'pipe.mp4', 'loop.mp4', 'missing.mp4', 'x'*300, 'concat:a|b', 'a\nb.mp4']
    paths = [*(tmp_path/o for o in names), '/dev/zero', '/dev/null', '']
    for path,said in zip(paths, judged(paths, clip)):
        assert isinstance(said, str), f"{path}: {said}"
    for name,words in (('empty.mp4', 'empty'), ('photo.png', 'picture'), ('folder.mp4', 'folder'),
                       ('missing.mp4', 'no such file'), ('text.txt', 'not a video')):
        with pytest.raises(VideoError, match=words): open_video(tmp_path/name)

def test_strange_sources():
    for source in ('file:///etc/passwd', 'concat://a', 'gopher://x/y', 'http://', 'rtsp://127.0.0.1:1/door',
                   'http://user:secret@127.0.0.1:1/x?key=secret', 99, '/dev/video98', 99999999999, 'http://[bad',
                   'http://b\nad', 'rtsp://127.0.0.1:1/user=admin&password=secret',
                   *(f'rtsp://admin:pa{c}secret@127.0.0.1:1/x' for c in '/?#')):
        with pytest.raises(MaskdetectError) as e: open_video(source)
        assert 'secret' not in str(e.value) and '\n' not in str(e.value)
    with pytest.raises(VideoError, match='fps'): open_video('x.mp4', fps=0)
    for url in ('http://[bad', 'http://', 'ftp://x/y'):
        with pytest.raises(VideoError, match='a webhook is'): Webhook(url)

@pytest.mark.parametrize('size', [(1, 1), (2, 2), (17, 31), (640, 2), (3, 400)])
def test_odd_sizes(size, tmp_path):
    for suffix in ('.mp4', '.mkv', '.webm'):
        path = tmp_path/f'odd{suffix}'
        with VideoWriter(path) as out:
            for i in range(5): out.frame(np.full((size[1], size[0], 3), 40*i, np.uint8), i/25)
        with open_video(path) as video: frames = list(video)
        assert len(frames) == 5 and all(0 <= b - a < 2 for a,b in zip(size, frames[0].image.shape[1::-1]))

def test_frames_that_change_their_size(tmp_path):
    "Two films of different size, one behind the other in one file"
    for k,size in enumerate(((96, 64), (64, 96))): film(tmp_path/f'{k}.avi', 10, size, 'MJPG')
    with VideoWriter(tmp_path/'out.mp4') as out:
        for i in range(20): out.frame(np.zeros((64, 96, 3) if i < 10 else (96, 64, 3), np.uint8), i/FPS)
    assert plays(tmp_path/'out.mp4') == 20
    raw = b''
    for k in range(2):
        with open_video(tmp_path/f'{k}.avi') as video:
            for f in video: raw += cv2.imencode('.jpg', f.image)[1].tobytes()
    (tmp_path/'raw.mjpeg').write_bytes(raw)
    s = watch(tmp_path/'raw.mjpeg', Script([face()]), [VideoWriter(tmp_path/'again.mkv')])
    assert s.frames == plays(tmp_path/'again.mkv') == 20

def test_upright_like_opencv(tmp_path):
    "A phone films on its side and leaves a note; both ways to turn"
    for matrix in ((0, 65536, 0, -65536, 0, 0), (0, -65536, 0, 65536, 0, 0), (-65536, 0, 0, 0, -65536, 0)):
        path = film(tmp_path/'turned.mp4')
        data = bytearray(path.read_bytes())
        at = data.index(b'tkhd') + 4 + 40
        data[at:at+24] = np.array(matrix, '>i4').tobytes()
        path.write_bytes(data)
        video = cv2.VideoCapture(str(path))
        theirs = cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGB)
        with open_video(path) as ours: image = next(iter(ours)).image
        assert image.shape == theirs.shape and np.abs(image.astype(int) - theirs).mean() < 3


# Outputs

def test_everything_at_once(clip, tmp_path):
    detector = Script(*[[face()]]*30, *[[face('without_mask')]]*30)
    s = watch(clip, detector, [VideoWriter(tmp_path/'o'/'out.mp4'), EventLog(tmp_path/'e'/'events.csv'),
                               Snapshots(tmp_path/'faces', blur=True), CountsPlot(tmp_path/'plot.png')])
    assert (s.frames, s.people, s.events, s.notes, s.skipped) == (60, 1, dict(entered=1, mask_off=1, left=1), [], 0)
    assert plays(tmp_path/'o'/'out.mp4') == 60
    lines = (tmp_path/'e'/'events.csv').read_text().splitlines()
    assert lines[0] == 'event,time,track,label,confidence,duration,clock'
    assert [o.split(',')[0] for o in lines[1:]] == ['entered', 'mask_off', 'left']
    assert sorted(o.name.rsplit('-', 1)[1] for o in (tmp_path/'faces').iterdir()) == ['entered.jpg', 'mask_off.jpg']
    assert cv2.imread(str(tmp_path/'plot.png')).shape == (320, 900, 3)
    assert json.loads(json.dumps(s.to_dict()))['files'].keys() == {'out', 'events', 'snapshots', 'plot'}

def test_no_face_is_stored_unless_asked(clip, tmp_path):
    watch(clip, Script([face()]), [VideoWriter(tmp_path/'out.mp4'), EventLog(tmp_path/'events.jsonl')])
    assert sorted(o.name for o in tmp_path.iterdir()) == ['events.jsonl', 'out.mp4']

def test_blur_leaves_no_detail():
    crop = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    assert outputs._blurred(crop).astype(float).std() < .2*crop.std()

def test_fps_seconds_and_on_frame(clip):
    assert watch(clip, Script([face()]), fps=5).frames == 20
    assert watch(clip, Script([face()]), seconds=2).frames == 30
    assert watch(clip, Script([face()]), on_frame=lambda frame, tracks: frame.index < 9).frames == 10

def test_outputs_that_cannot_be(clip, tmp_path, monkeypatch):
    (tmp_path/'file').write_text('')
    for make in (lambda: VideoWriter(tmp_path/'out.xyz'), lambda: Webhook('ftp://x'),
                 lambda: CountsPlot(tmp_path/'p.gif')):
        with pytest.raises(VideoError): make()
    for sink in (VideoWriter(clip), VideoWriter(tmp_path/'file'/'out.mp4'), EventLog(tmp_path/'file'/'e.csv'),
                 Snapshots(tmp_path/'file'), CountsPlot(tmp_path/'file'/'p.png')):
        with pytest.raises(MaskdetectError): watch(clip, Script([face()]), [sink])
    assert plays(clip) == 60
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    if sys.platform.startswith('linux'):
        with pytest.raises(VideoError, match='no screen'): Window()

def test_what_is_there_stays_when_an_output_cannot_be(clip, tmp_path):
    "The outputs behind the one that fails are not begun: no empty plot replaces that of an earlier run"
    events, plot = tmp_path/'e.csv', tmp_path/'p.png'
    for path in (events, plot): path.write_text('old')
    detector = Script([face()])
    with pytest.raises(VideoError): watch(clip, detector, [CountsPlot(plot), VideoWriter(clip), EventLog(events)])
    assert events.read_text() == plot.read_text() == 'old' and detector.i == -1

def test_an_output_that_fails_leaves_the_others_whole(clip, tmp_path):
    class Full(outputs.Sink):
        closed_well = False
        def frame(self, image, time, tracks=()):
            if time > 1: raise OSError(28, 'no room')
        def close(self): Full.closed_well = True
    with pytest.raises(VideoError, match='Full: no room'):
        watch(clip, Script([face()]), [Full(), VideoWriter(tmp_path/'out.mp4'), EventLog(tmp_path/'e.jsonl')])
    assert plays(tmp_path/'out.mp4') == 17 and Full.closed_well
    assert whole_lines(tmp_path/'e.jsonl') == ['entered', 'left']

def test_window(clip, monkeypatch):
    "With a screen that is played by a stand-in: `q` ends it; an OpenCV without windows says so"
    monkeypatch.setenv('DISPLAY', ':0')
    shown = []
    monkeypatch.setattr(cv2, 'imshow', lambda title, image: shown.append(image))
    monkeypatch.setattr(cv2, 'getWindowProperty', lambda *a: 1.)
    monkeypatch.setattr(cv2, 'destroyAllWindows', lambda: None)
    monkeypatch.setattr(cv2, 'waitKey', lambda ms: ord('q') if len(shown) == 7 else -1)
    assert watch(clip, Script([face()]), [Window()]).frames == 7 == len(shown)
    def none(*a): raise cv2.error('The function is not implemented')
    monkeypatch.setattr(cv2, 'imshow', none)
    with pytest.raises(VideoError, match='cannot show windows'): watch(clip, Script([face()]), [Window()])

def test_a_failing_detector_keeps_what_was_done(clip, tmp_path):
    class Fails(Script):
        def predict(self, image):
            if self.i == 39: raise RuntimeError('out of memory')
            return super().predict(image)
    with pytest.raises(RuntimeError):
        watch(clip, Fails([face()]), [VideoWriter(tmp_path/'out.mp4'), EventLog(tmp_path/'e.jsonl')])
    assert plays(tmp_path/'out.mp4') == 40
    assert [json.loads(o)['event'] for o in (tmp_path/'e.jsonl').read_text().splitlines()] == ['entered', 'left']

def test_heavy_packages_stay_out():
    for module, names in (('video', 'torch fastai pandas matplotlib trackers supervision av'),
                          ('people', 'torch fastai pandas matplotlib')):
        code = (f"import sys; import maskdetect.{module} as m; hasattr(m, 'Track') and m.People(); "
                f"print([o for o in {names.split()} if o in sys.modules])")
        p = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
        assert p.stdout.strip() == '[]'



# Ctrl-C, kill, full disk

RUN = """
import sys, time, json
sys.path.insert(0, sys.argv[1])
from test_video import Script, face
from maskdetect.core import MaskdetectError
from maskdetect.outputs import EventLog, VideoWriter
from maskdetect.video import watch
if sys.argv[5:]:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[5]),)*2)
def slowly(frame, tracks): print(frame.index, flush=True); time.sleep(.01)
frames = [[face('with_mask' if i//25 % 2 else 'without_mask')] for i in range(400)]
try: s = watch(sys.argv[2], Script(*frames), [VideoWriter(sys.argv[3]), EventLog(sys.argv[4])], on_frame=slowly)
except MaskdetectError as e: print(f"maskdetect: {e}", file=sys.stderr); sys.exit(1)
print(json.dumps(s.to_dict()))
"""

@pytest.fixture(scope='module')
def long_clip(tmp_path_factory): return film(tmp_path_factory.mktemp('long')/'long.mp4', 400, (160, 120))

def started(clip, out, events, *limit):
    args = map(str, (Path(__file__).parent, clip, out, events, *limit))
    return subprocess.Popen([sys.executable, '-c', RUN, *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

def until(p, n):
    for line in p.stdout:
        if int(line) == n: return

def whole_lines(path):
    text = path.read_text()
    assert text.endswith('\n')
    return [json.loads(o)['event'] for o in text.splitlines()]

@pytest.mark.parametrize('sent', ['SIGINT', 'SIGTERM'])
def test_stopped(sent, long_clip, tmp_path):
    p = started(long_clip, tmp_path/'out.mp4', tmp_path/'events.jsonl')
    until(p, 150)
    p.send_signal(getattr(signal, sent))
    out,err = p.communicate(timeout=30)
    assert p.returncode == 0 and not err, err
    s = json.loads(out.splitlines()[-1])
    assert s['stopped'] == sent and 151 <= s['frames'] < 400 and plays(tmp_path/'out.mp4') == s['frames']
    events = whole_lines(tmp_path/'events.jsonl')
    assert events[0] == 'entered' and events[-1] == 'left' and len(events) >= 7

@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.webm'])
def test_killed(suffix, long_clip, tmp_path):
    p = started(long_clip, tmp_path/f'out{suffix}', tmp_path/'events.jsonl')
    until(p, 150)
    p.kill(); p.communicate()
    assert plays(tmp_path/f'out{suffix}') >= 151 - outputs.KEY_EVERY*FPS - 5
    s = watch(tmp_path/f'out{suffix}', Script([face()]))  # we read it, too
    assert s.frames >= 151 - outputs.KEY_EVERY*FPS - 5
    events = whole_lines(tmp_path/'events.jsonl')
    assert events[0] == 'entered' and events.count('mask_on') + events.count('mask_off') >= 5

def test_disk_nearly_full(clip, tmp_path, monkeypatch):
    "It stops while there is room to end all files"
    free = iter([10**9]*30)
    monkeypatch.setattr(outputs.shutil, 'disk_usage', lambda path: type('Usage', (), dict(free=next(free, 1000))))
    with pytest.raises(VideoError, match='disk is full'):
        watch(clip, Script([face()]), [VideoWriter(tmp_path/'out.mp4'), EventLog(tmp_path/'e.jsonl')])
    assert plays(tmp_path/'out.mp4') == 29
    assert whole_lines(tmp_path/'e.jsonl') == ['entered', 'left']

def test_disk_full_all_of_a_sudden(long_clip, tmp_path):
    "The system refuses to write more, without a warning"
    p = started(long_clip, tmp_path/'out.mp4', tmp_path/'events.jsonl', 60_000)
    out,err = p.communicate(timeout=60)
    assert p.returncode == 1 and len(err.splitlines()) == 1 and 'out.mp4' in err and 'kept' in err, err
    assert plays(tmp_path/'out.mp4') > 20
    assert whole_lines(tmp_path/'events.jsonl')[0] == 'entered'

def test_events_on_a_full_disk(tmp_path):
    "The line that did not fit is taken back"
    code = """
import resource, sys
from maskdetect.core import MaskdetectError
from maskdetect.outputs import EventLog
from maskdetect.people import Event
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
log = EventLog(sys.argv[1])
log.start()
try:
    for i in range(100): log.event(Event('left', float(i), 1, 'with_mask', .9))
except MaskdetectError as e: print(i, e)
"""
    p = subprocess.run([sys.executable, '-c', code, str(tmp_path/'e.jsonl')],
                       capture_output=True, text=True, check=True)
    assert len(whole_lines(tmp_path/'e.jsonl')) == int(p.stdout.split()[0]) > 3 and 'the disk is full' in p.stdout

def test_a_log_goes_on(tmp_path):
    "After a restart events are added, and half a line at the end is taken away"
    for name, head in (('e.jsonl', 0), ('e.csv', 1)):
        for _ in range(3):
            log = EventLog(tmp_path/name)
            log.start(SimpleNamespace(live=True))
            log.event(Event('left', 1., 1, 'with_mask', .9))
            log.close()
            with open(tmp_path/name, 'a') as f: f.write('{"ev')
        assert len((tmp_path/name).read_text().splitlines()) == 3 + head + 1

def test_live_video_never_overwrites(tmp_path):
    for name in ('door.mp4', 'door-2.mp4', 'door-3.mp4'):
        with_live = VideoWriter(tmp_path/'door.mp4')
        with_live.start(SimpleNamespace(live=True, rate=25., name='camera 0'))
        assert with_live.path.name == name
        with_live.frame(np.zeros((64, 96, 3), np.uint8), 0.)
        with_live.close()
    with VideoWriter(tmp_path/'door.mp4') as out: assert out.path.name == 'door.mp4'

def test_counts_stay_small(tmp_path):
    track = SimpleNamespace(number=1, label='with_mask')
    plot = CountsPlot(tmp_path/'p.png')
    for t in range(0, 10**6, 50): plot.frame(None, t, [track])
    counts = plot.sums[plot.sums[:, 0] > 0]
    assert len(plot.sums) <= 600 and (counts[:, 0] == counts[:, 1]).all() and counts[:, 0].sum() == 20_000
    for time, tracks in ((0, []), (10**6, [track]*40)):
        plot = CountsPlot(tmp_path/'p.png')
        plot.frame(None, time, tracks)
        plot.close()
        assert cv2.imread(str(tmp_path/'p.png')).shape == (320, 900, 3)
