// Spring Security as a resource server and as a client, with the configuration in docs/integrations.md, and Nimbus' SDK for
// dynamic registration and DPoP.

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.auth.JWTAuthenticationClaimsSet;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.client.ClientInformation;
import com.nimbusds.oauth2.sdk.client.ClientInformationResponse;
import com.nimbusds.oauth2.sdk.client.ClientMetadata;
import com.nimbusds.oauth2.sdk.client.ClientRegistrationRequest;
import com.nimbusds.oauth2.sdk.client.ClientRegistrationResponse;
import com.nimbusds.oauth2.sdk.client.ClientUpdateRequest;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.dpop.DefaultDPoPProofFactory;
import com.nimbusds.oauth2.sdk.GrantType;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.id.Audience;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.token.DPoPAccessToken;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.interfaces.RSAPrivateCrtKey;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.RSAPublicKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.springframework.security.authentication.ProviderManager;
import org.springframework.security.core.AuthenticationException;
import org.springframework.security.oauth2.client.endpoint.NimbusJwtClientAuthenticationParametersConverter;
import org.springframework.security.oauth2.client.endpoint.OAuth2ClientCredentialsGrantRequest;
import org.springframework.security.oauth2.client.endpoint.RestClientClientCredentialsTokenResponseClient;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.ClientRegistrations;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.core.OAuth2AuthorizationException;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtDecoders;
import org.springframework.security.oauth2.jwt.JwtException;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.oauth2.server.resource.authentication.DPoPAuthenticationProvider;
import org.springframework.security.oauth2.server.resource.authentication.DPoPAuthenticationToken;
import org.springframework.security.oauth2.server.resource.authentication.JwtAuthenticationProvider;
import org.springframework.util.LinkedMultiValueMap;

public class SpringSecurity {
    static final String ISSUER = System.getenv("ISSUER");
    static final String STANDARD = System.getenv("RESOURCE");
    static final String PLAIN = System.getenv("PLAIN_RESOURCE");

    static void check(boolean holds, Object what) {
        if (!holds) throw new AssertionError(what);
    }

    static RestClientClientCredentialsTokenResponseClient asking(String resource) {
        var client = new RestClientClientCredentialsTokenResponseClient();
        client.addParametersConverter(request -> {
            var parameters = new LinkedMultiValueMap<String, String>();
            parameters.set("resource", resource);
            return parameters;
        });
        return client;
    }

    static ClientRegistration.Builder registration(String id) {
        return ClientRegistrations.fromIssuerLocation(ISSUER)
            .clientId(id)
            .scope("read")
            .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS);
    }

    static String token(RestClientClientCredentialsTokenResponseClient client, ClientRegistration registration) {
        return client.getTokenResponse(new OAuth2ClientCredentialsGrantRequest(registration)).getAccessToken().getTokenValue();
    }

    static void refused(JwtDecoder decoder, String token, String reason) {
        try {
            decoder.decode(token);
        } catch (JwtException refused) {
            check(refused.getMessage().contains(reason), refused);
            return;
        }
        throw new AssertionError("not refused: " + reason);
    }

    // The decoder of docs/integrations.md.
    static JwtDecoder recipe() {
        NimbusJwtDecoder recipe = NimbusJwtDecoder.withIssuerLocation(ISSUER).validateType(false).build();
        recipe.setJwtValidator(JwtValidators.createAtJwtValidator()
            .issuer(ISSUER)
            .audience(STANDARD)
            .validators(validators -> validators.put("client_id", new JwtClaimValidator<String>("client_id", Objects::nonNull)))
            .build());
        return recipe;
    }

    // The decoder that Spring Boot creates for `issuer-uri`, for a resource server with the token type JWT; and the one for
    // at+jwt.
    static void resourceServer() {
        var secret = registration(System.getenv("CLIENT_ID")).clientSecret(System.getenv("CLIENT_SECRET")).build();
        String plain = token(asking(PLAIN), secret);
        String standard = token(asking(STANDARD), secret);

        JwtDecoder fromIssuer = JwtDecoders.fromIssuerLocation(ISSUER);
        Jwt jwt = fromIssuer.decode(plain);
        check(jwt.getAudience().equals(List.of(PLAIN)) && jwt.getClaimAsString("scope").equals("read"), jwt.getClaims());
        refused(fromIssuer, standard, "typ");
        System.out.println("resource server: issuer-uri alone takes the typ JWT");

        JwtDecoder recipe = recipe();
        check(recipe.decode(standard).getSubject().equals(System.getenv("CLIENT_ID")), "the subject");
        refused(recipe, plain, "");
        refused(recipe, token(asking(System.getenv("OTHER_RESOURCE")), secret), "aud");
        System.out.println("resource server: the recipe takes at+jwt");
    }

    static RSAKey key() throws Exception {
        String pem = Files.readString(Path.of(System.getenv("JWT_KEY_FILE"))).replaceAll("-----.*-----", "");
        var factory = KeyFactory.getInstance("RSA");
        var secret = (RSAPrivateCrtKey) factory.generatePrivate(new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(pem)));
        var half = factory.generatePublic(new RSAPublicKeySpec(secret.getModulus(), secret.getPublicExponent()));
        return new RSAKey.Builder((RSAPublicKey) half).privateKey(secret).keyID("interop").build();
    }

    // By default `aud` is the token endpoint; with the customizer it is the issuer.
    static void privateKeyJwt() throws Exception {
        var keyed = registration(System.getenv("JWT_CLIENT_ID"))
            .clientAuthenticationMethod(ClientAuthenticationMethod.PRIVATE_KEY_JWT)
            .build();
        RSAKey key = key();

        var asItComes = asking(STANDARD);
        asItComes.addParametersConverter(new NimbusJwtClientAuthenticationParametersConverter<>(registration -> key));
        boolean setting = System.getenv("TOKEN_ENDPOINT_AS_AUDIENCE").equals("on");
        try {
            token(asItComes, keyed);
            check(setting, "the token endpoint is no audience");
        } catch (OAuth2AuthorizationException refused) {
            check(!setting && refused.getMessage().contains("invalid_client"), refused);
        }

        var assertion =
            new NimbusJwtClientAuthenticationParametersConverter<OAuth2ClientCredentialsGrantRequest>(registration -> key);
        assertion.setJwtClientAssertionCustomizer(context -> context.getClaims().audience(List.of(ISSUER)));
        var client = asking(STANDARD);
        client.addParametersConverter(assertion);
        check(!token(client, keyed).isEmpty(), "a token");
        System.out.println("client: private_key_jwt with the issuer as audience");
    }

    // An update with all members of the registration response.
    static void registration() throws Exception {
        var metadata = new ClientMetadata();
        metadata.setName("Nimbus");
        metadata.setGrantTypes(Set.of(GrantType.CLIENT_CREDENTIALS));
        var endpoint = URI.create(ISSUER + "/oauth/register");
        var initial = new BearerAccessToken(System.getenv("REGISTRATION_TOKEN"));
        ClientInformation made = information(new ClientRegistrationRequest(endpoint, metadata, initial).toHTTPRequest());
        check(made.getSecret() != null, "a secret");

        ClientMetadata changed = made.getMetadata();
        changed.setName("Nimbus, renamed");
        var update =
            new ClientUpdateRequest(made.getRegistrationURI(), made.getID(), made.getRegistrationAccessToken(), changed, made.getSecret());
        check(information(update.toHTTPRequest()).getMetadata().getName().equals("Nimbus, renamed"), "the name");

        // The whole response, as Nimbus serializes it.
        HTTPRequest all = update.toHTTPRequest();
        all.setBody(made.toJSONObject().toJSONString());
        check(information(all).getID().equals(made.getID()), "the id");
        System.out.println("registration: updated with what it was answered");
    }

    static ClientInformation information(HTTPRequest request) throws Exception {
        var response = ClientRegistrationResponse.parse(request.send());
        check(response.indicatesSuccess(), response.indicatesSuccess() ? "" : response.toErrorResponse().getErrorObject());
        return ((ClientInformationResponse) response).getClientInformation();
    }

    // A client with the security profile fapi2, by Nimbus; its bound token is verified with its proof by Spring.
    static void boundToken() throws Exception {
        var endpoint = URI.create(ISSUER + "/oauth/token");
        var id = new ClientID(System.getenv("FAPI_CLIENT_ID"));
        var factory = new DefaultDPoPProofFactory(new ECKeyGenerator(Curve.P_256).generate(), JWSAlgorithm.ES256);
        var claims = new JWTAuthenticationClaimsSet(id, new Audience(ISSUER));
        var authentication = new PrivateKeyJWT(claims, JWSAlgorithm.PS256, key().toPrivateKey(), "interop", null);
        var request = new TokenRequest.Builder(endpoint, authentication, new ClientCredentialsGrant())
            .resource(URI.create(STANDARD))
            .build()
            .toHTTPRequest();
        request.setDPoP(factory.createDPoPJWT("POST", endpoint));
        var response = TokenResponse.parse(request.send());
        check(response.indicatesSuccess(), response.indicatesSuccess() ? "" : response.toErrorResponse().getErrorObject());
        DPoPAccessToken token = response.toSuccessResponse().getTokens().getDPoPAccessToken();
        check(token != null, "a token of the type DPoP");

        var provider = new DPoPAuthenticationProvider(new ProviderManager(new JwtAuthenticationProvider(recipe())));
        var url = URI.create(STANDARD + "orders");
        SignedJWT proof = factory.createDPoPJWT("GET", url, token);
        var presented = new DPoPAuthenticationToken(token.getValue(), proof.serialize(), "GET", url.toString());
        check(provider.authenticate(presented).getName().equals(id.getValue()), "the client");
        var thief = new DefaultDPoPProofFactory(new ECKeyGenerator(Curve.P_256).generate(), JWSAlgorithm.ES256);
        var stolen = thief.createDPoPJWT("GET", url, token).serialize();
        try {
            provider.authenticate(new DPoPAuthenticationToken(token.getValue(), stolen, "GET", url.toString()));
            check(false, "the proof is by another key");
        } catch (AuthenticationException refused) {
            System.out.println("DPoP: a bound token, and its use with another key is refused");
        }
    }

    public static void main(String[] arguments) throws Exception {
        resourceServer();
        privateKeyJwt();
        registration();
        boundToken();
    }
}
