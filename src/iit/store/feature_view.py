"""The view `features`: one column a feature, generated from the registry's names."""

from collections.abc import Sequence

from sqlalchemy import Connection, text


def refresh_feature_view(connection: Connection, names: Sequence[str]) -> None:
    """Create the view anew if the features have changed; names are identifiers of our own registry."""
    if not names:
        return
    wanted = list(names)
    found = connection.execute(
        text(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('public.features') AND attnum > 6 "
            "ORDER BY attnum"
        )
    ).scalars()
    if list(found) == wanted:
        return
    columns = ", ".join(f'features[{place}] AS "{name}"' for place, name in enumerate(names, start=1))
    connection.execute(text("DROP VIEW IF EXISTS features"))
    fixed = "prediction_id, patient_uuid, as_of, model_version, feature_set_version, created_at"
    connection.execute(text(f"CREATE VIEW features AS SELECT {fixed}, {columns} FROM predictions"))  # noqa: S608 - own names
    connection.execute(
        text(
            "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') THEN "
            "GRANT SELECT ON features TO ml_service; END IF; END $$"
        )
    )
