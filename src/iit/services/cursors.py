"""Cursors of lists: where the next page begins, as letters that nobody need read."""

import base64
import binascii

from iit.domain.errors import InvalidInput


def cursor_at(last: str) -> str:
    """Return the cursor behind the last entry of a page."""
    return base64.urlsafe_b64encode(last.encode()).decode()


def behind(cursor: str, *, place: str) -> str:
    """Return the last entry of the page that a cursor came with.

    Raises:
        InvalidInput: it is damaged, or of somebody else.
    """
    try:
        return base64.b64decode(cursor.encode(), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise not_ours(place) from None


def not_ours(place: str) -> InvalidInput:
    """Return what is said of a cursor that no page came with."""
    return InvalidInput("is no cursor of this service", place=place)
