"The face detector beside OpenCV's own way to run such a file"
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskdetect.core import SAMPLE, ModelError, read_image
from maskdetect.detect import DETECTOR, NMS, FaceDetector, match_boxes

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
