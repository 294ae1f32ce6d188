"""Data sets: those inside the package, those read from a folder or MARKONE_DATA or downloaded, and made ones.

Each looks below its `root`, then in $MARKONE_DATA, then in the cache, and is then downloaded where it has
a lasting address and a known SHA-256. With `synthetic=True` it is made by rule instead, so that every
example runs.
"""

from . import toy
from .cifar import CIFAR10, OlivettiFaces, read_cifar
from .detection import BCCD, VOCDetection, read_voc
from .digits import Digits
from .folders import cache_root, data_root
from .idx import read_idx, write_idx
from .image_folder import Flickr8k, ImageFolder, ImageNetSamples, Omniglot
from .images import LabelledImages
from .mnist import MNIST, FashionMNIST
from .newsgroups import Newsgroups20
from .pictures import Pictures
from .segmentation import ISBI2012, CamVid, Facades
from .sequences import ConlluSentence, JSBChorales, UDEnglishEWT, read_conllu
from .tabular import AirlinePassengers, BanknoteAuthentication, Iris, Sonar, Wine
from .text import SST, Multi30k, Names, TinyShakespeare

__all__ = [
    "BCCD",
    "CIFAR10",
    "ISBI2012",
    "MNIST",
    "SST",
    "AirlinePassengers",
    "BanknoteAuthentication",
    "CamVid",
    "ConlluSentence",
    "Digits",
    "Facades",
    "FashionMNIST",
    "Flickr8k",
    "ImageFolder",
    "ImageNetSamples",
    "Iris",
    "JSBChorales",
    "LabelledImages",
    "Multi30k",
    "Names",
    "Newsgroups20",
    "OlivettiFaces",
    "Omniglot",
    "Pictures",
    "Sonar",
    "TinyShakespeare",
    "UDEnglishEWT",
    "VOCDetection",
    "Wine",
    "cache_root",
    "data_root",
    "read_cifar",
    "read_conllu",
    "read_idx",
    "read_voc",
    "toy",
    "write_idx",
]
