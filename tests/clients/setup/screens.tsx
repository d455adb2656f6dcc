/** A rider's and a driver's screen. */
import { MoveTrip, type Connection } from "@taxirank/client";
import { TaxirankProvider, useCar, useConnection, useMyTrips, useOffers, useRequestTrip } from "@taxirank/client/react";

/** `connection` is `overApollo(client)` or `overUrql(client)`. After a log-in or a log-out, give another one. */
export function App({ connection, role }: { connection: Connection; role: "RIDER" | "DRIVER" }) {
  return <TaxirankProvider connection={connection}>{role === "RIDER" ? <Rider /> : <Driver />}</TaxirankProvider>;
}

function Rider() {
  const { trips, problems: lost } = useMyTrips();
  const { request, isBusy, problems } = useRequestTrip();
  // The newest comes first.
  const trip = trips?.[0];
  const car = useCar(trip);
  if (trips === null) return <p>Loading…</p>;
  return (
    <>
      {trip && (
        <p>
          To {trip.dropOffAddress}: {trip.status}
        </p>
      )}
      {car && (
        <p>
          The car is at {car.point.lat}, {car.point.lng}
          {car.isStale && ", or was there a while ago"}
        </p>
      )}
      <button
        disabled={isBusy}
        onClick={() => void request({ pickUpAddress: "Central Station", dropOffAddress: "Airport" })}
      >
        To the airport
      </button>
      {/* Each text once: without a server everything fails alike. */}
      {[...new Set([...lost, ...problems].map(({ text }) => text))].map((text) => (
        <p key={text}>{text}</p>
      ))}
    </>
  );
}

function Driver() {
  const { offers, paused } = useOffers();
  const connection = useConnection();
  if (offers === null) return <p>Looking for requests…</p>;
  if (paused !== null) return <p>No offers: {paused}</p>;
  return (
    <ul>
      {offers.map(({ offer, withdrawn }) => (
        <li key={offer.id}>
          {offer.pickUpAddress}{" "}
          {withdrawn ?? (
            <button onClick={() => void connection.ask(MoveTrip, { input: { id: offer.id, status: "STARTED" } })}>
              Accept
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
