package keyward.verifier;

import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.ArrayList;
import java.util.stream.Collectors;
import org.springframework.security.access.AccessDeniedException;
import org.springframework.security.authorization.AuthorityAuthorizationDecision;
import org.springframework.security.authorization.AuthorizationDeniedException;
import org.springframework.security.core.AuthenticationException;
import org.springframework.security.web.AuthenticationEntryPoint;
import org.springframework.security.web.access.AccessDeniedHandler;

/** Answers refused requests (RFC 6750 section 3, RFC 9728 section 5.1). */
final class BearerErrors implements AuthenticationEntryPoint, AccessDeniedHandler {
  private static final String SCOPE_PREFIX = "SCOPE_";

  private final String resourceMetadata;

  BearerErrors(String resourceMetadata) {
    this.resourceMetadata = resourceMetadata;
  }

  @Override
  public void commence(HttpServletRequest request, HttpServletResponse response, AuthenticationException error)
      throws IOException {
    if (error instanceof IssuerUnavailableException) {
      response.setHeader("Retry-After", "1");
      answer(response, HttpServletResponse.SC_SERVICE_UNAVAILABLE, "temporarily_unavailable");
    } else if (request.getHeader("Authorization") == null) {
      // A request without a credential gets no error code (RFC 6750 section 3.1).
      challenge(response, null, null);
      answer(response, HttpServletResponse.SC_UNAUTHORIZED, "unauthorized");
    } else {
      challenge(response, "invalid_token", null);
      answer(response, HttpServletResponse.SC_UNAUTHORIZED, "invalid_token");
    }
  }

  @Override
  public void handle(HttpServletRequest request, HttpServletResponse response, AccessDeniedException error)
      throws IOException {
    challenge(response, "insufficient_scope", requiredScope(error));
    answer(response, HttpServletResponse.SC_FORBIDDEN, "insufficient_scope");
  }

  /** The scope of {@code hasAuthority("SCOPE_…")}, or null if another rule refused the request. */
  private static String requiredScope(AccessDeniedException error) {
    if (error instanceof AuthorizationDeniedException denied
        && denied.getAuthorizationResult() instanceof AuthorityAuthorizationDecision decision) {
      String scope =
          decision.getAuthorities().stream()
              .map(authority -> String.valueOf(authority.getAuthority()))
              .filter(name -> name.startsWith(SCOPE_PREFIX))
              .map(name -> name.substring(SCOPE_PREFIX.length()))
              .collect(Collectors.joining(" "));
      return scope.isEmpty() ? null : scope;
    }
    return null;
  }

  private void challenge(HttpServletResponse response, String error, String scope) {
    var parameters = new ArrayList<String>();
    if (error != null) {
      parameters.add("error=\"" + error + "\"");
    }
    if (scope != null) {
      parameters.add("scope=\"" + scope + "\"");
    }
    if (resourceMetadata != null) {
      parameters.add("resource_metadata=\"" + resourceMetadata + "\"");
    }
    response.setHeader("WWW-Authenticate", ("Bearer " + String.join(", ", parameters)).trim());
  }

  private static void answer(HttpServletResponse response, int status, String error) throws IOException {
    response.setStatus(status);
    response.setContentType("application/json");
    response.getWriter().write("{\"error\":\"" + error + "\"}");
  }
}
