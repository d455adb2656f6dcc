import type { CodegenConfig } from "@graphql-codegen/cli";

/** The types of the board's operations, made anew by every build: they cannot differ from the schema. */
const config: CodegenConfig = {
  schema: "../schema.graphql",
  documents: ["src/board/api/operations.ts"],
  generates: {
    "src/board/api/generated/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        useTypeImports: true,
        strictScalars: true,
        scalars: { ID: "string", DateTime: "string", Upload: "File" },
      },
    },
  },
};

export default config;
