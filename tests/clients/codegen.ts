import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "schema.graphql",
  documents: ["operations.ts"],
  generates: {
    "generated/": {
      preset: "client",
      presetConfig: { fragmentMasking: false, persistedDocuments: { hashAlgorithm: "sha256" } },
      config: {
        importExtension: ".js",
        useTypeImports: true,
        strictScalars: true,
        scalars: { ID: "string", DateTime: "string", Upload: "File" },
      },
    },
  },
};

export default config;
