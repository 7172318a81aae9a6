"""What an operator sees of a running gateway: numbers (metrics) and the way of single requests (tracing).

Beneath all rooms, so that each may say what it did. No number or span holds a document, a variable, a phone number, a
cursor or a token.
"""
