"""Who has signed in: sessions in memory, which end with the process or after 12 hours.

A session's cookie is 256 random bits and says nothing. It stands for a token's customer only as
long as the token itself is valid: each request asks the tokens file again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import defaultdict, deque
from collections.abc import Callable
from threading import Lock
from typing import Final, NamedTuple

SESSION_SECONDS: Final = 12 * 3_600
# Of one token; its oldest one makes room, so that nobody ends the sessions of others.
_MOST_SESSIONS: Final = 100
_KEY_BYTES: Final = 32
# Keys are 43 characters; longer cookies are not ours.
_MOST_KEY_CHARACTERS: Final = 64


class _Session(NamedTuple):
    token: bytes
    ends: float


class Sessions:
    """The sessions of one process; safe to share between threads.

    Sessions are looked up by the digest of their key, so that the time of a lookup reveals nothing.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: seconds since any instant; it never goes back."""
        self._clock = clock
        self._secret = secrets.token_bytes(_KEY_BYTES)
        self._sessions: dict[bytes, _Session] = {}
        # Of each token the digests of its sessions' keys, the oldest first.
        self._of_token: defaultdict[bytes, deque[bytes]] = defaultdict(deque)
        self._lock = Lock()

    def new_key(self) -> str:
        """A key for a cookie: of a session, or of a visitor who has none yet."""
        return secrets.token_urlsafe(_KEY_BYTES)

    def sign_in(self, token: bytes) -> str:
        """Begin a session of whoever has this token; the key for its cookie."""
        key = self.new_key()
        with self._lock:
            of_token = self._of_token[token]
            if len(of_token) == _MOST_SESSIONS:
                self._end(of_token[0])
            self._sessions[_digest(key)] = _Session(token, self._clock() + SESSION_SECONDS)
            of_token.append(_digest(key))
        return key

    def sign_out(self, key: str) -> None:
        """End a session."""
        with self._lock:
            self._end(_digest(key))

    def token_of(self, key: str) -> bytes | None:
        """The token that a session began with; None if there is no such session, or it ended."""
        with self._lock:
            session = self._sessions.get(_digest(key))
            if session is None or session.ends > self._clock():
                return None if session is None else session.token
            self._end(_digest(key))
            return None

    def _end(self, digest: bytes) -> None:
        session = self._sessions.pop(digest, None)
        if session is not None:
            of_token = self._of_token[session.token]
            of_token.remove(digest)
            if not of_token:
                del self._of_token[session.token]

    def form_token(self, key: str) -> str:
        """What a form sent to the holder of a cookie bears, and nobody else can know."""
        return hmac.new(self._secret, key.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, key: str, token: str) -> bool:
        """Whether a form bears the token of the cookie that it came with."""
        return hmac.compare_digest(self.form_token(key).encode(), token.encode())


def _digest(key: str) -> bytes:
    return hashlib.sha256(key[:_MOST_KEY_CHARACTERS].encode()).digest()
