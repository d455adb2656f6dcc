# Check constraints and partial indexes are written by hand: Tortoise cannot express them.
from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "outbox" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "trip_id" CHAR(36),
    "former_driver_id" CHAR(36),
    "for_pool" INT NOT NULL,
    "session_id" CHAR(36),
    "created" TIMESTAMP NOT NULL,
    CONSTRAINT "outbox_one_subject" CHECK (("trip_id" IS NULL) <> ("session_id" IS NULL))
) /* A change to announce, written in the transaction of the change and deleted once it was published. */;
CREATE TABLE IF NOT EXISTS "users" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "username" VARCHAR(150) NOT NULL,
    "username_key" VARCHAR(450) NOT NULL UNIQUE,
    "password_hash" VARCHAR(255) NOT NULL,
    "first_name" VARCHAR(150) NOT NULL,
    "last_name" VARCHAR(150) NOT NULL,
    "role" VARCHAR(10) NOT NULL /* RIDER: RIDER\nDRIVER: DRIVER */,
    "photo" VARCHAR(100),
    "is_staff" INT NOT NULL,
    "is_active" INT NOT NULL,
    "created" TIMESTAMP NOT NULL,
    CONSTRAINT "users_role" CHECK ("role" IN ('RIDER', 'DRIVER'))
) /* An account: a rider or a driver, for good. */;
CREATE TABLE IF NOT EXISTS "sessions" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "token_hash" VARCHAR(64) NOT NULL UNIQUE,
    "created" TIMESTAMP NOT NULL,
    "used" TIMESTAMP NOT NULL,
    "user_id" CHAR(36) NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE
) /* A log-in that has not ended. The token itself is not stored, only its SHA-256 (hex). */;
CREATE TABLE IF NOT EXISTS "trips" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "created" TIMESTAMP NOT NULL,
    "updated" TIMESTAMP NOT NULL,
    "version" INT NOT NULL,
    "status" VARCHAR(12) NOT NULL /* REQUESTED: REQUESTED\nSTARTED: STARTED\nIN_PROGRESS: IN_PROGRESS\nCOMPLETED: COMPLETED\nCANCELLED: CANCELLED\nEXPIRED: EXPIRED */,
    "pick_up_address" VARCHAR(255) NOT NULL,
    "drop_off_address" VARCHAR(255) NOT NULL,
    "pick_up_lat" REAL,
    "pick_up_lng" REAL,
    "drop_off_lat" REAL,
    "drop_off_lng" REAL,
    "expires_at" TIMESTAMP,
    "cancel_reason" VARCHAR(500),
    "given_back_by" TEXT NOT NULL,
    "idempotency_key" VARCHAR(128),
    "driver_id" CHAR(36) REFERENCES "users" ("id") ON DELETE RESTRICT,
    "rider_id" CHAR(36) NOT NULL REFERENCES "users" ("id") ON DELETE RESTRICT,
    CONSTRAINT "uid_trips_rider_i_5cf048" UNIQUE ("rider_id", "idempotency_key"),
    CONSTRAINT "trips_status" CHECK ("status" IN ('REQUESTED', 'STARTED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED', 'EXPIRED')),
    CONSTRAINT "trips_version" CHECK ("version" >= 1),
    CONSTRAINT "trips_driver" CHECK (CASE WHEN "status" IN ('STARTED', 'IN_PROGRESS', 'COMPLETED') THEN "driver_id" IS NOT NULL WHEN "status" IN ('REQUESTED', 'EXPIRED') THEN "driver_id" IS NULL ELSE TRUE END),
    CONSTRAINT "trips_deadline_while_open" CHECK (("status" = 'REQUESTED') = ("expires_at" IS NOT NULL)),
    CONSTRAINT "trips_pick_up" CHECK (("pick_up_lat" IS NULL AND "pick_up_lng" IS NULL) OR ("pick_up_lat" BETWEEN -90 AND 90 AND "pick_up_lng" BETWEEN -180 AND 180 AND "pick_up_lat" IS NOT NULL AND "pick_up_lng" IS NOT NULL)),
    CONSTRAINT "trips_drop_off" CHECK (("drop_off_lat" IS NULL AND "drop_off_lng" IS NULL) OR ("drop_off_lat" BETWEEN -90 AND 90 AND "drop_off_lng" BETWEEN -180 AND 180 AND "drop_off_lat" IS NOT NULL AND "drop_off_lng" IS NOT NULL)),
    CONSTRAINT "trips_addresses" CHECK ("pick_up_address" <> '' AND "drop_off_address" <> '')
) /* One ride, from request to end. */;
CREATE TABLE IF NOT EXISTS "aerich" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "version" VARCHAR(255) NOT NULL,
    "app" VARCHAR(100) NOT NULL,
    "content" JSON NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS "trips_one_active_a_driver" ON "trips" ("driver_id")
    WHERE "status" IN ('STARTED', 'IN_PROGRESS');
CREATE INDEX IF NOT EXISTS "trips_open" ON "trips" ("created" DESC, "id" DESC) WHERE "status" = 'REQUESTED';
CREATE INDEX IF NOT EXISTS "trips_deadline" ON "trips" ("expires_at") WHERE "status" = 'REQUESTED';
CREATE INDEX IF NOT EXISTS "trips_of_rider" ON "trips" ("rider_id", "created" DESC, "id" DESC);
CREATE INDEX IF NOT EXISTS "trips_of_driver" ON "trips" ("driver_id", "created" DESC, "id" DESC)
    WHERE "driver_id" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "trips_active_of_rider" ON "trips" ("rider_id")
    WHERE "status" IN ('REQUESTED', 'STARTED', 'IN_PROGRESS');
CREATE INDEX IF NOT EXISTS "trips_ended_of_rider" ON "trips" ("rider_id", "updated" DESC)
    WHERE "status" IN ('COMPLETED', 'CANCELLED', 'EXPIRED');
CREATE INDEX IF NOT EXISTS "trips_ended_of_driver" ON "trips" ("driver_id", "updated" DESC)
    WHERE "status" IN ('COMPLETED', 'CANCELLED', 'EXPIRED');
CREATE INDEX IF NOT EXISTS "sessions_of_user" ON "sessions" ("user_id");"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE IF EXISTS "trips";
        DROP TABLE IF EXISTS "sessions";
        DROP TABLE IF EXISTS "users";
        DROP TABLE IF EXISTS "outbox";"""


MODELS_STATE = (
    "eJztXG1T47YW/iuafGJnWGYJ4aX0zp0J4N1NCwk3hHanpeMIW0k8OJJrKQ2Zlv9+z5HtxK"
    "/BZgkEmg8tztE5svycI+nRkbR/18bCZq7c6UzUrbg3uPJntWPyd43TMYOHvOJtUqOetyhE"
    "gaK3rtYXWlHr3ErlU0uBdEBdyUBkM2n5jqccwVG3SawR5UNGlCCUczHhFmhNfUcpxonDiR"
    "pBmU+5hGrAhoiBFoVWlNsE3s8Us4kAU+IoMqWSeJNb15EjZu9gM2xhQTscPnyRN97wG95S"
    "BNGTZDqiKjS1twlnfzEfLCSRiip2DMVCi+SUMU8SSlw2UB8FiqK2Sf12rR82hcMr+v2B8M"
    "fMN23fAW3Tsft94gS6gQge4dWxlish7qCGQfiBjvcj0bWYnhAuWEs6w/YyKPZveFCJjABB"
    "HTJi1Mc2OGqHGPcAjzsDDHSz+n2sMWgGQtTvSyYlwDdvmWRKO2PCnT8nzFRiqN8ELvn9Dx"
    "A73Gb3TEY/vTtz4DDXTgSiY2MFWm6qmadlJ86wxdVnrYuuvjUt4U7GfKHvzdQI2hEZOFyh"
    "dMg48wFTfIPyJxiafOK6YQxH0Ro0dqEStDJmY7MBnbgY4GgdNGAhq5lmu9Mzr4yeadYywR"
    "9ZxKIzFFmCY8eBpkoNwBCb8PGHen1v77D+ae/gaL9xeLh/9OkIdHV7s0WHD0FjFmgFVWnM"
    "Wl9a7R42SEDvDDotCh60DVU0sNLOWKAfOjjrguvr1lm+A2ImKS9MJo69g4ZpX0TIx5wRQj"
    "33RaSycMZicHkBbywB9vRrs7u1d/BBf7CQaujrQo2QRneBZrr7VoE1z3aDbwZfPbDljBgg"
    "ZZQXQjs3S0F6G4ofQTMzdJSBcy55WTxPOp1zrHks5Z9uMDKkhoX29cWJ0d3a1ZCDkqMSo8"
    "UC78VwXyWSk1abGE5iavlMf3EG0DMQK2fM8kGNmaUQtUO7nehhVfH8OtD2WhfGVa95cZmI"
    "6bNmz8CSupbOUtKtwBOLiJ9XQn5t9b4S/El+67SNtL/mer3fatgmOlHC5GJqUjuOSSSORA"
    "/IbgZ3sRkWBbfUuptS3zYzJaIuinSzReP6OC2hnA61kxBNbGfI5q+CnpdH9KOipSQ/7Lmy"
    "LM13xfCj5pJASkfAl7lQhEEE2Tukh3xU3CH7VpK5A2SLWCyV8JE1Cw48E0nz1dfmx/r+Ad"
    "kasfsPecx+NS95ZsZaPBp+9yj4BNpa+88AVhl6oaPfhP9r/Le2huPiEmaKfjXB4aMs2qcj"
    "6heQ04RVCnVo9GrwXuUyYUzvTZfxoRrBz4PGErB/aXY13geN1OjXDkvqumgzHT0OOnyd3Y"
    "HBI3T2G5mewrjMzE5xf09kdWdHNhtPvzFPV12Dxkyec8JaX3L5yPyUoXVJdLPQfgbe4Qz5"
    "z2ymAW5BOyi3WA6gIS27Dqt5m5AupIuY9Ol0zpniAQXfHqRYNe7Nq9PmmVF7eB2e3INPzi"
    "PJWr6UIWPyqyQ97nBGfMeGkoEvxsRn4DmpMEMN7DVLdJerY/75V2TAPeEr4UhGLMwlAxO+"
    "9yBmde6Z2/PM7sDxwXbsDCGmoDnHYcqYWXck5sntIAtMfeVQlwSxdcN1SAV0m7qumGIGO8"
    "w+Y14YE+h/BbnmbZ0VjtcR0ucovS48oOYaMv0B/f4QTLmJTjRvZ/0+GQlwl1Z17LlVlKWe"
    "jgQZUnxXmNsmaLhNJIPXYV8htzMiPWoxqT9wRqgP7ccRnUwdNVrYhahI8DbxxRSqEOEHcs"
    "KgRQrRhP98f4aK46IVwu819JDusPB37AnFuDUz79is9sdm9bBOq4cNrX2HWZYEu/Hspzg4"
    "ZrZx8Fo7GKeAMGGVdHDhzmDM4vHtwefy5u6qFibB9mB9t3HYONo7aMx3BeeSZZuBOal8Rd"
    "VE5qdSDD4ZZ/hqMqU/t36elMpq+kmta/zvGgLPODsm88cbDpHY1bLw4Ya32uZlt/Ola1xd"
    "HZPYjxt+2rm4PDe09vwRpM32qXF+rqXR4w03vl22uigLH9KUrkxCZ7deIqGzWy9M6GBR0t"
    "GeA+Rq4mFXQ2JYJXmWY7rO7n5iDq2+v18Cc9AqBF2XJVG3feGZYjB4Cux5thvcy+EehaxL"
    "Vc5q3BW0YK5I2aXgHqDhu9qgPOtcn5wb5LJrnLauWp12cr7XhcnN4K7RPC/CGprwJKwDuw"
    "3WJbCejwlVAzttuEG7EtoVQzttuEG7BNrs3nNgnjPzInv56i1p+QwLuLcD/Jtbv1m4kHBN"
    "n1GZt4orpkMZwydxoTXzbJIK7X/6VIIKgVYhFdJlyW6VyK1mAe+x+4JBLGP4cuSz9gpZxZ"
    "7xrZfoRBGqWxfNbx8SHem80/4Sqce8cHreOUmBn04HV4j3HNP3F/G79aNSC92jJSvdo+yi"
    "6wnnbDcHbJccTtTbGxUBjdtsdo2X7xrPt48228bLto3jIZXYN+4CLem2Tnu1nHHg5WBdz6"
    "7/KKqJka8A1tfZj9e45+zHR/4o3o/HAwZlj6tyQi1LTLg6JlRvtftE+PPN7W0ygF9DIfKu"
    "l5U2Dba5sVX4KTifL65w4Q0PMuFoPB05VrA/jWqoEAQT2bKoDO6jXXPHgu8NrAbCtZn94U"
    "es3BsJJYJaaWgeXufCguDs6+aI67pMBttLNqmjMKnCFuM27zBJvLtfZmUEWsU8cT+zMop3"
    "x6dg/V20fJ2PEzdKod1YgnYji7ZHpZwKmBKqnt3OGL7D+F7JJog+7WVWHUmSVu8Q65WMJS"
    "59AtQJow3S5ZD2hVsA8uPnFSLbdca61m2dGd1jov/c8LNu6xf8GfxNU9BSXijlhCU+yA7l"
    "yCgrDeGRwTvMYJXK2e4uydnuZnO2jjQhggeDLMZLLzTHzTYXmitcaAbggvPL1QFf2L0g4h"
    "E1fLOAb87hvv9LRxUuP2f+aYGcg1InoeXnn7vM1dcXihN2sVvNbywGipJ2id6jr06YVJpF"
    "Gc4qWEWXW97WJFwNp4L8+gpgejPxtMq8bZP5jjWq5WRuw5LtZblbutB5LHlbDMMzJzn/Lf"
    "/s1HeeKy/OaRYe2y9eNBSf21+r9do6ZXywU1VAOFR/h+iuZFUGb1SM55xO++mq0y4grAuT"
    "NGF1LEX+Ia4jV3YH5XV2wRGMBCvNnKNJH5lJ0U2s4CRvv/wlNyEf/g8768/m"
)
