# Which sessions may have ended, with the number of the transaction: so a process can ask for those that it has not seen
# (services/accounts/session_checks.py). Triggers write it, so that changes by servers of the version before and by hand
# are in it too. They take their tables for a moment, as a new column does.
from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "session_changes" (
    "xact" BIGINT NOT NULL,
    "session_id" UUID NOT NULL,
    PRIMARY KEY ("xact", "session_id")
);
COMMENT ON TABLE "session_changes" IS 'A session that a transaction has ended, or perhaps has ended, lately.';
        CREATE OR REPLACE FUNCTION "note_session_change"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO "session_changes" ("xact", "session_id") SELECT pg_current_xact_id()::text::bigint, OLD."id"
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
        CREATE OR REPLACE FUNCTION "note_session_changes_of_user"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO "session_changes" ("xact", "session_id")
    SELECT pg_current_xact_id()::text::bigint, "id" FROM "sessions" WHERE "user_id" = OLD."id" ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
        CREATE OR REPLACE TRIGGER "sessions_end" AFTER DELETE ON "sessions"
    FOR EACH ROW EXECUTE FUNCTION "note_session_change"();
        CREATE OR REPLACE TRIGGER "sessions_end_earlier" AFTER UPDATE OF "created", "used" ON "sessions"
    FOR EACH ROW WHEN (NEW."created" < OLD."created" OR NEW."used" < OLD."used")
    EXECUTE FUNCTION "note_session_change"();
        CREATE OR REPLACE TRIGGER "users_end_sessions" AFTER UPDATE OF "is_active" ON "users"
    FOR EACH ROW WHEN (OLD."is_active" AND NOT NEW."is_active")
    EXECUTE FUNCTION "note_session_changes_of_user"();"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TRIGGER IF EXISTS "users_end_sessions" ON "users";
        DROP TRIGGER IF EXISTS "sessions_end_earlier" ON "sessions";
        DROP TRIGGER IF EXISTS "sessions_end" ON "sessions";
        DROP FUNCTION IF EXISTS "note_session_changes_of_user"();
        DROP FUNCTION IF EXISTS "note_session_change"();
        DROP TABLE IF EXISTS "session_changes";"""


MODELS_STATE = (
    "eJztXVtz27iS/isovZykSuNKHDsz62xtlRwpiXYcy2srycwZnaIhCbK4pkANSUVRnZ3/vt"
    "248E6ZlCWb0uAhsQiiAbBxa3Q3vv53Y+aOmeMfdWbUdvruPeONM/LvBqczBj9y3jZJg87n"
    "0TtMCOjQEdkZ5rMCzChe0KEfeHQUwLsJdXwGSWPmjzx7Htgu1tRoEZGb2JxQ4tj8nrgT/M"
    "WCgHlHpD9lOkPgM2dCbJ9wNyB+4Hps3CQud1b4itx8av10fPqWvJiyHy+PsO6xO4LKbX63"
    "u2oGfMC7AWYGTrCAjclyKsrApIWPlJSPyXAFVXG2ZB4UxI6IJPlOHXtMFjywHXJ7y37MbY"
    "/5t7eSZDm1HQbJdDyGVEhGimDKBlylYPvhmdDRyIUyxBcvuP3nggH77xi88uC7//ijAc3w"
    "8OV84c1dn4lekUU0/vUveLD5mP1gPmbGx/m9NbGZM06MAsEaa0r9KZKL91awmot376fU+y"
    "AokOdDa+Q6ixnPUs1XwdTlIRl0DabeMc48CpyLjRC+cBw1oHSS/DJICLwFCxs9jhLGbEIX"
    "Do4zpJYtidIalnXZ61s3nb5lNTJjUFPExotKGrkcx6/NA1/wY0Z/WA7jd8EUHt+e/CXrif"
    "ghc2GFX1vX7z+1rl+8PXmJFbowCeQMuVRvjsWrv0QRNKCyENELEdtjXZbleYcvZoLvXWgj"
    "5SOW4X+MfDvM1wkR96NJvTn7G187190Pv1udz63uxRmJPw34dQeprlo3N9961+0zknxOT/"
    "My3Xb8qkS3Hb8q7DZ8hd0WdZOeThWmRoykzl2z4cw4Pi0zNSBXMZNPT9JcVgtklsttYFNg"
    "z1g+p2NkKU6PFd2R/rGHfF/D5n73c+em3/p8hcXPfP9PRzCr1e/gm2ORukqlvnib6pGwEP"
    "Kt2/9E8JH8s3fZEex0/eDOEzVG+fr/bGCb6CJwLe4uLRjoMZ7oZJ2U6GDcqCx7nO3gL1+6"
    "7fzOjZGkOnexsMdHSHhYnSomzhvZS3H+iy/96y/cwCf3uXuJFgOSrP0A4o19x39lq8xWkm"
    "KoEgS/qGL2k6VRaiQ5eHQZSjzxAQXfLoU6wffWzftWu9MQHB7S0f2SemMrwWp84x67qZQw"
    "b/bV7HiWTqGc3gnm4FdgmxXXL4SYmieYqzdrhXIp5JaWx2X2Jll6NvwQIjMKmkDHfSCFfC"
    "h7Lqc0UIIuHbqLIE/k3rAkJVWD4AgyOAnYj+BM0sEvAl0YQAdCXiWwo7QMpDM6ZlL6xqyy"
    "Zkz3GQjHpEU8BgPRD8jE9YAUpg2TNaBkP+C3t9jzyFvrnq2EEA6k7owN3fGK4ByASoJ3ou"
    "y5545QAA+w3VD82I9X6bjuvS9qiUvnpOU4xEWhfMBVd0Dt31HCx4pBvMfPiIn7TSKnjiiJ"
    "0dGU3MPUOYNsukwCQr6s2Ydm6+pdmL2YaeouvCP8rvGCycOD4A0NWz+j8F30niHnF3Pygt"
    "4BV18eQRuQY0DiuUtgssfCow2dYAW67ILzRtkTRd46f27fdXmQv9LnLvI4j1NrkZrU9T1C"
    "3GETfvqP4+M3b34+fvXm7S+nJz//fPrLq1+aOFHhXfbVz2s2hPPux+5lP7lpY8L6gwWOpU"
    "1PFZq2znLrI44UA65/WbDZXn7sQI50yoCLoqIMicd6HEri61mVk0mabqNuVjOqLrt/ktcn"
    "p2WYDbkKuS3ePfsZsNZM3skRcOQxwY6KR8AYmTkC1voICMJK1c5VJKZja92xFITT2TzIWR"
    "8LJb44ycNy37b689Vu5b7j1yc/n/zy5u1JKO6FKeukPC3RRQxFIb3qVNE0W5grNdt7Dmmq"
    "PJsabH/6dF+0YPXk6L4qwXqLYOj+6PDAWzVyNGHx18116jBXZCyrDRtNKb9D4zChnLsLGB"
    "YP6bMwSVGhUkerT4Rmxg7Ikvpkvhg6tj9l4zyt2Y5rRO1aC7U7BBnoS/WbpB43hdEbi+Ns"
    "SWAWBEyq3vwlY3MCcrRSdolXhMq8uGfoZoiMQvH0nXk+tC+0XEOj7fk/fKVGipr8jsBww8"
    "y6CEVIhmwC85I4DPVk8BlSNXh7C6kzGKBjz/4uxmlUg0ySirkYTwLXRXP/JGzFOyJKseau"
    "6wC1T1dCPSbVczFC1Eg6vhsxDztFVuLrrsAyUGuWag7VjVlOXaFrGyKLJszDQqAJqNpcNo"
    "kLFXKXOC5U5x2Rzg/oVGeFXgLIjdtbzCrKbArFnI+MkXVIfWGqVp8FR+SL8igYORQ6ZmwJ"
    "DwN4j4Uq7d+A60/yEz2xtGG1WwhtLOUr1evYelGWyAoDx+j+9ln3p4ZUFfkiRmLki6Qcrh"
    "arCueaGMVGx5qasXHbB5v06l5lnObRmgGb4a/Y93KWYEhllBeyNiRLsXSokndxHA9Tnpaf"
    "573eReK8eN5NrbOXXz6fd65fvBYsh0x2kFh+4wd1vWlXGclJKjOGkzzdaHEwq8IajhrN+o"
    "FrlRKHgcrdnCY2GsS69XVG5/U8OpqrhT99Lw6TjRwVTextc52GZg75LHkmLe21FJ3R1eFd"
    "+PfjyaWpfOwj3xf0+5m4C+Fm70o/Gkpm8IaiBmUoT8B5qpntV4LamMpOOub8bc7ff2c3Vy"
    "O5HPhuZnwC/gYda3wCtqA6q5Hc91nKNkWCn379sOSnhKSSot83tPagbWPMvtsjYbQJXGes"
    "RCx8IU0++gamNi95bO5QkLJyRb1tFJrvxk6DpLe6dHxH14ymNoBh0eh/Ll9BChcGpodlxA"
    "GPhERpMAoCh6FtSNBwN5jC9wl7oMMmAVqz0H8dS8eviwxpDvUD6W4vGowEwo++QPD8o+Ev"
    "hlGnNKXEUv56qRFIn1MgpYuxzZS7wyYO4XH6WjuFX/V6F2cE/x/w6267c31GxJ8Bb193v+"
    "Kj/JteDcr4u74u41P8util+HXGo/jpLUt1E3a2bVoyR4UDlyjNUeFAO9YcFbbuPiwkw6qz"
    "JUZmTAB1njAozufLcwUaRpX/AC8ibf1mXfysk6vIXXd0ySE+JFntSY4yRpf+NM7y6UP9I5"
    "3mUQl0kypyP9n8oAd9zizP96RPD+YtsLmvijlQ1sbmb50uJ2QGd4EWND0BHlCFxgdSaVP4"
    "EKEbBBYEuqFLBabQ43lsxOzvzNdm6AinYiHyozFbeZ69Q+2jwLZAn3Dp2i/f5NnFd1yjNJ"
    "LDu7lrC2wKpaaMQeEhNh9yTFwmsPHKhMLPGK5IRCrA6ID+hYLxaxIB4wc55vA0nkq/eqwM"
    "pCvx5DFR0z1byaaH3xG4UGcTbwEMqc/eniw8cQ1gQm0H2GL5NkzS21t5e2Jie4g8Aq8WUF"
    "50AQLVrAPuL0aoyDVW/fpLHsVKVD3CqgjdcZo6K043lrxPfikle5/8skb6xpcpILj4ZN6E"
    "3waSsojdbzOQC3JdrMLliOIAx/TrV+X0/OsU/VnsENhrqnBY5z9A/p6UgmZZg8ySYa5R+h"
    "+4qishcVXt5gyxUWvWua+f+TLNHk3jR2h9JLe2oIm4iUraT8Y+rOdJjKyq+oiYgiDm8ZQ6"
    "wSnKD79eM4dqrUGxgi3mZXUgPP9rl2qba2CpaFNGWaPeNNepaDyRp6qf2px6wUqqPkbubC"
    "6xGoTPF7pn3Yc4CAIuFEROVDWcIuKC58vYAIJuxrgEM4UXk8kaD7adVZfrCKaVmCijup5x"
    "AdsP7YXo7WwH3Myo4xSbsjTRIRmw3hz//DZkPT6sY/bN59bFRY6fkZwuVY50MZLDM8HCkb"
    "fkqXntsdkc7f5u4r7cRCpK+wkiI+xnnRf+l42CqieoBJVhqnFDeMIDqbGLb8Uunl1Yt8DU"
    "Aw8HkthLEmy9hs3tuvu+38hbXQ1jSzjIxDaUAs4+jyeH1lrl6ARiCq1ipYDSCZUPt+Le/S"
    "SwBKm+KybcINh4m8EPd1PJlr0VinfL7W+UDx/6G/85WXAJsSlqwv9O/qtRu52zueZcb+I2"
    "PomR3BxE85iOaLE9WDxUZ+/JwVSNy4cguit3tqYxPb1PPU3HM5tb7hw6pHKPp2mNabnOui"
    "YTffJwcPdrytJdAu/Hg0bn+Y0/zqp8oNc2dmpavkFDaWtUdBkg/rq59jyJGS0J9l/yUNnj"
    "GHlSRwdA1LnZUHrbi8LKhBNQT2j/5Qxx7KkTIHh99nC5y8qk47/kgA5MF7n/iysEmCQDEe"
    "B/sI2e6VpsB1pgO46KcyDA+pnnY0WhB76OpWn7A67CJhyRFiep2ArubIaNc2z4VoXnopqF"
    "Lv54OJaaIon8r682CKv6nEkvAeKv/IDNmipe6YDPqHePUTV94i9GU+RO9ksF7gsLqMDvF2"
    "WDqAVfgIEDdNgChc/CfsxdL1AdZK4R7KkhnlYO6kS3FdKppov2QQiXNFznszqYEgA7o4Id"
    "ulYe342L3kere3lG5N8Bb7Xb1pcbhNXRvwa83Wm973e/Qp+oV6kEjM6aynGdztG5bEMbbm"
    "66vcubMxJ/QuqvvV87FvTXhw9IGj0N+A1mDUO5iqivZyQnEXPG48Mmo8O2rq6ue187loYM"
    "Sj5jCz5AM8PXicewfZKodRE2USdIrvWvu1eSa/hrwN+3Lt93LlRy7AHe9D5fXXSANepd/B"
    "E49dtV7xo+Uv6VZX/rnH/q9X6VxasHaFevjwwOXyafkeet84vY++Qz9Gv3JpkhlYA9LxoW"
    "ZUg8D3gfJln0Nv4kI/ZexpqefE5LJOXuJm0dFSCxdVdRt2Yp6zzNN/UBKhV09/WaoLuvs0"
    "F3pWhUhdcRxdPxuLErm0GSw6elnKxO1/hYnWZdrOTYrOgsEqMxcRZq4ilykNw0oTJ3eQ8E"
    "p/HT6ezqydKHHRlii10JBxETf/QRatB8lj6te9iesrTIO+y5nW0E13O0o7o3itWiIohmeX"
    "WoZ4/hzcRzZ8Rj0HW+QD9G8ONchWZxdlRJ9kNMj5l95wn9OZHGfKWQ67te4No+IyMM4Rqg"
    "cg6BSs5UsE02uiexjmxK3ST1Aps6CrdkwMWIkmpN6jjuMhZT1FUq1+9MxR5BnWK8DKXoiy"
    "khuYw6qjSqc3t0by3m1og5TqRP/fSGYIKmwkw/LeZNDYAirv9MoGjUZkZFEs6oF7btiHQF"
    "avUltHHAdTzRket6QIYMUgpQjoFEoYHOWAZs5UrRivu0auQdlMctHGfWcAWtnEJm2VB7HH"
    "6ajsYqYqxgoNgQQBsJm8RnwBOczggE488Rm1v0wgqhXQYcLdcR3oygU2pqH/XKHsZo9V3V"
    "C5yw73gNCjoV/nneCjPOVGu/s6kNEnU6GC0GvA1QzczmYgGCzye3t19l5q/UEaDe1Cf/fd"
    "O7RG3v0nP5nTW3uQ/pQjctSxPp2EDRq/E+hLwYwxYvMEfY3Y6LH7+EWqYSUwcagSTcwjdR"
    "UNgjgnZ71ZGCD7ojB9yVjFjSFZkqzs6KL37hjBF7Evydzd2A8dHKglHzuCtgxiVs2y5hxl"
    "fpwHXNi/l4kw6OkZkOrnUH7wkw/OsddeXWoZADGixyfCTK2WYi6jorbUHO/58vMPA6bVSe"
    "q58DDiPxWqSpHwPevbSurnsf4Vhwc0ZiD5GloR1ZGdraMnEhUvVPYXfoXmOa+rGJhv71cR"
    "l98XGxuvg4A2WlBCaFGlhFbZxDWufu3lCDfHx6WsYqcnpabBbBd+lYve7cctGDpTrb82gN"
    "38vxXQ9ZJ8+l4IPj0oK9IkWXYvcECfdWTZLH3nbvy/lFh1xdd9530Yic3O/FS0yKQnxfd1"
    "oXRbyWgCHVeS3pDK8r8Bo1FVlmr/NUSlNuJArVjNnPA7serstVF5c0oRnxJUZ8xLSKy0ua"
    "0HC7BLfZj7kNsoZV3RMvSWlue9T5DD3Cw5xjSW/aKiJphvDw4Hp24kii+DZyxxvHGUwVUW"
    "PGo3728mOnbV1dtNBHMfE44N+ue5cfrVa7LY/ZiUcdi9Dq93rWh1YYk1A/D/hlz7r51Pt2"
    "RtQPOMa3PnT6v8MpXvwd8NZ567INEwcO4OFPcdhHn0jlDNnrf0L3RPFnk+P59h3olAElOz"
    "r67EehXiskqfFo2MoC2/mtn1hbNSdffG799jKxvl7AaNLZY5x/f9E7T+NOe2jpGW+w1SUp"
    "zVZX560uZifcROWlyA5hfqWgxkssYMUgABkMgMhwW0ExnyQyYQrTB820wbrqOpVHb1arOq"
    "9WCaePKrJAhvAAHLyfWiBIu25U2C5ySA9vy3h9XCagDeRaY5XKhLOR7jYV3ZgTRMaROclR"
    "4YpUkaFxGgPmsN4zPHT1MmgO63xu40OqhB+znNJPx9Z6Tv0HuZpY+Sr7MqdgMkzchTXgGI"
    "klNYp0sDmfopAKh8gihdBhuROr4OpMFV6l4EEOYy4nNcJTyh899fCewHtR0KEOqyUbTl33"
    "Htc5XPjsx3LsmyyvLYtbHdDg2vU9FTXOCm6rRKNw/Z0VKzbuy11dkQQSXEde91iDqCNuKs"
    "zomGE03ZLoPdusQF+GEA6nMpyuxLUJFn4YT9f141FwZfV4+QEvfkEmVfo7cYmEzBhULq9k"
    "CASdI6zA9i2hg6aOjrGrrsZ4TMLgEPU6uhsj24B/Vgjyc3sbsyeFDZV2vURD8bYFJTKznF"
    "wCfQe4dWd/x6swiRsnD0fG0c64JjROjXxbiu9L7Im39e77wThcG4frag7XBszqIFX0cr8e"
    "5+rnS3pyJEqo9zzutgWME/7RvhnaJyPtU3HzO8zyz/Ao/m40B8vFyVoTJSs9ByNBKUeIcF"
    "0HhKsCKSJBmOqjIVDuqpPClKedhue93kViBp530xaTL5/PO8B+wf3IhzAn/pvxdTK+Tmt9"
    "nar7HRqHw4oOhyYml4FaqhU31xjUTISzx2DY5EY4M0BLWwFaeh5UoC/cYxPmMeia8dXUDd"
    "xGjtI1m6m5Tve6iGW35pi/dIQukVsqPhGDe4iINpAwZFGMLE8leGzmfs/Ts25UisYa8twl"
    "0mit7JBNXE+CvYhCpY5TwZcX6mzRQcqPiLAqyjUAuoLtGXBdB72DcVNYVkDvE2UJoKR4ab"
    "e3Y9edsTFqZ7kbwqwjcs4dC4TqGCt4LFh5VajV7QKs1iim1euyEZbXBVh++VCUcFutlVVU"
    "OiGR0erUWqsj52tFJUFEZBQEDygIMuLfM22tvlhhs7upEnTWbKCQo+yWGe4E0qgoPKFwe9"
    "PgYu/E3uHByFLmQ2UUzdk3Ny5KWiI1rDY6pUbYbLB/zsiCY1ESIw0TRSQRyCAHI3kxomim"
    "hJ31C7dRESOpJghZN355lCjcv8fNVxgOoQD254I6Ai1PRx6hiMjm3hPq2PfsnUK9U9/lkx"
    "ldEQd6F7ZF3DnFlqrjfchGwadEm60QF2RkELHjy6zLKeOJkCYYFETlOFM8Wgrrp98ECWJE"
    "ofEK900IRigP2AG8WuD2DJKAjJUCH4L7gfgsDxgiLKdsFkYkETVKdA7xxVBfAITvdC4LfR"
    "ZgbOJdoVhDMWSKu4S1AYOlCPvsgDs2v0eJg6pCZItEP4LcrpH+zqBkFFYXQdSftidR70ZT"
    "1x4xrBuGsecK6zBmEf44//BlpjEb2b6w4gq8uyivpY2/7zJ4fusx+6RzlOUvZhFP4EFDFE"
    "LtnsArDHOKDoK8yqvKxFKtyxl9nfSzCbS/AfWvDuofX7E34fWjrh/UWcY/KcXtkzXcPlnD"
    "bb2FbcTyOPHh6ae3HzB4Tn1/6YIsVzU0c4bwAFeVncBhCbhmq+r6naQ6QF7vZAVHMasyqx"
    "NEhtPlOC1E7CpcDgkOb5U+Pi2zTEOuNctGZqHOnGGqqr9yCzBXkOusCUNdwqZ+G5q2zgvY"
    "Wp+mTfwjtu+1NNf2nNJykSY4vHVti6r9hFtY0SWlB5zCQjKj8a3gEobedCJgR3WGR3RPyH"
    "F9yt1bhpswB3kLC4Y7wYAfjfCi2T7s2mowrjdfSU131f6OkRmhrM5CmVL5V1w+Y1Rm8Sy/"
    "eGqLyKZScJz+CWF4VCjmdkW7QuNbq9vvXn48I+pHGOS5HYZ3buvAzm0d0nmzOzZbl5RTxq"
    "sqMnMO6eFJzzvxLTZQlU+NTBWZWLNML7yImSQy6HrpZT5uja7O1pDMMLaif09avRi49ywP"
    "NrIKrEMHS+pjQXt4LikFhKE8Sx7HpgtRyN6ut6VAeiwBhfg4Ph02VI9mlMdGDHGMDa+Kee"
    "UzH72lHjnvbmQpB8skEQVcIUA9klMHD/xkgLKq8Us4aVrUt4oQAqsCZh06nwrwKXfApr1c"
    "rNIoVI/jUmn0tX0ZUrv0vk+Dr+U44ufgsxX75OeDw5W505bG/IpCnPPx3AV2kCmTbstN6W"
    "0fMD+Q8c91XPEp9fFuF1Ln3Xfbcg3oBt4NdNKcrhyXCsd2eZ9OYIYph2vM/w+fTG30lJdh"
    "6xmF4ijI/rO5vJ22YDFvdErmnjtCF3Z0xcfLbcQOBnwxJy/ENbWXSAKjdpFwtrelj726MS"
    "c+QuxnxMcg8fqKm/S9V1X7+PF4dUF4/MNJRFwjEK5PlPtLgX6mHMiH7M7mHPHF4KuW4tId"
    "+vBLiRXYJbKrW4PLqQhF7zHRILxvJ96WxyKDn7pXDC6ZwSXbiwV829owsfJIlmR4usahLk"
    "FVZ7efTb3OSzmdr/E5z2jP/xb4b1mbUrtzgQ5WaEEKf2JqSyS0amJPMn4TB25Il2JM1f6N"
    "qEz31rp7QbCt2reKxHRsrTtWnyAqCHxxEmOkyzi5SO5UXwsThMZrrM6TBg611fs3JDJ9W+"
    "e+FVqTorNE4ZqYojIH4ezCGFNHVTkJp8gOIPzeE3iSaa1bRWjFFJlBq6wL+GfNlobNuZlx"
    "Z8qO2Sx3K8MrKmNHJ1bifo7XB6EWUzP2YQDLp8UEree4fTwk6POAbKWHdbGZLz7yHzbz6U"
    "FUAYZLQTOhFY67aABSUXSk4Uxb4DRolrCgoRk9H4hr08K07S6dQcBG3t4KUxdGB3K5QJcK"
    "Veo6YpDP5lQMXjJcEX9OR8x/R/AMtjoj1HGQCLG5mGf5bOSx4PZ2wH2YJj4JXLdJROjnKI"
    "94vL0VVNR2hIswghTqSEIC9IHgqwXWja9EukCP8hcjNBQekX7MGjfg1L9HGCuB3umwSQDN"
    "wthFuuY/FzYLwooLzHIG7qlWcE9eJWAFlb3ONokN5d7jVydloh5jtjUI+CfZuMexxlVgdI"
    "rs4I4Zx6WOGcdrjhnHOceMaEndzLj5xAa3fT7SyS2oCpsjigNcPnYCX5DY7auwOkN4CJex"
    "no7hQoKpqk9N0xq1ap3VqsYB4MA7WJ62qvZvRGW6t9bdO7Z95HJ1JIwYnVmh96GHHxGAMV"
    "VEjYWgRjKU20fg6RnB/wf8Q6t78eW6c3NG9K+00up5XOgSSqXKwlKa2MzFOs/FmGKvak+n"
    "SE0/162fN7rRn7yJs/nVqpxrQPspVD3tBasWsH40beQYXNSb5jo7C43yPGRcKWbDljX7f5"
    "frNI90X9ngokyxlqj4pswhaOR2gq+Ok6oCh1X2A+TuTtRvUGPA8jwuMARNgUImIkmLFvYo"
    "IP9HHNvfY4eLPOYiMxICRQZ5Kg0ylZIUsIDz547V9df/A8yvWc8="
)
