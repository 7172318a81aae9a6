"""Data that all gateways of a test process use, read or built once instead of for each gateway.

A process of the product opens one gateway, and a test process opens hundreds. Without this module, each gateway would
read botocore's files and the certificates of all authorities, and build the schema: four fifths of its CPU time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

import botocore.loaders

from gateway.schema.federation import build_schema
from tests.support.tls import self_signed


@contextmanager
def one_read(directory: Path) -> Iterator[None]:
    """Share this data while the block runs. No part of it depends on a gateway's settings.

    The clients of a test call either plain HTTP or servers with certificates of their own. So the
    certificates of the authorities are not needed, and one certificate is read instead.
    """
    certificate = str(self_signed(directory, "unused.example"))
    # The loader holds parsed files, which several clients of one session share as well.
    load = cache(botocore.loaders.create_loader)
    # The garbage collector need not look again and again at the modules and the tests, which stay until the end.
    gc.collect()
    gc.freeze()
    with (
        patch("botocore.session.create_loader", load),
        patch("botocore.httpsession.where", lambda: certificate),
        patch("certifi.where", lambda: certificate),
        patch("gateway.app.build_schema", cache(build_schema)),
    ):
        yield
    gc.unfreeze()
