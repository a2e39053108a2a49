package keyward.verifier;

import com.nimbusds.jose.JWSAlgorithm;
import java.net.http.HttpClient;
import java.time.Duration;
import java.util.Set;

/** The options of a {@link Verifier}. Only the issuer and the audience are required. */
public final class VerifierOptions {
  final String issuer;
  final String audience;
  String clientId;
  String clientSecret;
  boolean introspectJwts;
  Set<JWSAlgorithm> algorithms = Set.of(JWSAlgorithm.RS256, JWSAlgorithm.PS256, JWSAlgorithm.ES256, JWSAlgorithm.EdDSA);
  Duration leeway = Duration.ofSeconds(5);
  Duration minRefreshInterval = Duration.ofSeconds(5);
  Duration timeout = Duration.ofSeconds(5);
  int cacheSize = 10_000;
  Duration activeTtl = Duration.ofSeconds(10);
  Duration inactiveTtl = Duration.ofSeconds(10);
  String resourceMetadata;
  HttpClient httpClient;

  /**
   * The issuer exactly as in {@code iss}, and the identifier of this resource server, which {@code aud} must contain.
   */
  public VerifierOptions(String issuer, String audience) {
    if (issuer == null || issuer.isEmpty() || audience == null || audience.isEmpty()) {
      throw new IllegalArgumentException("issuer and audience are required");
    }
    this.issuer = issuer;
    this.audience = audience;
  }

  /** Credentials of the resource server, for introspection. Without them, API keys are refused. */
  public VerifierOptions credentials(String clientId, String clientSecret) {
    this.clientId = clientId;
    this.clientSecret = clientSecret;
    return this;
  }

  /** Introspects JWTs too, so that a revoked one is refused as soon as its cached answer expires. */
  public VerifierOptions introspectJwts(boolean introspectJwts) {
    this.introspectJwts = introspectJwts;
    return this;
  }

  /** The accepted signature algorithms; by default RS256, PS256, ES256 and EdDSA. */
  public VerifierOptions algorithms(Set<JWSAlgorithm> algorithms) {
    this.algorithms = Set.copyOf(algorithms);
    return this;
  }

  /** The accepted difference between the clocks, in whole seconds; by default 5 seconds. */
  public VerifierOptions leeway(Duration leeway) {
    this.leeway = leeway;
    return this;
  }

  /** The shortest time between two requests for the keys; by default 5 seconds. */
  public VerifierOptions minRefreshInterval(Duration interval) {
    this.minRefreshInterval = interval;
    return this;
  }

  /** The timeout of requests to the issuer; by default 5 seconds. */
  public VerifierOptions timeout(Duration timeout) {
    this.timeout = timeout;
    return this;
  }

  /** How many introspection answers are cached; by default 10,000. */
  public VerifierOptions cacheSize(int size) {
    this.cacheSize = size;
    return this;
  }

  /**
   * How long an answer is cached, for an active credential and for any other; by default 10 seconds. Zero caches
   * nothing.
   */
  public VerifierOptions cacheTtl(Duration active, Duration inactive) {
    this.activeTtl = active;
    this.inactiveTtl = inactive;
    return this;
  }

  /** The URL of the protected resource metadata (RFC 9728), which each challenge then has. */
  public VerifierOptions resourceMetadata(String url) {
    this.resourceMetadata = url;
    return this;
  }

  /** Another HTTP client, for an issuer behind a proxy or with a private certificate authority. */
  public VerifierOptions httpClient(HttpClient httpClient) {
    this.httpClient = httpClient;
    return this;
  }

  boolean hasCredentials() {
    return clientId != null && clientSecret != null;
  }
}
