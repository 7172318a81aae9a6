"""An emulator of Amazon Chime's list and get APIs for phone numbers and phone number orders.

It speaks HTTP, keeps its data in SQLite and shares no code with the gateway. AWS's documents are their only contract.
"""
