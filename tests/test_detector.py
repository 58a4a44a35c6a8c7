"The face detector beside OpenCV's own way to run such a file, and large photos, which are not unpacked whole"
import io, re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from maskdetect.core import SAMPLE, ImageError, ModelError, read_image
from maskdetect.detect import DETECTOR, NMS, FaceDetector, MaskDetector, match_boxes

OPENCVS = Path(__file__).resolve().parents[2]/'shared'/'detectors'/'face_detection_yunet_2023mar.onnx'


@pytest.mark.skipif(not OPENCVS.exists(), reason="OpenCV's file is not here")
@pytest.mark.parametrize('size', [(640, 352), (320, 320), (960, 544)])
def test_same_boxes_as_opencv(size):
    image = cv2.resize(read_image(SAMPLE/'crowd.jpg'), size)
    net = cv2.FaceDetectorYN.create(str(OPENCVS), '', size, .6, NMS, 5000)
    want = net.detect(image[..., ::-1])[1]
    boxes, points, scores = FaceDetector(OPENCVS, min_score=.6)._look(image, max(size))
    want_boxes = np.hstack([want[:, :2], want[:, :2]+want[:, 2:4]])
    at = match_boxes(want_boxes, boxes, .99)
    assert (at >= 0).all()
    np.testing.assert_allclose(boxes[at], want_boxes, atol=.1)
    np.testing.assert_allclose(points[at].reshape(-1, 10), want[:, 4:14], atol=.1)
    np.testing.assert_allclose(scores[at], want[:, 14], atol=1e-3)


def test_variable_names_another_file(tmp_path, monkeypatch):
    monkeypatch.setenv('MASKDETECT_DETECTOR', str(tmp_path/'none.onnx'))
    with pytest.raises(ModelError, match='none.onnx: No such file.*unset MASKDETECT_DETECTOR'): FaceDetector()
    (tmp_path/'none.onnx').write_bytes(DETECTOR.read_bytes())
    assert FaceDetector().path == tmp_path/'none.onnx'


@pytest.mark.parametrize('damage', [lambda b: b'', lambda b: b[:1000], lambda b: b[:-1], lambda b: b'x'*1000])
def test_damaged_file(tmp_path, damage):
    path = tmp_path/'detector.onnx'
    path.write_bytes(damage(DETECTOR.read_bytes()))
    with pytest.raises(ModelError, match='is no YuNet face detector, or damaged'): FaceDetector(path)
    path.write_bytes((DETECTOR.parent/'release.onnx').read_bytes())
    with pytest.raises(ModelError, match='is no YuNet face detector'): FaceDetector(path)


@pytest.mark.parametrize('shape', [(1, 1), (3, 3000), (3000, 3), (33, 31), (2, 2)])
def test_any_shape(shape):
    rng = np.random.default_rng(0)
    found = FaceDetector(min_score=.1).detect(rng.integers(0, 255, (*shape, 3), np.uint8))
    assert (found.boxes >= 0).all()


@pytest.mark.parametrize('lies', range(1, 9))
def test_a_large_photo_is_judged_the_same_however_it_lies(lies):
    "Decoded at a quarter, boxes are still in pixels of the whole, upright photo"
    detector, exif = MaskDetector(engine='onnxruntime'), Image.Exif()
    exif[0x0112] = lies
    back = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.transpose(1, 0, 2),
            6: np.rot90, 7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: lambda a: np.rot90(a, -1)}[lies]
    image = cv2.resize(read_image(SAMPLE/'crowd.jpg'), (4000, 2250), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(np.ascontiguousarray(back(image))).save(out := io.BytesIO(), 'JPEG', exif=exif)
    want, got = detector.predict(image), detector.predict(out.getvalue())
    assert detector.find(out.getvalue())[0].shape == (563, 1000, 3)
    assert got.image_size == want.image_size == (4000, 2250)
    at = match_boxes([f.box for f in want], [f.box for f in got], .6)
    assert len(got) == len(want) and [got[i].label for i in at] == [f.label for f in want] and at.min() >= 0


@pytest.mark.parametrize('part', (.01, .3, .7, .99))
@pytest.mark.parametrize('kind', (dict(), dict(progressive=True), dict(mode='CMYK'), dict(mode='L')))
def test_a_damaged_large_photo_is_rejected_all_the_same(part, kind):
    "Whatever `read_image` rejects it also rejects, and what it takes it also takes, where it need not unpack all"
    kind, image = dict(kind), Image.fromarray(cv2.resize(read_image(SAMPLE/'crowd.jpg'), (3000, 1600)))
    image.convert(kind.pop('mode', 'RGB')).save(out := io.BytesIO(), 'JPEG', **kind)
    whole, said = out.getvalue(), []
    for data in (whole, whole[:int(len(whole)*part)]):
        for least in (0, 736):
            try: said.append(type(read_image(data, least=least)) in (np.ndarray, tuple))
            except ImageError as e: said.append(re.sub(r'\d+', 'n', str(e)))
    assert said[0] is said[1] is True and said[2] == said[3] is not True
