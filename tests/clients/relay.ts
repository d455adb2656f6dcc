/** Relay's compiler, network and store. */
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { getOperationAST } from "graphql";
import relay, { type ConcreteRequest } from "relay-runtime";
import type { Client, Person, Values } from "./client.js";
import { withoutPhoto } from "./photos.js";
import DriverPool from "./relay/generated/documentsDriverPoolSubscription.graphql.js";
import LogIn from "./relay/generated/documentsLogInMutation.graphql.js";
import LogOut from "./relay/generated/documentsLogOutMutation.graphql.js";
import MoveTrip from "./relay/generated/documentsMoveTripMutation.graphql.js";
import MyTrips from "./relay/generated/documentsMyTripsQuery.graphql.js";
import RateTrip from "./relay/generated/documentsRateTripMutation.graphql.js";
import ReadAgain from "./relay/generated/documentsReadAgainQuery.graphql.js";
import ReportArrival from "./relay/generated/documentsReportArrivalMutation.graphql.js";
import RequestTrip from "./relay/generated/documentsRequestTripMutation.graphql.js";
import SignUp from "./relay/generated/documentsSignUpMutation.graphql.js";
import ShowTrip from "./relay/generated/documentsTripQuery.graphql.js";
import WatchMyTrips from "./relay/generated/documentsWatchMyTripsSubscription.graphql.js";
import WatchTrip from "./relay/generated/documentsWatchTripSubscription.graphql.js";
import WhoAmI from "./relay/generated/documentsWhoAmIQuery.graphql.js";
import { mutate, twoPages, watch } from "./setup/relay-screens.js";
import { createRelay } from "./setup/relay.js";
import type { Session } from "./setup/session.js";
import { openSocket } from "./socket.js";
import { takeATrip } from "./trip.js";

const { createOperationDescriptor, fetchQuery, getRequest, requestSubscription } = relay;

/** The output of Relay's compiler for the trip's operations. */
const requests: Record<string, ConcreteRequest> = {
  DriverPool, LogIn, LogOut, MoveTrip, MyTrips, RateTrip, ReportArrival, RequestTrip, ShowTrip, SignUp, WatchMyTrips,
  WatchTrip, WhoAmI,
};

await takeATrip(connect);

function connect(person: Person): Client {
  const session: Session = {};
  const environment = createRelay(person.server, session, openSocket(person, session));

  return {
    query: async (document, variables) =>
      (await fetchQuery<any>(environment, compiled(document), variables).toPromise()) as any,

    mutate: (document, variables) => {
      const { files, variables: rest } = withoutPhoto(variables);
      return mutate(environment, compiled(document), rest, files);
    },

    subscribe(document, variables, sink) {
      requestSubscription<any>(environment, {
        subscription: compiled(document),
        variables,
        onNext: (data) => sink.next(data),
        onError: (error) => sink.error(error),
        onCompleted: () => sink.complete(),
      });
    },

    useToken(token) {
      session.token = token;
    },

    isKnown: (document, variables) =>
      environment.check(createOperationDescriptor(getRequest(compiled(document)), variables)).status === "available",

    watch: (document, variables, show) => watch(environment, compiled(document), variables, show),

    async readPages(list) {
      const pages = await twoPages(environment, list);
      return pages.map(({ edges }) => edges.map((edge: any) => edge.node.id));
    },

    async readAgain(id) {
      // Relay queries `node(id:)` without its cache.
      await fetchQuery<any>(environment, ReadAgain, { id }, { networkCacheConfig: { force: true } }).toPromise();
      return environment.getStore().getSource().get(id)!;
    },
  };
}

function compiled<Data, Variables extends Values>(document: TypedDocumentNode<Data, Variables>): ConcreteRequest {
  return requests[getOperationAST(document)!.name!.value]!;
}
