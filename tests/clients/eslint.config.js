// schema.graphql by graphql-eslint's sets for schemas and for Relay. Run from the repository's top.
import graphql from '@graphql-eslint/eslint-plugin';

// What `@link` imports. Composers know these by heart, a linter does not.
const importedDirectives = `
  directive @link(url: String!, import: [String!]) on SCHEMA
  directive @key(fields: String!) repeatable on OBJECT
  directive @shareable on OBJECT
  directive @cost(weight: Int!) on FIELD_DEFINITION | ARGUMENT_DEFINITION
  directive @listSize(
    assumedSize: Int, slicingArguments: [String!], sizedFields: [String!], requireOneSlicingArgument: Boolean = true
  ) on FIELD_DEFINITION
`;

const recommended = graphql.configs['flat/schema-recommended'].rules;

export default [
  {
    files: ['schema.graphql'],
    plugins: { '@graphql-eslint': graphql },
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: ['schema.graphql', importedDirectives] } },
    },
    rules: {
      ...recommended,
      ...graphql.configs['flat/schema-relay'].rules,

      // Federation named `_entities`, `_service` and their types.
      '@graphql-eslint/naming-convention': [
        'error',
        { ...recommended['@graphql-eslint/naming-convention'][1], allowLeadingUnderscore: true },
      ],
      // The same ones, and `@oneOf`, which is GraphQL's own: their specifications describe them.
      '@graphql-eslint/require-description': [
        'error',
        {
          ...recommended['@graphql-eslint/require-description'][1],
          ignoredSelectors: ['[name.value=/^_(Any|Entity|Service|entities|service)$/]', '[name.value=oneOf]'],
        },
      ],
      // `phoneNumberId` on PhoneNumber, `sipRuleId` on SipRule: AWS's words, by which its users look.
      '@graphql-eslint/no-typename-prefix': 'off',
      '@graphql-eslint/strict-id-in-types': [
        'error',
        {
          // Entities that may live in other subgraphs are known by the key that those have too.
          acceptedIdNames: ['id', 'accountId', 'userId', 'voiceConnectorId', 'voiceConnectorGroupId', 'sipRuleId'],
          exceptions: {
            // Parts of the object that holds them, with no life of their own.
            types: ['OrderedPhoneNumber', 'PhoneNumberAssociation', 'PhoneNumberCapabilities', 'PageInfo', '_Service'],
            suffixes: ['Connection', 'Edge'],
          },
        },
      ],
      // Not every list is a connection: an order's numbers come whole, and a page has `nodes` beside its `edges`.
      '@graphql-eslint/relay-edge-types': [
        'error',
        { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false },
      ],
    },
  },
];
