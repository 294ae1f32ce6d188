"""Datasets, samplers and the threaded, resumable loader (names of `torch.utils.data`)."""

from .collate import PaddedBatch, default_collate, default_convert, pad_collate
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .loader import DataLoader
from .random import KeyedRandom, sample_random
from .sampler import (
    BatchSampler,
    BucketBatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .text import Vocabulary, char_tokenizer, whitespace_tokenizer, word_tokenizer
from .worker import WorkerInfo, get_worker_info

__all__ = [
    "BatchSampler",
    "BucketBatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "KeyedRandom",
    "PaddedBatch",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "Vocabulary",
    "WeightedRandomSampler",
    "WorkerInfo",
    "char_tokenizer",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "pad_collate",
    "random_split",
    "sample_random",
    "whitespace_tokenizer",
    "word_tokenizer",
]
