"Video: votes, events, damaged and hostile files, and outputs that survive Ctrl-C, a kill and a full disk"
import json, os, random, signal, subprocess, sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskdetect import video as V
from maskdetect.core import LABELS, Face, MaskdetectError

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
    people = V.People(fps, **options)
    found = [e for i,faces in enumerate(frames) for e in people.update(faces, i/fps)]
    return found + people.close(), people

def film(path, n=30, size=(96, 64), fourcc='mp4v'):
    "A small film by OpenCV"
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), FPS, size)
    for i in range(n): out.write(np.roll(np.tile(np.arange(size[0], dtype=np.uint8)[None, :, None]*2, (size[1], 1, 3)), 3*i, 1))
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
    vote = V.Vote(least=5)
    assert [vote.add(face().probs, i/FPS) for i in range(5)] == [None]*4 + ['with_mask']
    for i in range(5, 200):  # wrong on every fifth frame
        assert vote.add(face('without_mask' if i % 5 == 0 else 'with_mask').probs, i/FPS) == 'with_mask'

def test_vote_changes_once():
    vote = V.Vote()
    labels = [vote.add(face('with_mask' if i < 60 else 'without_mask').probs, i/FPS) for i in range(120)][4:]
    assert sum(a != b for a,b in zip(labels, labels[1:])) == 1 and labels[-1] == 'without_mask'

@pytest.mark.parametrize('gap', [.01, .5, 1, 60])
def test_one_wrong_frame_is_never_enough(gap):
    vote = V.Vote()
    for i in range(20): vote.add(face().probs, i*gap)
    assert vote.add(face('without_mask', 1.).probs, 20*gap) == 'with_mask'

def test_near_a_tie_nothing_flickers():
    vote = V.Vote()
    rng = np.random.default_rng(0)
    labels = [vote.add(dict(with_mask=.5+d, without_mask=.5-d), i/30) for i,d in enumerate(rng.normal(0, .2, 1000))][4:]
    assert sum(a != b for a,b in zip(labels, labels[1:])) <= 2

def test_a_verdict_needs_half_of_the_vote():
    vote,unclear = V.Vote(),dict(with_mask=.4, without_mask=.35, incorrect_mask=.25)
    for i in range(50): assert vote.add(unclear, i/FPS) is None
    for i in range(50, 90): vote.add(face('without_mask').probs, i/FPS)
    for i in range(90, 200): assert vote.add(unclear, i/FPS) == 'without_mask'
    events,people = happens([[Face((0, 0, 30, 30), 'with_mask', unclear, .9)]]*30)
    assert not events and people.unsettled == 1

def test_events_of_one_person():
    events,people = happens([[face()]]*30 + [[face('without_mask')]]*30 + [[face('incorrect_mask')]]*40 + [[face()]]*30 + [[]]*60)
    assert [e.event for e in events] == ['entered', 'mask_off', 'incorrect', 'mask_on', 'left']
    assert [e.label for e in events] == ['with_mask', 'without_mask', 'incorrect_mask', 'with_mask', 'with_mask']
    assert {e.track for e in events} == {1} and people.people == 1 and people.flips == people.raw_flips == 3
    left = events[-1]
    assert abs(left.time - 129/FPS) < .01 and abs(left.duration - 128/FPS) < .02
    assert abs(sum(e.duration for e in events[1:4]) - events[3].time) < .1

def test_one_bad_frame_raises_nothing():
    events,people = happens(([[face()]]*20 + [[face('without_mask')]])*5)
    assert [e.event for e in events] == ['entered', 'left'] and people.raw_flips == 9

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
    rng,people = np.random.default_rng(0),V.People(25)
    for i in range(60): people.update([face(box=tuple(np.array([100, 100, 180, 190]) + rng.normal(0, 3, 4)))], gap*i)
    people.close()
    assert (people.people, people.unsettled) == (1, 0)

def test_two_people_crossing_frames():
    frames = [[face(box=(10+2*i, 10, 50+2*i, 50)), face('without_mask', box=(300-2*i, 80, 340-2*i, 120))][::(-1)**i] for i in range(60)]
    events,people = happens(frames)
    assert people.people == 2 and people.flips == 0 and people.verdicts == {'with_mask': 1, 'without_mask': 1}

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
    p = subprocess.run([sys.executable, '-c', BATCH, str(Path(__file__).parent), str(clip)], input=json.dumps([str(o) for o in paths]), capture_output=True, text=True, timeout=200)
    lines = [json.loads(o) for o in p.stdout.splitlines()]
    assert p.returncode == 0, f"{lines[-1:]}\n{p.stderr[-2000:]}"
    assert lines[::2] == [str(o) for o in paths]
    return lines[1::2]

@pytest.fixture(scope='module')
def films(tmp_path_factory):
    "One film of 30 frames in each kind of file"
    folder = tmp_path_factory.mktemp('films')
    for suffix,fourcc in (('.mp4', 'mp4v'), ('.avi', 'MJPG'), ('.mkv', 'mp4v')): film(folder/f'opencv{suffix}', fourcc=fourcc)
    for suffix in ('.mp4', '.mkv', '.webm'):
        out = V.VideoWriter(folder/f'ours{suffix}', FPS)
        for i in range(30): out.frame(np.roll(np.tile(np.arange(96, dtype=np.uint8)[None, :, None]*2, (64, 1, 3)), 3*i, 1), i/FPS)
        out.close()
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
    png = cv2.imencode('.png', np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    things = {'empty.mp4': b'', 'one.mp4': b'\0', 'zeros.avi': bytes(10_000), 'noise.mkv': noise, 'text.txt': b'hello\n'*100, 'text.mp4': b'hello\n'*100,
              'photo.png': png, 'photo.mp4': png, 'photo.jpg': cv2.imencode('.jpg', np.zeros((64, 64, 3), np.uint8))[1].tobytes(),
              'anim.gif': b'GIF89a'+noise, 'page.html': b'<html>', 'list.m3u8': f'#EXTM3U\n#EXTINF:5,\n{secret}\n#EXT-X-ENDLIST\n'.encode(),
              'list.mp4': f'#EXTM3U\n#EXTINF:5,\n{secret}\n#EXT-X-ENDLIST\n'.encode(), 'concat.txt': f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
              'session.sdp': b'v=0\nm=video 5004 RTP/AVP 96\n', 'sound.wav': b'RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0@\x1f\0\0\x01\0\x08\0data\0\0\0\0',
              'head.mp4': films[1].read_bytes()[:32], 'code.py': b'print(1)\n', 'archive.zip': b'PK\x03\x04'+noise, 'dash.mpd': b'<MPD></MPD>'}
    for name,data in things.items(): (tmp_path/name).write_bytes(data)
    (tmp_path/'folder.mp4').mkdir()
    os.mkfifo(tmp_path/'pipe.mp4')
    (tmp_path/'loop.mp4').symlink_to(tmp_path/'loop.mp4')
    paths = [tmp_path/o for o in [*things, 'folder.mp4', 'pipe.mp4', 'loop.mp4', 'missing.mp4', 'x'*300, 'concat:a|b', 'a\nb.mp4']] + ['/dev/zero', '/dev/null', '']
    for path,said in zip(paths, judged(paths, clip)):
        assert isinstance(said, str), f"{path}: {said}"
    for name,words in (('empty.mp4', 'empty'), ('photo.png', 'picture'), ('folder.mp4', 'folder'), ('missing.mp4', 'no such file'), ('text.txt', 'not a video')):
        with pytest.raises(V.VideoError, match=words): V.open_video(tmp_path/name)

def test_strange_sources():
    for source in ('file:///etc/passwd', 'concat://a', 'gopher://x/y', 'http://', 'rtsp://127.0.0.1:1/door', 'http://user:secret@127.0.0.1:1/x?key=secret', 99, '/dev/video98',
                   99999999999, 'http://[bad', 'http://b\nad', 'rtsp://127.0.0.1:1/user=admin&password=secret', *(f'rtsp://admin:pa{c}secret@127.0.0.1:1/x' for c in '/?#')):
        with pytest.raises(MaskdetectError) as e: V.open_video(source)
        assert 'secret' not in str(e.value) and '\n' not in str(e.value)
    with pytest.raises(V.VideoError, match='fps'): V.open_video('x.mp4', fps=0)
    for url in ('http://[bad', 'http://', 'ftp://x/y'):
        with pytest.raises(V.VideoError, match='a webhook is'): V.Webhook(url)

@pytest.mark.parametrize('size', [(1, 1), (2, 2), (17, 31), (640, 2), (3, 400)])
def test_odd_sizes(size, tmp_path):
    for suffix in ('.mp4', '.mkv', '.webm'):
        path = tmp_path/f'odd{suffix}'
        out = V.VideoWriter(path)
        for i in range(5): out.frame(np.full((size[1], size[0], 3), 40*i, np.uint8), i/25)
        out.close()
        with V.open_video(path) as video: frames = list(video)
        assert len(frames) == 5 and all(0 <= b - a < 2 for a,b in zip(size, frames[0].image.shape[1::-1]))

def test_frames_that_change_their_size(tmp_path):
    "Two films of different size, one behind the other in one file"
    for k,size in enumerate(((96, 64), (64, 96))): film(tmp_path/f'{k}.avi', 10, size, 'MJPG')
    out = V.VideoWriter(tmp_path/'out.mp4')
    for i in range(20): out.frame(np.zeros((64, 96, 3) if i < 10 else (96, 64, 3), np.uint8), i/FPS)
    out.close()
    assert plays(tmp_path/'out.mp4') == 20
    raw = b''
    for k in range(2):
        with V.open_video(tmp_path/f'{k}.avi') as video: raw += b''.join(cv2.imencode('.jpg', f.image)[1].tobytes() for f in video)
    (tmp_path/'raw.mjpeg').write_bytes(raw)
    s = V.watch(tmp_path/'raw.mjpeg', Script([face()]), out=tmp_path/'again.mkv')
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
        with V.open_video(path) as ours: image = next(iter(ours)).image
        assert image.shape == theirs.shape and np.abs(image.astype(int) - theirs).mean() < 3


# Outputs

def test_everything_at_once(clip, tmp_path):
    detector = Script(*[[face()]]*30, *[[face('without_mask')]]*30)
    s = V.watch(clip, detector, out=tmp_path/'o'/'out.mp4', events=tmp_path/'e'/'events.csv', snapshots=tmp_path/'faces', blur=True, plot=tmp_path/'plot.png')
    assert (s.frames, s.people, s.flips, s.raw_flips, s.notes, s.skipped) == (60, 1, 1, 1, [], 0)
    assert plays(tmp_path/'o'/'out.mp4') == 60
    lines = (tmp_path/'e'/'events.csv').read_text().splitlines()
    assert lines[0] == 'event,time,track,label,confidence,duration,clock' and [o.split(',')[0] for o in lines[1:]] == ['entered', 'mask_off', 'left']
    assert sorted(o.name.rsplit('-', 1)[1] for o in (tmp_path/'faces').iterdir()) == ['entered.jpg', 'mask_off.jpg']
    assert cv2.imread(str(tmp_path/'plot.png')).shape == (320, 900, 3)
    assert json.loads(json.dumps(s.to_dict()))['files'].keys() == {'out', 'events', 'snapshots', 'plot'}

def test_no_face_is_stored_unless_asked(clip, tmp_path):
    V.watch(clip, Script([face()]), out=tmp_path/'out.mp4', events=tmp_path/'events.jsonl')
    assert sorted(o.name for o in tmp_path.iterdir()) == ['events.jsonl', 'out.mp4']

def test_blur_is_for_snapshots(clip, tmp_path, capsys):
    "Nobody may think that a recording is blurred"
    with pytest.raises(V.VideoError, match='only snapshots'): V.watch(clip, Script([face()]), out=tmp_path/'out.mp4', blur=True)
    assert not list(tmp_path.iterdir())
    V.watch(clip, Script([face()]), out=tmp_path/'out.mp4', snapshots=tmp_path/'faces', blur=True, seconds=1)
    assert 'recording shows all faces as they are' in capsys.readouterr().err

def test_blur_leaves_no_detail():
    crop = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    assert V._blurred(crop).astype(float).std() < .2*crop.std()

def test_fps_seconds_and_on_frame(clip):
    assert V.watch(clip, Script([face()]), fps=5).frames == 20
    assert V.watch(clip, Script([face()]), seconds=2).frames == 30
    assert V.watch(clip, Script([face()]), on_frame=lambda frame, tracks: frame.index < 9).frames == 10

def test_outputs_that_cannot_be(clip, tmp_path, monkeypatch):
    (tmp_path/'file').write_text('')
    for kw in (dict(out=tmp_path/'out.xyz'), dict(out=clip), dict(out=tmp_path/'file'/'out.mp4'), dict(events=tmp_path/'file'/'e.csv'),
               dict(snapshots=tmp_path/'file'), dict(webhook='ftp://x'), dict(plot=tmp_path/'file'/'p.png')):
        with pytest.raises(MaskdetectError): V.watch(clip, Script([face()]), **kw)
    assert plays(clip) == 60
    monkeypatch.delenv('DISPLAY', raising=False); monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    if sys.platform.startswith('linux'):
        with pytest.raises(V.VideoError, match='no screen'): V.watch(clip, Script([face()]), show=True)

def test_window(clip, monkeypatch):
    "With a screen that is played by a stand-in: `q` ends it; an OpenCV without windows says so"
    monkeypatch.setenv('DISPLAY', ':0')
    shown = []
    monkeypatch.setattr(cv2, 'imshow', lambda title, image: shown.append(image))
    monkeypatch.setattr(cv2, 'getWindowProperty', lambda *a: 1.)
    monkeypatch.setattr(cv2, 'destroyAllWindows', lambda: None)
    monkeypatch.setattr(cv2, 'waitKey', lambda ms: ord('q') if len(shown) == 7 else -1)
    assert V.watch(clip, Script([face()]), show=True).frames == 7 == len(shown)
    def none(*a): raise cv2.error('The function is not implemented')
    monkeypatch.setattr(cv2, 'imshow', none)
    with pytest.raises(V.VideoError, match='cannot show windows'): V.watch(clip, Script([face()]), show=True)

def test_a_failing_detector_keeps_what_was_done(clip, tmp_path):
    class Fails(Script):
        def predict(self, image):
            if self.i == 39: raise RuntimeError('out of memory')
            return super().predict(image)
    with pytest.raises(RuntimeError): V.watch(clip, Fails([face()]), out=tmp_path/'out.mp4', events=tmp_path/'e.jsonl')
    assert plays(tmp_path/'out.mp4') == 40
    assert [json.loads(o)['event'] for o in (tmp_path/'e.jsonl').read_text().splitlines()] == ['entered', 'left']

def test_heavy_packages_stay_out():
    code = "import sys; import maskdetect.video; print([o for o in ('torch', 'fastai', 'pandas', 'matplotlib', 'trackers', 'supervision', 'av') if o in sys.modules])"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == '[]'
    code = "import sys; from maskdetect.video import People; People(); print([o for o in ('torch', 'fastai', 'pandas', 'matplotlib') if o in sys.modules])"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == '[]'


# Ctrl-C, kill, full disk

RUN = """
import sys, time, json
sys.path.insert(0, sys.argv[1])
from test_video import Script, face
from maskdetect.core import MaskdetectError
from maskdetect.video import watch
if sys.argv[5:]:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[5]),)*2)
def slowly(frame, tracks): print(frame.index, flush=True); time.sleep(.01)
frames = [[face('with_mask' if i//25 % 2 else 'without_mask')] for i in range(400)]
try: s = watch(sys.argv[2], Script(*frames), out=sys.argv[3], events=sys.argv[4], on_frame=slowly)
except MaskdetectError as e: print(f"maskdetect: {e}", file=sys.stderr); sys.exit(1)
print(json.dumps(s.to_dict()))
"""

@pytest.fixture(scope='module')
def long_clip(tmp_path_factory): return film(tmp_path_factory.mktemp('long')/'long.mp4', 400, (160, 120))

def started(clip, out, events, *limit):
    return subprocess.Popen([sys.executable, '-c', RUN, *map(str, (Path(__file__).parent, clip, out, events, *limit))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

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
    assert plays(tmp_path/f'out{suffix}') >= 151 - V.KEY_EVERY*FPS - 5
    s = V.watch(tmp_path/f'out{suffix}', Script([face()]))  # we read it, too
    assert s.frames >= 151 - V.KEY_EVERY*FPS - 5
    events = whole_lines(tmp_path/'events.jsonl')
    assert events[0] == 'entered' and events.count('mask_on') + events.count('mask_off') >= 5

def test_disk_nearly_full(clip, tmp_path, monkeypatch):
    "It stops while there is room to end all files"
    free = iter([10**9]*30)
    monkeypatch.setattr(V.shutil, 'disk_usage', lambda path: type('Usage', (), dict(free=next(free, 1000))))
    with pytest.raises(V.VideoError, match='disk is full'): V.watch(clip, Script([face()]), out=tmp_path/'out.mp4', events=tmp_path/'e.jsonl')
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
from maskdetect.video import Event, EventLog
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
log = EventLog(sys.argv[1])
try:
    for i in range(100): log.event(Event('left', float(i), 1, 'with_mask', .9))
except MaskdetectError as e: print(i, e)
"""
    said = subprocess.run([sys.executable, '-c', code, str(tmp_path/'e.jsonl')], capture_output=True, text=True, check=True).stdout
    assert len(whole_lines(tmp_path/'e.jsonl')) == int(said.split()[0]) > 3 and 'not written' in said

def test_a_log_goes_on(tmp_path):
    "After a restart events are added, and half a line at the end is taken away"
    for name,head in (('e.jsonl', 0), ('e.csv', 1)):
        for _ in range(3):
            log = V.EventLog(tmp_path/name, append=True)
            log.event(V.Event('left', 1., 1, 'with_mask', .9)); log.close()
            with open(tmp_path/name, 'a') as f: f.write('{"ev')
        assert len((tmp_path/name).read_text().splitlines()) == 3 + head + 1

def test_live_video_never_overwrites(tmp_path):
    for name in ('door.mp4', 'door-2.mp4', 'door-3.mp4'):
        path = V._free(tmp_path/'door.mp4', live=True)
        assert path.name == name
        path.write_text('')
    assert V._free(tmp_path/'door.mp4', live=False).name == 'door.mp4'

def test_counts_stay_small():
    counts = V.Counts()
    for t in range(0, 10**6, 50): counts.add(t, ['with_mask'])
    assert len(counts.rows) <= 600 and all(r['with_mask'] == 1 for _,r in counts.rows)
    for time_,labels in ((0, []), (10**6, ['with_mask']*40)):
        c = V.Counts(); c.add(time_, labels)
        assert V.plot_counts(c).size == (900, 320)
