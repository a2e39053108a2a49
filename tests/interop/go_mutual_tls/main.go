// golang.org/x/oauth2 with mutual TLS (RFC 8705): the certificate is that of its HTTP client, and the token endpoint the
// one of mtls_endpoint_aliases.
package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	log.SetFlags(0)
	authority, err := os.ReadFile(os.Getenv("CA_FILE"))
	check(err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		log.Fatal("no certificate in CA_FILE")
	}
	endpoint := tokenEndpoint(client(roots))
	issued, own := certificate("ISSUED"), certificate("OWN")
	for _, one := range []struct {
		id           string
		certificate  tls.Certificate
		isAccepted   bool
		presentsNone bool
	}{
		{os.Getenv("ISSUED_CLIENT_ID"), issued, true, false},
		{os.Getenv("OWN_CLIENT_ID"), own, true, false},
		{os.Getenv("ISSUED_CLIENT_ID"), own, false, false},
		{os.Getenv("OWN_CLIENT_ID"), issued, false, false},
		{os.Getenv("OWN_CLIENT_ID"), own, false, true},
	} {
		presented := []tls.Certificate{one.certificate}
		if one.presentsNone {
			presented = nil
		}
		config := clientcredentials.Config{
			ClientID:  one.id,
			TokenURL:  endpoint,
			Scopes:    []string{"read"},
			AuthStyle: oauth2.AuthStyleInParams,
		}
		token, err := config.Token(context.WithValue(context.Background(), oauth2.HTTPClient, client(roots, presented...)))
		if !one.isAccepted {
			if err == nil || !strings.Contains(err.Error(), "invalid_client") {
				log.Fatalf("not refused: %v", err)
			}
			continue
		}
		check(err)
		checkBinding(token.AccessToken, one.certificate)
	}
}

func client(roots *x509.CertPool, certificates ...tls.Certificate) *http.Client {
	config := &tls.Config{RootCAs: roots, Certificates: certificates}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
}

func certificate(name string) tls.Certificate {
	pair, err := tls.LoadX509KeyPair(os.Getenv(name+"_CERTIFICATE"), os.Getenv(name+"_KEY"))
	check(err)
	return pair
}

func tokenEndpoint(client *http.Client) string {
	response, err := client.Get(os.Getenv("ISSUER") + "/.well-known/oauth-authorization-server")
	check(err)
	defer response.Body.Close()
	var metadata struct {
		Aliases struct {
			TokenEndpoint string `json:"token_endpoint"`
		} `json:"mtls_endpoint_aliases"`
	}
	check(json.NewDecoder(response.Body).Decode(&metadata))
	return metadata.Aliases.TokenEndpoint
}

func checkBinding(token string, presented tls.Certificate) {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	check(err)
	var claims struct {
		Confirmation map[string]string `json:"cnf"`
	}
	check(json.Unmarshal(payload, &claims))
	hash := sha256.Sum256(presented.Certificate[0])
	if claims.Confirmation["x5t#S256"] != base64.RawURLEncoding.EncodeToString(hash[:]) {
		log.Fatalf("not bound: %s", payload)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
