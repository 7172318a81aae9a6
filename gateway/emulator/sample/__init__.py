"""Sample data for an emulator that has no data of its own."""
