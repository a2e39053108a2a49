// A client assertion by golang-jwt, which writes `aud` as an array of one, and a DPoP proof by the same library.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func main() {
	log.SetFlags(0)
	issuer, id := os.Getenv("ISSUER"), os.Getenv("JWT_CLIENT_ID")
	keyFile, err := os.ReadFile(os.Getenv("JWT_KEY_FILE"))
	check(err)

	block, _ := pem.Decode(keyFile)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	check(err)
	ask(issuer+"/oauth/token", assertion(issuer, id, key), "", "Bearer")

	proofKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	ask(issuer+"/oauth/token", assertion(issuer, id, key), proof(issuer+"/oauth/token", proofKey), "DPoP")
}

func assertion(issuer, id string, key interface{}) string {
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer:    id,
		Subject:   id,
		Audience:  jwt.ClaimStrings{issuer},
		ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute)),
		IssuedAt:  jwt.NewNumericDate(now),
		ID:        fmt.Sprint(now.UnixNano()),
	})
	assertion, err := token.SignedString(key)
	check(err)
	return assertion
}

// A DPoP proof for a token request (RFC 9449 section 4.2).
func proof(endpoint string, key *ecdsa.PrivateKey) string {
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"jti": fmt.Sprint(now.UnixNano()),
		"htm": "POST",
		"htu": endpoint,
		"iat": now.Unix(),
	})
	coordinate := func(number *big.Int) string {
		return base64.RawURLEncoding.EncodeToString(number.FillBytes(make([]byte, 32)))
	}
	token.Header["typ"] = "dpop+jwt"
	token.Header["jwk"] = map[string]string{"kty": "EC", "crv": "P-256", "x": coordinate(key.X), "y": coordinate(key.Y)}
	proof, err := token.SignedString(key)
	check(err)
	return proof
}

func ask(endpoint, assertion, proof, tokenType string) {
	body := url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {assertionType},
		"client_assertion":      {assertion},
	}.Encode()
	request, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(body))
	check(err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if proof != "" {
		request.Header.Set("DPoP", proof)
	}
	response, err := http.DefaultClient.Do(request)
	check(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	check(err)
	expected := fmt.Sprintf("%q:%q", "token_type", tokenType)
	if response.StatusCode != http.StatusOK || !strings.Contains(string(answer), expected) {
		log.Fatalf("%s: %s", response.Status, answer)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
