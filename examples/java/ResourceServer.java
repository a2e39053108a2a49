package example;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import keyward.verifier.Caller;
import keyward.verifier.Verifier;
import keyward.verifier.VerifierOptions;
import org.springframework.boot.Banner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.web.server.context.WebServerInitializedEvent;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.event.EventListener;
import org.springframework.core.env.Environment;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** A resource server: GET /orders is for callers whose access token or API key has the scope orders:read. */
@Configuration(proxyBeanMethods = false)
@EnableAutoConfiguration
public class ResourceServer {
  public static void main(String[] arguments) {
    var application = new SpringApplication(ResourceServer.class);
    application.setBannerMode(Banner.Mode.OFF);
    application.setDefaultProperties(
        Map.of("server.address", "127.0.0.1", "server.port", "${PORT:9000}", "logging.level.root", "warn"));
    application.run(arguments);
  }

  @Bean
  SecurityFilterChain security(HttpSecurity http, Environment environment) throws Exception {
    var options =
        new VerifierOptions(environment.getRequiredProperty("ISSUER"), environment.getRequiredProperty("AUDIENCE"))
            .credentials(
                environment.getRequiredProperty("CLIENT_ID"), environment.getRequiredProperty("CLIENT_SECRET"))
            .introspectJwts(environment.getProperty("INTROSPECT_JWTS", Boolean.class, false))
            .cacheTtl(seconds(environment, "CACHE_SECONDS", 10), seconds(environment, "CACHE_SECONDS", 10))
            .minRefreshInterval(seconds(environment, "REFRESH_SECONDS", 5))
            .resourceMetadata(environment.getProperty("RESOURCE_METADATA"));
    return new Verifier(options)
        .protect(http)
        .authorizeHttpRequests(
            requests -> requests.requestMatchers("/orders").hasAuthority("SCOPE_orders:read").anyRequest().denyAll())
        .build();
  }

  private static Duration seconds(Environment environment, String name, long otherwise) {
    return Duration.ofSeconds(environment.getProperty(name, Long.class, otherwise));
  }

  @RestController
  static class Orders {
    @GetMapping("/orders")
    Map<String, Object> list(@AuthenticationPrincipal Caller caller) {
      return Map.of("client_id", caller.clientId(), "orders", List.of());
    }
  }

  @EventListener
  void started(WebServerInitializedEvent event) {
    System.out.println("listening on http://127.0.0.1:" + event.getWebServer().getPort());
  }
}
