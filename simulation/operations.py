"""The GraphQL operations of a rider's and of a driver's app."""

PROBE = "query Probe { me { role } }"
SIGN_UP = """
    mutation SignUp($input: SignUpInput!) { signUp(input: $input) { user { id } errors { code message } } }
"""
LOG_IN = """
    mutation LogIn($username: String!, $password: String!) {
        logIn(username: $username, password: $password, issueToken: true) {
            token user { id } errors { code message }
        }
    }
"""
CREATE_TRIP = """
    mutation CreateTrip($input: CreateTripInput!) {
        createTrip(input: $input) { trip { id version status } errors { code message } }
    }
"""
ESTIMATE = """
    query Estimate($pickUp: GeoPointInput!, $dropOff: GeoPointInput!) {
        tripEstimate(pickUp: $pickUp, dropOff: $dropOff) { distanceM durationS driversNearby pickUpEta }
    }
"""
_OWN_TRIP = """
    id version status arrivedAt cancelCode pickUp { lat lng } dropOff { lat lng } rider { id } driver { id }
"""
UPDATE_TRIP = f"""
    mutation UpdateTrip($input: UpdateTripInput!) {{
        updateTrip(input: $input) {{ trip {{ {_OWN_TRIP} }} errors {{ code message retryAfter }} }}
    }}
"""
REPORT_ARRIVAL = f"""
    mutation ReportArrival($tripId: ID!) {{
        reportArrival(tripId: $tripId) {{ trip {{ {_OWN_TRIP} }} errors {{ code message }} }}
    }}
"""
RATE_TRIP = """
    mutation RateTrip($tripId: ID!, $stars: Int!) {
        rateTrip(tripId: $tripId, stars: $stars) { trip { myRating } errors { code message } }
    }
"""
MY_RATING = "query MyRating { me { rating { average count } } }"
OPEN_TRIPS = "query OpenTrips { trips(status: [REQUESTED], first: 1) { nodes { id } } }"
SET_ON_DUTY = """
    mutation SetOnDuty($onDuty: Boolean!) {
        setOnDuty(onDuty: $onDuty) { user { availability } errors { code message } }
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
        ... on PoolSnapshot { offers { ...Offer } truncated paused }
        ... on TripOffered { trip { ...Offer } }
        ... on TripWithdrawn { tripId version reason }
    } }
    fragment Offer on Trip {
        id version pickUpAddress dropOffAddress pickUp { lat lng } dropOff { lat lng } expiresAt
        rider { firstName photo }
    }
"""
MY_TRIPS = f"""
    subscription MyTrips {{ myTripsUpdated {{
        __typename
        ... on MyTripsSnapshot {{ trips {{ ...Mine }} }}
        ... on TripChanged {{ trip {{ ...Mine }} }}
    }} }}
    fragment Mine on Trip {{
        {_OWN_TRIP} pickUpPin pickUpEta dropOffEta driver {{ firstName photo rating {{ average count }} }}
    }}
"""
DRIVER_LOCATION = """
    subscription DriverLocation($tripId: ID!) { driverLocation(tripId: $tripId) {
        id point { lat lng } heading recordedAt isStale
    } }
"""
