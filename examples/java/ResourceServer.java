import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.KeySourceException;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.jwk.source.RateLimitReachedException;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenIntrospectionRequest;
import com.nimbusds.oauth2.sdk.TokenIntrospectionResponse;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.token.BearerTokenError;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.util.Base64;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;

/** A resource server: GET /orders is for callers whose access token or API key has the scope orders:read. */
public final class ResourceServer {
  private static final int TIMEOUT_MILLIS = 5_000;

  /** The caller presented no valid credential: 401. */
  private static final class InvalidToken extends Exception {
    InvalidToken(String message) {
      super(message);
    }
  }

  /** The part of the claims of RFC 9068, and of the answer of RFC 7662, that this server uses. */
  private record Caller(String clientId, Scope scope) {}

  private interface Handler {
    void handle(HttpExchange exchange, Caller caller) throws IOException;
  }

  private final String issuer;
  private final ClientSecretBasic client;
  /** Ask about JWTs too, so that a revoked one is refused at once. */
  private final boolean introspectJwts;
  private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();

  public static void main(String[] arguments) throws IOException {
    Map<String, String> environment = System.getenv();
    var resourceServer = new ResourceServer(environment);
    int port = Integer.parseInt(environment.getOrDefault("PORT", "9000"));
    var http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    http.setExecutor(Executors.newFixedThreadPool(16));
    http.createContext("/orders", exchange -> resourceServer.protect(exchange, "orders:read", ResourceServer::orders));
    http.start();
    System.out.println("listening on http://127.0.0.1:" + http.getAddress().getPort());
  }

  private static void orders(HttpExchange exchange, Caller caller) throws IOException {
    answer(exchange, 200, "{\"client_id\": \"" + caller.clientId() + "\", \"orders\": []}");
  }

  private ResourceServer(Map<String, String> environment) throws IOException {
    issuer = required(environment, "ISSUER");
    client =
        new ClientSecretBasic(
            new ClientID(required(environment, "CLIENT_ID")), new Secret(required(environment, "CLIENT_SECRET")));
    introspectJwts = "true".equals(environment.get("INTROSPECT_JWTS"));

    // The published keys: fetched again after five minutes, and for an unknown kid, at most twice in ten seconds.
    JWKSource<SecurityContext> keys =
        JWKSourceBuilder.create(URI.create(issuer + "/.well-known/jwks.json").toURL())
            .cache(300_000, TIMEOUT_MILLIS)
            .rateLimited(10_000)
            .build();
    processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.RS256, keys));
    // An ID token or a logout token has the same issuer and keys, and another type.
    processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
    var claims =
        new DefaultJWTClaimsVerifier<SecurityContext>(
            required(environment, "AUDIENCE"),
            new JWTClaimsSet.Builder().issuer(issuer).build(),
            Set.of("exp", "client_id"));
    claims.setMaxClockSkew(5);
    processor.setJWTClaimsSetVerifier(claims);
  }

  /** Calls the handler only for callers that have the scope (RFC 6750 section 3). */
  private void protect(HttpExchange exchange, String scope, Handler handler) throws IOException {
    String authorization = exchange.getRequestHeaders().getFirst("Authorization");
    if (authorization == null) {
      challenge(exchange, BearerTokenError.MISSING_TOKEN);
      return;
    }
    Caller caller;
    try {
      caller = authenticate(authorization);
    } catch (InvalidToken error) {
      challenge(exchange, BearerTokenError.INVALID_TOKEN);
      return;
    } catch (Exception error) {
      System.err.println(error);
      exchange.getResponseHeaders().set("Retry-After", "1");
      answer(exchange, 503, "{\"error\": \"temporarily_unavailable\"}");
      return;
    }
    if (!caller.scope().contains(scope)) {
      challenge(exchange, BearerTokenError.INSUFFICIENT_SCOPE.setScope(new Scope(scope)));
      return;
    }
    handler.handle(exchange, caller);
  }

  /** Verifies JWTs offline and asks the authorization server about everything else. */
  private Caller authenticate(String authorization) throws Exception {
    String token = credential(authorization);
    if (token.chars().filter(character -> character == '.').count() != 2) {
      return introspect(token);
    }
    Caller caller = verify(token);
    return introspectJwts ? introspect(token) : caller;
  }

  /** The token of a Bearer header, or the API key of a Basic header: base64 of KEY or of KEY and a colon. */
  private static String credential(String authorization) throws InvalidToken {
    String[] parts = authorization.split(" +", 2);
    String value = parts.length == 2 ? parts[1].trim() : "";
    if (parts[0].equalsIgnoreCase("Bearer") && !value.isEmpty()) {
      return value;
    }
    if (parts[0].equalsIgnoreCase("Basic")) {
      try {
        String decoded = new String(Base64.getDecoder().decode(value), StandardCharsets.UTF_8);
        String[] keyAndPassword = decoded.split(":", 2);
        boolean noPassword = keyAndPassword.length == 1 || keyAndPassword[1].isEmpty();
        if (noPassword && !keyAndPassword[0].isEmpty()) {
          return keyAndPassword[0];
        }
      } catch (IllegalArgumentException error) {
        throw new InvalidToken("not base64");
      }
    }
    throw new InvalidToken("neither a Bearer token nor an API key");
  }

  /** Checks a JWT access token as RFC 9068 section 4 says. */
  private Caller verify(String token) throws InvalidToken, JOSEException {
    try {
      JWTClaimsSet claims = processor.process(token, null);
      return caller(claims.getStringClaim("client_id"), Scope.parse(claims.getStringClaim("scope")));
    } catch (RateLimitReachedException error) {
      throw new InvalidToken("unknown kid");
    } catch (KeySourceException error) {
      // The keys cannot be fetched, which says nothing about the token.
      throw error;
    } catch (ParseException | BadJOSEException error) {
      throw new InvalidToken(error.getMessage());
    }
  }

  /**
   * Introspects a token or an API key (RFC 7662). Keyward describes a token only to a resource server in its
   * audience.
   */
  private Caller introspect(String token) throws Exception {
    var request =
        new TokenIntrospectionRequest(URI.create(issuer + "/oauth/introspect"), client, new BearerAccessToken(token))
            .toHTTPRequest();
    request.setConnectTimeout(TIMEOUT_MILLIS);
    request.setReadTimeout(TIMEOUT_MILLIS);
    var response = TokenIntrospectionResponse.parse(request.send());
    if (!response.indicatesSuccess()) {
      throw new IOException("introspection: " + response.toErrorResponse().getErrorObject());
    }
    var answer = response.toSuccessResponse();
    if (!answer.isActive()) {
      throw new InvalidToken("not active");
    }
    return caller(answer.getClientID().getValue(), answer.getScope());
  }

  private static Caller caller(String clientId, Scope scope) {
    return new Caller(clientId, scope == null ? new Scope() : scope);
  }

  private static void challenge(HttpExchange exchange, BearerTokenError error) throws IOException {
    exchange.getResponseHeaders().set("WWW-Authenticate", error.toWWWAuthenticateHeader());
    String code = error.getCode() == null ? "unauthorized" : error.getCode();
    answer(exchange, error.getHTTPStatusCode(), "{\"error\": \"" + code + "\"}");
  }

  private static void answer(HttpExchange exchange, int status, String json) throws IOException {
    byte[] body = json.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, body.length);
    try (var out = exchange.getResponseBody()) {
      out.write(body);
    }
  }

  private static String required(Map<String, String> environment, String name) {
    String value = environment.get(name);
    if (value == null || value.isEmpty()) {
      throw new IllegalArgumentException("set " + name);
    }
    return value;
  }
}
