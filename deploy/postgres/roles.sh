#!/usr/bin/env bash
# Make the database and its two roles: the owner, who runs migrations, and ml_service, who serves and can neither change
# the audit trail nor any table's shape. Run as PostgreSQL's superuser; passwords come from the environment or files.
set -euo pipefail
OWNER_PASSWORD=${OWNER_PASSWORD:-$(cat "${OWNER_PASSWORD_FILE:?set OWNER_PASSWORD or OWNER_PASSWORD_FILE}")}
APP_PASSWORD=${APP_PASSWORD:-$(cat "${APP_PASSWORD_FILE:?set APP_PASSWORD or APP_PASSWORD_FILE}")}
export OWNER_PASSWORD APP_PASSWORD # psql reads them there: arguments can be seen by everyone on the machine
export PGOPTIONS='-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic'
psql -X -v ON_ERROR_STOP=1 --dbname "${SETUP_DATABASE:-postgres}" <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD
SELECT 'CREATE ROLE iit_owner LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'iit_owner') \gexec
SELECT 'CREATE ROLE ml_service LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') \gexec
ALTER ROLE iit_owner PASSWORD :'owner_password';
ALTER ROLE ml_service PASSWORD :'app_password';
SELECT 'CREATE DATABASE iit_ml_service OWNER iit_owner ENCODING ''UTF8'' TEMPLATE template0'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'iit_ml_service') \gexec
\connect iit_ml_service
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO iit_owner;
GRANT USAGE ON SCHEMA public TO ml_service;
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
GRANT pg_read_all_stats TO iit_owner, ml_service;
SQL
