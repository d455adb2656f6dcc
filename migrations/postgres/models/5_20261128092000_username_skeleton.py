# The indexes are written by hand. The unique one is partial so that filling the column takes no lock that foreign keys
# wait for.
from tortoise import BaseDBAsyncClient

# Statement by statement: each can be repeated, and lets others use its table.
RUN_IN_TRANSACTION = False


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE "users" ADD COLUMN IF NOT EXISTS "username_skeleton" VARCHAR(64);
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "users_skeleton" ON "users" ("username_skeleton")
    WHERE "username_skeleton" IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS "users_without_skeleton" ON "users" ("id")
    WHERE ("username_skeleton" IS NULL) = ("deleted" IS NULL);"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP INDEX IF EXISTS "users_without_skeleton";
        DROP INDEX IF EXISTS "users_skeleton";
        ALTER TABLE "users" DROP COLUMN "username_skeleton";"""


MODELS_STATE = (
    "eJztXW1zGjkS/isqPiVVjismduJzrq4K2zjh1jE+jPf2dtkaZEbAlAeJnRGLqb389+uWNM"
    "w7ZgjYwM2HxCCpNZqn9dJ61C3+qoyEzVz/sDmRD+KpzqU3q5yRvyqcjhh8yMo+IBU6HoeZ"
    "mCDpg6vKC1VQlXnwpUd7ElL71PUZJNnM73nOWDqCY9ka6Q0pHzAiBaGciwnvQamp50jJOH"
    "E4kUPI8yj3oRqQIaKvkowU5TaB5zPJbCJAlDiSTKlPxpMH1/GHzD7EZtiiB+1w+OBFntjh"
    "HV4jnpgSBNAn0yGVRto+IFxIVR1nU+JLKtmZ+upPGRsTj1Hb198xi1BdVjojFjRDFYRndL"
    "t94Y2YZ9me8yf8cexulzhaWCfBRyM/f2HxCNX0zRs6489E1WKNhXBB2qczbC2DbK/DI4JQ"
    "LWhPhO+I2OmH+AFiWMchqT8BaO4MkFEN7nbxMbptCFy36zPfB1DnzfWZVCqacOePCbOkGK"
    "jHg6J++x2SHW6zJ+YHX8ePVt9hrh3rno6NFah0S87GKu3cGTS4vFJlsQM8WD3hTkY8LD+e"
    "ySG0IxBwuMTUAePMA+TxCdKbYIflE9c1PTvow7qxYRHdyoiMzfp04mK3R2ndgDCtYlk3zb"
    "Z1V29bViU1JAKJSJ81ST3BcThBU30FwACb8O5v1eqHD5+q7z98PD05/vTp5PT9KZRV7U1n"
    "ffquGxOipatSmDW+NG7a2CABY1YPZUz4rmSopFpKKSNE3yg4rYL7+8ZltgIiIgktTCaOfY"
    "iCSV0EyEeUYaCe6yIoEiojnHJeQBsLgL34Wmu9+fDxrXph4cuBpzIVQgrdEM3kmC4Ca5Zs"
    "iW8KXzXbZcwYkMooz4V2LpaA9MEkP4NmaupYBs55ysvied5sXmPNI9//w9UzQ2JauLn/dl"
    "5vvTlSkEMhR8ZmixDvcLov0pPjUmUfjmPaAysB3zgF6CUko6mQDWpELIGobeQOgw+b6s+v"
    "A2278a1+1659u4316ctau445VZU6S6S+0ZoIe/y8EvLvRvsrwa/k1+ZNPamvebn2rxVsE5"
    "1IYXExtagdxSRIDpK+o3XTf4yssJjwQHuPU+rZVipHVEVe2XTWqDpKplBOB0pJiCa209j4"
    "d3rkZZn/QdZC09+MXH9Z498Vg3fKgARLdQhWNFrHDHqQfUjaaKSKR7TJpc/cPlqLmO1L4a"
    "EhLTjYmZBF7r7W3lVPPpI3Q/b0Nsve38xD1myx5s+GPzwLrmC2Vv7eh32R2v6oJ+F/x/+o"
    "bOG8uMAyRb1aoPBhGu2LIfVyjNOYVAJ1aPRm8N7kNmFEnyyX8YEcwtePxwvA/rnWUnh/PE"
    "7Mfjcmp6qyyuXoedBxJ9+EycMoe0eWJ9MvU6tTVN8Tv7iyA5lS0zum6aJ70IjIOhes7TUu"
    "n1mfUmZdHN00tFdgdzgD/hObKYAb0A7KeywDUGOW3ZtqdhPSMDXskx6dzm2maIeCd9fEq8"
    "K9dndRu6xXvr+SnSxpv1/ryTxbOZK92F7GgpYmmpc0mpuckZCZpmTERg/Mw8+qsmWobPMN"
    "GVnOkCmmrmReFlm+yYchT97tagRQzYhhyGFjiiLQNQmO/8ECcRY8xXGhBY7rGo5dMdDM8/"
    "FBfam4b3xyT0y4hBo73FD2h6TbtZkEcf0kipQ7SIGl7wX8N9WEPnsaC08aUEp6ekfpaSqL"
    "2ipaYg8tlR2xTHIpkqhpQudza3pfV+eTUWrxjKt4Lr2e/d1mFFu5bn6xGjdnRP/t8NrlpX"
    "V/V2+dkeBTh1/Waxftxs+gE5OVSOjwVrJEK1kCa2u3Gre6XvzU4Re1m4v6tUmOfOnw+i+3"
    "zVb7jOi/yRVjmT1o9f0Se9Dq+9w9KGYlaObYIlJku5+W3OYuseKm/+hkGcShVC7kKi+OuV"
    "5Gi2AdSrwcxpVNcVZxhE/eL4MwlMpFWOVl9eqCRycRmXIHlgC0PKteJ5qvRg/sDZoL2AE1"
    "jkt64Dl6IDrdxfiBFpiYrcZFu5Lqsi8H6nb205Upl2xIcYJcA6RtU81+QhpZRXIgfR0aS6"
    "GewV8F2sgnrvCNChBWnmNDTt8TI+IxUJ0v0YWQ8RzKKb84kkZ4aNt3PEgcOQPoLEgv6eMk"
    "Q9+0hSeF4zPSQwdPiVQOTLz+mXGGZL1HElHkgWaPqCcd6hLdtTpc9ShNPFHXFVPkioxfpT"
    "Ck2J/ai/JAcVvROgwtFDBgYsy4Kukbzmvs9B6tydjqMdcNGa+vHwgmBFJY6N1krFv3yGak"
    "Lzx4bW4DTpEqCWfUm7ftkDSQ7yI30MYOnzow1CYSXlZ4IIYA6cY6HP1ToYGurf1ENXunF2"
    "rTyAHUxy3sZ9bDDFo5hMK6oY49f7XACXQ6FGRAERDjWkpQ8ID4DDDB4UweZsQf0x7TWpgR"
    "6kED8eyEYCtDOUMk+sj8QRuhCmG0wAmDFklUKvzzvBkWHOXRc79VsBOpaRr+jsZCMt6bWQ"
    "Bk5ffynH6bzunLA+Q9J+smY3sVBUfESgVvtYJxCcikY3MPOSISz590rEubRxtSpTnpqB4d"
    "fzo+/fDxeH7AMU9ZdK6R4TQrqZz4q5LbofQ2M5lg+v7rHjpe/RIJafOxw6EntlSa+dDhjR"
    "vrttX8Apby3RmJfOnwi+a32+u6Kj3/GBDX1yo1+KhI60YL08yHVWjro+oyJGo1n0OtJgm+"
    "wA6EoYb2aREuNUN0m9W9Iq1aPTlZ5qjg5CT/rADzEsS1J8aWwGP34rBnyZa4L4d70GXdrD"
    "PZK1fQnLUiIZeAu4+CO8scZMF72bw/v66T21b9onHXaN7E13uViUlh2EWrXrvOwxqasBLW"
    "Wq7EugDWuHlPg73I1SMpuZIptGVgv6TbR8acXnRySQqWPX6JHh+CVnB6SQqWaC+BNnsaO2"
    "BrWMVdmeKSa9hE7w7wO7eH7uFmzrW0O2IRkzQluJI9umWafQHvihi/nQa8zZ5yJrGU4B54"
    "sywaSfVf2rFBFKD65lvtl7exgXTdvPkSFI9o4eK6eZ4AP0nJF+jvGaL71+OPqqdLkQ2nC9"
    "iG0/TGd4VbBcrrBBa4wKgjpoKARmVKD63FXjDzI7zSC2aRe0G0Sy3hsqGH9MvBup1D/1lU"
    "YzNfYbeNpK+6D/seK8er69zUcPVTi7k0xzc9O7RoP6CPW8Lq0qkMWrYITOjBcqEq2qNx/3"
    "3TvkAGsRyPoBDPxX5BVkSDy7kHmXvGVIiZdqlZEFemvEFG1FZXry0Zw7bOB2j3GHOCGV5s"
    "po7d8KuHXjDCZ5FINP14DD5D5zooZGr/rBx1yIjBw7Xby8yXi3xaAm+74Pz0h1xZyii09d"
    "KR+S4uO3JAvnk9lGfk5Rl5sTPyMoBzP+lOfR9qJvW23BiO17Dd47hxqQIv8U+HX7YaP6tI"
    "TfVXjeerKzWar67g239glH+Dr+rvSmNwqWC/BbF+Kar01eKmdmgEloFT20EZvWw8ypZ20J"
    "UDUubXqpRRU2uPmnqdEJ977rE+7FtBNfbtUEhRydjdpwsdLNrkTyLFrTGWX/rCR1Va77Dx"
    "+pUHDE+BhAcWXrnomQSPjcSf2Te4r1BLEDiE97KDTLD9f2B94emwFVXpQeyC9zxyAI8A/V"
    "BIXyUf3DdjYnA6PHgGHUC/ya1L0sdYXSrqKVpbt2sLMWJ2twvKFfNbbTAMZsCk4ijwAT96"
    "T03RmxPWe1/CFl2ReLTUafPRgtPmo+C0OZ8R8B0zVxbZ2cyFys3NVm9u9HjNINwW3TEeCp"
    "U3jD9zw3jK/HulpdVXM2x6NTWGzoIFFEosu2TOVwLNXquzPlzegpDPz2rt8KBnGZ7asO8Z"
    "6+bKVWnKO7glB90uwrBV/NkBMuFY1XTo9HQop7q4DQrozkje9Kivfzrlnjs9wENL9TH+1H"
    "6r1tzYA/xHXIAVuw6VsD8m1FXhr8Flb7BsuvhjJtR1HtlnfBuFqF47zZLuIIc/QxNg5Pgw"
    "cw4+q9BbXGODu990K3lk8VXmg74kTlkAuuR0yHjsRjm8H86UODOYqV9zmfkH8MAehdZ0uA"
    "7PVZYSGgiOhLyJVLdJ66vq4KVwfVCv6AFAG7lqroxXXXe86irXTJUXTBW/YCo63ayC9Q95"
    "h22zgXq8FNrHC9A+XoB2MPeuBHlUeP+88tZ/efqY+v5UgCFS9Jr6lOAeziobiUJTF4dYRe"
    "fvuNQeYr2RGdylK0AdEyqRXg5ptNlXPUgLZLcZ64VHaNtxSDYOeNOlp/BAYP8WyjVSaJHd"
    "jZ/rP7mIV4mKlcxKgd9uA+D0LVfFAQ/lXhDxwCDfWcDLi5CyJpb9/X0VwyAV1XdErAzp3L"
    "ZjgALUdOpXMn/Q5T3yA307NsaXCgtI/VTKS8VQ7CRaZdBJMbwUWW9R38oLjioafLLvOOWE"
    "5m0App0cf8k4mBeKZNqVLrXJY9ka85zesJJxMGtyDhYdzdKwzHNns/kwrPkM7/8lSucHo0"
    "NWiL/JZ2fyA3C2ihjbJmodB1UBhE3xPUR3I/QXPFEynhEN88+75k0OMxCKJHeKTk+S/xLX"
    "8XcxmGwBuAhGbH+Yuq0keTHJQXzjhxWcv7aP0ff/ATIzfhg="
)
