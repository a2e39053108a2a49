package keyward.verifier;

import com.nimbusds.jose.util.JSONObjectUtils;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.time.Duration;
import java.util.Base64;
import java.util.Map;

/** The requests to the issuer. */
final class Http {
  private final HttpClient client;
  private final Duration timeout;

  /** A response with status 200. */
  record Response(Map<String, Object> body, String cacheControl, String age) {}

  Http(VerifierOptions options) {
    timeout = options.timeout;
    client = options.httpClient != null ? options.httpClient : HttpClient.newBuilder().connectTimeout(timeout).build();
  }

  Response get(URI uri) throws IOException {
    return send(HttpRequest.newBuilder(uri));
  }

  Response post(URI uri, String authorization, String form) throws IOException {
    return send(
        HttpRequest.newBuilder(uri)
            .header("Authorization", authorization)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString(form)));
  }

  private Response send(HttpRequest.Builder builder) throws IOException {
    var request = builder.header("Accept", "application/json").timeout(timeout).build();
    try {
      var response = client.send(request, HttpResponse.BodyHandlers.ofString());
      if (response.statusCode() != 200) {
        throw new IOException(request.uri() + ": status " + response.statusCode());
      }
      return new Response(
          JSONObjectUtils.parse(response.body()),
          response.headers().firstValue("cache-control").orElse(null),
          response.headers().firstValue("age").orElse(null));
    } catch (ParseException error) {
      throw new IOException(request.uri() + ": not a JSON object", error);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", error);
    }
  }

  static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  /** HTTP Basic authentication with a form-encoded id and secret (RFC 6749 section 2.3.1). */
  static String basic(String clientId, String clientSecret) {
    String pair = encode(clientId) + ":" + encode(clientSecret);
    return "Basic " + Base64.getEncoder().encodeToString(pair.getBytes(StandardCharsets.UTF_8));
  }
}
