// Nimbus' SDK with mutual TLS (RFC 8705), at the token endpoint of mtls_endpoint_aliases.

import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.PKITLSClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.SelfSignedTLSClientAuthentication;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.jwt.SignedJWT;
import java.io.FileInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManagerFactory;

public class MutualTls {
    static void check(boolean holds, Object what) {
        if (!holds) throw new AssertionError(what);
    }

    static Certificate certificate(String variable) throws Exception {
        try (var file = new FileInputStream(System.getenv(variable))) {
            return CertificateFactory.getInstance("X.509").generateCertificate(file);
        }
    }

    // Trusts the server, and presents the certificate with this name, if there is one.
    static SSLSocketFactory sockets(String name) throws Exception {
        var trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("server", certificate("CA_FILE"));
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        var own = KeyStore.getInstance("PKCS12");
        own.load(null, null);
        if (name != null) {
            String pem = Files.readString(Path.of(System.getenv(name + "_KEY"))).replaceAll("-----.*-----", "");
            var key = new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(pem));
            Certificate[] chain = {certificate(name + "_CERTIFICATE")};
            own.setKeyEntry("own", KeyFactory.getInstance("EC").generatePrivate(key), new char[0], chain);
        }
        var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(own, new char[0]);
        var context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return new NamingTheHost(context.getSocketFactory());
    }

    // Java sends no SNI for a host name without a dot, which `localhost` is. The server asks for certificates by that name.
    static class NamingTheHost extends SSLSocketFactory {
        private final SSLSocketFactory factory;

        NamingTheHost(SSLSocketFactory factory) {
            this.factory = factory;
        }

        private static Socket naming(Socket socket, String host) {
            if (host.equals("localhost")) {
                SSLParameters parameters = ((SSLSocket) socket).getSSLParameters();
                parameters.setServerNames(List.of(new SNIHostName(host)));
                ((SSLSocket) socket).setSSLParameters(parameters);
            }
            return socket;
        }

        @Override
        public String[] getDefaultCipherSuites() {
            return factory.getDefaultCipherSuites();
        }

        @Override
        public String[] getSupportedCipherSuites() {
            return factory.getSupportedCipherSuites();
        }

        @Override
        public Socket createSocket(Socket socket, String host, int port, boolean autoClose) throws IOException {
            return naming(factory.createSocket(socket, host, port, autoClose), host);
        }

        @Override
        public Socket createSocket(String host, int port) throws IOException {
            return naming(factory.createSocket(host, port), host);
        }

        @Override
        public Socket createSocket(String host, int port, InetAddress local, int localPort) throws IOException {
            return naming(factory.createSocket(host, port, local, localPort), host);
        }

        @Override
        public Socket createSocket(InetAddress host, int port) throws IOException {
            return factory.createSocket(host, port);
        }

        @Override
        public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort) throws IOException {
            return factory.createSocket(host, port, local, localPort);
        }
    }

    static TokenResponse ask(URI endpoint, ClientAuthentication authentication) throws Exception {
        var request = new TokenRequest.Builder(endpoint, authentication, new ClientCredentialsGrant())
            .scope(new Scope("read"))
            .build();
        return TokenResponse.parse(request.toHTTPRequest().send());
    }

    static ClientAuthentication pki(String name) throws Exception {
        return new PKITLSClientAuthentication(new ClientID(System.getenv("ISSUED_CLIENT_ID")), sockets(name));
    }

    static ClientAuthentication selfSigned(String name) throws Exception {
        return new SelfSignedTLSClientAuthentication(new ClientID(System.getenv("OWN_CLIENT_ID")), sockets(name));
    }

    static void bound(TokenResponse response, String name) throws Exception {
        check(response.indicatesSuccess(), response.indicatesSuccess() ? "" : response.toErrorResponse().getErrorObject());
        var token = SignedJWT.parse(response.toSuccessResponse().getTokens().getBearerAccessToken().getValue());
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(certificate(name + "_CERTIFICATE").getEncoded());
        String thumbprint = Base64.getUrlEncoder().withoutPadding().encodeToString(hash);
        var confirmation = token.getJWTClaimsSet().getJSONObjectClaim("cnf");
        check(confirmation.equals(Map.of("x5t#S256", thumbprint)), confirmation);
    }

    static void refused(TokenResponse response) {
        check(!response.indicatesSuccess(), "not refused");
        String code = response.toErrorResponse().getErrorObject().getCode();
        check(code.equals("invalid_client"), code);
    }

    public static void main(String[] arguments) throws Exception {
        var issuer = new Issuer(System.getenv("ISSUER"));
        var request = new HTTPRequest(HTTPRequest.Method.GET, AuthorizationServerMetadata.resolveURL(issuer));
        request.setSSLSocketFactory(sockets(null));
        var metadata = AuthorizationServerMetadata.parse(request.send().getBody());
        URI endpoint = metadata.getMtlsEndpointAliases().getTokenEndpointURI();
        bound(ask(endpoint, pki("ISSUED")), "ISSUED");
        bound(ask(endpoint, selfSigned("OWN")), "OWN");
        refused(ask(endpoint, pki("OWN")));
        refused(ask(endpoint, selfSigned("ISSUED")));
        refused(ask(endpoint, selfSigned(null)));
        System.out.println("bound to the certificate, and refused with another one and without");
    }
}
