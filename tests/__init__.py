"""Tests, with TensorFlow itself as judge where one is installed."""
