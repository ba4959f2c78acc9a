"""Days that somebody asks about."""

from datetime import date

from iit.domain.errors import InvalidInput


def refuse_future(as_of: date, today: date) -> None:
    """Refuse a day of which nothing can be known yet.

    Raises:
        InvalidInput: the day lies after today.
    """
    if as_of > today:
        raise InvalidInput("must not lie in the future", place="as_of")
