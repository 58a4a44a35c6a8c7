"Builds the package from settings.ini"
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=['='])
config.read(here/'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']


def lines(key):
    "The entries of a setting, one a line"
    return cfg[key].strip().splitlines()


extras = {key.removeprefix('extra_'): lines(key) for key in cfg if key.startswith('extra_')}
extras['dev'] = sorted({req for reqs in extras.values() for req in reqs if not req.startswith('ray')})

setup(
    version=cfg['version'],
    description=cfg['description'],
    long_description=(here/'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author=cfg['author'],
    license_expression=cfg['license'],
    keywords=cfg['keywords'].split(', '),
    url=cfg['repository'],
    project_urls={'Source': cfg['repository']},
    classifiers=['Programming Language :: Python :: 3', 'Topic :: Scientific/Engineering :: Image Recognition',
                 'Intended Audience :: Education', 'Intended Audience :: Developers'],
    python_requires='>=' + cfg['min_python'],
    install_requires=lines('requirements'),
    extras_require=extras,
    packages=find_packages(include=['maskdetect', 'maskdetect.*']),
    package_data={'maskdetect': ['py.typed', '*.pyi', '*.csv', '*.json', 'training/*.yaml', 'training/*.csv',
                                 'recipes/*.yaml', 'templates/*', 'models/*', 'web/*', 'sample/**']},
    entry_points={'console_scripts': lines('console_scripts'), 'nbdev': ['maskdetect=maskdetect._modidx:d']},
)
