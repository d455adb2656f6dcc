import type { CodegenConfig } from "@graphql-codegen/cli";

/** One file from the operations and the server's schema. It is checked in: a test of the server says when it is old. */
const config: CodegenConfig = {
  schema: "../../schema.graphql",
  documents: ["src/operations/*.graphql"],
  generates: {
    "src/generated/operations.ts": {
      plugins: [
        { add: { content: "/** Written by `npm run generate` from the schema and `src/operations/`. */" } },
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
  },
};

export default config;
