"""Builds the parts of an application from its settings.

Longer than 300 lines because every part is built here, once.
"""

import functools
import signal
from collections.abc import Callable, Sequence

from application.errors import StartError
from application.mail import letter_texts, mail_transport
from application.push import vapid_keys
from application.settings import PREFIX, Settings
from application.tracing import start_tracing
from gateway.media import PHOTO_HEADERS
from models.standing import DriverRules
from models.values import Location
from schema.api.context import Services
from services.accounts.accounts import Accounts
from services.accounts.confirmations import Confirmations
from services.accounts.deletion import Deletions
from services.accounts.email_tokens import EmailTokens
from services.accounts.emails import Emails
from services.accounts.log_in import LogIns
from services.accounts.lookalikes import FILL_INTERVAL_S, fill_skeletons
from services.accounts.new_passwords import NewPasswords
from services.accounts.passwords import Passwords
from services.accounts.profiles import Profiles
from services.accounts.push_subscriptions import PushSubscriptions
from services.accounts.recovery import Recovery
from services.accounts.recovery_letters import RecoveryLetters
from services.accounts.session_checks import SessionChecks
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.database.replicas import Replicas
from services.database.traced_database import TracedDatabase
from services.drivers.acceptance import Acceptance
from services.drivers.announcements import StandingAnnouncements
from services.drivers.duty import Duty
from services.drivers.standing_changes import StandingChanges
from services.drivers.standings import Standings
from services.drivers.vehicles import Vehicles
from services.events.bus import Bus
from services.events.handover import Handover
from services.events.leases import Leases, ProcessLeases, SharedLeases
from services.events.outbox import Outbox
from services.events.promotions import Promotions
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.events.traced_outbox import TracedOutbox
from services.limits.log_in_rate import LogInRate
from services.limits.rates import Rate, RateLimit
from services.limits.throttle import PerUser, ProcessThrottle, SharedThrottle, Throttle
from services.live.city import City
from services.live.city_reads import CityReads
from services.live.delivery_spans import DeliverySpans
from services.live.hub import LINGER_S, Hub
from services.live.live_sessions import LiveSessions
from services.live.reads import StateReader
from services.live.topic import Listening
from services.notifications.letters import Letters
from services.notifications.mailer import Mailer
from services.notifications.outgoing import OutgoingClient
from services.notifications.web_push import WebPush
from services.photos.account_photos import AccountPhotos
from services.photos.media_url import BadOptions, open_store
from services.photos.processing import PhotoProcessor
from services.photos.store import RECHECK_INTERVAL_S, PhotoStore
from services.positions.active_trips import CHECK_INTERVAL_S, ActiveTrips
from services.positions.estimates import Estimates
from services.positions.forgetting import Forgetting
from services.positions.free_drivers import SWEEP_INTERVAL_S
from services.positions.freshness import Lifetime
from services.positions.redis_positions import RedisPositions
from services.positions.reporting import Positions
from services.positions.routing import Osrm, Router, StraightLine
from services.positions.store import MemoryPositions, PositionStore
from services.positions.trip_drives import TripDrives
from services.runtime.admission import Admission
from services.runtime.counters import Counters
from services.runtime.loop_lag import LoopLag
from services.runtime.periodic_jobs import PeriodicJobs
from services.runtime.process_memory import TIDY_INTERVAL_S, YOUNG_INTERVAL_S, ProcessMemory
from services.runtime.shield import Shield
from services.staff.approvals import Approvals
from services.staff.city_figures import CityStatistics
from services.staff.city_routes import CityRouting
from services.staff.person import People
from services.staff.personal_data import PersonalData
from services.staff.reads import StaffReads
from services.staff.rights import StaffRights
from services.staff.staff import Staff
from services.staff.trip_details import TripDetails
from services.staff.webhooks import StaffWebhooks
from services.trips.announcements import TripAnnouncements
from services.trips.arrivals import Arrivals
from services.trips.by_ids import ByIds
from services.trips.commands import Trips
from services.trips.conditions import Periods
from services.trips.guards import Guards
from services.trips.history import TripHistory
from services.trips.pick_up_pins import PickUpPins
from services.trips.push_rows import PushRows
from services.trips.push_worker import PushWorker
from services.trips.ratings import Ratings
from services.trips.requests import TripRequests
from services.trips.retention import RETENTION_INTERVAL_S, TripRetention
from services.trips.writes import TripWrites
from services.webhooks.deliveries import Deliveries
from services.webhooks.endpoints import Endpoints
from services.webhooks.management import WebhookManagement
from services.webhooks.sender import TEND_INTERVAL_S, TIMEOUT_S, WebhookSender


class Application:
    """The parts of one server: the use cases and the services below them.

    Several applications can live in one process; they share nothing.
    """

    def __init__(self, settings: Settings, *, push_client: OutgoingClient | None = None) -> None:
        """``push_client``: for tests, whose push service is not on a public host."""
        self.settings = settings
        # On SIGTERM, uvicorn finishes the running requests and stops.
        self.on_database_lost: Callable[[], None] = _stop_now
        self.tracing = tracing = start_tracing(settings)
        self.database = Database(settings) if tracing is None else TracedDatabase(settings, tracing)
        self.shield = Shield()
        self.redis = RedisLink(settings.redis_url) if settings.redis_url is not None else None
        topics = Topics(settings.redis_prefix, is_cluster=self.redis is not None and self.redis.is_cluster)
        self.counters = counters = Counters()
        self.replicas = Replicas(settings, self.database, counters)
        self.admission = Admission(settings.max_requests, counters, database_room=lambda: self.database.room)
        self.loop_lag = LoopLag()
        self.memory = ProcessMemory()
        self.bus = Bus(self.redis, counters, heartbeats=topics.heartbeats(), on_gap=lambda: on_gap())
        self.promotions = Promotions(self.database.primary_watch, self.bus, topics, counters)
        announcements = TripAnnouncements(self.database, topics)
        self.leases: Leases = SharedLeases(self.redis, topics) if self.redis is not None else ProcessLeases()
        standing_announcements = StandingAnnouncements(self.database, topics)
        # How long an attempt takes at most is one of the sender's rules.
        self.outgoing = outgoing = OutgoingClient(
            timeout_s=TIMEOUT_S, private_hosts=settings.webhook_private_hosts
        )
        self.webhook_endpoints = endpoints = Endpoints(self.database)
        self.webhook_deliveries = deliveries = Deliveries(self.database)
        self.webhook_sender = WebhookSender(self.database, endpoints, deliveries, outgoing, counters)
        vapid = vapid_keys(settings)
        push_changes = [PushRows.recipient(lambda: push_worker.wake())] if vapid is not None else []
        handover = Handover(self.database, [deliveries.recipient(self.webhook_sender.wake), *push_changes])
        self.webhooks = WebhookManagement(
            self.database,
            self.shield,
            endpoints=endpoints,
            deliveries=deliveries,
            client=outgoing,
            handover=handover,
            wake=self.webhook_sender.wake,
        )
        broker = "redis" if self.redis is not None else "memory"
        new_outbox = Outbox if tracing is None else functools.partial(TracedOutbox, tracing, system=broker)
        self.outbox = new_outbox(
            database=self.database,
            bus=self.bus,
            topics=topics,
            leases=self.leases,
            handover=handover,
            counters=counters,
            find_changed=announcements.find_changed,
            find_standings=standing_announcements.find_changed,
        )
        self.photo_store = open_photo_store(settings)
        self.account_photos = account_photos = AccountPhotos(
            self.database, _photo_processor(settings), self.photo_store, counters
        )
        rules = DriverRules(needs_approval=settings.driver_approval, needs_vehicle=settings.vehicle_required)
        self.letters = letters = Letters(self.database)
        sessions = Sessions(
            self.database,
            self.outbox,
            self.shield,
            rules,
            ttl_s=settings.session_ttl_s,
            max_age_s=settings.session_max_age_s,
        )
        self.throttle: Throttle = (
            SharedThrottle(self.redis, topics) if self.redis is not None else ProcessThrottle()
        )
        passwords = _passwords(settings)
        log_in_rate = LogInRate("log-in", Rate.parse(settings.log_in_rate), self.throttle)
        new_passwords = NewPasswords(self.outbox, self.shield, sessions=sessions, letters=letters)
        confirmations = Confirmations(self.database, passwords=passwords, sessions=sessions, rate=log_in_rate)
        log_ins = LogIns(
            self.database,
            self.shield,
            passwords=passwords,
            sessions=sessions,
            new_passwords=new_passwords,
            confirmations=confirmations,
            rate=log_in_rate,
        )
        accounts = Accounts(
            self.database,
            self.shield,
            passwords=passwords,
            photos=account_photos,
            letters=letters,
            sessions=sessions,
            photo_required=settings.photo_required,
            drivers_wait=settings.driver_approval,
            rate=LogInRate("sign-up", Rate.parse(settings.sign_up_rate), self.throttle),
        )

        email_tokens = EmailTokens(self.database)
        recovery_rate = LogInRate("recovery", Rate.parse(settings.recovery_rate), self.throttle)
        recovery = Recovery(
            self.database,
            self.outbox,
            self.shield,
            letters=letters,
            tokens=email_tokens,
            passwords=passwords,
            new_passwords=new_passwords,
            rate=recovery_rate,
        )
        self.mailer = Mailer(
            letters,
            mail_transport(settings),
            counters,
            compose=RecoveryLetters(self.database, letters, email_tokens, letter_texts(settings)).compose,
        )

        def tell(topics: Sequence[str], location: Location) -> None:
            hub.deliver_location(topics, location)

        self.position_store: PositionStore = (
            RedisPositions(self.redis, self.bus, topics, tell) if self.redis is not None else MemoryPositions(tell)
        )
        standings = Standings(self.database)
        forgetting = Forgetting(standings, self.position_store, rules=rules, ttl_s=settings.location_ttl_s)
        standing_changes = StandingChanges(
            self.outbox, self.shield, standing_announcements, forgetting, sessions=sessions, rules=rules
        )
        periods = Periods(
            no_show_wait_s=settings.no_show_wait_s,
            silent_driver_s=settings.silent_driver_s,
            trip_max_s=settings.trip_max_s,
        )
        writes = TripWrites(
            self.database,
            announcements,
            sessions=sessions,
            acceptance=Acceptance(sessions, self.database.sql, rules),
            drive_ended=forgetting.forget_if_idle,
            request_ttl_s=settings.request_ttl_s,
            open_trips_per_rider=settings.open_trips_per_rider,
            periods=periods,
            has_pins=settings.pick_up_pin,
        )
        pick_up_pins = PickUpPins(self.database, sessions, required=settings.pick_up_pin)
        changing = PerUser("trip", Rate.parse(settings.trip_rate), self.throttle)
        active_trips = ActiveTrips(self.database, sessions, self.leases, rules=rules)
        positions = Positions(
            self.position_store,
            topics,
            active_trips=active_trips,
            lifetime=Lifetime(stale_s=settings.location_stale_s, ttl_s=settings.location_ttl_s),
            limit=RateLimit(Rate.parse(settings.location_rate)),
        )
        trips = Trips(
            self.database,
            self.outbox,
            self.shield,
            writes,
            TripRequests(
                self.database, self.outbox, writes, announcements, sessions, self.shield, tracing=tracing
            ),
            Guards(positions, pick_up_pins, periods),
            sessions,
            standings=standings,
            rules=rules,
            pins=pick_up_pins,
            changing=changing,
            counters=counters,
        )
        self.personal_data = PersonalData(self.database, self.photo_store)
        self.staff = Staff(
            self.database,
            self.outbox,
            self.shield,
            accounts=accounts,
            log_ins=log_ins,
            sessions=sessions,
            trips=trips,
            letters=letters,
            personal_data=self.personal_data,
            reads=StaffReads(self.database, self.replicas),
        )
        self.staff_webhooks = StaffWebhooks(self.webhooks, sessions)
        self.approvals = Approvals(
            self.database, self.outbox, self.shield, sessions=sessions, changes=standing_changes
        )

        history = TripHistory(self.database)
        self.router = _router(settings, counters)
        self.trip_details = TripDetails(self.database, history, positions, self.router)
        self.people = People(self.database, sessions=sessions, standings=standings)

        lifetime = Lifetime(stale_s=settings.location_stale_s, ttl_s=settings.location_ttl_s)
        city = City(
            CityReads(self.database),
            self.position_store,
            lifetime,
            counters,
            watchers=lambda: hub.users_following(topics.city),
        )

        def listen(topic: str) -> Listening:
            return city.listen() if topic == topics.city else self.bus.listen(topic)

        self.delivery_spans = DeliverySpans(tracing, system=broker) if tracing is not None else None
        hub = Hub(
            StateReader(self.database, positions, standings, counters),
            listen,
            topics,
            counters,
            linger_s=LINGER_S,
            max_pools_per_user=settings.max_pools_per_user,
            spans=self.delivery_spans,
        )

        def on_gap() -> None:
            hub.resync()
            self.shield.start(self.position_store.repeat_forgotten())

        self.push_client = push_client or OutgoingClient()
        self.push_rows = PushRows(self.database, sessions, rules)
        self.push_worker = push_worker = PushWorker(
            self.database,
            self.push_rows,
            WebPush(vapid, self.push_client) if vapid is not None else None,
            positions,
            self.bus,
            topics,
            counters,
            radius_m=settings.offer_radius_m,
        )
        session_checks = SessionChecks(self.database, sessions)
        self.live_sessions = LiveSessions(session_checks, counters, topic=topics.sessions, listen=self.bus.listen)
        self.active_trips = active_trips
        trip_drives = TripDrives(self.router)
        self.services = Services(
            accounts=accounts,
            log_ins=log_ins,
            profiles=Profiles(
                self.database,
                self.shield,
                sessions=sessions,
                photos=account_photos,
                photo_required=settings.photo_required,
                changing=changing,
            ),
            deletions=Deletions(
                self.database,
                self.outbox,
                self.shield,
                confirmations=confirmations,
                photos=account_photos,
                letters=letters,
                sessions=sessions,
                trips=trips,
            ),
            emails=Emails(
                self.database,
                self.shield,
                letters=letters,
                tokens=email_tokens,
                confirmations=confirmations,
                sessions=sessions,
                recovery_rate=recovery_rate,
                changing=PerUser("email", Rate.parse(settings.recovery_rate), self.throttle),
            ),
            recovery=recovery,
            push_subscriptions=PushSubscriptions(
                self.database,
                self.shield,
                sessions=sessions,
                client=self.push_client,
                changing=PerUser("push", Rate.parse(settings.trip_rate), self.throttle),
                public_key=vapid.public_key if vapid is not None else None,
                registered=handover.expect,
            ),
            sessions=sessions,
            trips=trips,
            by_ids=ByIds(self.database),
            arrivals=Arrivals(
                self.database,
                self.outbox,
                self.shield,
                writes,
                positions,
                periods,
                changing=changing,
                radius_m=settings.arrival_radius_m,
            ),
            history=history,
            pick_up_pins=pick_up_pins,
            ratings=Ratings(self.database, self.shield, sessions, changing=changing),
            duty=Duty(standing_changes, changing),
            vehicles=Vehicles(standing_changes, changing),
            standings=standings,
            driver_rules=rules,
            positions=positions,
            trip_drives=trip_drives,
            estimates=Estimates(
                self.router,
                positions,
                radius_m=settings.offer_radius_m,
                asking=PerUser("estimate", Rate.parse(settings.estimate_rate), self.throttle),
            ),
            offer_radius_m=settings.offer_radius_m,
            subscribing=PerUser("subscribe", Rate.parse(settings.subscribe_rate), self.throttle),
            hub=hub,
            live_sessions=self.live_sessions,
            topics=topics,
            city=city,
            city_statistics=CityStatistics(
                self.database, reads=self.replicas, retention_days=settings.trip_retention_days
            ),
            city_routing=CityRouting(self.database, positions, trip_drives),
            staff_rights=StaffRights(self.database),
        )
        self.periodic_jobs = PeriodicJobs(
            counters,
            check_active_trips=(CHECK_INTERVAL_S, active_trips.check),
            collect_young=(YOUNG_INTERVAL_S, self.memory.collect_young),
            tidy_memory=(TIDY_INTERVAL_S, self.memory.tidy),
            expire_trips=(1.0, trips.expire_overdue),
            end_abandoned_trips=(60.0, trips.end_abandoned),
            remove_old_trips=(
                RETENTION_INTERVAL_S,
                TripRetention(self.database, counters, days=settings.trip_retention_days).remove_old,
            ),
            remove_expired_positions=(SWEEP_INTERVAL_S, self.position_store.remove_expired),
            remove_old_push_messages=(600.0, self.push_rows.remove_old),
            remove_ended_sessions=(600.0, sessions.remove_ended),
            remove_old_session_changes=(600.0, session_checks.remove_old),
            check_photo_store=(RECHECK_INTERVAL_S, self.photo_store.check_again),
            remove_left_over_photos=(600.0, account_photos.sweep),
            remove_old_letters=(600.0, letters.remove_old),
            tend_webhooks=(TEND_INTERVAL_S, self.webhook_sender.tend),
            remove_old_email_tokens=(600.0, email_tokens.remove_old),
            fill_skeletons=(FILL_INTERVAL_S, functools.partial(fill_skeletons, self.database)),
        )

    async def report_traces(self) -> None:
        """Export the spans that have not been exported yet."""
        if self.delivery_spans is not None:
            self.delivery_spans.report()
        if self.tracing is not None:
            await self.tracing.flush()

    def store_is_up(self) -> bool:
        """Whether all processes share positions and rates. Always true without Redis."""
        return self.redis is None or self.redis.is_healthy


def _stop_now() -> None:
    """Stop this process. The second signal ends the drain that the first begins."""
    for _ in range(2):
        signal.raise_signal(signal.SIGTERM)


def _photo_processor(settings: Settings) -> PhotoProcessor:
    return PhotoProcessor(
        max_bytes=settings.photo_max_bytes,
        max_pixels=settings.photo_max_pixels,
        concurrency=settings.photo_concurrency,
    )


def _passwords(settings: Settings) -> Passwords:
    return Passwords(concurrency=settings.password_hash_concurrency, memory_kib=settings.password_hash_memory_kib)


def _router(settings: Settings, counters: Counters) -> Router:
    """OSRM if ``ROUTING_URL`` is set; otherwise an estimate from the straight-line distance."""
    estimate = StraightLine(speed_kmh=settings.driving_speed_kmh)
    if settings.routing_url is None:
        return estimate
    return Osrm(settings.routing_url, timeout_s=settings.routing_timeout_s, fallback=estimate, counters=counters)


def open_photo_store(settings: Settings) -> PhotoStore:
    """The store of photos that the settings name. Raises: StartError."""
    try:
        return open_store(settings.media_url, settings.media_options, attributes=PHOTO_HEADERS)
    except BadOptions as error:
        # Options may also stand in the query of MEDIA_URL.
        name = "MEDIA_OPTIONS" if settings.media_options else "MEDIA_URL"
        raise StartError(f"{PREFIX}{name}: {error}") from None
    except ValueError as error:
        raise StartError(f"{PREFIX}MEDIA_URL: {error}") from None
