"""The client of AWS: the only package that knows aioboto3, NextToken and MaxResults."""
