"""Records read where they are kept: in the database of an OpenMRS 2 or NMRS, or over its REST interface.

The rows of a patient are put together as the document that NMRS would export of them, and read by the same reader: a
database, a site's REST interface and an exported document of one patient tell the same facts. Nothing is written.
"""
