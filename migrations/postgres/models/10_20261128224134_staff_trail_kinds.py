# The constraints are written by hand.
# Older entries are turned where their words, or the decision before, tell what they were: sessions that were ended, a
# password that was set, an approval that was revoked. The author of what a command did has no account any more.
# No big table is held long: of the trail, which is small and written by staff and commands alone, one pass is made for
# each statement; `sessions` comes last, and gets a column that rewrites no row.
from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        -- May block: the trail is small.
        ALTER TABLE "staff_actions" DROP CONSTRAINT "staff_actions_action",
    ALTER COLUMN "staff_id" DROP NOT NULL;
        -- May block: the trail is small.
        UPDATE "staff_actions" SET "action" = 'END_SESSIONS'
    WHERE "action" = 'DEACTIVATE_USER' AND "detail" LIKE 'only sessions ended%';
        -- May block: the trail is small.
        UPDATE "staff_actions" SET "action" = 'SET_PASSWORD', "detail" = ''
    WHERE "action" = 'SEND_PASSWORD_RESET' AND "detail" = 'a new password was set, and no letter sent';
        -- May block: the trail is small.
        UPDATE "staff_actions" SET "action" = 'REVOKE_APPROVAL'
    WHERE "id" IN (SELECT "id" FROM (SELECT "id", "action", LAG("action") OVER (PARTITION BY "user_id" ORDER BY "id") AS "before"
        FROM "staff_actions" WHERE "action" IN ('APPROVE_DRIVER', 'REFUSE_DRIVER', 'REVOKE_APPROVAL')) "decisions"
        WHERE "action" = 'REFUSE_DRIVER' AND "before" = 'APPROVE_DRIVER');
        -- May block: the trail is small.
        UPDATE "staff_actions" SET "staff_id" = NULL WHERE "staff_username" LIKE '% (command line)';
        -- May block: the trail is small.
        ALTER TABLE "staff_actions"
    ADD CONSTRAINT "staff_actions_action" CHECK ("action" IN ('LOG_IN', 'ADD_USER', 'DEACTIVATE_USER', 'REACTIVATE_USER', 'END_SESSIONS', 'REVOKE_STAFF', 'SEND_PASSWORD_RESET', 'SET_PASSWORD', 'APPROVE_DRIVER', 'REFUSE_DRIVER', 'REVOKE_APPROVAL', 'ADD_TRIP', 'CANCEL_TRIP', 'COMPLETE_TRIP', 'EXPORT', 'ADD_WEBHOOK', 'ROTATE_WEBHOOK', 'ENABLE_WEBHOOK', 'DISABLE_WEBHOOK', 'DELETE_WEBHOOK', 'TEST_WEBHOOK', 'RESEND_WEBHOOK')),
    ADD CONSTRAINT "staff_actions_author" CHECK ("staff_id" IS NOT NULL OR "staff_username" LIKE '% (command line)');
        COMMENT ON COLUMN "staff_actions"."action" IS 'LOG_IN: LOG_IN\nADD_USER: ADD_USER\nDEACTIVATE_USER: DEACTIVATE_USER\nREACTIVATE_USER: REACTIVATE_USER\nEND_SESSIONS: END_SESSIONS\nREVOKE_STAFF: REVOKE_STAFF\nSEND_PASSWORD_RESET: SEND_PASSWORD_RESET\nSET_PASSWORD: SET_PASSWORD\nAPPROVE_DRIVER: APPROVE_DRIVER\nREFUSE_DRIVER: REFUSE_DRIVER\nREVOKE_APPROVAL: REVOKE_APPROVAL\nADD_TRIP: ADD_TRIP\nCANCEL_TRIP: CANCEL_TRIP\nCOMPLETE_TRIP: COMPLETE_TRIP\nEXPORT: EXPORT\nADD_WEBHOOK: ADD_WEBHOOK\nROTATE_WEBHOOK: ROTATE_WEBHOOK\nENABLE_WEBHOOK: ENABLE_WEBHOOK\nDISABLE_WEBHOOK: DISABLE_WEBHOOK\nDELETE_WEBHOOK: DELETE_WEBHOOK\nTEST_WEBHOOK: TEST_WEBHOOK\nRESEND_WEBHOOK: RESEND_WEBHOOK';
        ALTER TABLE "sessions" ADD "admin_opened" TIMESTAMPTZ;"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE "staff_actions" DROP CONSTRAINT "staff_actions_action", DROP CONSTRAINT "staff_actions_author";
        DELETE FROM "staff_actions" WHERE "action" = 'REVOKE_STAFF' OR ("staff_id" IS NULL AND "user_id" IS NULL);
        UPDATE "staff_actions" SET "action" = 'DEACTIVATE_USER', "detail" = SUBSTR('only sessions ended: ' || "detail", 1, 500)
    WHERE "action" = 'END_SESSIONS';
        UPDATE "staff_actions" SET "action" = 'SEND_PASSWORD_RESET', "detail" = 'a new password was set, and no letter sent'
    WHERE "action" = 'SET_PASSWORD';
        UPDATE "staff_actions" SET "action" = 'REFUSE_DRIVER' WHERE "action" = 'REVOKE_APPROVAL';
        UPDATE "staff_actions" SET "staff_id" = "user_id" WHERE "staff_id" IS NULL;
        ALTER TABLE "staff_actions" ALTER COLUMN "staff_id" SET NOT NULL,
    ADD CONSTRAINT "staff_actions_action" CHECK ("action" IN ('LOG_IN', 'ADD_USER', 'DEACTIVATE_USER', 'REACTIVATE_USER', 'SEND_PASSWORD_RESET', 'APPROVE_DRIVER', 'REFUSE_DRIVER', 'ADD_TRIP', 'CANCEL_TRIP', 'COMPLETE_TRIP', 'EXPORT', 'ADD_WEBHOOK', 'ROTATE_WEBHOOK', 'ENABLE_WEBHOOK', 'DISABLE_WEBHOOK', 'DELETE_WEBHOOK', 'TEST_WEBHOOK', 'RESEND_WEBHOOK'));
        COMMENT ON COLUMN "staff_actions"."action" IS 'LOG_IN: LOG_IN\nADD_USER: ADD_USER\nDEACTIVATE_USER: DEACTIVATE_USER\nREACTIVATE_USER: REACTIVATE_USER\nSEND_PASSWORD_RESET: SEND_PASSWORD_RESET\nAPPROVE_DRIVER: APPROVE_DRIVER\nREFUSE_DRIVER: REFUSE_DRIVER\nADD_TRIP: ADD_TRIP\nCANCEL_TRIP: CANCEL_TRIP\nCOMPLETE_TRIP: COMPLETE_TRIP\nEXPORT: EXPORT\nADD_WEBHOOK: ADD_WEBHOOK\nROTATE_WEBHOOK: ROTATE_WEBHOOK\nENABLE_WEBHOOK: ENABLE_WEBHOOK\nDISABLE_WEBHOOK: DISABLE_WEBHOOK\nDELETE_WEBHOOK: DELETE_WEBHOOK\nTEST_WEBHOOK: TEST_WEBHOOK\nRESEND_WEBHOOK: RESEND_WEBHOOK';
        ALTER TABLE "sessions" DROP COLUMN "admin_opened";"""


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
    "kLFXKXOC5U5x2Rzg/oVGeFXgLIjdtbzCrKbArFnI+MkXVIfWGqVp8VOgIYxdw+KOZUf1fZ"
    "/GMkZvNPCslqJalw6IhRbHTmqBkbt33qSC+9VcZpHq0ZsBn+ik0pZwmGVEZ5IWtDshRLhy"
    "p5F2flMOVp+Xne610kDnPn3dQ6e/nl83nn+sVrwXLIZAeJ5Td+itY7apWRnKQyYzjJ040W"
    "B7MqrOGoUXsfoMono6R4nkP11cKfvhennUbOmTr2trnuSD2HfJY8NJV2M4kOVeq0JRyyUZ"
    "ptKqfoyFkBHTUmcBQei+OUcHygBA6vPsUjLzqNwAEx7yy9/Urw+FzZq8KcycyZ7O/sl2h2"
    "swPfzYwR92/QscaIuwV1So3kvs9StikS/PTrhyU/JSSVFP2+oXoeNdxj9t0eCS174DpjJW"
    "LhC6mj11fmtD3AY3OHgpSVK+pto9B8v2MaJN2Lpacy2tKb2mKBRaPDsHwFKVxYBB6WEQc8"
    "EhKlhj8IHIbKfEHD3WAK3ycMOA6bBGh+QIdjLB2/LrJ8ONQPpH+0aDASCMfnAsHzj4a/GE"
    "ad0pQSS/n7gEYgfU6BlC7GNlP26U08eOP0tfbiver1Ls4I/j/g19125/qMiD8D3r7ufsVH"
    "+Te9GpRxUHxdxgn0dbEP6OuMC+jTWxvqJuxs29xgjgoHLlGao8KBdqw5Kmzd31NIhlVnS4"
    "zMeH3WecKgOJ8vzxVoGFX+A7w5svWrUPGzTq4id93RJYf4kGS1JznKGF3603g3pw/1j/Ry"
    "RiXQTarI/WTzgy7PObM83/U5PZi3wOa+KuZAWRubv3XyJs8M7gItaHoCPKAKjQ+k0qbwId"
    "61F5f30W9YKjCFHs9jI2Z/Z742Q0fAAguRH43ZyhvpHWofBRjB0g6m0hdbvsmzi++4Rmkk"
    "h3dz1xZgAkpNGcMuQzA15Jjw/rbRx10BHgxXJCIV6GFA/0LhrjWJwF2DHHN4Gk+lIzRWBt"
    "KVePKYqOmerWTTw+8IXKiziW7bQ+qztycLT/htT6jtAFss34ZJensr3d0ntodQEfBqAeVF"
    "HuuoZh1wfzFCRa6x6tdf8ihWouoRVkXojtPUWXG6seR98ksp2fvklzXSN75MIXfFJ/Mm/D"
    "YYgkXsfpu5Iy/XxSpcjigOcEy/flVOz79O0Z8Fe4C9pgqHdf4D5O9JKSyNNVAaGeYapf+B"
    "q7oSElfVbs4QG7Vmnfv6mS9Y7NE0foTWR3JrC5qIm6ik/WTsw3qexMiqqo+IKQhiHk+pE5"
    "yi/PDrNXOo1hoUK9hiXlYHwvO/dqm2uQaWijZllDXqTXOdisYTear6qc2pF6yk6mPkzuby"
    "cr3w+UL3rPvw4rrAdwSRE1UNp3hF3vMlmLugmzEu0SfhxWSyxoNtZ9XlOoJpJSbKqK5nXM"
    "D2Q3shejvbATcz6jjFpixNdEgGrDfHP78NWY8P65h987l1cZHjZySnS5UjXYzk8EywcOQt"
    "eWpee2w2R7u/m7gvN5GK0n6CyAj7WeeF/2WjoOoJKkFlmGrcEJ7wQGrs4luxi2cX1i0w9c"
    "DjNyT2kgRbr2Fzu+6+7zfyVlfD2BIOMrENpYCzz+PJobVWOTqBmEKrWCmgdELl42O4dz8J"
    "8Deq74oJNwg23ma0ut1UsmVvheLdcvsb5cOH/sZ/ThZcYiKKmvC/k/9q1G7nbK4515tAe0"
    "9iJDcH0TymI7xnDxYP1dl7cjBV4/IhTOXKna1pTE/vU0/T8czmljuHDqnc42laY1qus67J"
    "hAs8HKD0mrJ0l0jp8Si/eX7jj7MqH+i1jZ2alm/QUNoaFV0GiL9urj1PYkZLorOXPFT2OI"
    "YK1HDuiDo3G0pve1FYGfx39YT2X84QeJw6AaKNZw+Xu6xMOv5LDuhIYpH7v7hCgEkSOR7/"
    "g230TNdiO9AC23EUML1AV2eejxWFHvg6+KHtD7jCuT8iLU5SYPjubIaNc2z4VoXnopqFLv"
    "54OJaaIgnVrq82CKv6nEkvAeKv/IDNmirA5IDPqHePYRB94i9GU+RO9ksF7gsL4FM0DDyI"
    "WvAFiPSuceYVPgv7MXe9QHWQuUawp4Z4WjkKD91WDJ6aLtoHIVzScJ3P6mBKAOyMCnboWn"
    "l8Ny56H63u5RmRfwe81W5bX24QVkf/GvB2p/W+3/0KfaJepRIwnGYqx3U6R+eyDW24uen2"
    "Lm/OSPwJqb/2fu1Y0F8fPiBp9DTgN5g1jL0pwnSekZxEzBkP6JkM59m6urrufe1YGjIo+Y"
    "wt+ADNDF8nHsP2SaLWRdhEnSC51r/uXkmu4a8Bf9+6fN+5UMmxB3jT+3x10QHWqHfxR+DU"
    "b1e9a/hI+VeW/a1z/qnX+1UWrx6gXb0+Mjh8mXxGnrfOL2Lvk8/Qr92bZIZUAva8aFiUIf"
    "E84H2YZNHb+JMMsXoZa3ryOS2RlLubtHVUgMTWXUXdmqWs8zTf1AeoVJTU12uipL7ORkmV"
    "olEVXkcUT8fjxq5sBkkOn5Zysjpd42N1mnWxkmOzorNIjMZg79fEU+QguWliG+7yHghO46"
    "fT2dWTpQ87MsQWuxIOIiZg5CPUoPksfVr3sD1laZF32HM72wiu52hHdW8Uq0VF1MPy6lDP"
    "HsObiefOiMeg63yBfozgx7kKzeLsqJLsh5geM/vOE/pzIo35SiHXd73AtX1GRhhzM0DlHA"
    "KVnKkwkmx0T2Id2ZS6SeoFNnUUbsmAixEl1ZrUcdxlLAikq1Su35mKPYI6xXgZStEXU0Jy"
    "GSZSaVTn9ujeWsytEXOcSJ/66Q3BBE2FmX5azJsaAEVc/5lA0ajNjIoknFEvbNsR6QrU6k"
    "to44AjkgsCZo9c1wMyZJBSgHIMGQoNdMYywiZXilbcp1Uj76A8buE4s4YraOUUMsuG2uPw"
    "03T4TBFjBSN7hgDaSNgkPgOe4HRGIBh/jtjcohdWCO0y4Gi5jvBmBJ1SU/uoV/YwqKbvql"
    "7ghH3Ha1DQqfDP81aYcaZa+51NbZCo09FDMUJpgGpmNhcLEHw+ub39KjN/pY4A9aY++e+b"
    "3iVqe5eey++suc19SBe6aVmaSMcGil6N9yHkxaCjeIE5wu52XPz4JdQylZg60Agk4Ra+YW"
    "NLRKtBBTPa7VVHCj7ojhxwVzJiSVdkqjg7K774hTNG7EnwdzZ3A8ZHKwtGzeOugBmXsG27"
    "hBlfpQPXNS/m4006OEZmOrjWHbwnwPCvd9SVW4dCDmiwyPGRKGebiajrrLQFOf9/vsDA67"
    "RRea5+DjiMxGuRpn4MePfSurrufYRjwc0ZiT1EloZ2ZGVoa8vEhUjVP4XdoXuNaerHJhr6"
    "18dl9MXHxeri4wyUlRKYFGpgFbVxDmmdu3tDDfLx6WkZq8jpabFZBN+l47e6c8tFD5bqbM"
    "+jNXwvx3c9ZJ08l4IPjksL9ooUXYrdEyTcWzVJHnvbvS/nFx1ydd1530UjcnK/Fy8xKQr7"
    "fN1pXRTxWgKGVOe1pDO8rsBr1FRkmb3OUylNuZEoVDNmPw/serguV11c0oRmxJcY8RHTKi"
    "4vaULD7RLcZj/mNsgaVnVPvCSlue1R5zP0CA9zjiW9aauIpBnCw4Pr2YkjieLbyB1vHGcw"
    "VUSNGY/62cuPnbZ1ddFCH8XE44B/u+5dfrRa7bY8ZicedSxCq9/rWR9aYUxC/Tzglz3r5l"
    "Pv2xlRP+AY3/rQ6f8Op3jxd8Bb563LNkwcOICHP8VhH30ilTNkr/8J3RPFn02O59t3oFMG"
    "lOzo6LMfhXqtkKTGo2ErC2znt35ibdWcfPG59dvLxPp6AaNJZ49x/v1F7zyNO+2hpWe8wV"
    "aXpDRbXZ23upidcBOVlyI7hPmVghovsYAVgwBkMAAiw20FxXySyIQpTB800wbrqutUHr1Z"
    "req8WiWcPqrIAhnCA3DwfmqBIO26UWG7yCE9vC3j9XGZgDaQa41VKhPORrrbVHRjThAZR+"
    "YkR4UrUkWGxmkMmMN6z/DQ1cugOazzuY0PqRJ+zHJKPx1b6zn1H+RqYuWr7MucgskwcRfW"
    "gGMkltQo0sHmfIpCKhwiixRCh+VOrIKrM1V4lYIHOYy5nNQITyl/9NTDewLvRUGHOqyWbD"
    "h13Xtc53Dhsx/LsW+yvLYsbnVAg2vX91TUOCu4rRKNwvV3VqzYuC93dUUSSHAded1jDaKO"
    "uKkwo2OG0XRLovdsswJ9GUI4nMpwuhLXJlj4YTxd149HwZXV4+UHvPgFmVTp78QlEjJjUL"
    "m8kiEQdI6wAtu3hA6aOjrGrroa4zEJg0PU6+hujGwD/lkhyM/tbcyeFDZU2vUSDcXbFpTI"
    "zHJyCfQd4Nad/R2vwiRunDwcGUc745rQODXybSm+L7En3ta77wfjcG0crqs5XBswq4NU0c"
    "v9epyrny/pyZEood7zuNsWME74R/tmaJ+MtE/Fze8wyz/Do/i70RwsFydrTZSs9ByMBKUc"
    "IcJ1HRCuCqSIBGGqj4ZAuatOClOedhqe93oXiRl43k1bTL58Pu8A+wX3Ix/CnPhvxtfJ+D"
    "qt9XWq7ndoHA4rOhyamFwGaqlW3FxjUDMRzh6DYZMb4cwALW0FaOl5UIG+cI9NmMega8ZX"
    "UzdwGzlK12ym5jrd6yKW3Zpj/tIRukRuqfhEDO4hItpAwpBFMbI8leCxmfs9T8+6USkaa8"
    "hzl0ijtbJDNnE9CfYiCpU6TgVfXqizRQcpPyLCqijXAOgKtmfAdR30DsZNYVkBvU+UJYCS"
    "4qXd3o5dd8bGqJ3lbgizjsg5dywQqmOs4LFg5VWhVrcLsFqjmFavy0ZYXhdg+eVDUcJttV"
    "ZWUemEREarU2utjpyvFZUEEZFREDygIMiIf8+0tfpihc3upkrQWbOBQo6yW2a4E0ijovCE"
    "wu1Ng4u9E3uHByNLmQ+VUTRn39y4KGmJ1LDa6JQaYbPB/jkjC45FSYw0TBSRRCCDHIzkxY"
    "iimRJ21i/cRkWMpJogZN345VGicP8eN19hOIQC2J8L6gi0PB15hCIim3tPqGPfs3cK9U59"
    "l09mdEUc6F3YFnHnFFuqjvchGwWfEm22QlyQkUHEji+zLqeMJ0KaYFAQleNM8WgprJ9+Ey"
    "SIEYXGK9w3IRihPGAH8GqB2zNIAjJWCnwI7gfiszxgiLCcslkYkUTUKNE5xBdDfQEQvtO5"
    "LPRZgLGJd4ViDcWQKe4S1gYMliLsswPu2PweJQ6qCpEtEv0IcrtG+juDklFYXQRRf9qeRL"
    "0bTV17xLBuGMaeK6zDmEX44/zDl5nGbGT7woor8O6ivJY2/r7L4Pmtx+yTzlGWv5hFPIEH"
    "DVEItXsCrzDMKToI8iqvKhNLtS5n9HXSzybQ/gbUvzqof3zF3oTXj7p+UGcZ/6QUt0/WcP"
    "tkDbf1FrYRy+PEh6ef3n7A4Dn1/aULslzV0MwZwgNcVXYChyXgmq2q63eS6gB5vZMVHMWs"
    "yqxOEBlOl+O0ELGrcDkkOLxV+vi0zDINudYsG5mFOnOGqar+yi3AXEGusyYMdQmb+m1o2j"
    "ovYGt9mjbxj9i+19Jc23NKy0Wa4PDWtS2q9hNuYUWXlB5wCgvJjMa3gksYetOJgB3VGR7R"
    "PSHH9Sl3bxluwhzkLSwY7gQDfjTCi2b7sGurwbjefCU13VX7O0ZmhLI6C2VK5V9x+YxRmc"
    "Wz/OKpLSKbSsFx+ieE4VGhmNsV7QqNb61uv3v58YyoH2GQ53YY3rmtAzu3dUjnze7YbF1S"
    "ThmvqsjMOaSHJz3vxLfYQFU+NTJVZGLNMr3wImaSyKDrpZf5uDW6OltDMsPYiv49afVi4N"
    "6zPNjIKrAOHSypjwXt4bmkFBCG8ix5HJsuRCF7u96WAumxBBTi4/h02FA9mlEeGzHEMTa8"
    "KuaVz3z0lnrkvLuRpRwsk0QUcIUA9UhOHTzwkwHKqsYv4aRpUd8qQgisCph16HwqwKfcAZ"
    "v2crFKo1A9jkul0df2ZUjt0vs+Db6W44ifg89W7JOfDw5X5k5bGvMrCnHOx3MX2EGmTLot"
    "N6W3fcD8QMY/13HFp9THu11InXffbcs1oBt4N9BJc7pyXCoc2+V9OoEZphyuMf8/fDK10V"
    "Nehq1nFIqjIPvP5vJ22oLFvNEpmXvuCF3Y0RUfL7cROxjwxZy8ENfUXiIJjNpFwtnelj72"
    "6sac+AixnxEfg8TrK27S915V7ePH49UF4fEPJxFxjUC4PlHuLwX6mXIgH7I7m3PEF4OvWo"
    "pLd+jDLyVWYJfIrm4NLqciFL3HRIPwvp14Wx6LDH7qXjG4ZAaXbC8W8G1rw8TKI1mS4eka"
    "h7oEVZ3dfjb1Oi/ldL7G5zyjPf9b4L9lbUrtzgU6WKEFKfyJqS2R0KqJPcn4TRy4IV2KMV"
    "X7N6Iy3Vvr7gXBtmrfKhLTsbXuWH2CqCDwxUmMkS7j5CK5U30tTBAar7E6Txo41Fbv35DI"
    "9G2d+1ZoTYrOEoVrYorKHISzC2NMHVXlJJwiO4Dwe0/gSaa1bhWhFVNkBq2yLuCfNVsaNu"
    "dmxp0pO2az3K0Mr6iMHZ1Yifs5Xh+EWkzN2IcBLJ8WE7Se4/bxkKDPA7KVHtbFZr74yH/Y"
    "zKcHUQUYLgXNhFY47qIBSEXRkYYzbYHToFnCgoZm9Hwgrk0L07a7dAYBG3l7K0xdGB3I5Q"
    "JdKlSp64hBPptTMXjJcEX8OR0x/x3BM9jqjFDHQSLE5mKe5bORx4Lb2wH3YZr4JHDdJhGh"
    "n6M84vH2VlBR2xEuwghSqCMJCdAHgq8WWDe+EukCPcpfjNBQeET6MWvcgFP/HmGsBHqnwy"
    "YBNAtjF+ma/1zYLAgrLjDLGbinWsE9eZWAFVT2OtskNpR7j1+dlIl6jNnWIOCfZOMexxpX"
    "gdEpsoM7ZhyXOmYcrzlmHOccM6IldTPj5hMb3Pb5SCe3oCpsjigOcPnYCXxBYrevwuoM4S"
    "Fcxno6hgsJpqo+NU1r1Kp1VqsaB4AD72B52qravxGV6d5ad+/Y9pHL1ZEwYnRmhd6HHn5E"
    "AMZUETUWghrJUG4fgadnBP8f8A+t7sWX687NGdG/0kqr53GhSyiVKgtLaWIzF+s8F2OKva"
    "o9nSI1/Vy3ft7oRn/yJs7mV6tyrgHtp1D1tBesWsD60bSRY3BRb5rr7Cw0yvOQcaWYDVvW"
    "7P9drtM80n1lg4syxVqi4psyh6CR2wm+Ok6qChxW2Q+QuztRv0GNAcvzuMAQNAUKmYgkLV"
    "rYo4D8H3Fsf48dLvKYi8xICBQZ5Kk0yFRKUsACzp87Vtdf/w8E95es"
)
