# The constraints and indexes are written by hand. That of staff_actions is not validated: all older rows satisfy it.
from tortoise import BaseDBAsyncClient

# Statement by statement: each can be repeated, and lets others use its table.
RUN_IN_TRANSACTION = False


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "webhook_endpoints" (
    "id" UUID NOT NULL PRIMARY KEY,
    "url" VARCHAR(2048) NOT NULL,
    "description" VARCHAR(200) NOT NULL,
    "event_types" VARCHAR(500) NOT NULL,
    "secret" VARCHAR(100) NOT NULL,
    "former_secret" VARCHAR(100),
    "former_until" TIMESTAMPTZ,
    "created" TIMESTAMPTZ NOT NULL,
    "begins" TIMESTAMPTZ NOT NULL,
    "disabled" TIMESTAMPTZ,
    "disabled_by" VARCHAR(10),
    "failing_since" TIMESTAMPTZ,
    "quiet_until" TIMESTAMPTZ,
    CONSTRAINT "webhook_endpoints_disabled" CHECK (("disabled" IS NULL) = ("disabled_by" IS NULL) AND ("disabled_by" IS NULL OR "disabled_by" IN ('STAFF', 'GONE', 'FAILURES'))),
    CONSTRAINT "webhook_endpoints_former" CHECK (("former_secret" IS NULL) = ("former_until" IS NULL))
);
COMMENT ON COLUMN "webhook_endpoints"."disabled_by" IS 'STAFF: STAFF\nGONE: GONE\nFAILURES: FAILURES';
COMMENT ON TABLE "webhook_endpoints" IS 'An address of another system that hears of changes of trips.';
        CREATE TABLE IF NOT EXISTS "webhook_deliveries" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "version" INT,
    "event_type" VARCHAR(40) NOT NULL,
    "status" VARCHAR(10) NOT NULL,
    "created" TIMESTAMPTZ NOT NULL,
    "queued" TIMESTAMPTZ NOT NULL,
    "due" TIMESTAMPTZ NOT NULL,
    "attempts" INT NOT NULL,
    "attempted" TIMESTAMPTZ,
    "ended" TIMESTAMPTZ,
    "last_status" INT,
    "last_answer" VARCHAR(500) NOT NULL,
    "endpoint_id" UUID NOT NULL REFERENCES "webhook_endpoints" ("id") ON DELETE CASCADE,
    "trip_id" UUID REFERENCES "trips" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_webhook_del_trip_id_88ba5e" UNIQUE ("trip_id", "version", "endpoint_id"),
    CONSTRAINT "webhook_deliveries_status" CHECK ("status" IN ('WAITING', 'DELIVERED', 'DEAD') AND ("status" = 'WAITING') = ("ended" IS NULL)),
    CONSTRAINT "webhook_deliveries_version" CHECK (("trip_id" IS NULL) = ("version" IS NULL))
);
COMMENT ON COLUMN "webhook_deliveries"."status" IS 'WAITING: WAITING\nDELIVERED: DELIVERED\nDEAD: DEAD';
COMMENT ON TABLE "webhook_deliveries" IS 'A change of a trip that an endpoint hears of, or a test event, which has no trip.';
CREATE INDEX IF NOT EXISTS "webhook_deliveries_due" ON "webhook_deliveries" ("endpoint_id", "due", "id") WHERE "status" = 'WAITING';
CREATE INDEX IF NOT EXISTS "webhook_deliveries_ended" ON "webhook_deliveries" ("status", "ended", "id") WHERE "ended" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "webhook_deliveries_of_endpoint" ON "webhook_deliveries" ("endpoint_id", "id");
CREATE INDEX IF NOT EXISTS "webhook_deliveries_by_created" ON "webhook_deliveries" ("created", "id");
        ALTER TABLE "outbox" ADD COLUMN IF NOT EXISTS "version" INT;
        ALTER TABLE "staff_actions" DROP CONSTRAINT IF EXISTS "staff_actions_action",
    ADD CONSTRAINT "staff_actions_action" CHECK ("action" IN ('LOG_IN', 'ADD_USER', 'DEACTIVATE_USER', 'REACTIVATE_USER', 'SEND_PASSWORD_RESET', 'APPROVE_DRIVER', 'REFUSE_DRIVER', 'ADD_TRIP', 'CANCEL_TRIP', 'COMPLETE_TRIP', 'EXPORT', 'ADD_WEBHOOK', 'ROTATE_WEBHOOK', 'ENABLE_WEBHOOK', 'DISABLE_WEBHOOK', 'DELETE_WEBHOOK', 'TEST_WEBHOOK', 'RESEND_WEBHOOK')) NOT VALID;
        COMMENT ON COLUMN "staff_actions"."action" IS 'LOG_IN: LOG_IN\nADD_USER: ADD_USER\nDEACTIVATE_USER: DEACTIVATE_USER\nREACTIVATE_USER: REACTIVATE_USER\nSEND_PASSWORD_RESET: SEND_PASSWORD_RESET\nAPPROVE_DRIVER: APPROVE_DRIVER\nREFUSE_DRIVER: REFUSE_DRIVER\nADD_TRIP: ADD_TRIP\nCANCEL_TRIP: CANCEL_TRIP\nCOMPLETE_TRIP: COMPLETE_TRIP\nEXPORT: EXPORT\nADD_WEBHOOK: ADD_WEBHOOK\nROTATE_WEBHOOK: ROTATE_WEBHOOK\nENABLE_WEBHOOK: ENABLE_WEBHOOK\nDISABLE_WEBHOOK: DISABLE_WEBHOOK\nDELETE_WEBHOOK: DELETE_WEBHOOK\nTEST_WEBHOOK: TEST_WEBHOOK\nRESEND_WEBHOOK: RESEND_WEBHOOK';"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DELETE FROM "staff_actions" WHERE "action" IN ('ADD_WEBHOOK', 'ROTATE_WEBHOOK', 'ENABLE_WEBHOOK', 'DISABLE_WEBHOOK', 'DELETE_WEBHOOK', 'TEST_WEBHOOK', 'RESEND_WEBHOOK');
        ALTER TABLE "staff_actions" DROP CONSTRAINT "staff_actions_action",
    ADD CONSTRAINT "staff_actions_action" CHECK ("action" IN ('LOG_IN', 'ADD_USER', 'DEACTIVATE_USER', 'REACTIVATE_USER', 'SEND_PASSWORD_RESET', 'APPROVE_DRIVER', 'REFUSE_DRIVER', 'ADD_TRIP', 'CANCEL_TRIP', 'COMPLETE_TRIP', 'EXPORT')) NOT VALID;
        ALTER TABLE "outbox" DROP COLUMN "version";
        COMMENT ON COLUMN "staff_actions"."action" IS 'LOG_IN: LOG_IN\nADD_USER: ADD_USER\nDEACTIVATE_USER: DEACTIVATE_USER\nREACTIVATE_USER: REACTIVATE_USER\nSEND_PASSWORD_RESET: SEND_PASSWORD_RESET\nAPPROVE_DRIVER: APPROVE_DRIVER\nREFUSE_DRIVER: REFUSE_DRIVER\nADD_TRIP: ADD_TRIP\nCANCEL_TRIP: CANCEL_TRIP\nCOMPLETE_TRIP: COMPLETE_TRIP\nEXPORT: EXPORT';
        DROP TABLE IF EXISTS "webhook_deliveries";
        DROP TABLE IF EXISTS "webhook_endpoints";"""


MODELS_STATE = (
    "eJztXetzGrmW/1dUfJmkyuNKiJ1kna2twgEn7DjGi0kyc4dbjQzC9LqRmO4mhLo7//ueo0"
    "e/wd0Y7IbbHxLTah1J/dPr6Lz0r9pUjJjjHbem1HZ64p7x2hn5V43TKYMfGW+PSI3OZuE7"
    "TPDprSOzM8xn+ZhRvqC3nu/SoQ/vxtTxGCSNmDd07ZlvC6yp1iAyN7E5ocSx+T0RY/zFfJ"
    "+5x6Q3YSaD7zFnTGyPcOETzxcuGx0RwZ0lviI3nxu/1k/fkhcT9vPlMdY9EkOo3OZ3u6um"
    "z/u87WNmQIL5bEQWE1kGJs09pKR8RG6XUBVnC+ZCQeyYKJIf1LFHZM592yGDAfs5s13mDQ"
    "aKZDGxHQbJdDSCVEhGCn/C+lynYPvhmdDhUEAZ8ovn3P5rzgD+OwavXPjuP/+sQTNcfDmb"
    "uzPhMdkrqojaP/8JDzYfsZ/Mw8z4OLu3xjZzRrFRIKGxJtSbILl8b/nLmXz3cULdC0mBmN"
    "9aQ+HMpzxNNVv6E8EDMugaTL1jnLkUkIuMED53HD2gTJL6Mkjw3TkLGj0KE0ZsTOcOjjOk"
    "Vi0J02qWddXpWTetnmXVUmPQUETGi04aCo7j1+a+J/GY0p+Ww/idP4HHtyd/q3pCPFQurP"
    "Bbo/vxc6P74u3JS6xQwCRQM+RKv6nLV3/LIqhPVSGyF0LYI12WxrzF51OJexvaSPmQpfCP"
    "kG8HfJMQoh9O6s3hr31rddsXf1itL4325RmJPvV5t4VU142bm++dbvOMxJ+T0zxPt9Vf5e"
    "i2+quV3YavsNvCbjLTqcDUiJCUuWs2nBn10zxTA3KtBvn0JImyXiDTKDcBJt+esmykI2QJ"
    "pEea7tj82EPc18Dca39p3fQaX66x+Knn/eVIsBq9Fr6py9RlIvXF20SPBIWQ7+3eZ4KP5B"
    "+dq5aEU3j+nStrDPP1/lHDNtG5LywuFhYM9AgmJtkkxToYNyrLHqU7+OvXdjO7cyMkic6d"
    "z+3RMRIeVqfKifNG9VIUf/mlf/+NG/j4PnMvMWxAHNoLYG/sO/4bW6a2kgSgmhH8qovZT0"
    "jD1JBzcOki4HiiAwq+XTF1EvfGzcdGs1WTCN/S4f2CuiMrBjW+EXWRSAnypl9N69NkCuX0"
    "ToKDX4Ft1qhfSjY1izHXb9Yy5YrJzc2Pq+xHZOHa8EOyzMhoAh33gBTyIe+5mFBfM7r0Vs"
    "z9LJZ7w5I0Vw2MI/DgxGc//TNFB78IdKEPHQh5NcOO3DKQTumIKe4bs6qaMd1jwByTBnEZ"
    "DETPJ2PhAilMG6ZqQM6+zwcD7HnE1rpnS8mEA6mYslsxWhKcA1CJ/0GWPXPFEBlwH9sNxY"
    "+8aJWOEPeerCXKnZOG4xCBTHmf6+6A2n8gh48VA3uPnxFh94+ImjqyJEaHE3IPU+cMspky"
    "CTD5qmYPmm2qFzB7MdNEzN1j/K7RnKnDg8SGBq2fUvgues8Q+fmMvKB3gOrLY2gDIgYkrl"
    "gAyC4LjjZ0jBWYslecN/KeKLLW+XP7rs397JU+c5HHeZxYi/SkLu8R4g6b8Ot/1Otv3ryr"
    "v3rz9v3pybt3p+9fvT/CiQrv0q/erdkQztuf2le9+KaNCesPFjiWNj1VGNoy862POFL0uf"
    "llwWZ79akFOZIpfS6LCjPEHstxKImuZ0VOJkm6jbpZz6iy7P5xrE9O84ANuVaiLd89+xmw"
    "1CDv5Ag4dJmEo+ARMEJWHQFLfQQEZqVo52qSqmNL3bEUmNPpzM9YH1dyfFGSh/m+bfXnq9"
    "3yffXXJ+9O3r95exKwe0HKOi7PcHQhoMikF50qhmYLc6Vke88hTZVnE4PtT5/uixSsnIju"
    "qxCsM/dvxc8W991lLUMSFn19tE4cJmTGvNKw4YTyO1QOE8q5mMOweEiehUmaCoU6RnwiJT"
    "O2TxbUI7P5rWN7EzbKkprtuEaUrjVQukMQQE+J3xT16EgqvbE4zhYEZoHPlOjNWzA2I8BH"
    "a2GXfEWoyot7hmmGzCgFT2PhTmEcjVz7hxxOgQqbqCQlP4s03RcCtfJj/YX27AORpVgzIR"
    "yg9uhSSrGUFC1CiIJDxxPhNyJ2qhLPIIZloHAr0RxqGrOYCCkSu8UvGTMXC4EmoARycUQE"
    "VMgFcQRU52IxWDSAH34TZv7F0zKysG0fCMwl2Q6NjyaEeuDLUGqHQkDoI5R7ktZP6FNniU"
    "YCmH8wwFJlW4+kXM5DUtV2JS5MfI3HVtoBVHK5fZDL6f4usvdHSKq9P84j67lW4MwRodjo"
    "yFEyGLd96Egu6UXGaRZtNWBT+MrNLmMJhlRG+UpoA7IEpLc6eRdH5SDlafE873QuY2e583"
    "Zinb36+uW81X3xWkIOmWw/tvxGD9FmRy0ykuNU1RiOY7rR4lCtCmsQraTeByjxSckonudM"
    "3aW+Qjl1nNZvjtadpF2ZJ6dhyXc87uHJZkZdf6nMr4diOlNnVWRj4YBk8/vgqCTNJc7Iaz"
    "zNneKJ0/WUbbSkmzKujDngxXicPkfvvrpMa2ssuKY6fCLc/BbW1bnrOc9dsrfTHXAzpY6z"
    "sgsCoqfTTuy+I97U370NoMeHdWDffGlcXqbZKj1diujCIySHpwt//epVHosDzLZSG65eVo"
    "zBwTMGMa2p3EQK8tIxosoqOnnkm9/+Lxv6RY98MaoK1ASozya2PBw41+gsDUv5SJ1lTxez"
    "n5A+qLSMDKhspWV6YX06RfC+ghrbS2KwdmFz67Y/9mpZq2sF7EPAxjeUFcg+j0jgRok3ax"
    "kyAfPqaJ1QQItH87ubiLtfpZKWGpcPnzDovdE2nb93U8mW9ayrd8vtb5QPH/pr/zmec2Vi"
    "IGvC/07+q1a6nfNonT618luv7cxvvTqIrgcdrWU6sHjozt6Tg6kelw+ZKBbubENT9fSe9X"
    "Tlk/24/ak01qglhXRfzVFvUBHUGPqreOXI6/X8Mma0lDFnTqa5w9Gz2Fh/UjJl01v0/R0r"
    "7VQec1H9hPotztAAkjo+Wj2mmeddVoa2qIOBQsA4HoY2lZgijVSVoSn+BxvEmanFdqAFtu"
    "NoO1Zp5clcDysKrDCNr7Tt9bk2i5VWoMwHcmMCCss3UKGVp7Expcpolv2cCdfXoFRGlXuq"
    "3KOFHWXottxkSrrklp0zyaccCdbW9LnuYS/2kLrUfuyXnU9W++qMqL993mg2ra83re4ZMb"
    "/6vNlqfOy1v0Gf6FeJBPR4T+ToJnPctK6agQu8JT3iz0hGIrTg+rrb+daymt32N9mO2DPW"
    "dQFFBq9jj6r9vW77WrUff/X5x8bVx9alTo48wJvOl+vLFjRSv4s+9nnr9+tOF5qp/qqyv7"
    "fOP3c6v6ni9QO0qdPDTw1exp+hpKvG+WXkffwZEG7fxDMkErAPZMPCDLHnPu/BcA/fRp9U"
    "PIKrSNPjz8n9OM8Jf/vRBOJbdBFhSpqyzBNuUw1/rpACr9eEFHidDimgmJQiWIcUT4dxbV"
    "cSwTjCp7lMKE7XWFCcpg0o1NgsqAqO0FTn27Iogktm/7MdNCtP4B3KXuQ8roQvDyoqI8td"
    "DgVw5V/9CIFWNqRPa/6xp5Cusv54bmW6RD1DOmh6Y7VYUHof5xcHuvYI3oxdMQ0iHfoCVd"
    "zZAr3V2VEkhyrxse1C4tS+QyN/wYlS1mnhWE+4vrA9Roboou6joAxDWZ1pz2c2vCeRjjxS"
    "sjnq+jZ1dFzDPpcjSon1qOPIYIPGGVtokeMP5VetzPCjZWihW2C6P8OwjwiYlijO7OG9NZ"
    "9ZQ+Y4oTzx8xuCCYYKM/06n6nW3bOlNO8fQ9GAU6RIwhl1g7aZ4O1X0MY+X9gw1eYYlFK4"
    "QIYAqcbaXMVPFM5Iebor2ajaqHUj76A8buE4s26X0MoJZFYNtUfBpxk3dvRPv0NfceNsTp"
    "DwiHgMMMHpjEHmvRkdMtULSwzd2OeomSLYypBOi2ll0EgXnds9oXuBE/YD3RygU+Gf6y4x"
    "41S39geb2MBTJ7340efdRzErm8kFCD6fDAbfVOZv1JHRJ6lH/vumc4WS14Ur+J01szmGtJ"
    "eyWVWaTMcGyl6N9iHkRed/G4MZyDibFMalI/DjF1DLhMgInNAIJOEWvmEjS4bVHwyOCerl"
    "dEdKHExH9rlQQCzoUoXilB+7QtL7Zw1njNyT4O90JnzGh0sZI+9RLh6Vyce2TT4qW4QDl/"
    "vOZ6NNOjhCVnVwqTv46cM2bNSbr3fUlVuPFOdTf74iMOnDepKQusxiW+Dz/+crDLyWDOer"
    "f/Y5jMSuTNM/+rx9ZV13O5/gWHBzRiIPoa6hGeoZmkY3cSlTzU+peWh3Zdxf9WMTGf3reh"
    "6JcX21wLielGYahmmDULQZpGXu7g1lyPXT0zx6kdPTNTFpT1NSelfMLIEWHMVhz6KtcM+H"
    "uxmyTpZ6/8IRdMVekaBLwD1Gwr0Vk2TB2+x8Pb9sketu62P7pt25iu/38iUmhWFSuq3G5S"
    "qsVUCA4lgrugrrAlijpCIN9jqroSTlAUWwehILoow1vejikiSsRnyOER+CVnB5SRJWaOdA"
    "W9+HZhW3iotTVkGky3yGHuJhzrGUZWsRljRFeHjhOHZiSqJxG4rRxtd1JoooMfA1fdONdX"
    "3ZuIKDdOyxz793O1efrEazqY7Zscc+V6aAVq/TsS4aaK0Ye+7zq45187nz/YzoH3CMb1y0"
    "en/AKV7+7fPGeeOqCRMHDuDBT3nYv7iQR/2Liz7v9D6j+aH8s8nxfPsmdFqBkh4dPfZzpV"
    "wrICnxaNjKAtv6vRdbWw2SL740fn8ZW18vYTSZ7BHkP152zpN38rio6RltsNXFKautrsxb"
    "XURPuInIS5MdwvxKXHOVYwFb7eSb8vENFbcFBPNxouoWl+RBM6mwLrpOZdFXq1WZV6uY0U"
    "cRXiBFeAAm3k/NECRNNwpsFxmkh7dlvK6/z6WUer9GK/U+rSCpAkJv1y5cmiIVBDRKU7kt"
    "rDcND0y9KtPwdTa30SGVw45ZTemng7WcU/9BVGMrX2Fb5sggDmNzJ1RImvDity5z6Aov2F"
    "QQ8AMZwxkexJ4lxtYKb5AiWCUCPhzG6IzLOOWVVo8cUmj5/lEWdKjDasFuJ0Lc48zFqWw/"
    "FrHvqrymKm55QINr154Xepyt8L8IR+F6LwwrMu7zOWPoe+lkuBTlwLAmRoq0vZ/SkbwGLm"
    "c8lm1WYMz7zYV26mY5ZfeHjy5axguPpe62Q3N+dGWCTLr0D9ItgkwZVK6cDJaeLz0IBgPb"
    "s6RUlTqDwVn0GkCXqSArRL8OvT1UG/DPUoVtiWhIgoYqTVWsoeg/QInKrCaXjO0CaMEhGp"
    "07Yj4UD9/lYMxLq8scSmStsdoDYE/sh3ffD5UJcWVCXMyEuAqVdJBCZ327b6bEOadtQqyE"
    "cs/jdlMGHsI/xtrAWBkkrQRu/oBZ/gUe5d+N5mC+m13W3OuSnIMho5TBRKy7BjJOWF0EWe"
    "AiyMp6p7LeWW+9U9ySrjKhK2hCV90iU0UPKhWaa1RE1Z08j4nKknknTxU6aCuhg54nzs1X"
    "7rIxcxl0zeh6InxRyxC6pjMdrZO9ziPZrRnmz32njMytBJ8Y4fkWY7RAwi0Lb3VxdYLLpu"
    "JHlpx1o1JM9BxXLJDGSGVv2Vi4KnyJLFTJOHVA6pUyWzT58UIirIpyE9JaB6Lpc1MHvYNx"
    "s7Isn97HypKhf6KlDQYjIaZshNJZLoLA2RgL5o75UnSMFTw2FHbR8KHbDRpaoltYXue9E3"
    "TdlaAvH7rX1tZrZRGRTkBUSXVKLdVR87WgkCAkqgQEDwgIUuzfM22tnlxh07upZnTWbKCQ"
    "I++WGewESqkobXtwezPhsj7IvcOFkaXVh1opmrFvblyU0kSaUNFoZhlGG4P9c0rmHItSUb"
    "8wUd4NARnUYCQvhhTVlLCzfuU2CmIU1RiDsI1eHscK9+5x85WKQyiA/TWnjoz/Zu6SoBhj"
    "TNwT6tj37IOO46a/yyNTuiQO9C5si7hzyi3V3CahGgWfEm62kl1Q907IHV9lXUwYj11SgV"
    "dO6BxnGqOF1H56R8BBDCk0Xkcyk4wR8gO2D6/muD0DJ6Buv4APwf1AfpYLgEjNKZsG913I"
    "GlW8CfnFUJ8PhB9MLgttFmBsovdLpKF4A55YwNqA13JI/WyfOza/R46D6kJUi2Q/At9uYt"
    "edQcnIrM79sD9tV8VxG06EPWRYNwxjV0jtMGaR9ji/eCrTiA1tT2pxZQS3MK9llL8fUhHq"
    "1kehU8ZRljefhpjAgwm6J292x4cgp+wgyKutqqrb/8pyRl/H/WwSrr4KVF88UH10xd4E60"
    "cZ1JeZxz/JhfbJGrRP1qBttrCNII8SH558evtXXM6o5y0E8HJFLxNNER7gqrKTAE8yALFV"
    "dP2OUx0g1jtZwZHNKgx1jKhCOh/SksUugnJAcHirdP00zzINudYsG6mFOnWGKSr+yiygcq"
    "otsyQMZQmb2m0Y2jIvYGttmjaxj9i+1dLM6HNy80WG4PDWtS2K9mNmYauclB4wCgvIKolv"
    "AZMwtKaTV1AUBzyke0LEzSl3bwGvAvdnLSyHe7W8lnQX7e8IWcWUlZkp0yL/gstnhKpaPP"
    "MvnkYjsikXHKV/wsAy+vLgZkG9Qu17o91rX306I/pHcC1xM7iQuGmuIm6aS4g387HZOqec"
    "UF4V4ZkzSA+Pe96JbXEVfPGpYy2FKtY06CsdMeNEVby45DIf1UYXhzUgq4AtaN+TFC/64p"
    "5lBUIsEtahhSX1sKA9PJfkCoShLUseB9OlLGRv19v1CGlzEksG93scTocdqscA5bIhw8i8"
    "FVarsfKYh9ZSj5x3N6qUgwVJ3mutI0A9EqlCgZ/2Eq0qUlYxvKSVpkU9a1XQu6IRsw4dpx"
    "UhF3cA017Ov2QYqsehlDv82r4MqV2a3yejr2VY4mcEaFttlJ8dHS6PU1sy6Fd4azcfzQTA"
    "QSZM2S0fKXN7H691l1d6m6uyJ9RD5y6kznJ423INaAfe9k3SjC4dQaVlu3Kok0HDtMU15v"
    "/FIxMbTeXVTeyMQnEUmP/pTLmnzVnEHJ2SmSuGaMOOtvjo3YYuavNZn7+QfmovkQRG7Txm"
    "bW8rI3vtMic/Qu5nxMN7z42PmzK+11V7+PHouyBN/uEoIv0IpO0T5d5Chj/TFuS37M7mXN"
    "4eP4b60OsOjfgVywpwyezabXAxkberu0w2CB3u5Nv8wcjgp+mVKjBZFZhsLxbwbYvD5Mqj"
    "IElhusaiLkZVZrufTc3Oc1mdrzE6T4nP/y0CwKWVSs3WJVpYoQop+ImpDZnQKIlCqTKcOH"
    "BNumJjivZvSFV1b6m7Fxjbon2rSaqOLXXHmhNEAYYvSlJp6VJWLgqd4mthjLAyGyvzpIFD"
    "bfH+DYiqvi1z30qpyaqzxMo1MUFVHYTTC2NEHFXkJJwgO4Ab5Z7AlMxI3QrGVkyQVeEqyx"
    "L9s2RLw+ZopuyZ0mM2jW7h+Ipa2dGKlLif4/XBWIuJGftwBMunDQpaznH7+JigzxNlKzms"
    "V6v5oiP/YTWfGUQF4nDp2EyoheMCFUD6Gh2lODMaOBM1S2rQUI2eHYlr08KM7i6ZQcaNHA"
    "ykqguvBxJchpcKROrmyiCPzagcvOR2SbwZHTLvA8Ez2PKMUMdBIgzOxVzLY0OX+YNBn3sw"
    "TTziC3FE5G3GYR75OBhIKmo70kYYoxSaq4Rk1AeCr+ZYN76S6TJ8lDcfoqLwmPQi2rg+p9"
    "49xrGS4TsdNvahWXh5kan5r7nN/KDiFWq5Kt5TqeI9uYUiK+jsZdZJbMj31l+d5LnIF7Ot"
    "CYF/kr7KN9K4AkAnyA7umFHPdcyorzlm1DOOGeGSuply84kVbvt8pFNbUBGYQ4oDXD52Er"
    "8gttsXgTpFeAjeWE8HuORgispTk7SVWLXMYtXKAODAO1idtor2b0hVdW+pu3dke4hy8VAY"
    "Ebpqhd6HHn7EDYyJIkrMBNXid7l9AkzPCP7f5xeN9uXXbuvmjJhfSaHV85jQxYRKhZmlJH"
    "E1F8s8FyOCvaI9nSCt+rls/byRS3/cE2dz16oMN6D9ZKqe1sGqAdAPJ7UMhYt+c7ROz0LD"
    "PA8pV1bDsGXJ/r+LO80jzVc2cJRZLSVa7SlzCBK5nQRYx0lVAGGd/QDR3Yn4DWr0WZbFBd"
    "5Bs0IgE5IkWQt76JP/I47t7bHBRRa4CEaMoUiFnkpGmUpwCljA+XNf1vX3/wMM3S0I"
)
