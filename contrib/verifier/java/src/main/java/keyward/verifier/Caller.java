package keyward.verifier;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.springframework.security.core.GrantedAuthority;
import org.springframework.security.core.authority.SimpleGrantedAuthority;
import org.springframework.security.oauth2.core.OAuth2AuthenticatedPrincipal;

/**
 * An authenticated caller: the principal of the request. Its attributes are the claims of the JWT (RFC 9068) or the
 * members of the introspection response, and it has an authority {@code SCOPE_…} for each scope value.
 */
public final class Caller implements OAuth2AuthenticatedPrincipal {
  private final Map<String, Object> claims;
  private final List<GrantedAuthority> authorities;

  private Caller(Map<String, Object> claims) {
    this.claims = claims;
    String scope = claims.get("scope") instanceof String text ? text : "";
    this.authorities =
        List.of(scope.split(" ")).stream()
            .filter(value -> !value.isEmpty())
            .map(value -> (GrantedAuthority) new SimpleGrantedAuthority("SCOPE_" + value))
            .toList();
  }

  /** Accepts a bearer token whose claims name the client. */
  static Caller of(Map<String, Object> claims) throws InvalidTokenException {
    // Accepting a bound token as a bearer token would ignore the protection (RFC 9449 section 7.2, RFC 8705 section 3).
    if (claims.containsKey("cnf") || !(claims.get("client_id") instanceof String)) {
      throw new InvalidTokenException("not a bearer token of a client");
    }
    return new Caller(claims);
  }

  /** The client that the credential was issued to. */
  public String clientId() {
    return (String) claims.get("client_id");
  }

  /** The client itself, or the user that it acts for; may be null. */
  public String subject() {
    return claims.get("sub") instanceof String subject ? subject : null;
  }

  /** Whether the credential is an API key, and not an access token. */
  public boolean isApiKey() {
    return "api_key".equals(claims.get("token_type"));
  }

  @Override
  public String getName() {
    return clientId();
  }

  @Override
  public Map<String, Object> getAttributes() {
    return claims;
  }

  @Override
  public Collection<? extends GrantedAuthority> getAuthorities() {
    return authorities;
  }
}
