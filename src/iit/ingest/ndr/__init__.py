"""XML of Nigeria's National Data Repository (NDR 1.6), a report a person."""

from iit.ingest.ndr.reader import SOURCE, SUFFIXES, read_ndr

__all__ = ["SOURCE", "SUFFIXES", "read_ndr"]
