# Check constraints, the partial index and the first line of every history are written by hand.
from tortoise import BaseDBAsyncClient

# Statement by statement: each can be repeated, and lets others use its table.
RUN_IN_TRANSACTION = False


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "trip_changes" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "version" INT NOT NULL,
    "status" VARCHAR(12) NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "changed_by" VARCHAR(10) NOT NULL,
    "trip_id" UUID NOT NULL REFERENCES "trips" ("id") ON DELETE CASCADE,
    "user_id" UUID REFERENCES "users" ("id") ON DELETE RESTRICT,
    CONSTRAINT "uid_trip_change_trip_id_6559be" UNIQUE ("trip_id", "version"),
    CONSTRAINT "trip_changes_status" CHECK ("status" IN ('REQUESTED', 'STARTED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED', 'EXPIRED')),
    CONSTRAINT "trip_changes_version" CHECK ("version" >= 1),
    CONSTRAINT "trip_changes_changed_by" CHECK ("changed_by" IN ('RIDER', 'DRIVER', 'STAFF', 'SYSTEM')),
    CONSTRAINT "trip_changes_user" CHECK (("changed_by" = 'SYSTEM') = ("user_id" IS NULL))
);
COMMENT ON COLUMN "trip_changes"."status" IS 'REQUESTED: REQUESTED\nSTARTED: STARTED\nIN_PROGRESS: IN_PROGRESS\nCOMPLETED: COMPLETED\nCANCELLED: CANCELLED\nEXPIRED: EXPIRED';
COMMENT ON COLUMN "trip_changes"."changed_by" IS 'RIDER: RIDER\nDRIVER: DRIVER\nSTAFF: STAFF\nSYSTEM: SYSTEM';
COMMENT ON TABLE "trip_changes" IS 'One change of a trip, written in the transaction that made it and never altered.';
        ALTER TABLE "trips" ADD COLUMN IF NOT EXISTS "pick_up_cell" BIGINT;
CREATE INDEX CONCURRENTLY IF NOT EXISTS "trips_open_by_cell" ON "trips" ("pick_up_cell") WHERE "status" = 'REQUESTED';
DO $$
DECLARE
    batch UUID[];
    last UUID := '00000000-0000-0000-0000-000000000000';
BEGIN
    LOOP
        batch := ARRAY(SELECT "id" FROM "trips" WHERE "id" > last ORDER BY "id" LIMIT 1000);
        EXIT WHEN cardinality(batch) = 0;
        INSERT INTO "trip_changes" ("trip_id", "version", "status", "at", "changed_by", "user_id")
            SELECT "id", 1, 'REQUESTED', "created", 'RIDER', "rider_id" FROM "trips" WHERE "id" = ANY(batch)
            ON CONFLICT DO NOTHING;
        last := batch[cardinality(batch)];
        COMMIT;
    END LOOP;
END $$;"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE "trips" DROP COLUMN "pick_up_cell";
        DROP TABLE IF EXISTS "trip_changes";"""


MODELS_STATE = (
    "eJztXG1T4zgS/iuqfGKqGGoIL8MyV1cVIMzkFshcCLtzu2wZYSuJC0fKWsqG1B7//bplO3"
    "43doYwCecPELullltPt+RWq+W/G2NhMUfudKfqXjy2uXLnjWPyd4PTMYOLrOJt0qCTSViI"
    "BEXvHV1f6Iq6zr1ULjUVUAfUkQxIFpOma0+ULTjWbRFzRPmQESUI5VxMuQm1Zq6tFOPE5k"
    "SNoMylXEIzwEPEQJN8LsotAs9nillEACuxFZlRSSbTe8eWI2btoBiWMEEOmw9f5Ym3/JZ3"
    "FEH0JJmNqPJZrW3C2V/MBQ5JpKKKHUOx0CQ5Y2wiCSUOG6j3AkmBbFI/Xdf3ReHwiLu7gX"
    "DHzDUs14bahm3d3RHbq+uR4BIeHZFcCfEALQz8DtqTT0S3YkyEcIBb0jnKy6DYveVeIzIA"
    "BOuQEaMuymCrHdJ+BHicOWCgxbq7wxY9MRCiuzvJpAT4FpJJprQyptz+c8oMJYb6SaCS3/"
    "8Ass0t9shkcDt5MAY2c6yYIdoWNqDphppPNO3EHna4Otd1UdX3himc6ZiH9SdzNQI5Agab"
    "K6QOGWcuYIpPUO4UTZNPHce34cBaPWHDKp6UER6LDejUQQNHbk+AkNYwjKtu37hu9w2jkT"
    "L+gCNinT7JFBwHDogqNQBDFOH9T83m3t7H5oe9w6OD/Y8fD44+HEFdLW+66OOTJ0yIlteU"
    "xqzzuXPVR4EEjE5v0CLhSfNQRT0urYwQfV/BaRXc3HTOshUQYUloYTq1rR1kTOoiQD6iDB"
    "/qhS6CKqEywsnlFbRRAOzpl1Zva+/wne6wkGro6kKNkEY3RDM5fKvAmsVb45vCV09sGTMG"
    "UBnludAu2BKQ3vvkZ9BMTR1l4FxQXhfPk273AlseS/mn480MiWnh6ubypN3b2tWQQyVbxW"
    "aLEO9wuq9iyXGu2objmJou0z1OAXoGZGWPWTaoEbYEopbPtxNcrMqefwy0/c5l+7rfuvwa"
    "s+mzVr+NJU1NnSeoW54mQotfNEJ+7fS/ELwlv3Wv2kl9Ler1f2ugTHSqhMHFzKBWFJOAHJ"
    "Ce0LsZPETesEi4p+bDjLqWkSoRTZFXN100bo6TFMrpUCsJ0UQ5fW/+2ht5WY5+UFTo5Psj"
    "V5Z18x0xfK99SXBKR+Avc6EIAwuydkgf/VHxgN63kswZoLeIxVIJF71mwcHPRKf5+kvrff"
    "PgkGyN2OO7LM9+NQ95YY81fzb87llwCbe18Y8BrDL0Qkc/Cf/t/7OxhvNigWeKejVA4aM0"
    "2qcj6uY4pzGuBOog9GrwXuUyYUwfDYfxoRrB7eF+Adi/tHoa78P9xOx35Zc0dVH9OnoedO"
    "id1YXJw1f2hryefLtMvZ2i+p7K6soOeGpNb5imq65BIywv+cJaX+fymfdTyq2Lo5uG9hz8"
    "DnvIf2ZzDXAH5KDcZBmA+m7Zjd/MZkIaUkObdOls4TNFDQr67oVYNe6t69PWWbvx9GP85D"
    "50OctJ1vRCDxmDXyXd4y5nxLUtKBm4YkxcBpqTCiPU4L2mHd3i6hh//hU94L5wlbAlIybG"
    "ksETfpyAzerYM7cWkd2B7QLv2B6CTYE4x37ImJkPJKLJbS8KTF1lU4d4tnXLtUl57jZ1HD"
    "HDCLYffca4MAbQ//Jizds6Khxtw3efg/C6mIBrriHTHbi7m9jmgzGdGCZznDC2/WWPICHg"
    "wkrvp9D6/ZzMRrY5IkHcemD7zwsbJtQVU486/kSuQMJbPrNhqE0VdFW4ls1hWElPVEDHxQ"
    "4Jx/Ji6R5a3gToiziER3ED7cy4n4OMI6jsiWlbi44FAs1GggwpwuGH3wkybhPJABEcztgH"
    "OaEmk1oHcxAXBMSXDkEpQz5fcRIMEmWEJoSvA04YSKRQ4fDnunPd17xFzO8NNCI9p8DveC"
    "IU4+bceGDzxh/1AmedFji15/0GA0ExB2xiLaPgCFut4LVWML4C/JhaXMG5m5cRjud3MF9K"
    "m7urWjt5O5jN3f2P+0d7h/uLjcsFpWi/MmO3QVE1ldnRnjafjlMudXzXYcH9MlGf1YyTRq"
    "/97xswvPbZMVlc3nKwxJ6m+Re3vHNlfO11P/fa19fHJHJzy0+7l18v2rr24hKoravT9sWF"
    "pgaXt7z97WunhzT/Iul1lok57TZLxJx2m7kxJyyKKzrwAmGooe9aJb6XwbrO6l4yzNc8OC"
    "iBOdTKBV2XxVG3XDExxGCwDOxZvDXu5XAPTNahKiNg4Aia865I8CXgHiDjm9pDPevenFy0"
    "ydde+7Rz3elexd/3ujC+X91rty7ysAYRlsLa46uxroA1Lt3TYBelcCU5l3KF1gzs10znyp"
    "jTq04uScba4ktYfAhaxeklyVijXQJt9jixwdcwsiy7eAUd53yBRfTmAL9xa2gTF3OO4TIq"
    "s1bS+S5pinEpf3TNNBt3Rw8+fCjhjkKtXHdUl8WHVSy+nQa8zx5zJrEU4+stABo/ILLbb3"
    "/rxwZRgOrWZevbu9hAuuhefQ6qR7RwetE9SYCfDMlXsPcM1rdn8bvNo1LBhqOCaMNReuG7"
    "RDp2nYddkMOqt5gqAhrlqZMLipMLFlt4dXZBUXZB1KRi6QU9cEt6ndN+I2MeeD1Y13PoP4"
    "tqbObLgTU/bSPi2ekTahlhxhOf8fznHnN0fkI+1JiRcaobekN2/LTq3BYfsZwMlxDP4jwX"
    "I6LBcuku/qFEMSDUTxApOIKpsxvG1NKnLTE7wztISR3F3Kwzni/9AC/dw9+RC0846m0kvH"
    "Uxq0NIljpz6TCLKLEDlTG9yUtjwUQQ/1FeFoqXciPnUhXlaig/4SjYF/yuFI361OTLhtny"
    "Uzc2ZON39Xqo937rvd9qe7/Vo3kvFsVbtzH0psJ43tcQMkNK5cZwvIX1Hseds3YPxjD+3P"
    "KzXucXvPV+9Xg+P9ej+fwc7v4Do/wSbvXvUmOwTBBwNz8GuJsKAf6wQ/8bNAIrREN+2EGL"
    "9VxgvmwoJPCQv3PJHmT2b6aBPrtmjwzP7HMWSXutoyBLnlwpEwNZ5fJeo56xsA+0kb+kxx"
    "6VPdnNCTVNMeXqGBbaOsxGhLs4B7JNBnA3FCLrS0ylWb31N0qFXcE9jfBECH4MhUw5Mnsn"
    "QJCI1bCCZ0pky6TS+3TTDbdN6K/HNcDDHda7T/q4yUgo4bVKfXb/y0dY4B0Tr0+Dr8tbYL"
    "tgxR2YSZUdsyjPOvuTy+6VHZRyDA8KPMODlGsYHY7LYP1dW5NrFmqKob1fCu39ArT302hP"
    "qJQzAa+Eqp85SDG+QfteSTKuPhhpVJ1J4lxvEOuVzCUOXQLqGFONdDmkXeHkgPx83CXgXW"
    "esCyMu6xFT0R5lpSk8YHiDWTyl8tZ2C/LWdtN5a7Y0wIIHg4x9r6Jv/0XZ6m//Vfj2HwDn"
    "HfWvDnjI94qIB67hxgJenwd/+9/nSQU6yyTSRL/Kt3wmTeQDgBtmA7lpNMk9DZh5pJGX5V"
    "U162jzXsLVcMrJMVwBTBtrT8brp7BtikmtMsTdYq5tjhoZQW6/ZLsozE3DOs/FufNheOF4"
    "8P9LWtZ3pgMtkXCVv77Kz7haq6XtOgXHcFBVQNiv/gbRXckCFp6oGM9If/rXdfcqx7cPWZ"
    "K+vW0q8l/i2HITswcLwEUwYg586thV8oRVwjPHBk6ycgpec7/26X85+mHG"
)
