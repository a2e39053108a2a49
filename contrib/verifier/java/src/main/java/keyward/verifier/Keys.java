package keyward.verifier;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.OctetKeyPair;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.util.JSONObjectUtils;
import java.io.IOException;
import java.net.URI;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.text.ParseException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;

/** The keys of the issuer, fetched when they are needed. */
final class Keys {
  private static final Log LOG = LogFactory.getLog(Keys.class);

  /** How long the keys are fresh if the response does not say so. */
  private static final Duration DEFAULT_MAX_AGE = Duration.ofMinutes(5);

  /** The longest that the keys are taken to be fresh, in seconds. */
  private static final long LONGEST_MAX_AGE = Duration.ofDays(1).toSeconds();

  private final Http http;
  private final URI uri;
  private final long minRefreshNanos;
  private final SingleFlight<String, Void> fetches = new SingleFlight<>();
  private volatile State state = new State(Map.of(), 0, null, null);

  /** A key and the one algorithm that it is used with. */
  record PublicKey(JWSAlgorithm algorithm, Key key) {}

  /**
   * What is known of the keys. Times are those of {@link System#nanoTime}; {@code attemptEnded} is null before the
   * first request, and {@code failure} is the error of the last one.
   */
  private record State(Map<String, PublicKey> byKid, long freshUntil, Long attemptEnded, IOException failure) {}

  Keys(Http http, URI uri, Duration minRefreshInterval) {
    this.http = http;
    this.uri = uri;
    this.minRefreshNanos = minRefreshInterval.toNanos();
  }

  /**
   * Returns the key for the header of a JWT. Keys that are no longer fresh, or a kid that is unknown, lead to a
   * request, if the last one is long enough ago. If the issuer does not answer, the old keys stay in use.
   */
  Key key(JWSHeader header) {
    long now = System.nanoTime();
    var before = state;
    boolean known = before.byKid.containsKey(header.getKeyID());
    boolean mayFetch = before.attemptEnded == null || now - before.attemptEnded >= minRefreshNanos;
    boolean fresh = known && now - before.freshUntil < 0;
    if (mayFetch && !fresh) {
      if (known && before.failure != null) {
        // The issuer did not answer last time: nobody waits for the next attempt.
        fetches.start("keys", this::fetch);
      } else {
        fetches.run("keys", this::fetch);
      }
    }
    var current = state;
    var key = current.byKid.get(header.getKeyID());
    if (key == null && current.failure != null) {
      throw new IssuerUnavailableException("no such key, and the issuer does not answer", current.failure);
    }
    // A key is used with its own algorithm, never with one that only the token names.
    if (key == null || !key.algorithm.equals(canonical(header.getAlgorithm()))) {
      throw new InvalidTokenException("no key for this kid and algorithm");
    }
    return key.key;
  }

  private Void fetch() {
    var before = state;
    try {
      var response = http.get(uri);
      var byKid = new HashMap<String, PublicKey>();
      for (var jwk : JSONObjectUtils.getJSONObjectArray(response.body(), "keys")) {
        parse(jwk, byKid);
      }
      long now = System.nanoTime();
      long freshUntil = now + maxAge(response.cacheControl(), response.age()).toNanos();
      state = new State(byKid, freshUntil, now, null);
    } catch (IOException | ParseException | RuntimeException error) {
      LOG.warn("cannot fetch the keys of the issuer: " + uri + ": " + error);
      var failure = error instanceof IOException cause ? cause : new IOException(error);
      state = new State(before.byKid, before.freshUntil, System.nanoTime(), failure);
    }
    return null;
  }

  /** EdDSA with Ed25519 has two names (RFC 9864). */
  private static JWSAlgorithm canonical(Object algorithm) {
    return JWSAlgorithm.Ed25519.equals(algorithm) ? JWSAlgorithm.EdDSA : (JWSAlgorithm) algorithm;
  }

  /** Adds a JWK, if it is for signatures by an algorithm that this library knows. */
  static void parse(Map<String, Object> document, Map<String, PublicKey> byKid) {
    try {
      var jwk = JWK.parse(document);
      boolean forSignatures = jwk.getKeyUse() == null || KeyUse.SIGNATURE.equals(jwk.getKeyUse());
      var key = forSignatures && jwk.getKeyID() != null ? publicKey(jwk) : null;
      if (key != null) {
        byKid.put(jwk.getKeyID(), key);
      }
    } catch (ParseException | JOSEException | GeneralSecurityException error) {
      LOG.debug("a key of the issuer is not used: " + error);
    }
  }

  private static PublicKey publicKey(JWK jwk) throws JOSEException, GeneralSecurityException {
    String name = jwk.getAlgorithm() == null ? null : jwk.getAlgorithm().getName();
    if (jwk instanceof RSAKey rsa && (name == null || name.equals("RS256") || name.equals("PS256"))) {
      return new PublicKey("PS256".equals(name) ? JWSAlgorithm.PS256 : JWSAlgorithm.RS256, rsa.toPublicKey());
    }
    if (jwk instanceof ECKey ec && Curve.P_256.equals(ec.getCurve()) && (name == null || name.equals("ES256"))) {
      return new PublicKey(JWSAlgorithm.ES256, ec.toPublicKey());
    }
    if (jwk instanceof OctetKeyPair okp
        && Curve.Ed25519.equals(okp.getCurve())
        && (name == null || name.equals("EdDSA") || name.equals("Ed25519"))) {
      return new PublicKey(JWSAlgorithm.EdDSA, Ed25519.publicKey(okp.getDecodedX()));
    }
    return null;
  }

  /** Returns how long a response is fresh (RFC 9111 section 4.2). */
  static Duration maxAge(String cacheControl, String age) {
    if (cacheControl == null) {
      return DEFAULT_MAX_AGE;
    }
    long seconds = DEFAULT_MAX_AGE.toSeconds();
    for (String directive : cacheControl.split(",")) {
      String[] parts = directive.split("=", 2);
      switch (parts[0].trim().toLowerCase()) {
        case "no-store", "no-cache" -> {
          return Duration.ZERO;
        }
        case "max-age" -> seconds = number(parts.length == 2 ? parts[1].replace("\"", "") : "") - number(age);
        default -> {}
      }
    }
    return Duration.ofSeconds(Math.min(Math.max(seconds, 0), LONGEST_MAX_AGE));
  }

  private static long number(String text) {
    return text != null && text.trim().matches("[0-9]{1,18}") ? Long.parseLong(text.trim()) : 0;
  }
}
