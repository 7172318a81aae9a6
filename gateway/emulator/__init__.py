"""A local stand-in for Amazon Chime's phone number and phone number order lists.

ListPhoneNumbers, ListPhoneNumberOrders, GetPhoneNumber and GetPhoneNumberOrder of Amazon Chime (2018-05-01) or of the
Amazon Chime SDK's voice API (2022-08-03), over real HTTP, on SQLite. It shares no code with the gateway: what the two
know of each other is what they read in AWS's documents.

What AWS documents nowhere, and was chosen here:

Lists
- Records are listed in the order in which they were first put. A record put again keeps its place; one that was
  removed and put again goes to the end.
- Without max-results a page holds as many as max-results allows: 99 on `chime`, 100 on `chime-sdk-voice`.
- A page is short only at the end of its list, and NextToken is null when nothing lies beyond the page at that time.
- A filter names a known resource if any number was ever associated with it, or if the sample data says so. A known
  resource without numbers gives an empty list, an unknown one NotFound.
- `product-type` takes no notice of spaces in a record: the page's sample says "Voice Connector".
- The status filter of `chime-sdk-voice` takes its list of PhoneNumberStatus, though its model says "string".
- A record is answered with the keys that it was put with. Generated records have every key of their service, null
  where there is nothing to say; the pages' samples and loaded records have those that were printed. On
  `chime-sdk-voice` the pages' samples gain the keys that this service adds.

Requests
- Checks stand in this order: path and method, signature, rate, faults, parameters.
- Parameters that the page does not name are passed over. A parameter given twice, an empty one, half a filter, or a
  value outside of its list or bounds is BadRequest; the message tells of all of them.
- Any other path or method is 404 UnknownOperationException, signed or not.
- GetPhoneNumber takes `+12065550100`, `12065550100` and `%2B12065550100` for the same number. An id that names nothing
  is NotFound, whatever its form; order ids are opaque.

Signatures
- Every failed check of a signature is 401 UnauthorizedClientException.
- A signature is good for 15 minutes before and after its X-Amz-Date. Any region will do; the service is `chime` in
  both generations. Host and X-Amz-Date must be signed. A session token may come with it and is not looked at.
- Signatures in the query string (presigned URLs) are not read.

NextTokens
- A next-token is sealed and says nothing to its holder. It is bound to API, operation and filters, not to max-results
  or to the caller, may be used many times, and is good for 24 hours and across restarts on the same database.
- It names the last record that was given out, so records added and removed between pages shift nothing.

Rate
- `rate` requests are answered in any one second, for all callers together; those refused do not count.
"""
