// A client assertion by golang-jwt, which writes `aud` as an array of one.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
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
	ask(issuer+"/oauth/token", assertion)
}

func ask(endpoint, assertion string) {
	response, err := http.PostForm(endpoint, url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {assertionType},
		"client_assertion":      {assertion},
	})
	check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	check(err)
	if response.StatusCode != http.StatusOK || !strings.Contains(string(body), `"access_token"`) {
		log.Fatalf("%s: %s", response.Status, body)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
