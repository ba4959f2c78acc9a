-- The tables of OpenMRS 2 that are read, with the columns that matter, in the types that its installer makes.
CREATE TABLE person (
  person_id INT PRIMARY KEY AUTO_INCREMENT, gender VARCHAR(50) DEFAULT '', birthdate DATE, dead TINYINT(1) NOT NULL DEFAULT 0,
  death_date DATETIME, cause_of_death INT, date_created DATETIME NOT NULL, date_changed DATETIME,
  voided TINYINT(1) NOT NULL DEFAULT 0, date_voided DATETIME, void_reason VARCHAR(255), uuid CHAR(38) NOT NULL UNIQUE);
CREATE TABLE person_name (
  person_name_id INT PRIMARY KEY AUTO_INCREMENT, person_id INT NOT NULL, given_name VARCHAR(50), family_name VARCHAR(50),
  voided TINYINT(1) NOT NULL DEFAULT 0);
CREATE TABLE person_address (
  person_address_id INT PRIMARY KEY AUTO_INCREMENT, person_id INT, preferred TINYINT(1) NOT NULL DEFAULT 0,
  address1 VARCHAR(255), city_village VARCHAR(255), state_province VARCHAR(255), date_created DATETIME NOT NULL,
  date_changed DATETIME, voided TINYINT(1) NOT NULL DEFAULT 0, date_voided DATETIME, KEY (person_id));
CREATE TABLE person_attribute_type (person_attribute_type_id INT PRIMARY KEY, name VARCHAR(50) NOT NULL);
CREATE TABLE person_attribute (
  person_attribute_id INT PRIMARY KEY AUTO_INCREMENT, person_id INT NOT NULL, value VARCHAR(50) NOT NULL DEFAULT '',
  person_attribute_type_id INT NOT NULL, date_created DATETIME NOT NULL, date_changed DATETIME,
  voided TINYINT(1) NOT NULL DEFAULT 0, date_voided DATETIME, KEY (person_id));
CREATE TABLE person_merge_log (
  person_merge_log_id INT PRIMARY KEY AUTO_INCREMENT, winner_person_id INT NOT NULL, loser_person_id INT NOT NULL,
  date_created DATETIME NOT NULL, voided TINYINT(1) NOT NULL DEFAULT 0);
CREATE TABLE patient (
  patient_id INT PRIMARY KEY, date_created DATETIME NOT NULL, date_changed DATETIME, voided TINYINT(1) NOT NULL DEFAULT 0,
  date_voided DATETIME);
CREATE TABLE patient_identifier (
  patient_identifier_id INT PRIMARY KEY AUTO_INCREMENT, patient_id INT NOT NULL, identifier VARCHAR(50) NOT NULL,
  identifier_type INT NOT NULL, preferred TINYINT(1) NOT NULL DEFAULT 0, location_id INT, date_created DATETIME NOT NULL,
  date_changed DATETIME, voided TINYINT(1) NOT NULL DEFAULT 0, date_voided DATETIME, KEY (patient_id));
CREATE TABLE patient_program (
  patient_program_id INT PRIMARY KEY AUTO_INCREMENT, patient_id INT NOT NULL, program_id INT NOT NULL, date_enrolled DATETIME,
  date_completed DATETIME, date_created DATETIME NOT NULL, date_changed DATETIME, voided TINYINT(1) NOT NULL DEFAULT 0,
  date_voided DATETIME, uuid CHAR(38) NOT NULL, KEY (patient_id));
CREATE TABLE visit (
  visit_id INT PRIMARY KEY AUTO_INCREMENT, patient_id INT NOT NULL, date_started DATETIME NOT NULL, date_created DATETIME NOT NULL,
  date_changed DATETIME, voided TINYINT(1) NOT NULL DEFAULT 0, date_voided DATETIME, uuid CHAR(38) NOT NULL, KEY (patient_id));
CREATE TABLE encounter (
  encounter_id INT PRIMARY KEY AUTO_INCREMENT, encounter_type INT NOT NULL, patient_id INT NOT NULL, location_id INT, form_id INT,
  encounter_datetime DATETIME NOT NULL, date_created DATETIME NOT NULL, date_changed DATETIME,
  voided TINYINT(1) NOT NULL DEFAULT 0, date_voided DATETIME, visit_id INT, uuid CHAR(38) NOT NULL, KEY (patient_id));
CREATE TABLE obs (
  obs_id INT PRIMARY KEY AUTO_INCREMENT, person_id INT NOT NULL, concept_id INT NOT NULL, encounter_id INT, obs_datetime DATETIME NOT NULL,
  location_id INT, obs_group_id INT, value_coded INT, value_datetime DATETIME, value_numeric DOUBLE, value_text TEXT,
  date_created DATETIME NOT NULL, voided TINYINT(1) NOT NULL DEFAULT 0, date_voided DATETIME, uuid CHAR(38) NOT NULL,
  KEY (person_id), KEY (encounter_id), KEY (obs_group_id));
CREATE TABLE concept (concept_id INT PRIMARY KEY, datatype_id INT NOT NULL, retired TINYINT(1) NOT NULL DEFAULT 0);
CREATE TABLE concept_name (
  concept_name_id INT PRIMARY KEY AUTO_INCREMENT, concept_id INT, name VARCHAR(255) NOT NULL, locale VARCHAR(50) NOT NULL,
  locale_preferred TINYINT(1) NOT NULL DEFAULT 0, concept_name_type VARCHAR(50), voided TINYINT(1) NOT NULL DEFAULT 0);
CREATE TABLE form (form_id INT PRIMARY KEY, name VARCHAR(255) NOT NULL);
CREATE TABLE global_property (property VARCHAR(255) PRIMARY KEY, property_value MEDIUMTEXT);
