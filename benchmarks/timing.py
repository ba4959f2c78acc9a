"""Does comparing a secret tell by its time how near a guess was? `python -m benchmarks.timing`.

Welch's t-test over interleaved pairs (dudect, Reparaz et al. 2017): one class shares the secret's first half, the other
is random. Above 4.5 the classes differ; the slowest twentieth is cut, being the machine's and not ours.
"""

import hmac
import random
import secrets
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, cast

import numpy as np

from iit.domain.access import EVERYTHING
from iit.services.credentials import CredentialCache
from iit.services.keyring import Keyring
from iit.services.keys import Keys
from iit.store.database import Database
from iit.store.keys import Key, KeyRow

_PAIRS: Final = 100_000
_LIMIT: Final = 4.5
_KEPT: Final = 0.95


def main() -> int:
    """Measure, print, and return 1 if any comparison tells."""
    secret = secrets.token_hex(32)
    keyring = Keyring((secrets.token_bytes(32),))
    nothing = datetime(2026, 1, 1, tzinfo=UTC)
    row = KeyRow(
        key_id="timing", secret_hash=keyring.hash("key", secret), label="", role="viewer", actions=None,
        sees_everything=True, created_by="", created_at=nothing, last_used_at=None, expires_at=None, revoked_at=None,
    )  # fmt: skip
    cache = CredentialCache(lambda: nothing, time.monotonic)
    # Telling whether a secret fits asks no database.
    keys = Keys(cast("Database", None), keyring, cache, lambda: nothing)
    key = Key(row, EVERYTHING)
    token = keyring.hash("csrf", secret).hex().encode()

    def fits_token(guess: str) -> object:
        return hmac.compare_digest(guess.encode(), token)

    told = {
        "API key": welch(lambda guess: keys.fits(key, guess), secret),
        "token of a form": welch(fits_token, token.decode()),
        "== (must tell)": welch(lambda guess: all(a == b for a, b in zip(guess, secret, strict=True)), secret),
    }
    for name, t in told.items():
        print(f"{name:20} t = {t:8.2f}")
    return int(any(abs(t) >= _LIMIT for name, t in told.items() if "must tell" not in name))


def welch(compare: Callable[[str], object], secret: str, pairs: int = _PAIRS) -> float:
    """Return Welch's t between guesses that share the secret's first half and random ones, by processor time."""
    half = len(secret) // 2
    near, far = np.empty(pairs), np.empty(pairs)
    for n in range(pairs):
        both = [(near, secret[:half] + secrets.token_hex(half)[:half]), (far, secrets.token_hex(half))]
        random.shuffle(both)
        for times, guess in both:
            began = time.thread_time_ns()
            compare(guess)
            times[n] = time.thread_time_ns() - began
    limit = np.quantile(np.concatenate([near, far]), _KEPT)
    near, far = near[near <= limit], far[far <= limit]
    spread = near.var(ddof=1) / len(near) + far.var(ddof=1) / len(far)
    return float((near.mean() - far.mean()) / np.sqrt(spread))


if __name__ == "__main__":
    sys.exit(main())
