import unittest

from keyward_verifier._introspection import AnswerCache
from keyward_verifier._keys import _parse, max_age
from keyward_verifier._refusal import Refusal


class Units(unittest.TestCase):
    def test_cache_control_says_how_long_the_keys_are_fresh(self):
        cases = [
            (None, None, 300),
            ("public, max-age=60", None, 60),
            ("public, Max-Age=60", "20", 40),
            ("max-age=60", "90", 0),
            ("max-age=x", None, 0),
            ("no-cache, max-age=60", None, 0),
            ("public", None, 300),
            ("max-age=999999999", None, 86_400),
        ]
        for cache_control, age, seconds in cases:
            with self.subTest(cache_control=cache_control):
                self.assertEqual(max_age(cache_control, age), seconds)

    def test_a_key_has_one_algorithm(self):
        okp = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"}
        cases = [
            (okp, "EdDSA"),
            ({**okp, "alg": "Ed25519"}, "EdDSA"),
            ({**okp, "alg": "ES256"}, None),
            ({**okp, "use": "enc"}, None),
            ({"kty": "oct", "k": "AA", "kid": "a", "alg": "HS256"}, None),
            ({"kty": "AKP", "pub": "AA", "kid": "a", "alg": "ML-DSA-44"}, None),
        ]
        for jwk, algorithm in cases:
            with self.subTest(jwk=jwk):
                key = _parse(jwk)
                self.assertEqual(key and key.algorithm_name, algorithm)

    def test_the_cache_is_limited_in_number_and_time_and_keeps_what_is_used(self):
        cache = AnswerCache(3)
        for digest in ("a", "b", "c"):
            cache.put(digest, {"active": True}, 10)
        self.assertTrue(cache.get("a"))
        cache.put("d", {}, 10)
        self.assertEqual(len(cache), 3)
        self.assertIsNone(cache.get("b"))
        self.assertEqual(cache.get("d"), {})
        cache.put("expired", {"active": True}, 0)
        self.assertIsNone(cache.get("expired"))

    def test_challenges_name_the_error_the_scope_and_the_metadata(self):
        metadata = "https://a.example/m"
        self.assertEqual(Refusal("unauthorized").headers["WWW-Authenticate"], "Bearer")
        self.assertEqual(
            Refusal("insufficient_scope", "orders:read", metadata).headers["WWW-Authenticate"],
            f'Bearer error="insufficient_scope", scope="orders:read", resource_metadata="{metadata}"',
        )
        self.assertEqual(Refusal("temporarily_unavailable").headers, {"Retry-After": "1"})


if __name__ == "__main__":
    unittest.main()
