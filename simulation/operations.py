"""The GraphQL operations of a rider's and of a driver's app."""

PROBE = "query Probe { me { role } }"
SIGN_UP = """
    mutation SignUp($input: SignUpInput!) { signUp(input: $input) { user { id } errors { code message } } }
"""
LOG_IN = """
    mutation LogIn($username: String!, $password: String!) {
        logIn(username: $username, password: $password, issueToken: true) { token errors { code message } }
    }
"""
CREATE_TRIP = """
    mutation CreateTrip($input: CreateTripInput!) {
        createTrip(input: $input) { trip { id version status } errors { code message } }
    }
"""
UPDATE_TRIP = """
    mutation UpdateTrip($input: UpdateTripInput!) {
        updateTrip(input: $input) {
            trip { id version status pickUp { lat lng } dropOff { lat lng } }
            errors { code message }
        }
    }
"""
REPORT_LOCATION = """
    mutation ReportLocation($input: LocationInput!) {
        reportLocation(input: $input) { errors { code message } }
    }
"""
DRIVER_POOL = """
    subscription DriverPool { driverPool {
        __typename
        ... on PoolSnapshot { offers { ...Offer } truncated }
        ... on TripOffered { trip { ...Offer } }
        ... on TripWithdrawn { tripId version reason }
    } }
    fragment Offer on Trip {
        id version pickUpAddress dropOffAddress pickUp { lat lng } dropOff { lat lng } expiresAt
        rider { firstName photo }
    }
"""
MY_TRIPS = """
    subscription MyTrips { myTripsUpdated {
        __typename
        ... on MyTripsSnapshot { trips { ...Mine } }
        ... on TripChanged { trip { ...Mine } }
    } }
    fragment Mine on Trip {
        id version status pickUp { lat lng } dropOff { lat lng } pickUpEta driver { id firstName photo }
    }
"""
DRIVER_LOCATION = """
    subscription DriverLocation($tripId: ID!) { driverLocation(tripId: $tripId) {
        id point { lat lng } heading recordedAt isStale
    } }
"""
