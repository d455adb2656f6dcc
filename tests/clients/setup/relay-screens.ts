/** Mutations, screens and pages over Relay's store, without React. */
import relay, { type ConcreteRequest, type Environment, type Variables } from "relay-runtime";
import MyTrips from "../relay/generated/documentsMyTripsQuery.graphql.js";

// relay-runtime is a CommonJS module.
const { commitMutation, createOperationDescriptor, fetchQuery, getRequest } = relay;

/** A file is null in the variables, and is in `files` under its path: `{ "variables.input.photo": file }`. */
export function mutate(
  environment: Environment,
  mutation: ConcreteRequest,
  variables: Variables,
  files: Record<string, File | Blob>,
): Promise<any> {
  return new Promise((resolve, reject) => {
    commitMutation<any>(environment, { mutation, variables, uploadables: files, onCompleted: resolve, onError: reject });
  });
}

/** Shows a query's data, now and whenever the store changes. */
export function watch(
  environment: Environment,
  query: ConcreteRequest,
  variables: Variables,
  show: (data: any) => void,
): void {
  const operation = createOperationDescriptor(getRequest(query), variables);
  environment.retain(operation);
  const snapshot = environment.lookup(operation.fragment);
  show(snapshot.data);
  environment.subscribe(snapshot, ({ data }) => show(data));
}

/** The trips of the first page, and then those of the first two pages. */
export async function twoPages(environment: Environment, list: Variables): Promise<any[]> {
  const operation = createOperationDescriptor(getRequest(MyTrips), list);
  environment.retain(operation);
  const shown = () => (environment.lookup(operation.fragment).data as any).trips;
  await fetchQuery<any>(environment, MyTrips, list).toPromise();
  const one = shown();
  await fetchQuery<any>(environment, MyTrips, { ...list, after: one.pageInfo.endCursor }).toPromise();
  return [one, shown()];
}
