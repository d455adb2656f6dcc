# The constraints are written by hand. Those of tables that may be large are not validated: all older rows satisfy them,
# and to read these would keep others from the tables.
from tortoise import BaseDBAsyncClient

# Statement by statement: each can be repeated, and lets others use its table.
RUN_IN_TRANSACTION = False


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "ratings" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "stars" SMALLINT NOT NULL,
    "comment" VARCHAR(1000),
    "created" TIMESTAMPTZ NOT NULL,
    "author_id" UUID NOT NULL REFERENCES "users" ("id") ON DELETE RESTRICT,
    "subject_id" UUID NOT NULL REFERENCES "users" ("id") ON DELETE RESTRICT,
    "trip_id" UUID NOT NULL REFERENCES "trips" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_ratings_trip_id_7873be" UNIQUE ("trip_id", "author_id"),
    CONSTRAINT "ratings_stars" CHECK ("stars" BETWEEN 1 AND 5),
    CONSTRAINT "ratings_parties" CHECK ("author_id" <> "subject_id")
);
COMMENT ON TABLE "ratings" IS 'What one party of a completed trip thinks of the other: 1 to 5 stars, and a comment for staff.';
CREATE INDEX IF NOT EXISTS "ratings_by_subject" ON "ratings" ("subject_id", "id" DESC);
CREATE INDEX IF NOT EXISTS "ratings_by_created" ON "ratings" ("created" DESC, "id" DESC);
        ALTER TABLE "outbox" ADD COLUMN IF NOT EXISTS "driver_id" UUID,
    DROP CONSTRAINT IF EXISTS "outbox_one_subject",
    ADD CONSTRAINT "outbox_one_subject" CHECK (num_nonnulls("trip_id", "session_id", "driver_id") = 1) NOT VALID;
        ALTER TABLE "outbox" VALIDATE CONSTRAINT "outbox_one_subject";
        ALTER TABLE "staff_actions" DROP CONSTRAINT IF EXISTS "staff_actions_action",
    ADD CONSTRAINT "staff_actions_action" CHECK ("action" IN ('LOG_IN', 'ADD_USER', 'DEACTIVATE_USER', 'REACTIVATE_USER', 'APPROVE_DRIVER', 'REFUSE_DRIVER', 'ADD_TRIP', 'CANCEL_TRIP', 'COMPLETE_TRIP', 'EXPORT')) NOT VALID;
        ALTER TABLE "trips" ADD COLUMN IF NOT EXISTS "cancel_code" VARCHAR(20),
    ADD COLUMN IF NOT EXISTS "vehicle" TEXT,
    ADD COLUMN IF NOT EXISTS "arrived_at" TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS "pick_up_pin" VARCHAR(4),
    ADD COLUMN IF NOT EXISTS "wrong_pins" INT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "pin_locked_until" TIMESTAMPTZ,
    DROP CONSTRAINT IF EXISTS "trips_cancel_code",
    ADD CONSTRAINT "trips_cancel_code" CHECK ("cancel_code" IN ('CHANGED_PLANS', 'WRONG_ADDRESS', 'DRIVER_TOO_FAR', 'NO_SHOW', 'SAFETY', 'ABANDONED', 'STAFF', 'OTHER')) NOT VALID;
        ALTER TABLE "trip_changes" ADD COLUMN IF NOT EXISTS "is_arrival" BOOL NOT NULL DEFAULT False,
    ADD COLUMN IF NOT EXISTS "cancel_code" VARCHAR(20),
    ADD COLUMN IF NOT EXISTS "reason" VARCHAR(500),
    DROP CONSTRAINT IF EXISTS "trip_changes_cancel_code",
    ADD CONSTRAINT "trip_changes_cancel_code" CHECK ("cancel_code" IN ('CHANGED_PLANS', 'WRONG_ADDRESS', 'DRIVER_TOO_FAR', 'NO_SHOW', 'SAFETY', 'ABANDONED', 'STAFF', 'OTHER')) NOT VALID;
        ALTER TABLE "users" ADD COLUMN IF NOT EXISTS "on_duty" BOOL NOT NULL DEFAULT True,
    ADD COLUMN IF NOT EXISTS "approval" VARCHAR(10) NOT NULL DEFAULT 'APPROVED',
    ADD COLUMN IF NOT EXISTS "approval_reason" VARCHAR(500),
    ADD COLUMN IF NOT EXISTS "vehicle" TEXT,
    ADD COLUMN IF NOT EXISTS "rating_sum" INT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "rating_count" INT NOT NULL DEFAULT 0,
    DROP CONSTRAINT IF EXISTS "users_approval",
    ADD CONSTRAINT "users_approval" CHECK ("approval" IN ('WAITING', 'APPROVED', 'REFUSED')) NOT VALID;
CREATE INDEX CONCURRENTLY IF NOT EXISTS "users_waiting_for_approval" ON "users" ("created", "id") WHERE "approval" = 'WAITING';
        COMMENT ON COLUMN "staff_actions"."action" IS 'LOG_IN: LOG_IN\nADD_USER: ADD_USER\nDEACTIVATE_USER: DEACTIVATE_USER\nREACTIVATE_USER: REACTIVATE_USER\nAPPROVE_DRIVER: APPROVE_DRIVER\nREFUSE_DRIVER: REFUSE_DRIVER\nADD_TRIP: ADD_TRIP\nCANCEL_TRIP: CANCEL_TRIP\nCOMPLETE_TRIP: COMPLETE_TRIP\nEXPORT: EXPORT';
COMMENT ON COLUMN trips."cancel_code" IS 'CHANGED_PLANS: CHANGED_PLANS\nWRONG_ADDRESS: WRONG_ADDRESS\nDRIVER_TOO_FAR: DRIVER_TOO_FAR\nNO_SHOW: NO_SHOW\nSAFETY: SAFETY\nABANDONED: ABANDONED\nSTAFF: STAFF\nOTHER: OTHER';
COMMENT ON COLUMN trip_changes."cancel_code" IS 'CHANGED_PLANS: CHANGED_PLANS\nWRONG_ADDRESS: WRONG_ADDRESS\nDRIVER_TOO_FAR: DRIVER_TOO_FAR\nNO_SHOW: NO_SHOW\nSAFETY: SAFETY\nABANDONED: ABANDONED\nSTAFF: STAFF\nOTHER: OTHER';
COMMENT ON COLUMN users."approval" IS 'WAITING: WAITING\nAPPROVED: APPROVED\nREFUSED: REFUSED';"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DELETE FROM "outbox" WHERE "driver_id" IS NOT NULL;
        ALTER TABLE "outbox" DROP COLUMN "driver_id",
    ADD CONSTRAINT "outbox_one_subject" CHECK (("trip_id" IS NULL) <> ("session_id" IS NULL));
        DELETE FROM "staff_actions" WHERE "action" IN ('APPROVE_DRIVER', 'REFUSE_DRIVER', 'COMPLETE_TRIP');
        ALTER TABLE "staff_actions" DROP CONSTRAINT "staff_actions_action",
    ADD CONSTRAINT "staff_actions_action" CHECK ("action" IN ('LOG_IN', 'ADD_USER', 'DEACTIVATE_USER', 'REACTIVATE_USER', 'ADD_TRIP', 'CANCEL_TRIP', 'EXPORT')) NOT VALID;
        ALTER TABLE "trips" DROP COLUMN "cancel_code", DROP COLUMN "vehicle", DROP COLUMN "arrived_at",
    DROP COLUMN "pick_up_pin", DROP COLUMN "wrong_pins", DROP COLUMN "pin_locked_until";
        ALTER TABLE "trip_changes" DROP COLUMN "is_arrival", DROP COLUMN "cancel_code", DROP COLUMN "reason";
        ALTER TABLE "users" DROP COLUMN "on_duty", DROP COLUMN "approval", DROP COLUMN "approval_reason",
    DROP COLUMN "vehicle", DROP COLUMN "rating_sum", DROP COLUMN "rating_count";
        DROP TABLE IF EXISTS "ratings";"""


MODELS_STATE = (
    "eJztXe1z2jwS/1c0fLl2Js00NGl76c3N0EBa7kkhR0j7vPCMEViAL0amtilhnuv/fruSjN"
    "8dm0ACnD+0wZJWkn8rS6vd1eqvytTSmekct+fuwLpvcNdeVs7JXxVOpwx+JGUfkQqdzfxM"
    "THDpwBTlLVFQlBk4rk2HLqSOqOkwSNKZM7SNmWtYHMvWyHBC+ZgR1yKUc2vOh1BqYRuuyz"
    "gxOHEnkGdT7kA1QEOskUhSVJTrBNpnLtOJBaTEcMmCOmQ2H5iGM2H6MXZDt4bQD4OPn6TF"
    "Hu/xGrGtBUEAHbKYUFdR60eEW66ojrMFcVzqsnPx6CwYmxGbUd2Rz5hFqCzrGlPmdUMUhD"
    "b6/ZFlT5mt6bbxA/4Yer9PDEksk+Cnol+9sHUH1YzUGxqzD0TUos0sywRqhy6xtwyy7R4P"
    "EEK1wD3Lf0fETjbieIhhHcekcQ+gmUtARnS438dmRN+O4MFhjgOIyr4ikP1+oPc9Du04zP"
    "0QTj73uhR8tSldkgE2MWI2dgdaccgE2KBwFmyfc+P7nGmuNRb0wPw//oRkg+vsnjne4+xO"
    "GxnM1END3tCxApGuucuZSPtojJvcvRRlcVANtKFlzqfcLz9buhN4PY/A4C6mjhlnNnATW3"
    "DtOX4EfG6a6mvxvgvZWb+I7GWARmcjOjfxU0Jq2QE/raJprXZXu2l0Na0S+8w8isB3oJKG"
    "FsdPFLrqCADG2IVXf69W37x5V3395u37s9N3787ev34PZUV/41nvfsrO+GjJqgRmzU/NVh"
    "c7ZME8IKcHTPgpaKhLJZVgho++GjRxFtzeNuvJDAiQRLgwnxv6MRJGeeEhH2CGgnrFC6+I"
    "zwx/GnsCbmQAe/G51nnx5u1L8cKW445tkSkQEuj6aEbniSKwJtGW+MbwFTNowowBqYzyVG"
    "hXZBFIByr5ATRjU0ceOFcpT4vnx3b7CmueOs53U84MkWmhdfvlY6Pz4kRADoUMNzRb+Hj7"
    "q0iRkRymKsdwGNO1JodyVshAdAiyHL5xDM86JKNAl4xpgCyCqK7ojr0f25ohngfabvNL46"
    "Zb+3IdmiXqtW4Dc6oidRlJfSE54c8hq0rIt2b3M8FH8nu71Yjya1Wu+3sF+0TnrqVxa6FR"
    "PYiJl+wl/UR5cXQXkFkwYUCHdwtq61osx6paaWXjWdPqNJpCOR0LJiGa2E+1E+tQV6Ic26"
    "OpnMztmS3KOPn2Z99wD4HS/Iza7hJlekqG1nQmN0AodYFYbvA7x9ufWChqn5MT3CKc4TbG"
    "do6ErC/opoy7BFY+zBiN4puz7TeXsCn4Q0iPFcnwiWVX/iy3CfuwTRDcjjPgZkpNM5UFK6"
    "KHubAHE6pixJvqu7cr6PEhC+ybL7Wrq7hYpT6XOJ4XE2qnLFY+SQRN6OP+Lfww4d5rJuNj"
    "dwKPJ69fv85A8WutI6QBLBZZhVoqr6oyS8Hg4AWDIIPlIlJQlg4RPUKW3iPGFhCmnfngP2"
    "zoFt3yhahKUCOgPpuW7XDgjO0HwujGob20bGaM+S9sKQBuQj8oH7IEQJVA31XV7Cekfqq/"
    "2tt0sZKkgwMK3l3aVQTutZuLWr1RSZhYNwDqrcPyiCf7CmpoLQnB2oHFrdO86FaSZtcS2I"
    "eADS8oKcg+j0rgRqo3Kwk6AS/rKEspoNSjObUCNWJa41fC8gf7dbS7oVmTAff0Y9JF66J1"
    "h8ZU12HmCM2HmO24MJz0I9jem0vMIjefa6+qZ2/Jiwm7f5lkqN1OIxs2C6avlptfKB/e9F"
    "f+MZpzabcWLeF/p/+s7NzKeZRl/kO+asDwSZHNaJhqrf3ojilZQtvRt6c5NqNvT1O3ophV"
    "bkQfBh1dMNoweShm78nGVI3LzH3p3CnObI+m5PSecbqo/iFAUu7ssnd2cyXklrJylqwcGF"
    "DJO7tnkpPREFQbummyciA7W17Ggpr0EMwpNLc5I75LISVTNh0wG3+LyvL4IKontG9xhn5w"
    "1HTRAS4uPG+zMXRw7PclAshmxNB3PsQU4fkovRfxP1ggzr1WDBN6YJimco4UroPMdrChka"
    "uc/OhwaM25CzX2uPK1PEanQOYCuWyJoq8kUIGkb3uOi1R6YrL7mWW7pQ/gfhv3aII+IltW"
    "oUmGqEOQVPZEMslnHFnNrfF9XYPPp7HFM8ziFfVm9nfbYWzlqv1Ja7bOifzb47V6Xbu9aX"
    "TOiferx+uN2kW3+RV4orIiCT3eiZboREvUrq877a8Nrd5pfhW1h56xhksouMoOPcpedTvN"
    "a9kr/NXjF7XWReNKJQceIKf95fqqAU2rvOBjjzd+vW53uudE/o2uRnn2t9U8xtZquqm1Gj"
    "O0hheoIqqEOOUuD7d17dtnuczbZxnW7bMY5nKJLoK1T/F0GFe2pQ8LI3yWy4HgLMN/4Czu"
    "PiDHZkFDaICm3N3tihl0x7xfNoPms6keDgbNDM2D+I5L1cODZrrAdJfD/Pm0+pzdHKdrq3"
    "OSIX1a54c9hTTN9+G5TckC9QTdmMeNdKWYOIaZXxlmGzrkjGxrSmwGrHNc9OJmPEWdlV4c"
    "FVJoEB4ZNiROjTG6uFucSFOVUg11Ldu1DIeRIZ76dVFNBBOvc65OyLLhHQkw8khqpqjtGt"
    "Qkcmj1uBhRUqlFTdNaoB5KnUi1lMLthzxaK53Qg3UoldPKcX3GuDy3qvRpM2N4p81n2pCZ"
    "pq9N+/yGYIJHhYVezWeyd3dsKZzbR1A14BSoknBG7VXfjkkTdWmkBX3s8YUBn9rchZe1bC"
    "BDgGRnDY6HlqGDpi4PD0vNoFyoVSfHUB/XcJxpgyX0cgKFZUcNffVq3sngxcQiY4qAqPPG"
    "BAmPiMMAE/ycyWBJnBkdMsmFJaE2dBDtMgR76dMpJaWDWkXoI1RhKS5wwn6gkz8wFf7Z9h"
    "ILTlVvf7CJATJ19GD03xxUTdLhkM3EBASvT/r9r7LwV2rOkYI65F837RbqHRe2xcfazOAO"
    "pAvNpKxNpGMHBVeDPISyeJ7awPPhWNKkMC5NC19+Aa1McNSKTiAJ1zCH6RpUjOrN9GMK+A"
    "WINQb+TmeWy/hwqcEoeNyBhdKBYdMODKVl/cC1mPOZvg6DA2Qlg3eawbh+JeqpU60/AYqn"
    "O1l0siVWKhNQ9eT03en7N29PV5afVUqWwSfhyLZL3XnCUa18Wn+fepfVsCC3//sWBl6jjp"
    "p29bPHYSR2RJr60ePNlnbdaX8CMf/mnAQefB173dev1z2d/JVI9X4KjXuzg2nqxzo695Nq"
    "Hg1wNV0BXI1qJz0BCD41FK6LKIITSHeZ3WvqhKtnZ3nsHGdn6YYOzIue3rdmmoX+CMVhT6"
    "Itcc+HuzdkzSRj9aVp0ZS1IkIXgXuEhHur9kiCt96+/XjVINedxkXzptluhdd7kYlJftCP"
    "TqN2lYa1PN5eHGtJV2JdAGvUPMTBzvKBiVKuJQrtGNhP6Q+TMKcXnVyihOWIzzHifdAKTi"
    "9RwhLtHGiz+5kBsoZW3McrTLmBTfT+AL93e+ghbuZMTfppFhFJY4SHF1xiK64hCrehpad4"
    "Oz281Y5UscPAo3629alR166vai3YSIcee/xbp936pNXqdbnNDj32uHSB07rttnZZQ9+70H"
    "OPt9razef2t3OifsA2vnbZ6P4Gu3jxt8drH2utOnw4sAFf/RSb/ctLsdW/vOzxdvczut2J"
    "P+tszzfvEqcMIvHR0WX3qXqtFckOj4aNTLCNX7uhudVD8sWX2q8vQ/PrFYwmr3gA+Yur9s"
    "cI4tRGk5O+xlIXpiyXul1e6gJ2v3VUXorsEL6v8AyW58xq+pHV2IlV3xBbQDEfJno63fzr"
    "bSG8Yd181ABddJ5Koi9nq12erUJOHEVkgRjhAbhsP7VAEHXdKLBcJJAe3pJxUn2fyyj1Ps"
    "Mq9T5uICnDG2/Wz1u4IhUENEhTHkPIdvVeuXqVrt5ZPrTBIZXDL1l+0k8H625++g+iGpr5"
    "CvsmBwaxH2k6YkJShJe/dJhJU850xkJaH8gYTjgP62jWSEs53VEEq0j4gsMYnWEdp7jf55"
    "FDCj3ZL0RFhzSstn0mQCGWcjLAxzP7fIAW4GC+YwLqEioRxkK61mfErhBe4VOqi3u5csbJ"
    "2GQDnuO5cAZc3XIlPdjw0UaHcMthgWgXsnl0NMdDNlBI1f5BOOyTKYPGpfv70nGFb3u/bz"
    "ia0A9SEy/IClyMZTMZ/IKobP8cguwD/lnKcBoBXf+qo9LmEuooerZTIgvLD0vE3AC0YDuI"
    "xw5C3v0Px9j3HCXLIPs75HeQ7su+J56w2+dD6QxbOsMWc4YtQ9gcpPpUXTGZqDvNaWUP1b"
    "Db33GzLkLH4B/Pbu7Zy6P27pvf4Cv/Ao/i71rfYL4bNzLu24h+g76glCBEZF3PFyYsL+gr"
    "cEFf6YdS+qFk+6EU9wkrncEKOoOVt3uUcW12Cs0MY0d5V8pj4oUk3pVSBrXZSFCb54nAcs"
    "tthhfbA2v064nlWpUEpWu80FGW7nUeKK7NsHzuuz5Eaan4xMi7A4weAgkD5t+2YasEm02t"
    "H0l61rVq8eK62NYCaTyt7ICNLFsG1hCVSh2nChScqrNF5xXHJ8KmKPdCDasQKT3utUHHMG"
    "5S63LpXaguEZQmWFu/r1vWlOmoneXWKqAxRikZM1eojrGBx4YoLhrYcrPhLHfodoyTvHc1"
    "Zl3V+PKh+0YNNVcWUemsiEqtzk5rdeT3WlBJ4BOVCoIHFAQx8e+ZllZHzLDx1VQJOhkLKJ"
    "TIu2SuVgJpVBReKri8eRG5Poi1w4aRpcyHyiiasG6uXZW0RHpBjNFh0I+DBevnlMw5ViXj"
    "UWGiiNkPBeRgJC+GFM2UsLLecgMVMZJqhOHB9JdizQ014NzhAiyMh1AJ+z6npohO5sX5px"
    "gBy7oj1DTu2Ad8G4GoXDvVkm6gaXWJIsDUcGDmHH8QUbVwjfXC/ste8sDiK8QHeT+AkABk"
    "ycWE8dBlAng1gCpxrjBbCGuocwQNDin0psdl9DQhKaGAYLiQN3fFRWLylgJ4KVwfxCvaAJ"
    "AUUtojL+jZOfQDZcm5u/T6Ia5BYEviUEMXkcCOoAyMM9sS5ltZQjh/EN0AMUiEPvNLaJ5N"
    "9kMspFl22DLpfaM586nPeHjworSJi7DxYVVS4ARlldtOeVnarmyds4SSdeKbl5HNi0c2D0"
    "6k62D9KI/tXRa9T3OhfZqB9mkG2t6qshbkQeLDUxtv/kbAGXWchQUiVtG7F2OEBzirbCWC"
    "kIhYqxWdv8NUB4j1VmZwFL0KQx0iKpHOhzTuRta1/Hq0u4x1plfEbvg9zDyNcO4p3CM4vI"
    "Vyg8rBkGNJmsP+A24lK7JSZ1TAqQT9cUR49eKA+3RPiLgnkO8t4GUQ66SJ5XAvDVa6saL8"
    "DpCVp/532cChtJIFp88AVTl55p88PeXtulJwkP4JgyyoCyTrBVWglW+1ZrfZ+nRO1I/V1Z"
    "T11aWUde86yrp3EeV6Xvobl5QjevYiMnMC6eFJz1vxTiwDkT113BHfGhQHPfUoV5iojJ0U"
    "neaDhrPisK7ISmALegjEQgxoIjRRgmxTBhqIAGWzIcO4giVW6Vg5zMETrI+MMnAjazlYkM"
    "Qtmyp+xSORKhS2Yi/RKuN8FMNLOOJo1NHSQvYUjfdx6DilBIzaAkx7+f1FQ488DqXcwWP2"
    "ZUht0+WyxmxjOKkkOF2qnKMst0vql3nI7zIdhg17sf2/hB555D5pjaAi6bqW9KgiO2Ua3i"
    "XnEvyoCiCsih8gulsxAEOLLkva9qP/bYptzCeJ2kqMoUv+S0zD2ccIORngIhjZuqyo2uoo"
    "bPrACj4+9/mBn/8D/TvU+w=="
)
