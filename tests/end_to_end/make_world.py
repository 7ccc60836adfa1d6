# SPDX-License-Identifier: MIT
"""make_world.py: makes the world of all end-to-end tests in $LRD_E2E_WORLD."""
import os

from harness import make_world

make_world(os.environ["LRD_E2E_WORLD"])
