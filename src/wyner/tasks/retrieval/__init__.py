"""Retrieval: the common latents of a gallery, kept as an index that either side can search."""

from wyner.tasks.retrieval.codes import common_codes, searchable
from wyner.tasks.retrieval.index import Index, index
from wyner.tasks.retrieval.search import Hits, nearest

__all__ = ["Hits", "Index", "common_codes", "index", "nearest", "searchable"]
