"""Everything that is ever asked of an OpenMRS database: these statements, and no other.

Names, numbers of patients, addresses, telephone numbers and users are not among the columns; of a telephone number it
is asked whether there is one. Marks are added to 0, for some versions keep them as bits.
"""

from typing import Final

NOW: Final = "SELECT NOW()"

FACILITY: Final = """
SELECT property, property_value FROM global_property WHERE property IN ('facility_datim_code', 'Facility_Name')
"""
CONCEPT_NAMES: Final = """
SELECT concept_id, name FROM concept_name
WHERE voided = 0 AND locale LIKE 'en%' AND (locale_preferred = 1 OR concept_name_type = 'FULLY_SPECIFIED')
ORDER BY concept_id, locale_preferred, locale = 'en', concept_name_id
"""
DATATYPES: Final = "SELECT concept_id, datatype_id FROM concept"
FORMS: Final = "SELECT form_id, name FROM form"
PHONE_TYPES: Final = "SELECT person_attribute_type_id, name FROM person_attribute_type"

PATIENTS: Final = "SELECT patient_id FROM patient"
PERSONS: Final = """
SELECT p.patient_id, n.uuid, (p.voided OR n.voided) + 0, n.gender, n.birthdate, n.dead + 0, n.death_date,
       n.date_created, n.date_changed
FROM patient p JOIN person n ON n.person_id = p.patient_id WHERE p.patient_id IN (:patients)
"""
PLACES: Final = """
SELECT person_id, city_village, state_province FROM person_address
WHERE voided = 0 AND person_id IN (:patients) ORDER BY person_id, preferred, person_address_id
"""
PHONES: Final = """
SELECT DISTINCT person_id FROM person_attribute
WHERE voided = 0 AND TRIM(value) NOT IN ('', '0') AND person_attribute_type_id IN (:phone_types)
  AND person_id IN (:patients)
"""
IDENTIFIER_TYPES: Final = """
SELECT patient_id, identifier_type FROM patient_identifier WHERE voided = 0 AND patient_id IN (:patients)
"""
PROGRAMS: Final = """
SELECT patient_id, patient_program_id, uuid, program_id, date_enrolled, date_created FROM patient_program
WHERE voided = 0 AND patient_id IN (:patients)
"""
ENCOUNTERS: Final = """
SELECT e.patient_id, e.encounter_id, e.uuid, e.encounter_type, e.form_id, e.encounter_datetime, e.date_created,
       (e.voided OR COALESCE(v.voided, 0)) + 0
FROM encounter e LEFT JOIN visit v ON v.visit_id = e.visit_id WHERE e.patient_id IN (:patients)
"""
OBS: Final = """
SELECT o.person_id, o.obs_id, o.uuid, o.concept_id, o.encounter_id, o.obs_datetime, o.obs_group_id,
       o.value_coded, o.value_datetime, o.value_numeric,
       IF(o.concept_id IN (:phones), IF(TRIM(o.value_text) = '', NULL, 'there is one'), o.value_text),
       o.date_created
FROM obs o
LEFT JOIN obs g ON g.obs_id = o.obs_group_id
LEFT JOIN obs gg ON gg.obs_id = g.obs_group_id
WHERE o.person_id IN (:patients) AND o.concept_id IN (:questions)
  AND NOT (o.voided OR COALESCE(g.voided, 0) OR COALESCE(gg.voided, 0))
"""
"""Answers to the questions that mean something to us; a voided group takes its members along, two levels deep."""

CHANGED: Final = (
    "SELECT patient_id FROM patient WHERE :changed",
    "SELECT person_id FROM person WHERE :changed",
    "SELECT person_id FROM person_address WHERE :changed",
    "SELECT person_id FROM person_attribute WHERE :changed",
    "SELECT patient_id FROM patient_identifier WHERE :changed",
    "SELECT patient_id FROM patient_program WHERE :changed",
    "SELECT patient_id FROM visit WHERE :changed",
    "SELECT patient_id FROM encounter WHERE :changed",
    "SELECT person_id FROM obs WHERE date_created >= :since OR date_voided >= :since",
    "SELECT winner_person_id FROM person_merge_log WHERE date_created >= :since",
    "SELECT loser_person_id FROM person_merge_log WHERE date_created >= :since",
)
"""Whom rows added, changed or voided since a moment are about. Answers are never changed, only voided."""
STAMPS: Final = "date_created >= :since OR date_changed >= :since OR date_voided >= :since"

MERGED: Final = """
SELECT l.uuid, w.uuid FROM person_merge_log m
JOIN person l ON l.person_id = m.loser_person_id JOIN person w ON w.person_id = m.winner_person_id
WHERE m.loser_person_id IN (:patients) AND m.voided = 0 AND l.person_id <> w.person_id
ORDER BY m.person_merge_log_id
"""

TREATED: Final = """
SELECT n.uuid, COUNT(DISTINCT e.encounter_id), MAX(DATE(e.encounter_datetime))
FROM patient p JOIN person n ON n.person_id = p.patient_id
LEFT JOIN encounter e ON e.patient_id = p.patient_id AND e.voided = 0
  AND (e.form_id IN (:forms) OR e.encounter_type IN (:encounter_types))
  AND NOT EXISTS (SELECT 1 FROM visit v WHERE v.visit_id = e.visit_id AND v.voided <> 0)
  AND EXISTS (
    SELECT 1 FROM obs o LEFT JOIN obs g ON g.obs_id = o.obs_group_id
    WHERE o.encounter_id = e.encounter_id AND o.voided = 0 AND COALESCE(g.voided, 0) = 0
      AND (o.concept_id IN (:lines) AND o.value_coded IS NOT NULL
           OR o.concept_id IN (:durations) AND o.value_numeric > 0 AND g.concept_id IN (:groups)))
WHERE p.voided = 0 AND n.voided = 0
GROUP BY n.uuid
"""
"""Each patient's pick-ups by the rule of NMRS' own report (RADET), counted by the site itself, and the last day."""
