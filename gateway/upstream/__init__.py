"""Words with AWS: the one room that knows aioboto3, NextToken and MaxResults."""
