"""MEDS datasets: folders of Parquet files with dated facts, read into the histories of their subjects."""

from iit.ingest.meds.dataset import FILES, Dataset, open_dataset
from iit.ingest.meds.reader import SOURCE, History, histories

__all__ = ["FILES", "SOURCE", "Dataset", "History", "histories", "open_dataset"]
