"""The table of methods."""

from __future__ import annotations

from secateur.compression.magnitude import MAGNITUDE
from secateur.compression.method import Method
from secateur.compression.published import MAGNITUDE_PIA, RANDOM_PIA, WANDA_PIA
from secateur.compression.random import RANDOM
from secateur.compression.wanda import WANDA

METHODS: dict[str, Method] = {
    method.name: method for method in (RANDOM, MAGNITUDE, WANDA, RANDOM_PIA, MAGNITUDE_PIA, WANDA_PIA)
}
"""Every pruning method by name."""
