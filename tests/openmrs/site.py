"""A site's OpenMRS tables, filled from NMRS documents: what the exporter would have read to write them."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.documents import CANARIES

Row = dict[str, Any]
NUMERIC, CODED, TEXT, DATE = 1, 2, 3, 6
TELEPHONE = 8


class Site:
    """Rows by table, as they would be inserted."""

    def __init__(self, documents: Iterable[bytes]) -> None:
        self.tables: defaultdict[str, list[Row]] = defaultdict(list)
        self._names: dict[int, str] = {}
        self._datatypes: dict[int, int] = {}
        self._forms: dict[int, str] = {}
        self.facility = ""
        for data in documents:
            self._add(json.loads(data))
        self.tables["person_attribute_type"] = [
            {"person_attribute_type_id": TELEPHONE, "name": "Telephone Number"},
            {"person_attribute_type_id": 9, "name": "Mother's Name"},
        ]
        self.tables["form"] = [{"form_id": number, "name": name} for number, name in self._forms.items()]
        for number in {*self._names, *self._datatypes}:
            self.tables["concept"].append({"concept_id": number, "datatype_id": self._datatypes.get(number, 4)})
            if number in self._names:
                self._name(number, self._names[number])
        self.tables["global_property"] = [
            {"property": "facility_datim_code", "property_value": self.facility},
            {"property": "Facility_Name", "property_value": "Invented Hospital"},
            {"property": "mail.password", "property_value": "CANARY-MAIL"},
        ]

    def create(self, connection: Any) -> None:
        """Make the tables and fill them."""
        with connection.cursor() as cursor:
            for statement in Path(__file__).with_name("schema.sql").read_text().split(";"):
                if statement.strip():
                    cursor.execute(statement)
        self.insert(connection)

    def insert(self, connection: Any) -> None:
        with connection.cursor() as cursor:
            for table, rows in self.tables.items():
                insert(cursor, table, rows)

    def _add(self, document: Row) -> None:
        data = document["messageData"]
        self.facility = document["messageHeader"]["facilityDatimCode"]
        person = data["demographics"]
        number = person["patientId"]
        self._person(person, number)
        for row in data["patientIdentifiers"]:
            self.tables["patient_identifier"].append({
                "patient_id": number, "identifier": CANARIES["identifier"], "identifier_type": row["identifierType"],
                **_stamps(row),
            })  # fmt: skip
        for row in data["patientPrograms"]:
            self.tables["patient_program"].append({
                "patient_program_id": row["patientProgramId"], "uuid": row["patientProgramUuid"], "patient_id": number,
                "program_id": row["programId"], "date_enrolled": row["dateEnrolled"], **_stamps(row),
            })  # fmt: skip
        for row in data["visits"]:
            self.tables["visit"].append({
                "visit_id": row["visitId"], "uuid": row["visitUuid"], "patient_id": number,
                "date_started": row["dateStarted"], **_stamps(row),
            })  # fmt: skip
        for row in data["encounters"]:
            self._forms[row["formId"]] = row["pmmForm"]
            self.tables["encounter"].append({
                "encounter_id": row["encounterId"], "uuid": row["encounterUuid"], "patient_id": number,
                "encounter_type": row["encounterTypeId"], "form_id": row["formId"], "visit_id": row["visitId"],
                "encounter_datetime": _at(row["encounterDatetime"]), **_stamps(row),
            })  # fmt: skip
        for row in data["obs"]:
            self._obs(row, number)

    def _person(self, person: Row, number: int) -> None:
        stamps = _stamps(person)
        self.tables["person"].append({
            "person_id": number, "uuid": person["patientUuid"], "gender": person["gender"],
            "birthdate": person["birthdate"], "dead": person["dead"], "death_date": person["deathDate"], **stamps,
        })  # fmt: skip
        self.tables["patient"].append({"patient_id": number, **stamps})
        self.tables["person_name"].append({"person_id": number, "given_name": CANARIES["firstName"]})
        self.tables["person_address"].append({
            "person_id": number, "preferred": 1, "address1": CANARIES["address1"],
            "city_village": person["cityVillage"], "state_province": person["stateProvince"], **stamps,
        })  # fmt: skip
        if person["phoneNumber"] is not None:
            told = CANARIES["phoneNumber"] if person["phoneNumber"] else ""
            self.tables["person_attribute"].append({
                "person_id": number, "value": told, "person_attribute_type_id": TELEPHONE, **stamps,
            })  # fmt: skip

    def _obs(self, row: Row, number: int) -> None:
        concept, kind = row["conceptId"], row["datatype"]
        self._names[concept], self._datatypes[concept] = row["variableName"], kind
        told = row["variableValue"]
        if kind == CODED and told is not None:
            self._names[row["valueCoded"]] = told
        self.tables["obs"].append({
            "obs_id": row["obsId"], "uuid": row["obsUuid"], "person_id": number, "concept_id": concept,
            "encounter_id": row["encounterId"] or None, "obs_datetime": _at(row["obsDatetime"]),
            "obs_group_id": row["obsGroupId"] or None, "value_coded": row["valueCoded"] or None,
            "value_datetime": row["valueDatetime"],
            "value_numeric": row["valueNumeric"] if kind == NUMERIC and told is not None else None,
            "value_text": row["valueText"], **_stamps(row, changed=False),
        })  # fmt: skip

    def _name(self, number: int, name: str) -> None:
        shared = {"concept_id": number, "voided": 0}
        self.tables["concept_name"] += [
            {**shared, "name": name, "locale": "en", "locale_preferred": 1, "concept_name_type": "FULLY_SPECIFIED"},
            {**shared, "name": f"old {name}", "locale": "en", "locale_preferred": 0, "concept_name_type": None},
            {**shared, "name": f"en français {number}", "locale": "fr", "locale_preferred": 1,
             "concept_name_type": "FULLY_SPECIFIED"},
        ]  # fmt: skip


def insert(cursor: Any, table: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    columns = list(rows[0])
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608
    cursor.executemany(statement, [[row[one] for one in columns] for row in rows])


def _at(day: str) -> str:
    """Return a time of that day: a site knows it, the exporter leaves it out."""
    return day.replace("00:00:00", "11:42:07")


def _stamps(row: Row, *, changed: bool = True) -> Row:
    told = {"date_created": _at(row["dateCreated"]), "voided": row["voided"], "date_voided": row.get("dateVoided")}
    return {**told, "date_changed": row.get("dateChanged")} if changed else told
