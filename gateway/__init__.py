"""A GraphQL gateway in front of Amazon Chime's phone number and phone number order lists."""
