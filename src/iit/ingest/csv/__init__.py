"""Line-lists with the columns of RADET: a line a person, with the last pick-up only."""

from iit.ingest.csv.reader import SOURCE, SUFFIXES, ListRules, read_list

__all__ = ["SOURCE", "SUFFIXES", "ListRules", "read_list"]
