"""What all tables share."""

from sqlalchemy import Column, DateTime, MetaData, func

metadata = MetaData(
    naming_convention={
        "ix": "idx_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

now = func.now()


def moment(name: str) -> Column[object]:
    """Return a column of the time at which a row was made."""
    return Column(name, DateTime(timezone=True), nullable=False, server_default=now)
