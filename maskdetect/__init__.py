"Tells whether every face in a picture wears a mask, wears none, or wears it wrong"
import importlib

_LAZY = {'MaskDetector': 'maskdetect.detect', 'FaceDetector': 'maskdetect.detect', 'Faces': 'maskdetect.detect',
         'FaceBoxes': 'maskdetect.detect',
         'MaskClassifier': 'maskdetect.classify', 'read_image': 'maskdetect.core', 'crop_face': 'maskdetect.core',
         'Face': 'maskdetect.core', 'LABELS': 'maskdetect.core', 'MaskdetectError': 'maskdetect.core'}
__all__ = ['__version__', *_LAZY]


def __getattr__(name):
    "Import what is asked for when it is asked for, so that `import maskdetect` costs nothing"
    if name == '__version__': return importlib.import_module('importlib.metadata').version('maskdetect')
    if name in _LAZY: return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'maskdetect' has no attribute {name!r}")
