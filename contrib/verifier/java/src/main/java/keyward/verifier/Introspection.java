package keyward.verifier;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;

/** Introspection of credentials (RFC 7662), with a cache. */
final class Introspection {
  private static final Log LOG = LogFactory.getLog(Introspection.class);

  private final Http http;
  private final URI uri;
  private final String authorization;
  private final Duration activeTtl;
  private final Duration inactiveTtl;
  private final AnswerCache cache;
  private final SingleFlight<String, Map<String, Object>> calls = new SingleFlight<>();

  Introspection(Http http, URI uri, VerifierOptions options) {
    this.http = http;
    this.uri = uri;
    authorization = Http.basic(options.clientId, options.clientSecret);
    activeTtl = options.activeTtl;
    inactiveTtl = options.inactiveTtl;
    cache = new AnswerCache(options.cacheSize);
  }

  /** Returns the members of the response for an active credential. */
  Map<String, Object> introspect(String token) {
    String hash = hash(token);
    var answer = cache.get(hash, System.nanoTime());
    if (answer == null) {
      answer = calls.run(hash, () -> call(token, hash));
    }
    if (answer.isEmpty()) {
      throw new InvalidTokenException("not active");
    }
    return answer;
  }

  /** Returns an empty map if the credential is not active. */
  private Map<String, Object> call(String token, String hash) {
    // Another call may have ended after this one's caller looked.
    var cached = cache.get(hash, System.nanoTime());
    if (cached != null) {
      return cached;
    }
    try {
      var members = http.post(uri, authorization, "token=" + Http.encode(token)).body();
      if (!(members.get("active") instanceof Boolean active)) {
        throw new IOException(uri + ": the response has no active");
      }
      Map<String, Object> answer = active ? members : Map.of();
      cache.put(hash, answer, System.nanoTime(), active ? ttl(members) : inactiveTtl);
      return answer;
    } catch (IOException error) {
      LOG.warn("cannot introspect: " + uri + ": " + error);
      throw new IssuerUnavailableException("cannot introspect", error);
    }
  }

  /** How long an answer is cached: no longer than the credential is valid. An API key may have no exp. */
  private Duration ttl(Map<String, Object> members) {
    if (!(members.get("exp") instanceof Number exp)) {
      return activeTtl;
    }
    var left = Duration.between(Instant.now(), Instant.ofEpochSecond(exp.longValue()));
    return left.compareTo(activeTtl) < 0 ? left : activeTtl;
  }

  /** The cache holds no secret. */
  private static String hash(String token) {
    try {
      var digest = MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.UTF_8));
      return Base64.getEncoder().encodeToString(digest);
    } catch (NoSuchAlgorithmException error) {
      throw new IllegalStateException(error);
    }
  }
}
