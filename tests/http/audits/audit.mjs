// Prints what each audit of a GraphQL server says, as JSON. Argument: the endpoint's URL.
import { auditServer } from 'graphql-http';

const results = await auditServer({ url: process.argv[2] });
console.log(JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason }))));
