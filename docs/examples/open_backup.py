"""Opens a backup of Purser's without Purser: `python open_backup.py FILE KEY_FILE > purser.dump`.

Needs Python and the library `cryptography`. What comes out is for `pg_restore`.
"""

import hashlib
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"purser.backup.1\n"
SEALED_CHUNK = 1024 * 1024 + 16

with open(sys.argv[1], "rb") as file, open(sys.argv[2], "rb") as key_file:
    opening = file.read(len(MAGIC) + 32 + 4)
    if not opening.startswith(MAGIC):
        sys.exit("This is no backup of Purser's.")
    salt = opening[len(MAGIC) : len(MAGIC) + 32]
    head = file.read(int.from_bytes(opening[-4:], "big"))
    sys.stderr.write(head.decode() + "\n")
    key = HKDF(algorithm=SHA256(), length=32, salt=salt, info=MAGIC).derive(key_file.read().strip())
    bound = hashlib.sha256(opening + head).digest()
    number, chunk = 0, file.read(SEALED_CHUNK)
    while True:
        following = file.read(SEALED_CHUNK)
        nonce = number.to_bytes(11, "big") + (b"\0" if following else b"\1")
        sys.stdout.buffer.write(AESGCM(key).decrypt(nonce, chunk, bound))
        if not following:
            break
        number, chunk = number + 1, following
