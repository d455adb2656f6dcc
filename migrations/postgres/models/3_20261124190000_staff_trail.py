# The check constraint and the indexes that bound the lists of the admin are written by hand.
from tortoise import BaseDBAsyncClient

# Statement by statement: each can be repeated, and lets others use its table.
RUN_IN_TRANSACTION = False


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "staff_actions" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "at" TIMESTAMPTZ NOT NULL,
    "action" VARCHAR(20) NOT NULL,
    "staff_username" VARCHAR(150) NOT NULL,
    "detail" VARCHAR(500) NOT NULL,
    "staff_id" UUID NOT NULL REFERENCES "users" ("id") ON DELETE RESTRICT,
    "trip_id" UUID REFERENCES "trips" ("id") ON DELETE RESTRICT,
    "user_id" UUID REFERENCES "users" ("id") ON DELETE RESTRICT,
    CONSTRAINT "staff_actions_action" CHECK ("action" IN ('LOG_IN', 'ADD_USER', 'DEACTIVATE_USER', 'REACTIVATE_USER', 'ADD_TRIP', 'CANCEL_TRIP', 'EXPORT'))
);
COMMENT ON COLUMN "staff_actions"."action" IS 'LOG_IN: LOG_IN\nADD_USER: ADD_USER\nDEACTIVATE_USER: DEACTIVATE_USER\nREACTIVATE_USER: REACTIVATE_USER\nADD_TRIP: ADD_TRIP\nCANCEL_TRIP: CANCEL_TRIP\nEXPORT: EXPORT';
COMMENT ON TABLE "staff_actions" IS 'One action of a member of staff, written in the transaction of what it did and never altered.';
        ALTER TABLE "users" ADD COLUMN IF NOT EXISTS "deleted" TIMESTAMPTZ;
CREATE INDEX IF NOT EXISTS "staff_actions_by_time" ON "staff_actions" ("at" DESC, "id" DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS "users_by_created" ON "users" ("created" DESC, "id" DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS "trips_by_created" ON "trips" ("created" DESC, "id" DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS "trips_active" ON "trips" ("created" DESC, "id" DESC)
    WHERE "status" IN ('REQUESTED', 'STARTED', 'IN_PROGRESS');
-- What begins with a text: the unique index follows the language of the database, which knows no beginnings.
CREATE INDEX CONCURRENTLY IF NOT EXISTS "users_by_name" ON "users" ("username_key" text_pattern_ops);"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP INDEX IF EXISTS "trips_active";
        DROP INDEX IF EXISTS "trips_by_created";
        DROP INDEX IF EXISTS "users_by_created";
        DROP INDEX IF EXISTS "users_by_name";
        ALTER TABLE "users" DROP COLUMN "deleted";
        DROP TABLE IF EXISTS "staff_actions";"""


MODELS_STATE = (
    "eJztXW1z4jgS/isqvlymKpOakGQml7m6KpKQGXYTyBEyO7fLllFsAb4YibXEEmov//3Uko"
    "3fic0EApw/zGBLarn9tCS3HrWUvyojZhGHH7Qm4oE91alwZ5Uz9FeF4hGRF2nZ+6iCx+Mg"
    "ExIEfnBUeaYKqjIPXLjYFDK1jx1OZJJFuOnaY2EzCmVryBxiOiBIMIQpZRNqylJT1xaCUG"
    "RTJIYyz8WUy2qkDGJ9leRJYWoh+XwiiIWYFEW2QFPM0Xjy4Nh8SKwDUMNiptTDpoO1PLFL"
    "u7QhEKDH0XSIhSdq7SNK/iSulOCICyzImcxmKolPCRlzhJFD+uI9gyRfN66ersp7qlD5iF"
    "6vz9wRcQ3LtWVpw7Z6PWTrsjpJXspHhzQXjD3KGvreC9rjz0jVYowZc6Q0xzPQl8hst0t1"
    "JdwHBMqgIcEu6GCLA1R/kvA4M4mBUqvXgxq1GgBRr8cJ5xK+uWacCGWMCbX/mBBDsIF6kj"
    "TJb7/LZJta5Ilw/3b8aPRt4liRhmhbUIFKN8RsrNLO7UGDiitVFkz9YJjMmYxoUH48E0Op"
    "hy9gUwGpA0KJKzGFJwh3Ak2TThzHa8N+a9XKBkW0liEZi/TxxIEGDtJagSCtYhjNVse4q3"
    "cMo5Jo/L5EqHV6SSaj0HGkqlwBMAAV3v+9Wj06+lT9cPTx9OT406eT0w+nsqzSN5n16Vkr"
    "E6Clq1KYNb40mh1QiMneqTstJDwrGSywllLGCND3DJw0wf194zLdACGRmBUmE9s6AMG4LX"
    "zkQ8bwoJ7bwi8SGCMYXNZgjQXAXnyttfeOPr5TL8y4GLgqUyGk0A3QjHffIrCmyZb4JvBV"
    "A1vKiCFTCaaZ0M7FYpA+eMkvoJkYOvLAOU9ZL57nrdY11Dzi/A9HjwyxYaF5f3Neb+8dKs"
    "hlIVtERosA72C4L9KSo1JlG45iarpEvXEC0EuZLOwRSQc1JBZD1PLkDvyLVbXnt4G207ip"
    "33VqN7eRNn1Z69Qhp6pSZ7HUPW2JoMXPK0G/NDpfEdyiX1vNetxe83KdXyugE54IZlA2Nb"
    "AVxsRP9pOewbvpP4a+sJDwgM3HKXYtI5HDqiyrbDJrVB3FUzDFA2UkQBP09Lz5O93z0hx9"
    "P2uhk+/1XJ7XzXfY4L3yJaVTOpT+MmUCEdmCrAPUAX+UPYL3LThx+uAtQjYXzAWvmVHpZ4"
    "LTfPe19r568hHtDcnTuzTPfjUPeWWPNXs0/OFRcAm3tfKPvpxlqImOehL8d/zPygaOiws8"
    "U7CrIQ0+TKJ9McRuhnMakYqhLpVeDd6rnCaM8JPhEDoQQ3n78XgB2N9qbYX3x+PY6Nf0cq"
    "oqq/wcvQy6fDurJQcPz9hb8nny2mXi6xS294QXN7YvU1p6yyxddA4aEnnND9bmOpcvfJ8S"
    "bl0U3SS0V9LvsAf0ZzJTADekHpiaJAVQzy2796rZTkiD1KBNung695nCDUq+u6ZYFe61u4"
    "vaZb3y/EZ+ssD9fs0UWb5yKHuxvwwFDU0p53SaW5SggIPGaERGD0QRsKqyl0hrRT3bAlm2"
    "pShZTT5jRxA3jRdf6dOAE+/1NAZgaEAxIKzhzue2z/zKbcdnpJnPsU9lvsrGpskmVID8gF"
    "FygHo9iwgpousEXbpUFwT9/sYRnzz8h5hSPUa03y+I45zJ15SDOmdU+v+ufgV4DnkaM1d4"
    "IJV89Zby1VgUdV60xA66LlviqmRyJmFfBc8H2+REr04no8TXNGriufTrTPhWY9jKdeuL0W"
    "ieIf3bpbXLS+P+rt4+Q/5Vl17WaxedxjdpEy8rltCl7XiJdrwE1NZpN251vXDVpRe15kX9"
    "2ksO3XRp/fttq905Q/o3/gXJMymtfsgxKa1+yJyUQlaMd458U4rM/5OSm9wklmQBDk/yIC"
    "5LZUKu8qKY629tEawDifVhXFkViRVF+ORDHoRlqUyEVV5aqy64lhKSKadkMUDLxevXRPPN"
    "+IKdQXMBXaD6cckXvMQXhIe7CGHQli5mu3HRqSSa7PpA3cx2ujQHkw4pDJCvAGnHq2Y3IQ"
    "19RTIgfRteS6GeQmj51shmsuCNCjBYrm3JnL7LRsgl0nRcQOQloRkUVHZx4JB+AYqmw1zB"
    "bE6QCTGSAugaObiqmEpqzSMW+7YrZUf2QLYpqc6ZFwpJzEcUMuW+jm7ErrCxg3Tj6lLVpv"
    "QyMnYcNoXITC+qknk02Z86hnJfkV3hOjxiyA8bZWPgrAAyjwQb2+ajMRkbJnGcgAL7eoQg"
    "wZeCQu8nsvaHGZoObXOI/HjMvu09L6gYYZdNdOroM2pKDbt0asuuNhHyVZlr2VR2K65Vle"
    "i48ELMsXSMqEZLf6g9FQfyUdSAdmY8zKSOQ1lYq2lb8xfzFQJ+boABDi+sFIHgPuJEIgLd"
    "Gd6Bj7FJuLLBTKorFYTFFARaBnKe4TiwgVJHWQXzbEARkRoJMLj857oz9a5Z9NxvFWhEap"
    "iWv6MxE4SaM+ORzCq/lwv3m7RwX64o7zhZNxlbyxg4JFYaeKMNDJ+AVDo2c5EjJPHySsdr"
    "WfNwRab0Vjqqh8efjk+PPh7PFzjmKYvWNVKiaAUWE74suR1IbzKTKV3ff93Lhle/BELau+"
    "xS2RLbKs276NJG07htt75IT/nuDIVuuvSidXN7XVel55c+cX2tUv1LRVo32pDmXSxDWx9W"
    "85Co1WwOtRon+HwvUHY18F2LcKkpopts7iVp1erJSZ6lgpOT7LUCyIsR1y4bGwzW4YvDni"
    "Zb4p4Pd7/JOmlrslcOwxnfiphcDO4+CG4tc5AG72Xr/vy6jm7b9YvGXaPVjH7vVSYkBfsw"
    "2vXadRbWUoWlsNZyJdYFsIapexLsRaEeccmlXKENA3udYR8pY3rRwSUuWLb4HC0+AK3g8B"
    "IXLNHOgTZ5GtvS1zCKhzJFJV9hEr09wG/dHNqEyZxj6EjEIi5pQnApf3TDLLuG6IoIv50E"
    "vEOeMgaxhOAORLMs6kn1751IJ/JR3bupfX8X6UjXreYXv3jIChfXrfMY+HFKvkB7TxHdvR"
    "Z/WD3NRTacLmAbTpMT3yWOGSjPF1gQAqOWmAoCGpYpI7QWR8HMl/DKKJhF4QXhJpUjZEN3"
    "6fXBupld/0VUIyNf4bCNeKw6l/MeIyOq69yr4ernNnFwRmx6+l6j3YA+6gmrk6pSaNkiME"
    "EEy4WqaIf6/fOqY4E8xDIiggI8F8cFGSEL5gsP8g4nU1vOdEDNgn1mKhpkhC116lrOPW2v"
    "+QAdHuOtYAYnnallN7h1IQqGcZI4e80hFhIM9qlBiJ2/S435j9JROzpEic+4WBTb4kfd+e"
    "uoPxTSUu5Ge11aMjvUZUsWyldvh3KtvFwrL7ZWXm7k3E3aU5+KmkrB5evD0Ro2ux83LtUG"
    "TPjp0st245vasal+VX++ulK9+epK3v1b9vIbeat+l+qDuTb9Ldjzl6BM32z/1Bb1wHID1W"
    "ZQR+vdl7KhDXTpjSnz81bK3VOvvnvqbbb6KNRTJva+NbKn9PBGeU94pP6pLOpUFaAl4UwV"
    "f9/MPurLuwFjaSey5xbV829/yz6sAQU7aOBQZDShIKx3zMxPlpEFdFNCeybm+gj3e2qb8n"
    "21VB82w1jvPqvtOUMmmK4Ve+LeCeiQoY+L1OfNqDPg/al87GAaOEXGK6Fn9S6bwv6kGddv"
    "4+954XBMDRbIJX3YjQMn3ehtOpSJoYQHHm6L+UE43D9uvjyXclO+Q/sL5vzLnEpRnkdR/D"
    "yK8ICwDNY/tJi8YWRXBO3jXGgfL0D7OIn2GHM+ZfKjVPTA1YTgDrbvlYRPq62sRtGRJCq1"
    "g1ivZCxx8BJQR4RKpPMh7TInA+SXmR9fdpOxXsj5bAaro3zaQkO4L7CDcVe5Ig0PF0QaHi"
    "YjDW2eufC/6K+QhMXKv0JS4K+QSOD04QzFAQ/k1oi47xpuLeDlDv60gWV3Twr3SI2i9g6J"
    "lXsRNm1RLkGl5wltC//9lx8IaQv+1MyW9fFc8WyJQ7/XFfy3lWiV0ZLF8FIEsoG5kRXVWz"
    "RqctdxyogpXwFMW9n/4gGcawrB3ZYmtcoluhpxbXNYSVmk83L2Fy3T4aDMS+t02TC88mrS"
    "/0tY6Q+GMy4RMJrNzmRHjG4UMbZJ1Dp0qgIIe8V3EN2V0F/yiYLQlPDNn+5azQxmIBCJzx"
    "RtU6D/Isfm2xj9vABcACMyP0xss43vqN2PTvyggvO0mKh1xps8/w+o1nCB"
)
