/** Typed operations, and the state that the subscriptions describe. Nothing here loads another package. */
export * from "./generated/operations.js";
export * from "./state/car.js";
export * from "./state/myTrips.js";
export * from "./state/pool.js";
export type { Versioned } from "./state/versioned.js";
export type { ResultOf, TypedDocumentNode, VariablesOf } from "./typedDocument.js";
