# The constraint and the indexes are written by hand.
from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "push_changes" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "trip_id" CHAR(36) NOT NULL,
    "created" TIMESTAMP NOT NULL,
    "due" TIMESTAMP NOT NULL,
    "attempts" INT NOT NULL
) /* A published change of a trip, until a process has found who gets a message about it. */;
        CREATE TABLE IF NOT EXISTS "push_subscriptions" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "endpoint" VARCHAR(2048) NOT NULL,
    "endpoint_hash" VARCHAR(64) NOT NULL UNIQUE,
    "p256dh" VARCHAR(100) NOT NULL,
    "auth" VARCHAR(40) NOT NULL,
    "created" TIMESTAMP NOT NULL,
    "failing_since" TIMESTAMP,
    "session_id" CHAR(36) NOT NULL REFERENCES "sessions" ("id") ON DELETE CASCADE
) /* A browser on a device that receives messages for the user of a session; it ends with the session. */;
        CREATE TABLE IF NOT EXISTS "push_messages" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "audience" VARCHAR(10) NOT NULL /* POOL: POOL\nRIDER: RIDER\nDRIVER: DRIVER */,
    "version" INT NOT NULL,
    "created" TIMESTAMP NOT NULL,
    "due" TIMESTAMP NOT NULL,
    "attempts" INT NOT NULL,
    "settled" TIMESTAMP,
    "told" VARCHAR(20),
    "subscription_id" BIGINT NOT NULL REFERENCES "push_subscriptions" ("id") ON DELETE CASCADE,
    "trip_id" CHAR(36) NOT NULL REFERENCES "trips" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_push_messag_subscri_54d212" UNIQUE ("subscription_id", "trip_id"),
    CONSTRAINT "push_messages_audience" CHECK ("audience" IN ('POOL', 'RIDER', 'DRIVER'))
) /* What one device is told about one trip; a newer version replaces it. */;
CREATE INDEX IF NOT EXISTS "push_changes_due" ON "push_changes" ("due", "id");
CREATE INDEX IF NOT EXISTS "push_subscriptions_of_session" ON "push_subscriptions" ("session_id");
CREATE INDEX IF NOT EXISTS "push_messages_due" ON "push_messages" ("due", "id") WHERE "settled" IS NULL;
CREATE INDEX IF NOT EXISTS "push_messages_of_trip" ON "push_messages" ("trip_id");
CREATE INDEX IF NOT EXISTS "push_messages_by_created" ON "push_messages" ("created");"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE IF EXISTS "push_messages";
        DROP TABLE IF EXISTS "push_subscriptions";
        DROP TABLE IF EXISTS "push_changes";"""


MODELS_STATE = (
    "eJztXf9z2rqy/1c0/HLaGU6mSZO2L73zZkghLe+kIY/Q9px7uGMEiOAXI3NsU8rc1//97k"
    "ryd5vYBBLD0Q9tsKyV5NW31e7qs/+uzewxs9yj1oyaVs++Z7x2Tv5d43TG4EfG2zqp0fk8"
    "fIcJHh1aIjvDfIaHGcULOnQ9h448eDehlssgaczckWPOPdPGmmoNInITkxNKLJPfE3uCv5"
    "jnMeeI9KbMz+C5zJoQ0yXc9ojr2Q4b14nNrRW+IrefGr+enL0hL6bsx8sjrHtsj6Byk9/t"
    "rpo+7/O2h5mBE8xjY7KcijIwaeEiJeVjMlxBVZwtmQMFsSMiSb5TyxyTBfdMiwwG7MfcdJ"
    "g7GEiS5dS0GCTT8RhSIRkpvCnrc5WC7YdnQkcjG8oQX7zg5l8LBuy/Y/DKge/+888aNMPB"
    "l/OFM7ddJnpFFlH717/gweRj9oO5mBkf5/fGxGTWODYKBGuMKXWnSC7eG95qLt59mFLnUl"
    "Agz4fGyLYWM56mmq+8qc0DMugaTL1jnDkUOBcZIXxhWWpA+UnyyyDBcxYsaPQ4TBizCV1Y"
    "OM6QWrYkTKsZxnWnZ9y2eoZRS41BnyIyXlTSyOY4fk3uuYIfM/rDsBi/86bw+Ob0p6wn5I"
    "fMhRV+bXQ/fGp0X7w5fYkV2jAJ5Ay5Vm9OxKufogjqUVmI6IWQ7ZEuS/O8xRczwfc2tJHy"
    "EUvxP0K+Heb7CSH3w0m9OftrX1vd9uUfRutzo311TqJPfd5tIdVN4/b2W6fbPCfx5+Q0L9"
    "JtJ68KdNvJq9xuw1fYbWE3+dOpxNSIkFS5azacGSdnRaYG5Mpn8tlpkstqgUxzuQls8swZ"
    "y+Z0hCzB6bGiO/J/7CHf17C51/7cuu01Pt9g8TPX/csSzGr0WvjmRKSuEqkv3iR6JCiEfG"
    "v3PhF8JP/sXLcEO23Xu3NEjWG+3j9r2Ca68GyD20sDBnqEJ36ynxTrYNyoDHOc7uAvX9rN"
    "7M6NkCQ6d7Ewx0dIeFidKibOa9lLUf6LL/35EzfwyX3mXuKLAXHWXoJ4Y97x39gqtZUkGK"
    "oEwS+qmP1kaZgaSg4OXQYST3RAwbdLoU7wvXH7odFs1QSHh3R0v6TO2IixGt/YJ3YiJcib"
    "fjU7mSVTKKd3gjn4FdhmxfUrIaZmCebqzVqhXAq5heVxmb1Olo4JP4TIjIIm0HEXSCEfyp"
    "7LKfWUoEuH9sLLErk3LElJ1SA4ggxOPPbDO5d08ItAF3rQgZBXCewoLQPpjI6ZlL4xq6wZ"
    "010GwjFpEIfBQHQ9MrEdIIVpw2QNKNn3+WCAPY+8Ne7ZSgjhQGrP2NAerwjOAajEey/Knj"
    "v2CAVwD9sNxY/daJWWbd+7opaodE4alkVsFMr7XHUH1P4dJXysGMR7/IyIuF8ncuqIkhgd"
    "Tck9TJ1zyOaXSUDIlzW70Gy/ehtmL2aa2gvnCL9rvGDy8CB4Q4PWzyh8F71nyPnFnLygd8"
    "DVl0fQBuQYkDj2EpjssOBoQydYgV92znmj6Ikia52/MO/a3Mte6TMXeZzHibVITerqHiHu"
    "sAm//tfJyevXb09evX7z7uz07duzd6/e1XGiwrv0q7drNoSL9sf2dS++aWPC+oMFjqVNTx"
    "U+bZXl1kccKfrc/2XAZnv9sQU5kil9LooKM8Qeq3Eoia5nZU4mSbqNulnNqKrs/nFen54V"
    "YTbkyuW2ePfsZ8BKM3knR8CRwwQ7Sh4BI2T6CFjpIyAIK2U7V5Hojq10x1IQTmdzL2N9zJ"
    "X4oiQPy33b6s9Xu5X7To5P356+e/3mNBD3gpR1Up4v0YUMRSG97FTxabYwVyq29xzSVHk2"
    "Ndj+9Om+aMGqydF9VYJ1Ft7Q/tHinrOqZWjCoq/r69RhtshYVBs2mlJ+h8ZhQjm3FzAsHt"
    "JnYZKiQqWOrz4RmhnTI0vqkvliaJnulI2ztGY7rhG1aw3U7hBkoCvVb5J6XBdGbyyOsyWB"
    "WeAxqXpzl4zNCcjRStklXhEq8+Ke4TdDZBSKp+/McaF9geUaGm3Of3GVGils8nsCww0z+0"
    "UoQjJkE5iXxGKoJ4PPkKrBwQBSZzBAx475XYzTsAaZJBVzEZ54to3m/knQivdElGLMbdsC"
    "apeuhHpMqucihKiRtFw7ZB52iqzE9bsCy0CtWaI51G/McmoLXdsQWTRhDhYCTUDV5rJObK"
    "iQ28SyoTrniLR+QKdaK/QSQG4MBphVlFkXijkXGSPrkPrCRK0uy3UE0Iq5fVDMqf4us/lH"
    "SPTmHxeS1UpS4tARodjozFExNm771JFcesuM0yxaPWBT/BWbUsYSDKmM8lzWBmQJlg5V8i"
    "7OykHK0/LzotO5ih3mLtqJdfb6y+eLVvfFsWA5ZDK92PIbPUX7O2qZkRyn0mM4ztONFge9"
    "KqzhqFZ7H6DKJ6WkeJ5D9c3CnX4Qp51axpk68ra+7kg9h3yGPDQVdjMJD1XqtCUcslGarS"
    "un6NBZAR01JnAUHovjlHB8oAQOry7FIy86jcABMessvf1K8Phc2qtCn8n0mezv7Jeod7MD"
    "3820Efdv0LHaiLsFdUqF5L7PUrbJE/z81w9LfkpIKij6fUP1PGq4x+y7ORJads+2xkrEwh"
    "dSR+9fmfPtAQ6bWxSkrExRbxuFZvsdUy/uXiw9ldGWXvctFlg0OgzLV5DChUWgkIzY50pI"
    "lBp+z7MYKvMFDbe9KXyfMOBYbOKh+QEdjrF0/LrQ8mFR15P+0aLBSCAcn3MEzz9r7mIYdk"
    "pdSizF7wNqgfQ5BVK6GJtM2ac38eCN0lfai/em07k6J/h/n3fbzVb3nIg/fd7str/io/yb"
    "XA2KOCgeF3ECPc73AT1OuYA+vbWhasLOts0N+qhw4BKlPiocaMfqo8LW/T2FZFh2tkTItN"
    "dnlScMivPZ8lyOhlHlP8CbI1u/ChU962QqctcdXTKID0lWe5KjjNalP413c/JQ/0gvZ1QC"
    "3SaK3E82P+jynDHLs12fk4N5C2zuqWIOlLWR+Vslb/LU4M7RgiYnwAOq0OhAKmwKH+Jde3"
    "F5H/2GpQJT6PEcNmLmd+b6ZugQWGAh8qMxW3kjvUd1ogAjWJreVPpiyzdZdvEd1yiN5PBu"
    "bpsCTECpKSPYZQimhhwT3t8m+rgrwIPhioSkAj0M6F8o3LU6EbhrkGMOT+OpdITGykC6Ek"
    "8OEzXds5VsevAdng111tFte0hd9uZ04Qi/7Qk1LWCL4ZowSQcD6e4+MR2EioBXCygv9FhH"
    "NWufu4sRKnK1Vb/6kke+EtUfYWWE7ihNlRWnG0vep+8Kyd6n79ZI3/gygdwVncyb8FtjCO"
    "ax+03qjrxcF8twOaQ4wDF9/KqYnn+doj8N9gB7TRkO+/kPkL+nhbA01kBppJirlf4HruqK"
    "SVxluzlFrNWaVe7rZ75gsUfT+BFaH8mtLWgibsOS9pOxD+t5YiOrrD4ioiCIeDwlTnCK8v"
    "K3LrOorzXIV7BFvKwOhOc/d6m26QJLRZtSyhr1pr5OReOIPGX91ObU8VZS9TGyZ3N5uV74"
    "fKF71n1wcV3gO4LIiaqGM7wi77gSzF3QzRiX6JPwYjJZ48G2s+oyHcF8JSbKqLajXcD2Q3"
    "shejvdAbczaln5piyf6JAMWK9P3r4JWI8P65h9+7lxdZXhZySnS5kjXYTk8EywcOQteGpe"
    "e2zWR7u/m7gvN5GS0n6MSAv7aeeF/2Mjr+wJKkalmardEJ7wQKrt4luxi6cX1i0w9cDjN8"
    "T2khhbu7C5ddsferWs1VUztoCDTGRDyeHs83hy+FqrDJ1ARKGVrxRQOqHi8THsu18F+Bv1"
    "74oJNwg23ma0ut1UsmVvhfzdcvsb5cOH/to/JgsuMRFFTfjf6X/XKrdz1tec63WgvScxku"
    "uDaBbTEd6zA4uH6uw9OZiqcfkQpnLpzvZpdE/vWU/rIHKP25/WnOx0ELkisvIj8LOjsV+z"
    "vIkfZ2s8UGf+nRocb9F81hjluYhHX68/ZWBGQ2J2FzxqdDgGkPNBvhGLbDaUPtiisCKo4O"
    "oJrYKcIRw1tTzEoE4fOXZZmXQHlxzw40uFTuHCsRyTJJ44/gfb6rlfi2lBC0zLUnDlAnOb"
    "OS5WFPhl+yHxTLfPFfq5QOBgHpD7gNyw6QEVYm77iN8KKYP9mNuOp5iiHbr31CRKS8dDod"
    "uKhlLRhbLq8lwxk1KwtqZPwwWgTkY5u2KlfG9rV52PRvv6nMi/fd5oNo0vtwhw4v/q82ar"
    "8aHX/gp9ol4lEjCwYSJHN5njtnXdDCIdGiLw4TnJSIQW3Nx0O19bhg+0En/Gui6hyOB17F"
    "G2v9dt38j2468+/9C4/tC6UsmRB3jT+Xxz1YJGqnfRxz5v/X7T6UIz5V9Z9rfWxadO5zdZ"
    "vHqANnV6+KnBy/gzlHTduLiKvI8/A4fbt/EMiQTsA9GwMEPsuc97MNzDt9EnGXbyOtL0+H"
    "NyPy52X2PrN6VjW3QZFVSassoTblO/iEKRI4/XRI48TkeOlEJKGV6HFE/H49qu9KhxDp8V"
    "cjw5W+N3cpZ2O5Fjs6QBPUKjtQJVMZ9XzGtqO9zUAd926RyP81irrB4070aWuwJmcx1G7x"
    "FqwGyWPq3TzJ6yNM9n5rldEATXM7SDfm/kqwVFLLji6kDHHMObiWPPiMOg61yBCYuQsJkK"
    "vfzsqJLrBUgHM/POEfpjIk2cSjnWsx3PNl1GRhiJ0ENFGcI3nKvgemx0TyIdWZe6Oep4Jr"
    "UUmkOfixEl1XrUsuxlJDSerVSO35mKyICaw2gZSukWXHiYMy6D5ymN4twc3RuLuTFilhXq"
    "Ez+9JpjgU2GmXxfzug8LIS5FTKBoRNYNiyScUSdo2xFpCyzfa2hjnyO+BcIIj2zbATJkkG"
    "ysyTGQIjTQGsu4g1I3Kjdq1cg7KI8bOM6M4QpaOYXMsqHmOPg0P6igiDyB8Q4DWGEkrBOX"
    "AU9wOiM8hjtHxGLRCysEvOhztOeFKByCTqlpXdSrOhhq0LVVL3DCvuPlEOhU+Oc4K8w4U6"
    "39zqYmyNTJmIoYt9FDNSubiwUIPp8MBl9l5q/UElDH1CX/c9u5Rs3r0rH5nTE3uQvpQjcr"
    "SxPp2EDRq9E+hLwYihGvdYaIxpaNH7+EWqYSaQQagSTcwDdsbIgYHoPBEUFrpupIwQe/I/"
    "vcloxY0hWZKs7O8q/D4IwRexL8nc1tj/HRyoBR87iLMdpRZtuOMtqD48D1vov5eJMOjpDp"
    "Dq50B+8JXPbxjrpy6wCxHvUWGT4CxewkIXWV1bYg5//vFxh4rSaqz9XPPoeR2BVp6keft6"
    "+Nm27nIxwLbs9J5CG0NTRDO0PTt01ciVT/p7A8tLuYpn5soqM/PimiMT7JVxifpAB+lMCk"
    "sNTKKI4zSKvc3RvqkE/OzorYRc7O8g0j+C4Z1dKeGzZ6cJRnexat5nsxvvtD1soy719aNs"
    "3ZKxJ0CXZPkHBv1SRZ7G12vlxctchNt/WhfdvuXMf3e/ESk8JguN1W4yqP1xJGoTyvJZ3m"
    "dQleo6Yizex1XkNJygOKU/7EYNTBulx2cUkS6hFfYMSHTCu5vCQJNbcLcJv9mJsgaxjlve"
    "LilBpercpn6BEe5ixDeraWEUlThIcHYrITVxLFt5E93jj6WqKICjMe9bPXH1tN4+aqcQ0H"
    "6dhjn3/rdq4/Go1mUx6zY49+hDaj1+kYl40gUpv/3OfXHeP2U+fbOVE/4BjfuGz1/oBTvP"
    "jb542LxnUTJg4cwIOf4rB/eSmO+peXfd7pfUL3Q/Fnk+P59l3olAElPTp67EeuXisgqfBo"
    "2MoC2/q9F1tbfU6++Nz4/WVsfb2C0eRnj3D+w1XnIonG66ClZ7zBVhen1Ftdlbe6iJ1wE5"
    "WXIjuE+ZUAYC6wgOVfjU7djA4NtyUU83EiHbwtedBMGqzLrlNZ9Hq1qvJqFXP6KCMLpAgP"
    "wMX7qQWCpOtGie0ig/TwtozjkyJhPiDXGqtUKsiHdLcp6cccI9KezHGOClekkgyN0uhrC+"
    "tdwwNXL+0avs7nNjqkCvgxyyn9dGyt5tR/kKuxla+0L3MCJkKj0a8Bh4gtqSH+++Z8CoHm"
    "D5FFCqHCsCdGzt2ZMrxKwGMcxlyOa4SnlD966uE9gQ+ioEMdVks2nNr2Pa5zuPCZj+XYN1"
    "leUxa3OqDBtet7Kmqc5dxWCUfh+jsrRmTcF7u6IgkkuIy87rEGUUbcVJjRMcMYowXRa7ZZ"
    "gX8ZQjicyiCjRCDYeAs3iDJqu9HYoLJ6vPyAF78gkyr9vbhEQmYMKpdXMlauJ+5bDAamaw"
    "gdNLX8yKPqaozDJCQNUa/DuzGyDfhnJUFuIvakoKHSrhdrKN62oERmlpNLIOEAt+7M73gV"
    "Jnbj5OF4Ib4zrg4YUiHflvz7Envibb37ftAO19rhupzDtQaWOkgVvdyvx5n6+YKeHLESqj"
    "2P200B04R/fN8M3ycj6VNx+wfM8s/wKP5uNAeLRQ9aEzsoOQdDQSlDiLBtC4SrHCkiRpjo"
    "oyFQ7qqTgpSnnYYXnc5VbAZetJMWky+fL1rAfsH90IcwIyqW9nXSvk5rfZ3K+x1qh8OSDo"
    "c6UpHGWqoUN9cY1HTcp8dg2GTGfdJAS1sBWnoeVKAv3GET5jDomvHN1PbsWobSNZ2pvk73"
    "uohkN+aYv3DcIpFbKj4RD3uIiDaQMGRh5CBHJThsZn/P0rNuVIqPNeTYS6TxtbJDNrEdCf"
    "YiCpU6TgXfnauzRQcpNyTCqij3AcAVbE+f+3XQOxg3uWV59D5WlgBKipY2GIxte8bGqJ3l"
    "dgAzjsg5d8wTqmOs4LHA4WXBVrcLsVqhSD/HRePOrgs7+/Kh2MmmWivLqHQCIq3VqbRWR8"
    "7XkkqCkEgrCB5QEKTEv2faWl2xwqZ3UyXorNlAIUfRLTPYCaRRUXhC4fbmg4u9F3uHAyNL"
    "mQ+VUTRj39y4KGmJ9IG10Sk1xGaD/XNGFhyLkhhpmCgiaUAGORjJixFFMyXsrF+4iYoYST"
    "VByLrxy6NY4e49br7CcAgFsL8W1BJoeX7kDYqIbPY9oZZ5z94r1Dv1XS6Z0RWxoHdhW8Sd"
    "U2ypfuwN2Sj4lHCzFeKCjNIhdnyZdTllPBbSAwN0qBznikdLYf106yBBjCg0XuG+CcEI5Q"
    "HTg1cL3J5BEpCxQuBDcD8Qn+UAQ4TllM2C6CCiRonOIb4Y6vOA8L2fy0CfBRibeFco0lCM"
    "smgvYW3AICbCPtvnlsnvUeKgqhDZItGPILf7SH/nUDIKqwsv7E/Tkah3o6ltjhjWDcPYsY"
    "V1GLMIf5xfXJlpzEamK6y4Au8uzGv4xt/3KTy/9Zh90jnKcBezkCfw4EMUQu2OwCsMcooO"
    "grzKq0pHmKzKGX2d9LMJuL+G9S8P6x9dsTfh9aOuH1RZxj8txO3TNdw+XcNtfwvbiOVR4s"
    "PTT28/jOqcuu7SBlmubMDaFOEBrio7gcMScM1G2fU7TnWAvN7JCo5iVmlWx4g0p4txWojY"
    "ZbgcEBzeKn1yVmSZhlxrlo3UQp06w5RVf2UWoK8gV1kThrqETf02fNoqL2BrfZo28Y/Yvt"
    "fS3LfnFJaLfILDW9e2qNqPuYXlXVJ6wCksINMa3xIuYehNJwJ2lGd4SPeEHPdPuXvLcB3m"
    "IGthwXAnGPCjFlw024ddWw3G9eYrqeku298RMi2UVVkoUyr/kstnhEovnsUXT98isqkUHK"
    "V/QhgeFWq5WdKuUPvWaPfa1x/PifoRBHFuBuGbm37g5qYfsnmzOzZbl5QTxqsyMnMG6eFJ"
    "zzvxLdZQlU+NTBWaWNNMz72IGSfS6HrJZT5qjS7P1oBMM7akf09SvejZ9ywLNrIMrEMLS+"
    "phQXt4LikEhKE8Sx7HpitRyN6ut4VAegwBhfg4Ph02VI/PKIeNGOIYa17l88plLnpLPXLe"
    "3cpSDpZJIgq4QoB6JKdKAT/tJbc0UlY5fgkvTYO6Rh5EYFnErEPnUw5A5Q7YtJfzLwlD9T"
    "guFYZf25chtUv3+yT6WoYnfgZAW75TfjY6XJFLbUnQrzDGOR/PbWAHmTLpt1yX7vYecz0Z"
    "AN0PLD6lLl7uQuqsC29brgH9wNuenzSnK8umwrNdXqgToGHK4xrz/+KSqYmu8jJuPaNQHA"
    "XhfzaX19MWLOKOTsncsUfow46++Hi7jZheny/m5IW4p/YSSWDULmLe9qZ0sldX5sRHiP2M"
    "uBgl3r/jJp3vVdUufjzeXRAu/3AUEfcIhO8T5e5SwJ8pD/IhuzM5R4Ax+KqluHWHTvxSZA"
    "V2iezq2uByKmLRO0w0CC/cibfFwcjgp98rGphMA5PtxQK+bXWYWHkkS1I8XeNRF6Oqst/P"
    "pm7nhbzO1zidp9TnfwsAuLRRqdm6Qg8rNCEFPzG1IRIaFTEoaceJA7ekSzGmbP+GVLp7K9"
    "29INiW7VtFoju20h3rnyBKCHxREm2lS3m5SO6UXwtjhNptrMqTBg615fs3INJ9W+W+FVqT"
    "vLNE7pqYoNIH4fTCGFFHlTkJJ8gOIP7eE7iS+Vq3ktiKCTINV1kV9M+KLQ2bczPlz5Qes2"
    "nulsZXVMaOVqTE/RyvD2ItJmbswwiWTwsKWs1x+3hM0OdB2UoO63wzX3TkP2zm8wdRCRwu"
    "hc2EVjhuowFIhdGRhjPfAuejZgkLGprRs5G4Ni3Mt90lMwjcyMFAmLowPJDNBbxUoFL3Qw"
    "a5bE7F4CXDFXHndMTc9wTPYKtzQi0LiRCcizmGy0YO8waDPndhmrjEs+06EbGfwzzicTAQ"
    "VNS0hI8wohT6oYQE6gPBVwusG1+JdAEf5S5GaCg8Ir2INa7PqXuPOFYCvtNiEw+ahcGL/J"
    "r/WpjMCyrOMctpvKdK4T05pZAVVPYq2yQ2lHtPXp0WCXuM2dZA4J+mAx9HGleC0Qmygztm"
    "nBQ6ZpysOWacZBwzwiV1M+PmExvc9vlIJ7egMmwOKQ5w+dgJfkFsty/D6hThIdzGejqGCw"
    "mmrD41SavVqlVWq2oHgAPvYHnaKtu/IZXu3kp379h0kcvloTAidHqF3ocefkQExkQRFRaC"
    "avFYbh+Bp+cE/+/zy0b76ku3dXtO/F9JpdXzuNDFlEqlhaUksZ6LVZ6LEcVe2Z5OkOp+rl"
    "o/b3SlP34TZ/OrVRnXgPZTqHraC1YNYP1oWsswuKg39XV2Fhrmeci4ks+GLWv2/y7XaR7p"
    "vrLBRZl8LVH+TZlD0MjtBGAdJ1UJDqvsB8jdnajfoEaPZXlcYAyaHIVMSJIULcyRR/6fWK"
    "a7xw4XWcxFZsQEihT0VBJlKiEpYAEXzx2s6+d/AId5pfs="
)
