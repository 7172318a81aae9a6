"""The Python that runs a benchmark: speeds count only if it was built with optimizations.

    python benchmarks/interpreter.py

The program exits with 1, and says what to do, unless this Python fits.
"""

import platform
import sys
import sysconfig

OLDEST = (3, 11)


def build() -> str | None:
    """Return how this Python was optimized, or None if it was not.

    `--enable-optimizations` makes Python itself 20 to 40 % faster. Debian and Ubuntu build theirs the same way without
    that option (profile-opt in debian/rules). Their Python is known by its install scheme.
    """
    if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""):
        return "built with --enable-optimizations"
    if "deb_system" in sysconfig.get_scheme_names():
        return "Debian's optimized build"
    return None


def described() -> str:
    """Return the version of this Python and how it was built."""
    return f"{platform.python_implementation()} {platform.python_version()}, {build() or 'built without optimizations'}"


def require_optimized() -> None:
    """Exit unless this Python is new enough and was built with optimizations.

    Raises:
        SystemExit: With the reason, and with what to do.
    """
    if sys.version_info < OLDEST or build() is None:
        raise SystemExit(
            f"{sys.executable} is {described()}. The benchmarks need Python 3.11 or newer that was built with "
            "--enable-optimizations, as Debian's is. Name one with PYTHON=, for example: "
            "make bench PYTHON=/usr/bin/python3"
        )


if __name__ == "__main__":
    require_optimized()
