"""FHIR R4 resources: read, mapped to facts of a record, and answered. Nothing here stores anything."""
