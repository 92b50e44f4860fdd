"""The engine's version, a part of every run's identity."""

# Bump it whenever a change to the training alters any bit of any result; tests/unit/test_engine_bits.py notices.
ENGINE_VERSION = 1
