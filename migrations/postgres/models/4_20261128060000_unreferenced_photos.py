from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "unreferenced_photos" (
    "name" VARCHAR(100) NOT NULL PRIMARY KEY,
    "since" TIMESTAMPTZ NOT NULL,
    "doomed" BOOL NOT NULL
);
COMMENT ON TABLE "unreferenced_photos" IS 'A photo that is about to be stored, or to be removed.';"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE IF EXISTS "unreferenced_photos";"""


MODELS_STATE = (
    "eJztXW1zGjkS/isqvlxS5bhiYic+79VVYRsn3DrGh/Hu3i5Xg2AEzHmQ2JFYTO3lv1+3NM"
    "MM82aGGBu4+ZAYJLVG87ReWo+6xZ+VsbCZKw+bU9UTj3WuvHnljPxZ4XTM4ENa9gGp0Mkk"
    "zMQERXuuLi90QV2mJ5VH+wpSB9SVDJJsJvueM1GO4Fi2RvojyoeMKEEo52LK+1Bq5jlKMU"
    "4cTtQI8jzKJVQDMkQMdJIvRblN4PlMMZsIECWOIjMqyWTacx05YvYhNsMWfWiHw4cv8sQO"
    "7/CGIoieJLMRVb6ofUA4+4N5ICGJVFSxM8gWOknOGJtIQonLBuqdwKSgbVI/XZf3m8LhEd"
    "3uQHhj5lm250Bpy7G7XeKYsiYJPsKjIy1XQjxADQP/BZ3JD0TXYk2EcEFa0jm2l0G21+Gm"
    "EhkAgmXIiFEP2+CoQ1J/BHjcOWCgm9XtYo2mGQhRtyuZlADfomWSKa2MKXd+nzJLiaF+Eq"
    "jkt39DssNt9shk8HXyYA0c5tpLHdGxsQKdbqn5RKedO8MGV1e6LKq6Z/WFOx3zsPxkrkbQ"
    "jkDA4QpTh4wzDzDFJyhvil2TT13X78NBbzWNDYuYVkZkbDagUxc7OEqbBoRpFcu6abatu3"
    "rbsiqJzh9IRHqnn9QXHAcONFVqAIbYhHd/rVY/fPhUff/h4+nJ8adPJ6fvT6Gsbm8y69M3"
    "05gQLVOVxqzxuXHTxgYJGJ1m0GLCNy1DFTVSWhkh+r6Ckyq4v29cpisgIhLTwnTq2IcoGN"
    "dFgHxEGT7UC10ERUJlhJPLC2gjB9iLL7XWmw8f3+oXFlINPZ2pEdLohmjGh28RWNNkS3wT"
    "+OqJLWXGgFRGeSa0C7EYpD0/+Qk0E1PHKnAuUl4Wz/Nm8xprHkv5u2tmhti0cHP/9bzeen"
    "OkIYdCjlqaLUK8w+m+SE9elir78DKmfY/pN04AegnJyhmzdFAjYjFEbV/uMPiwqf78OtC2"
    "G1/rd+3a19ulPn1Za9cxp6pT57HUN0YTYY9fVEJ+brS/EPxKfm3e1OP6WpRr/1rBNtGpEh"
    "YXM4vaUUyC5CDpG1o3g4fICosJPdp/mFHPthI5oiqyyiazxtVxPIVyOtRKQjSxnb41f2dG"
    "XpqhH2TlGvn+yJWrmvmuGL7TtiQYpSOwl7lQhEEPsg9JG+1R8YDWt5LMHaC1iNlSCQ+tZs"
    "HBzkSj+e5L7V315CN5M2KPb9Ms+8085Jkt1uzZ8LtnwTXM1srfBrDL0Bsd/ST87/jvlS2c"
    "F3MsU9SrBQofJdG+GFEvwzhdkoqhDo3eDN6b3CaM6aPlMj5UI/j68TgH7J9qLY33x+PY7H"
    "fj51R1VrkcPQ06vJ3dhMnDV/aOLE9+v0ysTlF9T2VxZQcypaZ3TNNF96ARkedcsLbXuHxi"
    "fUqYdcvoJqG9ArvDGfIf2VwD3IB2UN5nKYD6Ztm9X81uQhqmhn3So7OFzRTtUPDuhmLVuN"
    "fuLmqX9cq3V7KTFR0Man2VZStHsvPtZSxoGUp5RaO5yRkJOWhKxmzcY5qA1ZU9RVpr6tlR"
    "xHZsTcka8pm6inlpvPhGn4aceLdrMEBFI4ohYY3fAm77LKjccQNGWgQc+wzydTbt98WUK5"
    "QfCs4OSbdrMwUipk5sS4ebgti+v0gip73/sD40TzBj9yvmumfwmjCpS8HB/vfMK+Bz2ONE"
    "eMoHqeSrd5Svpqqo8WIk9tB02RFTJZMzidoqdDHZJjd6dT4dJ1bTZRUvpJ9nw7cZxVaum5"
    "+txs0ZMX87vHZ5ad3f1VtnJPjU4Zf12kW78RPoxM+KJXR4K16iFS+BtbVbjVtTL37q8Iva"
    "zUX92k+OfOnw+i+3zVb7jJi/8RVklU1p9f0Km9Lq+8xNKWbFeOelNaXI/j8puc1dYk0W4O"
    "hkFcShVCbkOm8Zc7PWFsE6lHg5jCubIrGWET55vwrCUCoTYZ2X1qsLnqVEZMotWQzQ8vD6"
    "OdF8Nb5gb9DMoQv0OC75gqf4guh0t0QYtMDEbDUu2pVEl305ULezn67NwaRDihPkM0Da9q"
    "vZT0gjq0gGpK/Da2nUUwitQBvZTBa+UQEGy3NsyBl4Ykw8BqqTCj0vGc+goLKLI4f0M1I0"
    "beEp4UhG+ugjqZCugclV+1Rye+GxOHA8kB07Q+hT0Jwz3xWS9R9IRJUHxruResqhLjGdq8"
    "N1nzLHyNR1xQw9M32vSuHTZH8YH8oDTXZF6/CJocBtVEyQs0LIfBJs4vQfrOnE6jPXDSmw"
    "Lx8IJgRSWOjdFGrvzcls5PRHJPDHHDj+88KKCfXE1KSOfyA30MIOnzkw1KYKXlV4tsNhWE"
    "nTVEDHwxcSrm18RA1aZqH2mziER3EL+5nVm0MbR1DYNNOxFy8WNAj5uSFFOHy3UoKCB0Qy"
    "QASHM76DnNA+k1oHc2guNBAPUwi2MpTzFSeRDYQ2QhXC1wEnDFqkUOHwz/Pm+l2z6LnfKt"
    "iJ9DQNf8cToRjvz60HNq/8uzy436aD+/JEec/JuunEXkfBEbFSwVutYFwCUunYzEOOiMTT"
    "Jx3Ppc2jDanSP+moHh1/Oj798PF4ccCxSMk710jxolVUTeW65HYovc1MJpi+/7yHjle/RE"
    "La/9jh0BNbOs3/0OGNG+u21fwMlvLdGYl86fCL5tfb67ouvfgYENfXOjX4qEnrRgvT/A/r"
    "0NZH1VVI1Go2h1qNE3yBFQhDDW3XIlxqiug2q3tNWrV6crLKUcHJSfZZAebFiGtPTCyB5/"
    "DFYU+TLXFfDfegy7ppZ7JXrqAZa0VMLgb3AAV3ljlIg/eyeX9+XSe3rfpF467RvFle73Um"
    "JoVxGK167ToLa2jCWlgbuRLrAljj1j0Jdp6rR1xyLVNoy8B+SbePlDm96OQSFyx7/Ao9Pg"
    "St4PQSFyzRXgFt9jhxwNawirsyLUs+wyZ6d4DfuT10HzdzrmU8EYuYpAnBtezRLdPsC3hX"
    "LPHbScDb7DFjEksI7oE3S95Iqv/SXhpEAapvvtZ+ebs0kK6bN5+D4hEtXFw3z2Pgxyn5Av"
    "09RXT/evxR9XQlsuE0h204TW5817hmoLxfIMcFRh8xFQQ0KlN6aOV7wSyO8EovmDz3gmiX"
    "WsFlwwzpl4N1O4f+k6guzXyF3TbivuoS9j1WhlfXuV/D1Y8t5tIM3/T0WKP9gH7ZEtY3Va"
    "XQskVgQg+WC13RHo37b5v2BfIRy/AICvHM9wuyIhpczT3Iv5xMh5wZh5qcODPtDTKmtr51"
    "bcWYtud8gHGP8U8ww5vO9LEbfvXQC0ZIlrh7zWU2UQLj1NDFLohSE8GjjNeOcVGSc6nyfF"
    "sCr7vgHPW7XFrKaLTnpSWzXV125KB883ooz8rLs/JiZ+VlIOd+0p7mVtRUCm61Mbxcw3aP"
    "48alDsDEPx1+2Wr8pCM29V89nq+u9Gi+uoJv/4JR/hW+6r9rjcGVgv5yYv4SlOmrxU/t0A"
    "gsA6i2gzp62biULe2gawemLO5bKaOnnj166nVCfe65xwawfwXV2LcjoUQlZZefLHSQt9mf"
    "RopbEyy/8k2QurTZIcMumPYwTAUSeiy8i9HzEzw2Fn+kX+K+Ri24e8drID0x0/tvnwbosY"
    "HwTPiKrvRg6Y73LJIAjwJlKGRukw8upjkkDWxWhwfPoJzNMqtS9GGpKh38FFxrI8SY2d0u"
    "KFUsrr3BMJgRhtxokmJOxtD+772rpujtCc97Z8IW3Zt4tNKJ81HOifNRcOKczQZIx58ni+"
    "xqFkLlxmarNzZmzKaQbXkXj4dC5bXjT1w7njD9XmlZlXqGTa6kvpGTs3hCiVWXy8Waoi8r"
    "w9M+XNiCcNQDAmsXGQqRtkauLGpo7eAmHHStCANT8bcGyJSjsAlEXVzYBgVMZyNv+lSaX0"
    "a5504f3tdIDTDG1H77g456xZXN1Ep9cR5Z8vSaba5x08tuwJDH7nvDy9n8EoYsx6UcjM65"
    "NG8DSR1uYmL1yqptFFyaHWVWdS7UCODBh8PaGdwvJ4NfcSmve96W7V3e4rnOZU/lNU/Fr3"
    "mKTgjrYP1dPlrbbCIer4T2cQ7ax0m0J1TKmYBFqeg95gnBPezfG4lK0jdEWEVnkmWpPcR6"
    "I3OJS9eAekmoRHo1pD3YZKx7oBLIbjPWuUcp23FYMgn4s5Wn8EBgD92Zn49OidjZMtOfLm"
    "+PHRUrd9kFftwLgDN3HhUHPJR7QcQD03BnAS8vxkmbWPb3Bzh8UqOoviNiZYjftlHCBWjK"
    "xM8ofqcLdOQX3HZsjK/kJp74LY2X8qnfSbTKIIRieGn+2KLSygqWKRqMsO84ZYRqbQCmnR"
    "x/8biIF4ps2ZUutckjuhrznP6oknJI5+cc5B3T0bDMU+d02TA882nS/0u0xndGCawRh5HN"
    "zmQHYmwVMbZN1DoOqgII+8X3EN2N0F/wRMV4SlTEP+6aNxnMQCgS3yk6fUX+S1xH7mJQUQ"
    "64CMbS/jBxe0X8ooqD5Y0fVnD+2v4m3/4Hk8PVSw=="
)
