package keyward.verifier;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import jakarta.servlet.http.HttpServletRequest;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.Key;
import java.text.ParseException;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.core.Authentication;
import org.springframework.security.oauth2.core.OAuth2AccessToken;
import org.springframework.security.oauth2.server.resource.authentication.BearerTokenAuthentication;
import org.springframework.security.oauth2.server.resource.authentication.BearerTokenAuthenticationToken;

/**
 * Authenticates the callers of one resource server in Spring Security: JWT access tokens (RFC 9068) offline, API keys
 * by introspection (RFC 7662).
 */
public final class Verifier {
  /** The longest credential that is looked at, in characters. */
  private static final int MAX_CREDENTIAL = 8192;

  /** The characters of b64token (RFC 6750 section 2.1). */
  private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9._~+/=-]+");

  private final VerifierOptions options;
  private final Keys keys;
  private final Introspection introspection;
  private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();

  /** Makes a verifier. Nothing is fetched until the first request. */
  public Verifier(VerifierOptions options) {
    if (options.introspectJwts && !options.hasCredentials()) {
      throw new IllegalArgumentException("introspectJwts needs credentials");
    }
    this.options = options;
    String base = options.issuer.replaceAll("/+$", "");
    var http = new Http(options);
    keys = new Keys(http, URI.create(base + "/.well-known/jwks.json"), options.minRefreshInterval);
    introspection =
        options.hasCredentials() ? new Introspection(http, URI.create(base + "/oauth/introspect"), options) : null;

    // An ID token or a logout token has the same issuer and keys, and another type.
    processor.setJWSTypeVerifier(
        new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt"), new JOSEObjectType("application/at+jwt")));
    processor.setJWSKeySelector((header, context) -> select(header));
    processor.setJWSVerifierFactory(new Ed25519.Factory());
    var claims =
        new DefaultJWTClaimsVerifier<SecurityContext>(
            options.audience,
            new JWTClaimsSet.Builder().issuer(options.issuer).build(),
            Set.of("exp", "client_id"));
    claims.setMaxClockSkew((int) options.leeway.toSeconds());
    processor.setJWTClaimsSetVerifier(claims);
  }

  /**
   * Configures a filter chain without sessions and CSRF tokens, which callers that present a credential in each request
   * do not need. Rules like {@code hasAuthority("SCOPE_orders:read")} say which scope a request requires.
   */
  public HttpSecurity protect(HttpSecurity http) throws Exception {
    var errors = new BearerErrors(options.resourceMetadata);
    return http.csrf(csrf -> csrf.disable())
        .sessionManagement(sessions -> sessions.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
        .oauth2ResourceServer(
            server ->
                server
                    .bearerTokenResolver(Verifier::credential)
                    .authenticationManagerResolver(request -> this::authenticate)
                    .authenticationEntryPoint(errors)
                    .accessDeniedHandler(errors));
  }

  private Authentication authenticate(Authentication request) {
    String token = ((BearerTokenAuthenticationToken) request).getToken();
    var caller = Caller.of(claims(token));
    var accessToken = new OAuth2AccessToken(OAuth2AccessToken.TokenType.BEARER, token, null, null);
    return new BearerTokenAuthentication(caller, accessToken, caller.getAuthorities());
  }

  private Map<String, Object> claims(String token) {
    // An API key has no period.
    if (token.chars().filter(character -> character == '.').count() != 2) {
      if (introspection == null) {
        throw new InvalidTokenException("not a JWT");
      }
      return introspection.introspect(token);
    }
    var claims = verify(token);
    return options.introspectJwts ? introspection.introspect(token) : claims;
  }

  /** Verifies a JWT access token offline (RFC 9068 section 4). */
  private Map<String, Object> verify(String token) {
    try {
      return processor.process(token, null).getClaims();
    } catch (ParseException | BadJOSEException | JOSEException error) {
      throw new InvalidTokenException(error.getMessage());
    }
  }

  private List<Key> select(JWSHeader header) {
    // No extension is known that crit could name (RFC 7515 section 4.1.11).
    if (header.getCriticalParams() != null || !options.algorithms.contains(header.getAlgorithm())) {
      return List.of();
    }
    return List.of(keys.key(header));
  }

  /**
   * Returns the token of a Bearer header, or the API key of a Basic header: Base64 of KEY or of KEY and a colon.
   * Returns null if there is no Authorization header.
   */
  private static String credential(HttpServletRequest request) {
    String authorization = request.getHeader("Authorization");
    if (authorization == null) {
      return null;
    }
    String[] parts = authorization.split(" ", 2);
    String token = parts.length == 2 ? parts[1].trim() : "";
    if (parts[0].equalsIgnoreCase("Basic")) {
      token = apiKey(token);
    } else if (!parts[0].equalsIgnoreCase("Bearer")) {
      token = "";
    }
    if (token.length() > MAX_CREDENTIAL || !TOKEN.matcher(token).matches()) {
      throw new InvalidTokenException("neither a Bearer token nor an API key");
    }
    return token;
  }

  /** Returns an empty text if there is a password. */
  private static String apiKey(String base64) {
    try {
      String[] pair = new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8).split(":", 2);
      return pair.length == 2 && !pair[1].isEmpty() ? "" : pair[0];
    } catch (IllegalArgumentException error) {
      return "";
    }
  }
}
