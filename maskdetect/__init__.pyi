"What `import maskdetect` offers, for type checkers: they do not see the methods that fastcore's `@patch` adds"
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL.Image import Image

_Pixels = NDArray[np.uint8]
_Numbers = NDArray[np.float32]
_File = str | PathLike[str]
_Picture = _File | bytes | bytearray | memoryview | Image | _Pixels

__version__: str
LABELS: tuple[str, str, str]

class MaskdetectError(Exception): ...

class Face:
    box: tuple[float, float, float, float]
    label: str
    probs: dict[str, float]
    score: float
    def __init__(self, box: Sequence[float], label: str, probs: dict[str, float], score: float = ...) -> None: ...
    def to_dict(self) -> dict[str, object]: ...

class Faces(list[Face]):
    image_size: tuple[int, int]
    path: str
    def __init__(self, faces: Iterable[Face] = ..., image_size: Sequence[int] = ..., path: str = ...) -> None: ...
    @property
    def counts(self) -> dict[str, int]: ...
    def to_dict(self) -> dict[str, object]: ...
    def to_rows(self) -> list[dict[str, object]]: ...
    def to_pandas(self) -> Any: ... # pandas.DataFrame
    def to_supervision(self) -> Any: ... # supervision.Detections
    def draw(self, image: _Pixels | None = ...) -> _Pixels: ...

class FaceBoxes:
    boxes: _Numbers
    scores: _Numbers
    landmarks: _Numbers
    def __init__(self, boxes: ArrayLike = ..., scores: ArrayLike | None = ...,
                 landmarks: ArrayLike | None = ...) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, i: int | slice | NDArray[np.bool_] | NDArray[np.intp]) -> FaceBoxes: ...

class FaceDetector:
    path: Path
    min_score: float
    max_side: int
    min_face: int
    threads: int
    def __init__(self, path: _File | None = ..., min_score: float = ..., max_side: int = ..., min_face: int = ...,
                 threads: int = ...) -> None: ...
    def detect(self, image: _Pixels) -> FaceBoxes: ...

class MaskClassifier:
    path: Path
    engine: str
    device: str
    threads: int
    @classmethod
    def load(cls, path: _File | None = ..., threads: int = ..., engine: str = ...) -> MaskClassifier: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def size(self) -> int: ...
    def predict(self, crops: Iterable[_Picture] | _Pixels, bs: int = ...) -> _Numbers: ...
    def classify(self, src: _Picture | Sequence[_Picture]) -> list[tuple[str, dict[str, float]]]: ...

class MaskDetector:
    model: MaskClassifier
    detector: FaceDetector
    def __init__(self, model: _File | MaskClassifier | None = ..., detector: _File | FaceDetector | None = ...,
                 engine: str = ..., threads: int = ...) -> None: ...
    def judge(self, image: _Pixels, boxes: FaceBoxes) -> list[Face]: ...
    def predict(self, src: _Picture) -> Faces: ...
    def predict_many(self, sources: _Picture | Iterable[_Picture]
                    ) -> Iterator[tuple[_Picture, Faces | MaskdetectError]]: ...

def read_image(src: _Picture, max_pixels: int = ...) -> _Pixels: ...
def crop_face(image: _Pixels, box: Sequence[float] | _Numbers | None = ..., size: int | None = ...,
              margin: float = ...) -> _Pixels: ...
