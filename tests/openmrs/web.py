"""A small OpenMRS that answers over real sockets as the real one does: logins, pages, custom representations, moods."""

import base64
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

Row = dict[str, Any]
USER, WORD = "iit", "Geheim:1"
EXPECTED = "Basic " + base64.b64encode(f"{USER}:{WORD}".encode()).decode()
KINDS = {1: "Numeric", 2: "Coded", 3: "Text", 4: "N/A", 6: "Date", 10: "Boolean"}
IDENTIFIERS = {4: "PEPFAR ID", 5: "Hospital Number"}


def concept_uuid(number: int) -> str:
    return str(number).ljust(36, "A")


class Openmrs:
    """What the site holds, how it feels (`moods`: what the next requests are answered with), and what it was asked.

    A mood is a status with headers, `drop` (the connection breaks), `done` (it does what is asked and then breaks the
    connection) or `hang`.
    """

    def __init__(self, documents: Iterable[bytes] = ()) -> None:
        self.patients: dict[str, Row] = {}
        self.voided: set[str] = set()
        self.touched: dict[str, str] = {}
        self.moods: list[Any] = []
        self.asked: list[str] = []
        self.obs: list[Row] = []
        self.attributes: defaultdict[str, list[Row]] = defaultdict(list)
        self.page = 7
        for data in documents:
            document = json.loads(data)["messageData"]
            self.patients[document["demographics"]["patientUuid"]] = document

    def answer(self, method: str, path: str, query: dict[str, str], body: Row) -> tuple[int, Any]:
        if path == "/ws/rest/v1/session":
            return 200, {"authenticated": True}
        if path.startswith("/ws/fhir2/R4/"):
            return 200, self._listed(path.rpartition("/")[2], query)
        found = re.fullmatch(r"/ws/rest/v1/(patient|encounter|programenrollment|obs|person)(?:/([^/]+))?(/.*)?", path)
        if found is None:
            return 404, {"error": {"message": "no such resource"}}
        kind, uuid, rest = found.groups()
        if kind == "patient":
            return (200, self._patient(uuid)) if uuid in self.patients else (404, {"error": {"message": "unknown"}})
        if kind in ("encounter", "programenrollment"):
            rows = self._encounters(query["patient"]) if kind == "encounter" else self._programs(query["patient"])
            return 200, _page(rows, query)
        return self._write(method, kind, uuid, rest, query, body)

    def _write(
        self, method: str, kind: str, uuid: str | None, rest: str | None, query: dict[str, str], body: Row
    ) -> tuple[int, Any]:
        if kind == "obs" and method == "GET":
            rows = [one for one in self.obs if one["person"] == query["patient"] and one["concept"] == query["concept"]]
            return 200, _page(rows, query)
        if kind == "obs":
            if uuid is not None:
                next(one for one in self.obs if one["uuid"] == uuid)["value"] = body["value"]
                return 200, {"uuid": uuid}
            if body["person"] not in self.patients:
                return 400, {"error": {"message": "Invalid person"}}
            self.obs.append({"uuid": f"obs-{len(self.obs)}", **body})
            return 201, self.obs[-1]
        attributes = self.attributes[str(uuid)]
        if method == "GET":
            return 200, {"results": attributes}
        if rest and rest.count("/") == 2:
            next(one for one in attributes if one["uuid"] == rest.rpartition("/")[2])["value"] = body["value"]
        else:
            attributes.append({"uuid": f"a-{len(attributes)}", "value": body["value"],
                               "attributeType": {"uuid": body["attributeType"]}})  # fmt: skip
        return 201, {}

    def _listed(self, resource: str, query: dict[str, str]) -> Row:
        since = query.get("_lastUpdated", "ge")[2:]
        names = [one for one in self.patients if one not in self.voided and self.touched.get(one, "2000") >= since]
        if resource == "Observation":
            names = [one for one in names for _ in range(2)]
        start = int(query.get("_getpagesoffset", 0))
        shown = names[start : start + self.page]
        entries = [
            {"resourceType": "Patient", "id": one} if resource == "Patient" else
            {"resourceType": resource, "id": f"r{one}", "subject": {"reference": f"Patient/{one}"}}
            for one in shown
        ]  # fmt: skip
        links = [{"relation": "self", "url": "http://inside/ws"}]
        if start + self.page < len(names):
            asked = "&".join(f"{name}={value}" for name, value in query.items() if name != "_getpagesoffset")
            links.append({"relation": "next", "url": f"http://inside:8080/openmrs/ws/fhir2/R4/{resource}?{asked}"
                                                     f"&_getpagesoffset={start + self.page}"})  # fmt: skip
        return {"resourceType": "Bundle", "link": links, "entry": [{"resource": one} for one in entries]}

    def _patient(self, uuid: str) -> Row:
        document = self.patients[uuid]
        person = document["demographics"]
        attributes = (
            [{"voided": False, "attributeType": {"display": "Telephone Number"}}] if person["phoneNumber"] else []
        )
        return {
            "uuid": uuid, "voided": uuid in self.voided,
            "identifiers": [{"voided": False, "identifierType": {"display": IDENTIFIERS[one["identifierType"]]}}
                            for one in document["patientIdentifiers"]],
            "person": {
                "gender": person["gender"], "birthdate": _at(person["birthdate"]), "dead": bool(person["dead"]),
                "deathDate": _at(person["deathDate"]), "attributes": attributes,
                "preferredAddress": {"cityVillage": person["cityVillage"], "stateProvince": person["stateProvince"]},
                "auditInfo": {"dateCreated": _at(person["dateCreated"]), "dateChanged": _at(person["dateChanged"])},
            },
        }  # fmt: skip

    def _encounters(self, uuid: str) -> list[Row]:
        document = self.patients[uuid]
        by_form: defaultdict[str, list[Row]] = defaultdict(list)
        for one in document["obs"]:
            by_form[one["encounterUuid"]].append(one)
        return [
            {
                "uuid": one["encounterUuid"], "voided": False, "encounterDatetime": _at(one["encounterDatetime"]),
                "form": {"display": one["pmmForm"]}, "encounterType": {"display": "a type"}, "visit": {"voided": False},
                "auditInfo": {"dateCreated": _at(one["dateCreated"])},
                "obs": _nested(by_form[one["encounterUuid"]], 0),
            }
            for one in document["encounters"] if not one["voided"]
        ]  # fmt: skip

    def _programs(self, uuid: str) -> list[Row]:
        return [
            {"uuid": one["patientProgramUuid"], "voided": False, "dateEnrolled": _at(one["dateEnrolled"]),
             "program": {"display": "HIV"}, "auditInfo": {"dateCreated": _at(one["dateCreated"])}}
            for one in self.patients[uuid]["patientPrograms"]
        ]  # fmt: skip


def _nested(rows: list[Row], group: int) -> list[Row]:
    return [
        {
            "uuid": one["obsUuid"], "voided": False, "obsDatetime": _at(one["obsDatetime"]), "value": _value(one),
            "concept": {"uuid": concept_uuid(one["conceptId"]), "display": one["variableName"],
                        "datatype": {"display": KINDS[one["datatype"]]}},
            "auditInfo": {"dateCreated": _at(one["dateCreated"])},
            "groupMembers": _nested(rows, one["obsId"]) or None,
        }
        for one in rows if one["obsGroupId"] == group and not one["voided"]
    ]  # fmt: skip


def _value(one: Row) -> Any:
    if one["variableValue"] is None:
        return None
    if one["datatype"] == 2:
        return {"uuid": concept_uuid(one["valueCoded"]), "display": one["variableValue"]}
    return {1: one["valueNumeric"], 6: _at(one["valueDatetime"])}.get(one["datatype"], one["valueText"])


def _at(day: str | None) -> str | None:
    return None if day is None else day.replace(" 00:00:00", "T09:30:00.000+0100")


def _page(rows: list[Row], query: dict[str, str]) -> Row:
    start, limit = int(query.get("startIndex", 0)), min(int(query.get("limit", 50)), 5)
    links = [{"rel": "next", "uri": "http://inside"}] if start + limit < len(rows) else []
    return {"results": rows[start : start + limit], "links": links}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16  # head and body in one packet
    site: Openmrs

    def do_GET(self) -> None:
        self._do()

    def do_POST(self) -> None:
        self._do()

    def _do(self) -> None:
        self.site.asked.append(f"{self.command} {self.path}")
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        mood = self.site.moods.pop(0) if self.site.moods else None
        if mood == "hang":
            time.sleep(1.5)
        if mood in ("hang", "drop"):
            self.close_connection = True
        elif self.headers.get("Authorization") != EXPECTED:
            self._send(401, {"error": {"message": "Unauthorized"}})
        elif isinstance(mood, tuple):
            self._send(mood[0], {}, mood[1])
        else:
            self._answer(body, is_told=mood != "done")

    def _answer(self, body: Row, *, is_told: bool) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        status, answer = self.site.answer(self.command, parts.path.removeprefix("/openmrs"), query, body)
        if is_told:
            self._send(status, answer)
        else:
            self.close_connection = True

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(site: Openmrs) -> Iterator[str]:
    """Serve a site; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://{USER}:{WORD.replace(':', '%3A')}@127.0.0.1:{server.server_port}/openmrs"
    finally:
        server.shutdown()
        server.server_close()
