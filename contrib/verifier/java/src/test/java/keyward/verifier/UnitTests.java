package keyward.verifier;

import com.nimbusds.jose.JWSAlgorithm;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/** Unit tests without a test framework: a failure is an exception. */
final class UnitTests {
  public static void main(String[] arguments) {
    cacheControlSaysHowLongTheKeysAreFresh();
    aKeyHasOneAlgorithm();
    theCacheIsLimitedInNumberAndTime();
    concurrentCallersShareOneCall();
  }

  private static void cacheControlSaysHowLongTheKeysAreFresh() {
    equal(Keys.maxAge(null, null), Duration.ofSeconds(300));
    equal(Keys.maxAge("public, max-age=60", null), Duration.ofSeconds(60));
    equal(Keys.maxAge("public, Max-Age=60", "20"), Duration.ofSeconds(40));
    equal(Keys.maxAge("max-age=60", "90"), Duration.ZERO);
    equal(Keys.maxAge("max-age=x", null), Duration.ZERO);
    equal(Keys.maxAge("no-cache, max-age=60", null), Duration.ZERO);
    equal(Keys.maxAge("public", null), Duration.ofSeconds(300));
    equal(Keys.maxAge("max-age=999999999", null), Duration.ofDays(1));
  }

  private static void aKeyHasOneAlgorithm() {
    var okp =
        Map.<String, Object>of(
            "kty", "OKP", "crv", "Ed25519", "x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid", "a");
    equal(algorithm(okp, null), JWSAlgorithm.EdDSA);
    equal(algorithm(okp, "Ed25519"), JWSAlgorithm.EdDSA);
    equal(algorithm(okp, "ES256"), null);
    var rsa = Map.<String, Object>of("kty", "RSA", "n", "u1SU1LfVLPHCozMxH2Mo", "e", "AQAB", "kid", "a");
    equal(algorithm(rsa, "HS256"), null);
    equal(algorithm(Map.of("kty", "oct", "k", "AA", "kid", "a"), "HS256"), null);
    equal(algorithm(Map.of("kty", "AKP", "pub", "AA", "kid", "a"), "ML-DSA-44"), null);
  }

  private static JWSAlgorithm algorithm(Map<String, Object> jwk, String name) {
    var document = new LinkedHashMap<>(jwk);
    if (name != null) {
      document.put("alg", name);
    }
    var byKid = new HashMap<String, Keys.PublicKey>();
    Keys.parse(document, byKid);
    return byKid.isEmpty() ? null : byKid.get("a").algorithm();
  }

  private static void theCacheIsLimitedInNumberAndTime() {
    var cache = new AnswerCache(3);
    for (String hash : new String[] {"a", "b", "c"}) {
      cache.put(hash, Map.of("active", true), 0, Duration.ofSeconds(10));
    }
    cache.get("a", 0);
    cache.put("d", Map.of(), 0, Duration.ofSeconds(10));
    equal(cache.size(), 3);
    equal(cache.get("b", 0), null);
    equal(cache.get("a", 0), Map.of("active", true));
    equal(cache.get("d", 0), Map.of());
    equal(cache.get("a", Duration.ofSeconds(10).toNanos()), null);
    cache.put("expired", Map.of(), 0, Duration.ofSeconds(-1));
    equal(cache.get("expired", 0), null);
  }

  private static void concurrentCallersShareOneCall() {
    var flight = new SingleFlight<String, Integer>();
    var calls = new AtomicInteger();
    var release = new CompletableFuture<Void>();
    for (int number = 0; number < 20; number++) {
      flight.start(
          "token",
          () -> {
            release.join();
            return calls.incrementAndGet();
          });
    }
    release.complete(null);
    // Either joins the call or follows it.
    equal(flight.run("token", calls::get), 1);
    equal(calls.get(), 1);
    equal(flight.run("token", () -> 7), 7);
  }

  private static void equal(Object actual, Object expected) {
    if (actual == null ? expected != null : !actual.equals(expected)) {
      throw new AssertionError(actual + " instead of " + expected);
    }
  }
}
