import type { DocumentNode } from "graphql";

/** A document with the types of its result and its variables, as Apollo Client, urql and graphql-codegen read them. */
export interface TypedDocumentNode<Result, Variables> extends DocumentNode {
  /** Never set: it carries the types. */
  __apiType?: (variables: Variables) => Result;
  /** The same, under the name that graphql-js gives it. */
  __ensureTypesOfVariablesAndResultMatching?: (variables: Variables) => Result;
}

export type ResultOf<Document> = Document extends TypedDocumentNode<infer Result, infer _> ? Result : never;
export type VariablesOf<Document> = Document extends TypedDocumentNode<infer _, infer Variables> ? Variables : never;

/** Whether a document of one operation is a mutation. */
export function isMutation({ definitions }: DocumentNode): boolean {
  return definitions.some((node) => "operation" in node && node.operation === "mutation");
}

/** The names of the fields of a document's operation that it selects directly. */
export function rootFields({ definitions }: DocumentNode): string[] {
  return definitions.flatMap((node) =>
    "operation" in node && "selectionSet" in node
      ? node.selectionSet.selections.flatMap((each) => (each.kind === "Field" ? [each.name.value] : []))
      : [],
  );
}
