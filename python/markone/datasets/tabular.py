"""Small tables: classes from measurements, and one series of months."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data import TensorDataset
from ..ops import from_numpy
from .source import Root, Source, raw, read_lines
from .synthetic import random_of

__all__ = ["AirlinePassengers", "BanknoteAuthentication", "Iris", "Sonar", "Wine"]


def _source(name: str, sha256: str) -> Source:
    address = raw("jbrownlee/Datasets", "d20fcb6402ae34e653d4513b00f39257bb37ed7f", name)
    return Source("tabular", "", {name: ([address], sha256)})


class _Table(TensorDataset):
    """Sample i is (measurements float32 [features], class int64).

    Args:
        root: a folder with the CSV file; else $MARKONE_DATA/tabular, the cache, the network.
        download: whether to download.
        synthetic: Gaussian clouds of the same size and number of features instead.

    Attributes:
        data: float32 [N, features]; targets: int64 [N]; classes: their names; feature_names.
    """

    file: str
    source: Source
    count: int
    feature_names: tuple[str, ...]
    labels: tuple[str, ...]  # as the file writes them
    classes: tuple[str, ...]

    def __init__(self, root: Root = None, download: bool = True, *, synthetic: bool = False) -> None:
        owner, width = type(self).__name__, len(self.feature_names)
        if synthetic:
            random = random_of(owner)
            numbers = np.arange(self.count, dtype=np.int64) % len(self.labels)
            centres = random.random(len(self.labels) * width).reshape(-1, width) * 3
            noise = random.random(4 * self.count * width).reshape(4, self.count, width).sum(0) - 2
            rows = (centres[numbers] + noise).astype(np.float32)
        else:
            path = self.source.find(owner, self.file, root, download)
            found: list[list[float]] = []
            places: list[int] = []
            for i, line in enumerate(read_lines(path)):
                if not line.strip():
                    continue
                *cells, label = (cell.strip() for cell in line.split(","))
                try:
                    values = [float(cell) for cell in cells]
                except ValueError:
                    values = []
                if len(values) != width or label not in self.labels:
                    raise ValueError(
                        f"{path}: line {i + 1} is {line[:60]!r}, wants {width} numbers and "
                        f"one of {list(self.labels)}"
                    )
                found.append(values)
                places.append(self.labels.index(label))
            if len(found) != self.count:
                raise ValueError(f"{path}: {len(found)} rows, wants {self.count}")
            rows, numbers = np.array(found, dtype=np.float32), np.array(places, dtype=np.int64)
        self.data, self.targets = from_numpy(rows), from_numpy(numbers)
        super().__init__(self.data, self.targets)


class Iris(_Table):
    __doc__ = "150 iris flowers of three species (R. A. Fisher 1936; CC BY 4.0).\n\n" + (_Table.__doc__ or "")
    file, count = "iris.csv", 150
    source = _source(file, "f5d0c11e5c78a69a20dbb80baf2b24703f59a6687595752abb397d23732647c5")
    feature_names = ("sepal length", "sepal width", "petal length", "petal width")  # cm
    labels = ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
    classes = ("setosa", "versicolor", "virginica")


class Sonar(_Table):
    __doc__ = (
        "208 sonar echoes of rocks and metal cylinders (R. P. Gorman, T. J. Sejnowski 1988; CC BY 4.0).\n\n"
        + (_Table.__doc__ or "")
    )
    file, count = "sonar.csv", 208
    source = _source(file, "3079c09b5d2789a0f96aff82c28e5164fafe2495c5f8da96c6c256c1bd25763f")
    feature_names = tuple(f"band {i}" for i in range(60))
    labels = ("R", "M")
    classes = ("rock", "mine")


class BanknoteAuthentication(_Table):
    __doc__ = "1,372 pictures of banknotes, genuine or forged (V. Lohweg 2012; CC BY 4.0).\n\n" + (
        _Table.__doc__ or ""
    )
    file, count = "banknote_authentication.csv", 1372
    source = _source(file, "d0539aaed2139ba7a587b3e34fb345ce503ff7d5d33dbf9912d8e195ce425cb9")
    feature_names = ("variance", "skewness", "curtosis", "entropy")  # of the wavelet-transformed picture
    labels = ("0", "1")
    classes = ("0", "1")


class Wine(_Table):
    __doc__ = "178 Italian wines of three cultivars (S. Aeberhard 1992; CC BY 4.0).\n\n" + (
        _Table.__doc__ or ""
    )
    file, count = "wine.csv", 178
    source = _source(file, "e9c16b779f9194945067f65118da6afb317ef60c6515879c50124dc4f6cdd756")
    feature_names = (
        "alcohol", "malic acid", "ash", "alcalinity of ash", "magnesium", "total phenols", "flavanoids",
        "nonflavanoid phenols", "proanthocyanins", "colour intensity", "hue", "OD280/OD315", "proline",
    )  # fmt: skip
    labels = ("1", "2", "3")
    classes = ("1", "2", "3")


class AirlinePassengers(TensorDataset):
    """International airline passengers by month, 1949 to 1960, in thousands (G. Box, G. Jenkins 1976).

    Sample i is (`window` months float32, the next month's float32).

    Args:
        root, download: as in the other tables.
        window: months a sample.
        synthetic: a made series with trend and season instead.

    Attributes:
        data: the series, float32 [144]; months: '1949-01' ... '1960-12'.
    """

    source = _source(
        "airline-passengers.csv", "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621"
    )

    def __init__(
        self, root: Root = None, window: int = 12, download: bool = True, *, synthetic: bool = False
    ) -> None:
        if not 1 <= window < 144:
            raise ValueError(f"AirlinePassengers: window is {window}, wants 1 .. 143")
        values: Sequence[float] | np.ndarray
        if synthetic:
            month = np.arange(144)
            values = np.rint((110 + 2.3 * month) * (1 + 0.2 * np.sin(2 * np.pi * (month - 3) / 12)))
            self.months = [f"{1949 + i // 12}-{i % 12 + 1:02d}" for i in range(144)]
        else:
            path = self.source.find("AirlinePassengers", "airline-passengers.csv", root, download)
            rows = [line.replace('"', "").split(",") for line in read_lines(path)[1:] if line.strip()]
            if len(rows) != 144 or any(len(row) != 2 or not row[1].strip().isdigit() for row in rows):
                raise ValueError(f"{path}: wants a header and 144 lines 'month,passengers'")
            self.months, values = [row[0] for row in rows], [float(row[1]) for row in rows]
        series = np.asarray(values, dtype=np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(series, window + 1)
        self.data = from_numpy(series)
        super().__init__(from_numpy(windows[:, :-1].copy()), from_numpy(windows[:, -1].copy()))
