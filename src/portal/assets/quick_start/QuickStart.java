import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Base64;
import java.util.regex.Pattern;

/** Gets an access token and prints it. The client secret is in CLIENT_SECRET. */
public class QuickStart {
    public static void main(String[] arguments) throws Exception {
        String secret = System.getenv("CLIENT_SECRET");
        if (secret == null) {
            throw new IllegalStateException("CLIENT_SECRET is not set");
        }
        String credentials = Base64.getEncoder().encodeToString(("{{client_id}}:" + secret).getBytes(UTF_8));

        String form = "grant_type=client_credentials";
        form += "&scope=" + URLEncoder.encode("{{scope}}", UTF_8);
        form += "&resource=" + URLEncoder.encode("{{resource}}", UTF_8);

        HttpRequest request = HttpRequest.newBuilder(URI.create("{{token_endpoint}}"))
            .header("Authorization", "Basic " + credentials)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .timeout(Duration.ofSeconds(10))
            .POST(HttpRequest.BodyPublishers.ofString(form))
            .build();
        HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());

        if (response.statusCode() != 200) {
            System.err.println(member(response.body(), "error") + ": " + member(response.body(), "error_description"));
            System.exit(1);
        }
        System.out.println(member(response.body(), "access_token"));

        // Send it with each request in the header: Authorization: Bearer TOKEN
        // The resource server that accepts it: {{audience}}
    }

    /** Java has no JSON parser of its own. These values hold no quotes, so this does; where you have a parser, use it. */
    private static String member(String json, String name) {
        var matcher = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"]*)\"").matcher(json);
        if (!matcher.find()) {
            throw new IllegalStateException("no " + name + " in: " + json);
        }
        return matcher.group(1);
    }
}
