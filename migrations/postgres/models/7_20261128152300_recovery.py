# The constraints and indexes are written by hand. That of staff_actions is not validated: all older rows satisfy it.
from tortoise import BaseDBAsyncClient

# Statement by statement: each can be repeated, and lets others use its table.
RUN_IN_TRANSACTION = False


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "email_tokens" (
    "token_hash" VARCHAR(64) NOT NULL PRIMARY KEY,
    "purpose" VARCHAR(20) NOT NULL,
    "address" VARCHAR(254) NOT NULL,
    "expires" TIMESTAMPTZ NOT NULL,
    "user_id" UUID NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_email_token_user_id_e6ea6a" UNIQUE ("user_id", "purpose", "address"),
    CONSTRAINT "email_tokens_purpose" CHECK ("purpose" IN ('VERIFY_EMAIL', 'RESET_PASSWORD'))
);
COMMENT ON COLUMN "email_tokens"."purpose" IS 'VERIFY_EMAIL: VERIFY_EMAIL\nRESET_PASSWORD: RESET_PASSWORD';
COMMENT ON TABLE "email_tokens" IS 'A token in a link of a letter. The token itself is not stored, only its SHA-256 (hex).';
        CREATE TABLE IF NOT EXISTS "letters" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "kind" VARCHAR(20) NOT NULL,
    "username_key" VARCHAR(450),
    "address" VARCHAR(254),
    "created" TIMESTAMPTZ NOT NULL,
    "due" TIMESTAMPTZ NOT NULL,
    "attempts" INT NOT NULL,
    "sent" TIMESTAMPTZ,
    "user_id" UUID REFERENCES "users" ("id") ON DELETE CASCADE,
    CONSTRAINT "letters_kind" CHECK ("kind" IN ('VERIFY_EMAIL', 'RESET_PASSWORD', 'PASSWORD_CHANGED', 'EMAIL_CHANGED')),
    CONSTRAINT "letters_to" CHECK (("username_key" IS NULL) = ("user_id" IS NOT NULL) AND ("user_id" IS NULL) = ("address" IS NULL))
);
COMMENT ON COLUMN "letters"."kind" IS 'VERIFY_EMAIL: VERIFY_EMAIL\nRESET_PASSWORD: RESET_PASSWORD\nPASSWORD_CHANGED: PASSWORD_CHANGED\nEMAIL_CHANGED: EMAIL_CHANGED';
COMMENT ON TABLE "letters" IS 'A letter, written in the transaction of what it is about.';
CREATE INDEX IF NOT EXISTS "letters_due" ON "letters" ("due", "id") WHERE "sent" IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS "letters_of_account" ON "letters" ("user_id", "kind", "address") WHERE "user_id" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "email_tokens_expires" ON "email_tokens" ("expires");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "staff_actions_of_trip" ON "staff_actions" ("trip_id") WHERE "trip_id" IS NOT NULL;
        ALTER TABLE "staff_actions" DROP CONSTRAINT IF EXISTS "staff_actions_action",
    ADD CONSTRAINT "staff_actions_action" CHECK ("action" IN ('LOG_IN', 'ADD_USER', 'DEACTIVATE_USER', 'REACTIVATE_USER', 'SEND_PASSWORD_RESET', 'APPROVE_DRIVER', 'REFUSE_DRIVER', 'ADD_TRIP', 'CANCEL_TRIP', 'COMPLETE_TRIP', 'EXPORT')) NOT VALID;
        COMMENT ON COLUMN "staff_actions"."action" IS 'LOG_IN: LOG_IN\nADD_USER: ADD_USER\nDEACTIVATE_USER: DEACTIVATE_USER\nREACTIVATE_USER: REACTIVATE_USER\nSEND_PASSWORD_RESET: SEND_PASSWORD_RESET\nAPPROVE_DRIVER: APPROVE_DRIVER\nREFUSE_DRIVER: REFUSE_DRIVER\nADD_TRIP: ADD_TRIP\nCANCEL_TRIP: CANCEL_TRIP\nCOMPLETE_TRIP: COMPLETE_TRIP\nEXPORT: EXPORT';
        ALTER TABLE "users" ADD COLUMN IF NOT EXISTS "email_verified_at" TIMESTAMPTZ;
        ALTER TABLE "users" ADD COLUMN IF NOT EXISTS "email" VARCHAR(254);"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP INDEX IF EXISTS "staff_actions_of_trip";
        DELETE FROM "staff_actions" WHERE "action" = 'SEND_PASSWORD_RESET';
        ALTER TABLE "staff_actions" DROP CONSTRAINT "staff_actions_action",
    ADD CONSTRAINT "staff_actions_action" CHECK ("action" IN ('LOG_IN', 'ADD_USER', 'DEACTIVATE_USER', 'REACTIVATE_USER', 'APPROVE_DRIVER', 'REFUSE_DRIVER', 'ADD_TRIP', 'CANCEL_TRIP', 'COMPLETE_TRIP', 'EXPORT')) NOT VALID;
        ALTER TABLE "users" DROP COLUMN "email_verified_at";
        ALTER TABLE "users" DROP COLUMN "email";
        DROP TABLE IF EXISTS "email_tokens";
        DROP TABLE IF EXISTS "letters";"""


MODELS_STATE = (
    "eJztXe1z2jy2/1c0fNl2Jk+noUnbm965MzSQlt005BLaPs8uO0bBIvhiJB7blGZ2+7/vOZ"
    "KM3x2bQGK4/tAGyzqS/NPb0XnTvxpzYTLbfdWZU8seiBnjjTPyrwancwY/Ut4ekQZdLIJ3"
    "mODRW1tmZ5jP8DCjfEFvXc+hYw/eTajtMkgymTt2rIVnCayp0SIyN7E4ocS2+IyICf5ins"
    "ecV2QwZX4Gz2X2hFgu4cIjriccZh4Rwe17fEVuPrd+a56+JS+m7OfLV1i3KcZQucXvdlfN"
    "kA9518PMgATzmElWU1kGJi1dpKTcJLf3UBVnK+ZAQewVUSQ/qG2ZZMk9yyajEfu5sBzmjk"
    "aKZDW1bAbJ1DQhFZKRwpuyIdcp2H54JnQ8FlCG/OIlt/5cMoD/jsErB777H/9oQDMcfLlY"
    "OgvhMtkrqojGP/8JDxY32U/mYmZ8XMyMicVsMzIKJDTGlLpTJJfvDe9+Id+dT6lzISkQ81"
    "tjLOzlnCepFvfeVPA1GXQNpt4xzhwKyIVGCF/ath5QfpL6MkjwnCVbN9oMEkw2oUsbxxlS"
    "q5YEaQ3DuOoNjJvOwDAaiTHoU4TGi04aC47j1+KeK/GY05+GzfidN4XHtye/VD0BHioXVv"
    "it1T//3Oq/eHvyEisUMAnUDLnSb5ry1S9ZBPWoKkT2QgB7qMuSmHf4ci5x70IbKR+zBP4h"
    "8u2A7ycE6AeTenP4G986/e7FH0bnS6t7eUbCT0Pe7yDVdevm5nuv3z4j0ef4NC/Sbc3XBb"
    "qt+Tqz2/AVdlvQTf50KjE1QiRV7poNZ0bztMjUgFzZIJ+exFHWC2QS5TbA5Flzlo50iCyG"
    "tKnpXvk/9hD3HJgH3S+dm0HryzUWP3fdP20JVmvQwTdNmXofS33xNtYj60LI9+7gM8FH8v"
    "feVUfCKVzvzpE1BvkGf29gm+jSEwYXKwMGeggTP9lPinQwblSGZSY7+OvXbju9c0Mksc5d"
    "Li3zFRIeVqfKifNG9VIYf/mlv37hBj6Zpe4lPhsQhfYC2Bvrjv+N3Se2khigmhH8qovZT0"
    "iD1IBzcOhqzfGEBxR8u2LqJO6tm/NWu9OQCN/S8WxFHdOIQI1vRFPEUtZ5k6/mzXk8hXJ6"
    "J8HBr8A2a9QvJZuaxpjrN7lMuWJyC/PjKvsRWTkW/JAsMzKaQMddIIV8yHuuptTTjC69FU"
    "svjeXesCTNVQPjCDw48dhP70zRwS8CXehBB0JexbArdhlo59Rkiv3GvKpqTHcZcMfASWPX"
    "InjGjN2v2WmCKfCDekPuijm7Fea9rBiHPXLhglB35pKJcKBCmGzM+6AOA0i8cMQYWXGkx3"
    "pMF7/DFkJThPlz0rJtIpAt121zh3xKfzDdMmgRfkeI4T/CM8B4SqjDiJpGskxGIW0G0+gM"
    "CPzSCTD86ntc/B798QJmMmaaiqUDoI5G5pKpL5cw0XX75xS+h84Ytn65IC/oHSD8EkFD8I"
    "DEEStXNsQ/5tAJVuCXnXH2KHq6SFvzP1p3Xe6lr/qpCz7O6di6pCd4dY8Td9iE3/6r2Xzz"
    "5l3z9Zu3709P3r07ff/6/RFOWniXfPUuZ3P42P3UvRpEN3BMyD9k4Fja9ITh01aZh33E8W"
    "LI/V8GbLxXnzqQI54y5LKoIEPksRoHlPDSV+aUEqfbqJv1jKoKJxDF+uS0CNiQKxNt+e7Z"
    "z4OVBnknx8GxwyQcJY+DIbL6OFjp4yAwK2U7V5PUHVvpjqXAnM4XXsr6mMnxhUke5vu21Z"
    "+vd8v3NY9P3p28f/P2ZM3urVPyuDyfowsARSa97FTxabYwVyq29xzSVHk2kdj+9Om+SMSq"
    "iei+CsR6S+9W/Oxwz7lvpEjFwq+P8kRjQmYsKhkbTym/Q0UxoZyLJQyLh2RbmKSpULzji0"
    "+kZMbyyIq6ZLG8tS13ysw0CdqOa0RJWwulO1IO5ipRnKI2j6QCXMrI2IrALPCYEsO5K8YW"
    "BPhoU4uc8BWhKi/uGX4zZEYpeJoIZw7jyHSsH3I4BfI3laQkaKGme0Kghn6iv9BafCCyFG"
    "MhhA3ULr2XUiwUNQ15iBCFiLYrgm9E7FQlro8YloHCrVhzqN8YlPqhSOwWv2TCHCwEmoDS"
    "yNUREVAhF8QWUJ3zinR+Avb2PSr28btHI8wqyzyS8jPXhY5RdSgBX6xWl2Xq7mv52T7Iz3"
    "R/l9mjQyT1Hh3lZeMrRRlY02hrfBP4yjU0ZcWAVEZ5JrRrshiktzp5FyewdcrT4vmx17uM"
    "HBE+dmPLwtXXLx87/RfHEnLIZHmR1SJ8NvM3gDIjOUpVj+EophstDvWqkINoLUw9QEFC4u"
    "j7PEe1PvUUyolTmn6Te0BzZJ6Ctgvf8RSBjPiCOt69svAdi/lCHYGQ6wL+3+KztfGs1Mef"
    "kWM8JJziQcZxlT2BpJsz7kmdO7yYTJLHs91Xl2rQiwU3VIdPhVPciLc+JjznMUH2drIDbu"
    "bUtjO7YE30dELv3XfEm+a7t2vo8SEP7JsvrcvLJFulp0sZFWuI5PBUrMevXxdRZGO2TCWr"
    "elkzBgfPGESUcXITKclLR4hqw9v4kW95+39s7JU98kWoalBjoD6blO1w4MxRhfks5SNVYQ"
    "NdzH5C+qAuLDSg0nVhyYX16fSL+wpqZC+JwNqHza3fPR800lbXGtiHgI1uKBnIPo9I4EaJ"
    "NxspMgH/1VGeUECLR4t7NIi736Tuj/peBR5h0HvmNv2Ld1PJltWC2bvl9jfKhw/9jf+eLL"
    "nSXMua8L+T/2lUbuc8ylP/1a7RjZ25RtcH0XzQ0QijB4uH7uw9OZjqcfmQ5VvpzvZp6p7e"
    "s56u3X4ftz9VxsixopDuq5XjDSqCWmMvi1cOvc7nlzGjoWwECzLNPY6uq75RISVzNr9Fl9"
    "KJ0k4VsULUT6jf4gzt6qjtoTFdknneZWVo4jgaKQR8f7bA/BBTlA+wtD/E/2CDOPNrsWxo"
    "gWXb2jxSGg8yx8WKpANsyMEXShxybW0pjQuZB+S+ZSEs30CFxoO+6SJVtpjs50I4ngaltg"
    "HcU+UeLe1/QbflfVHRJbfqnEkx5ch6bU2e6x52jg6oK+0efdn7ZHSvzoj6O+Stdtv4etPp"
    "nxH/15C3O63zQfcb9Il+FUtAR+pYjn48x03nqr32rDako/UZSUmEFlxf93vfOka73/0m2x"
    "F5xrouoMj168ijav+g371W7cdfQ37eujrvXOrk0AO86X25vuxAI/W78OOQd36/7vWhmepv"
    "fN8q5Pu6dWfu6FZWRuiQpKzywNxUE17Io/s4x6P7OOnRrTbzMlgHFE+HcWNXkrMowqeFTA"
    "1OcywNTpOGBmpsllSZhmjqc2BVFKYVs5PZDpq1I+YOZRRyHtdCigcVeqHlroCitHZvfYTg"
    "Jx3SpzWT2FNIs6wknlvpLFFPkaL5vZEtPpPOn8XFZo5lwpuJI+bEYdB1rof23oxnCL6ys6"
    "PoClXHE8uBxLl1h8bwghOl1NJCpIFwPGG5jIzRQ9hDgRJGEjrT3rRsPCOhjjxSMizqeBa1"
    "dVi5IZcjSom/qG3LWG++L6zQorkfyg1XmauHy9DCqbWJ+wID8CFgWvK2sMYzY7kwxsy2A7"
    "nb5zcEE3wqzPTbcqFaN2P30gx+AkUDTqEiCWfUWbfNj6N9BW0c8pUFU22J8QGFA2QIkA4N"
    "yFX4OmGbytFYyRDVRq0beQflcQPHmXGLwQGnkFk11DLXn+Z7EaN78B1G7vN9kwkSHhGXAS"
    "Y4nTHet7ugY6Z64R4j5w05anAItjKg0+JMGbPPQd9iV+he4IT9QHcA6FT45zgy3uBct/YH"
    "m1rAU8edqP/iohCTjsdsIRcg+HwyGn1Tmb9RWwb/oy75603vCiWUK0fwO2NhcYwuLmWYqj"
    "SZjg2UvRruQ8iLvtcW+pLLIIvUxXCH+PEqVqEMgQiNQBJu4BtmGjLC+Wj0ivRk3ETZkRIH"
    "vyOHXCggVhSDLypk59kOEDhj5J4Ef+cL4TE+vpchyh7lClGbRmzbNKLW2R+4fHS5MDfp4B"
    "BZ3cGV7mDc71Il4Jl6pRDF0/ksHe+oK7ceqMuj3jIjLuTD+oSAuspiW+Dz//crDLyOjKaq"
    "fw45jMS+TNM/hrx7ZVz3e5/gWHBzRkIPgUy+Hcjj274M/1Km+j+lhL7bl2FX1Y9NZPTHzS"
    "IS42a2wLgZl2b6DNMGkUBTSKvc3RvKkJunp0X0IqenOSFBTxNSekcsDIGWDuVhT6OtcS+G"
    "uz9k7TQ1+IUtaMZeEaOLwT1Bwr0Vk6TB2+59/XjZIdf9znn3ptu7iu738iUmBeFE+p3WZR"
    "bWynG+PNaKrsa6BNYoqUiCnWddE6fciBWqGNhPaWmTsqaXXVzihPWILzDiA9BKLi9xwhrt"
    "Amjrq6mM8tZjUco6hm+Vz9BjPMzZhrIALcOSJggPL2zFTkxJNG5jYW58c2KsiAoD39AXjR"
    "jXl60rOEhHHof8e7939clotdvqmB15HHJlMmcMej3jooVWfZHnIb/qGTefe9/PiP4Bx/jW"
    "RWfwB5zi5d8hb31sXbVh4sABfP1THvYvLuRR/+JiyHuDz2imJ/9scjzfvgmdVqAkR8eA/c"
    "yUa61JKjwatrLAdn4fRNZWH8kXX1q/v4ysr5cwmvzsIeTPL3sf41eiOKjpMTfY6qKU9VZX"
    "5a0upCfcROSlyQ5hfsVuGSqwgGU7wyZ8YQPFbQnBfJSovkQjftCMK6zLrlNp9PVqVeXVKm"
    "L0UYYXSBAegIn3UzMEcdONEttFCunhbRnHzfeFlFLvc7RS75MKkjpw8nbtwqUpUklAwzS1"
    "20K+afja1Ks2Dc+zuQ0PqQJ2zGpKPx2s1Zz6D6IaWflK2zKHBnEQwzqmQtKEF3/rM5tmeI"
    "smgmUfyBhO8bR1DTExMrxBymAVC4xwGKMzKuOUtx09ckih5fu5LOiQhtWufQg0YhmeBAGe"
    "+f4ERqgHi7kV6AuuZIAMZYqfExVDWpHPqSnv/CoYgWObFfiG6tIYcH31lbJgw0cHbbyFy0"
    "JxNFT1aJiOTjmQSZf+QRr4kzmDypW5/L3rSVv40chyDSkfpPZodBa+T8xhKqwG0a8DvwXV"
    "BvxzrwJ1hGT964YqnUukoWgJT4nKrCaWjOYBaMFxEN0UIt4AD0fv9w0l6/D9FbI7yLZl3x"
    "NL2N33Q20MWxvDljOGrYPjHKT4VF8Tmio7Lahlj5RQ7XncbctQM/jH15v7+vK4vvvmD5jl"
    "X+BR/t1oDha7yyPnJo/4HAwYpRQmIu/ivyhhffVfiav/ajuU2g4l3w6lvE1YbQxW0hisvj"
    "ekjoNTKTRzlB31LSyPiS+SegtLHQRnK0Fwnidiy1fusAlzGHSNeT0VnmikCF2TmY7yZK/L"
    "UHZjgfkL3yIicyvBJ8b0vcVoI5Bwy4J7PByd4LC5+JEmZ92oFD8OjCNWSONLZW/ZRDgqEI"
    "csVMk4dQjiTJktGq+4ARFWRbkfxFiHVBlyvw56B+MmsyyPziJlySA24dJGI1OIOTNROsvF"
    "OlQyRjW5Y54UHWMFjw1+XDYQ5nbDX1bo3o3jordA5l0C+fKhm0wtvVaWEemsiWqpTqWlOm"
    "q+lhQSBES1gOABAUGC/XumrdWVK2xyN9WMTs4GCjmKbpnrnUApFaWVCm5vfuCnD3LvcGBk"
    "afWhVoqm7JsbF6U0kX7QYzQYDOJmwf45J0uORan4VZgobwOADGowkhdjimpK2Fm/cgsFMY"
    "pqguHEzJevIoW7M9x8peIQCmB/LqktI5n5twdQjJYlZoTa1ox90BHJ9He5ZE7viQ29C9si"
    "7pxyS/XvD1CNgk8JNlvJLqibBuSOr7KupoxHriXASwZ0jjON0UpqP90j4CDGFBqvY3JJxg"
    "j5AcuDV0vcnoETUPcdwIfgfiA/ywFApOaUzdc3HMgaVeQE+cVQnweEH/xcBnSJBWMT/ThC"
    "DcU7z8QK1ga8iEHqZ4fctvgMOQ6qC1Etkv0IfLsfhe0MSkZmdekF/Wk5KiLZeCqsMcO6YR"
    "g7QmqHMYu0LPmLqzKZbGy5UosrY5EFeQ1f+fshEWstP56aMvMx3OU8wAQe/PBx8i5vfFjn"
    "lB0EebV9UH3fW1XO6HnczyaB1+uQ6+VDrodX7E2wfpRpeJV5/JNCaJ/koH2Sg7a/hW0EeZ"
    "j48OTT27/UcEFddyWAlyt7fWSC8ABXlZ2EKpKhdI2y63eU6gCx3skKjmxWaagjRDXSxZCW"
    "LHYZlNcEh7dKN0+LLNOQK2fZSCzUiTNMWfFXagG1e2iVJWEoS9jUbsOnrfIClmvTtIl9xP"
    "atlha+PqcwX+QTHN66tkXRfsQsLMvd5gGjsDVZLfEtYRKG1nTyMoXygAd0T4i4f8rdW8Dr"
    "EPRpC8vhXiauJd1l+ztEVjNlVWbKtMi/5PIZoqoXz+KLp68R2ZQLDtM/YYgUfV1su6Reof"
    "G91R10rz6dEf1jfRFte30Fbdu/fLbtXzu7mY/N1jnlmPKqDM+cQnp43PNObIvrMIJPHTUo"
    "ULEmQc90xIwS1ZHP4st8WBtdHtY1WQ1sSfueuHjREzOWFtKvTEiHDpY0wIL28FxSKPKFti"
    "x5HEyXspC9XW/zEdLmJIYMU/c4nA476IwPlMPGDGPM1lhlY+UyF62lHjnvblQpBwuSvKFZ"
    "xzJ6JFKlQhjtJVp1zKdyeEkrTYO6Rlb4trKxnw4dp4zggTuAaS/nXzwM1eNQKhxIbF+G1C"
    "7N71vMscYol0gY4Os3R3km+DTI85ANfjYMWzY0/v8ShuqRp+4NAkxlS+6yI0xVytCgSvZ/"
    "OKlKIKyzHyC6OzEngBo9liZEQheJDE1rQBLXvFljj/yb2Ja7j9HScsBFMPIlo3Eh6FFUkY"
    "YFfHxuX7Jf/wGjUtHY"
)
