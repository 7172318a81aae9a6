// The rules for schema.graphql: graphql-eslint's sets for schemas and for Relay. Run it in the repository's root.
import graphql from '@graphql-eslint/eslint-plugin';

// The directives that `@link` imports. Composers know them, the linter does not.
const importedDirectives = `
  directive @link(url: String!, import: [String!]) on SCHEMA
  directive @key(fields: String!) repeatable on OBJECT
  directive @shareable on OBJECT
  directive @cost(weight: Int!) on FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION
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

      // The federation specification names `_entities`, `_service` and their types.
      '@graphql-eslint/naming-convention': [
        'error',
        { ...recommended['@graphql-eslint/naming-convention'][1], allowLeadingUnderscore: true },
      ],
      // The same names, and GraphQL's own `@oneOf`. Their specifications describe them.
      '@graphql-eslint/require-description': [
        'error',
        {
          ...recommended['@graphql-eslint/require-description'][1],
          ignoredSelectors: ['[name.value=/^_(Any|Entity|Service|entities|service)$/]', '[name.value=oneOf]'],
        },
      ],
      // `phoneNumberId` on PhoneNumber and `sipRuleId` on SipRule are AWS's names, for which AWS's users search.
      '@graphql-eslint/no-typename-prefix': 'off',
      '@graphql-eslint/strict-id-in-types': [
        'error',
        {
          // Entities that other subgraphs may define too are identified by AWS's key.
          acceptedIdNames: ['id', 'accountId', 'userId', 'voiceConnectorId', 'voiceConnectorGroupId', 'sipRuleId'],
          exceptions: {
            // Parts of another object, without an id of their own.
            types: ['OrderedPhoneNumber', 'PhoneNumberAssociation', 'PhoneNumberCapabilities', 'PageInfo', '_Service'],
            suffixes: ['Connection', 'Edge', 'Facets', 'FacetCount'],
          },
        },
      ],
      // Some lists are not connections: an order's numbers are complete, and a page has `nodes` beside `edges`.
      '@graphql-eslint/relay-edge-types': [
        'error',
        { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false },
      ],
    },
  },
];
