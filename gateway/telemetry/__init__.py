"""Metrics, traces, logs and the record of each request, for the operator of the gateway.

All other packages may import it. No metric, span or log line holds a document, a variable, a phone number, a
cursor or a token.
"""
