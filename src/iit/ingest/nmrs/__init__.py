"""Patient documents exported by NMRS (`messageHeader`, `messageData`), read into records.

One document tells the whole history of one patient. Names, phone numbers, addresses, fingerprints and free text are
never kept: only whether a phone number exists, and the town.
"""

from iit.ingest.nmrs.reader import Imported, read_document, read_nmrs, read_nmrs_value
from iit.ingest.nmrs.reading import SOURCE, Caveat

__all__ = ["SOURCE", "Caveat", "Imported", "read_document", "read_nmrs", "read_nmrs_value"]
