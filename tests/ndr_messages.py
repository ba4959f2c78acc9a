"""NDR messages of a made-up patient."""


def a_message(
    *parts: str, status: str = "INITIAL", made: str = "2024-03-01T08:00:00", identifier: str = "NDR-17"
) -> bytes:
    """Return a message; `parts` stand in its condition."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Container>
  <MessageHeader>
    <MessageStatusCode>{status}</MessageStatusCode>
    <MessageCreationDateTime>{made}</MessageCreationDateTime>
    <MessageSchemaVersion>1.6</MessageSchemaVersion>
    <MessageUniqueID>made-up</MessageUniqueID>
    <MessageSendingOrganization><FacilityName>Invented</FacilityName><FacilityID>SYN000001</FacilityID>
      <FacilityTypeCode>FAC</FacilityTypeCode></MessageSendingOrganization>
  </MessageHeader>
  <IndividualReport>
    <PatientDemographics>
      <PatientIdentifier>{identifier}</PatientIdentifier>
      <TreatmentFacility><FacilityID>SYN000001</FacilityID></TreatmentFacility>
      <OtherPatientIdentifiers><Identifier><IDNumber>HN-{identifier}</IDNumber><IDTypeCode>HN</IDTypeCode></Identifier>
      </OtherPatientIdentifiers>
      <PatientDateOfBirth>1991-05-14</PatientDateOfBirth>
      <PatientSexCode>F</PatientSexCode>
      <PatientMaritalStatusCode>M</PatientMaritalStatusCode>
    </PatientDemographics>
    <Condition>
      <ConditionCode>86406008</ConditionCode>
      <ConditionSpecificQuestions><HIVQuestions>
        <ARTStartDate>2022-03-07</ARTStartDate><EnrolledInHIVCareDate>2022-03-01</EnrolledInHIVCareDate>
      </HIVQuestions></ConditionSpecificQuestions>
      {"".join(parts) or a_regimen()}
    </Condition>
  </IndividualReport>
</Container>""".encode()


def a_regimen(on: str = "2024-01-10", days: str = "90", code: str = "1m", more: str = "") -> str:
    """Return a regimen handed out on a day."""
    return (
        f"<Regimen><VisitID>V{on}</VisitID><VisitDate>{on}</VisitDate><PrescribedRegimen><Code>{code}</Code>"
        "<CodeDescTxt>as coded</CodeDescTxt></PrescribedRegimen>"
        "<PrescribedRegimenTypeCode>ART</PrescribedRegimenTypeCode>"
        f"<PrescribedRegimenDuration>{days}</PrescribedRegimenDuration>"
        f"<PrescribedRegimenDispensedDate>{on}</PrescribedRegimenDispensedDate>{more}</Regimen>"
    )


ENCOUNTER = (
    "<Encounters><HIVEncounter><VisitID>V1</VisitID><VisitDate>2024-01-10</VisitDate><Weight>61</Weight>"
    "<BloodPressure>120/80</BloodPressure><FunctionalStatus>W</FunctionalStatus><WHOClinicalStage>2</WHOClinicalStage>"
    "<TBStatus>1</TBStatus><ARVDrugAdherence><Code>G</Code></ARVDrugAdherence>"
    "<NextAppointmentDate>2024-04-09</NextAppointmentDate></HIVEncounter></Encounters>"
)


def a_result(code: str = "80", value: str = "<Value1>20</Value1>", comparator: str = "") -> str:
    """Return a laboratory report."""
    return (
        "<LaboratoryReport><VisitID>V9</VisitID><VisitDate>2023-12-02</VisitDate><CollectionDate>2023-12-01</CollectionDate>"
        "<LaboratoryOrderAndResult><OrderedTestDate>2023-12-01</OrderedTestDate><LaboratoryResultedTest>"
        f"<Code>{code}</Code></LaboratoryResultedTest><LaboratoryResult><AnswerNumeric>{comparator}{value}</AnswerNumeric>"
        "</LaboratoryResult><ResultedTestDate>2023-12-20</ResultedTestDate></LaboratoryOrderAndResult></LaboratoryReport>"
    )
