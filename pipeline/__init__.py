"""The stages: each reads a store, calls features or models, and writes a store."""
