"""What every test shares."""

from __future__ import annotations

from hypothesis import settings

# The first call of a kernel compiles it: no deadline says anything about the code under test.
settings.register_profile("flowload", deadline=None)
settings.load_profile("flowload")
