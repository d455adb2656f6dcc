/** Typed operations, and the state that the subscriptions describe. Nothing here loads another package. */
export type { Answer, Connection, Socket, SocketState } from "./connection.js";
export * from "./generated/operations.js";
export { possibleTypes, TYPES_WITHOUT_ID } from "./generated/types.js";
export * from "./problems.js";
export * from "./state/car.js";
export * from "./state/myTrips.js";
export * from "./state/pool.js";
export type { Versioned } from "./state/versioned.js";
export type { ResultOf, TypedDocumentNode, VariablesOf } from "./typedDocument.js";
