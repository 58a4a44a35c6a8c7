"Files that strangers send to make it slow: each is answered or refused, soon and in little memory"
import os, subprocess, sys

import pytest

from hostile import worst
from maskdetect.core import ImageError, read_image

SECONDS, MB = 2, 500  # of processor and memory, for one file at the limits of the service
EACH = """
import os, resource, sys, time
from hostile import files
from maskdetect.core import ImageError, read_image
pixels, seconds, mb = map(int, sys.argv[1:])
for name,data in files():
    if child := os.fork():
        if os.waitpid(child, 0)[1]: print(f'{name}: ended by a signal', flush=True)
        continue
    def memory(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024
    before,start = memory(),time.process_time()
    try: read_image(data, pixels)
    except ImageError: pass
    took,more = time.process_time() - start,memory() - before
    print(f'{name}: {took:.1f} s, {more:.0f} MB' if took > seconds or more > mb else '.', flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, 'fork'), reason="each file is opened in a process of its own")
def test_no_file_is_dear():
    "Through `read_image`, which opens every picture of the library, the service and the demo"
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', EACH, '25000000', str(SECONDS), str(MB)],
                          cwd=os.path.dirname(__file__), capture_output=True, text=True, timeout=500)
    lines = done.stdout.split('\n')[:-1]
    assert len(lines) >= 200 and set(lines) == {'.'}, [o for o in lines if o != '.'] + [done.stderr[-2000:]]


def test_refusals_say_why():
    for data,word in zip(worst(), ('scans', 'opened', 'EXIF', 'comments', 'limit|run lengths')):
        if word == 'opened': assert read_image(data).shape == (5000, 5000, 3)
        else:
            with pytest.raises(ImageError, match=word): read_image(data)
