package keyward.verifier;

import org.springframework.security.oauth2.core.OAuth2AuthenticationException;
import org.springframework.security.oauth2.server.resource.BearerTokenErrors;

/** The credential is malformed, expired, revoked or not for this resource server. */
public final class InvalidTokenException extends OAuth2AuthenticationException {
  private static final long serialVersionUID = 1;

  InvalidTokenException(String message) {
    super(BearerTokenErrors.invalidToken(message), message);
  }
}
