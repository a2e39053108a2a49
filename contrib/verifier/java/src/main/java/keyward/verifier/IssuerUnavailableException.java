package keyward.verifier;

import org.springframework.security.core.AuthenticationException;

/** The issuer could not be reached, so nothing is known about the credential. */
public final class IssuerUnavailableException extends AuthenticationException {
  private static final long serialVersionUID = 1;

  IssuerUnavailableException(String message, Throwable cause) {
    super(message, cause);
  }
}
