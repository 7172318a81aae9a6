"""What may be asked: the GraphQL types, each field mapped from one key of AWS's records, and the faults as answers."""
