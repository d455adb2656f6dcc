import type { CodegenConfig } from "@graphql-codegen/cli";

const WRITTEN = { add: { content: "/** Written by `npm run generate` from the schema and `src/operations/`. */" } };

/** Files from the operations and the server's schema. They are checked in: a test of the server says when they are old. */
const config: CodegenConfig = {
  schema: "../../schema.graphql",
  documents: ["src/operations/*.graphql"],
  generates: {
    "src/generated/operations.ts": {
      plugins: [
        WRITTEN,
        "typescript-operations",
        "typed-document-node",
      ],
      config: {
        // So that no package has to be installed for a type.
        documentNodeImport: "../typedDocument.js#TypedDocumentNode",
        documentVariableSuffix: "",
        fragmentVariableSuffix: "",
        fragmentVariablePrefix: "",
        importExtension: ".js",
        useTypeImports: true,
        strictScalars: true,
        nonOptionalTypename: false,
        scalars: { ID: "string", DateTime: "string", Upload: "Blob" },
      },
    },
    "src/generated/types.ts": { plugins: [WRITTEN, { "./codegen-tables.js": { of: "types" } }] },
    "src/generated/introspection.ts": { plugins: [WRITTEN, { "./codegen-tables.js": { of: "introspection" } }] },
  },
};

export default config;
