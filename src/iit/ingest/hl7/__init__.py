"""HL7 v2 messages (ER7): read, acknowledged, and mapped to facts of a record. Nothing here stores anything."""
